"""Sample weights as the computation can hold them, and their totals, added up in the order of the blocks' sums."""

from __future__ import annotations

import numpy as np

from gradstep import tree, validate
from gradstep.contract import Vector
from gradstep.validate import Array, Data

# A mean weight in this range leaves room below and above for the products with the weights.
_MEAN_WEIGHTS = {4: (2.0**-32, 2.0**32), 8: (2.0**-256, 2.0**256)}


def held(examples: Data, weight: Array, block_rows: int) -> tuple[Data, Vector]:
    """Return the examples with weights that the computation can hold, and the total weight, or that of each model.

    Only the ratios of weights matter, so very small and very large ones are scaled by a power of two. Who calls this
    ignores overflows, as around all that has weights: to ask for that here takes as long as the sum of a few weights.
    """
    dtype = examples.dtype
    totals = _totals(weight, block_rows)
    low, high = _MEAN_WEIGHTS[dtype.itemsize]
    # One by one: for a single model NumPy takes four times as long.
    if all(low <= total / len(weight) <= high for total in totals.ravel().tolist()):
        if weight.dtype.kind == "f" and weight.itemsize > dtype.itemsize:
            validate.require_nothing_lost("sample_weight", weight, dtype)
        return examples, totals
    weight = validate.scaled_weights(weight, dtype)
    return examples._replace(sample_weight=weight), _totals(weight, block_rows)


def _totals(weight: Array, block_rows: int) -> Vector:
    """Return the sum of the weights, or of each model's, in the order of the tree."""
    # One model at a time: along an axis NumPy adds up in another order.
    columns = (weight,) if weight.ndim == 1 else weight.T
    starts = range(0, len(weight), block_rows)
    sums = np.empty((len(starts), len(columns)))
    for block, start in enumerate(starts):
        for j, column in enumerate(columns):
            sums[block, j] = np.add.reduce(column[start : start + block_rows], dtype=np.float64)
    tree.fold(sums)
    total: Vector = sums[0, 0, ...] if weight.ndim == 1 else sums[0]
    return total
