from gradstep.contract import PartialSums

partial_sums: PartialSums
narrow_dtypes: frozenset[str]
instruction_set: str

def instruction_sets_of_processor() -> list[str]: ...
def read(x: object) -> float: ...
