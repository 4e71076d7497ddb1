from gradstep.contract import TeamSums

partial_sums: TeamSums
instruction_set: str
__pyx_capi__: dict[str, object]

def read(x: object, team: object = None) -> float: ...
