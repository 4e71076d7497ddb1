from gradstep.contract import PartialSums

partial_sums: PartialSums
instruction_set: str
__pyx_capi__: dict[str, object]

def read(x: object) -> float: ...
