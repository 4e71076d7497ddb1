from gradstep.contract import PartialSums

partial_sums: PartialSums
narrow_dtypes: frozenset[str]
instruction_set: str

def read(x: object) -> float: ...
