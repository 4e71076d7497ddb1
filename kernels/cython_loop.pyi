from gradstep.contract import PartialSums

partial_sums: PartialSums
