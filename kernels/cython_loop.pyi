from gradstep.contract import PartialSums

partial_sums: PartialSums
instruction_set: str

def read(x: object) -> float: ...
