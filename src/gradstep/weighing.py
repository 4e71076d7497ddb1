"""Sample weights as the computation can hold them, and their totals, added up in the order of the blocks' sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradstep import tree, validate
from gradstep.contract import Vector
from gradstep.validate import Array, Data

# A mean weight in this range leaves room below and above for the products with the weights.
_MEAN_WEIGHTS = {4: (2.0**-32, 2.0**32), 8: (2.0**-256, 2.0**256)}


def held(examples: Data, weight: Array, block_rows: int) -> tuple[Data, Vector]:
    """Return the examples with weights that the computation can hold, and the total weight, or that of each model.

    Only the ratios of weights matter, so very small and very large ones are scaled by a power of two. The caller has to
    ignore overflows, as around everything with weights: doing so here would take as long as the sum of a few weights.
    """
    dtype = examples.dtype
    totals = _totals(weight, block_rows)
    low, high = _MEAN_WEIGHTS[dtype.itemsize]
    # One by one: for a single model NumPy takes four times as long.
    in_range = [low <= total / len(weight) <= high for total in totals.ravel().tolist()]
    if all(in_range):
        if weight.dtype.kind == "f" and weight.itemsize > dtype.itemsize:
            _require_nothing_lost("sample_weight", weight, weight.astype(dtype))
        return examples, totals
    # A model whose weights are in range keeps them, as it does alone.
    kept = np.reshape(in_range, totals.shape)
    weight = _scaled(weight, dtype, kept)
    return examples._replace(sample_weight=weight), np.where(kept, totals, _totals(weight, block_rows))


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


def _scaled(sample_weight: Array, dtype: np.dtype[Any], kept: Array) -> Array:
    """Return the weights, in the dtype of the computation, times the power of two that makes the largest about 1.

    Each model has a power of its own, 1 for those that are kept. Values that are no weights are returned as they are:
    the pass reports them.
    """
    with np.errstate(all="ignore"):
        largest = sample_weight.max(axis=0)
        if not np.all((largest > 0) & np.isfinite(largest.astype(dtype))):
            signs_lost = (sample_weight < 0) & (sample_weight.astype(dtype) == 0)
            validate.require("sample_weight", sample_weight, ~signs_lost, validate.NOT_NEGATIVE)
            return sample_weight
        wide = sample_weight if sample_weight.dtype.kind == "f" else sample_weight.astype(np.float64)
        exponents = np.where(kept, 0, np.frexp(wide.max(axis=0))[1])
        scaled: Array = np.ldexp(wide, -exponents).astype(dtype)
    _require_nothing_lost("sample_weight", wide, scaled, exponents)
    return scaled


def _require_nothing_lost(name: str, values: Array, held: Array, exponents: Array | int = 0) -> None:
    """Raise ValueError for the first weight that loses digits, or all of them, in the dtype of the computation.

    Parameters
    ----------
    name : str
        What the weights are, for the message.
    values : ndarray
        The weights as they were given.
    held : ndarray
        The same in the dtype of the computation, divided by powers of two.
    exponents : ndarray or int
        The exponents of these powers.
    """
    limits = np.finfo(held.dtype)
    with np.errstate(all="ignore"):
        small = held < limits.smallest_normal
        if not small.any():
            return
        seen = np.ldexp(held.astype(values.dtype), exponents)
        lost = small & ~(np.abs(seen - values) <= limits.eps * np.abs(values))
    if not lost.any():
        return
    validate.require_not_negative(values)
    wanted = f"beside {values.max()} {held.dtype} holds it as {seen[lost][0]:.6g}: set it to 0"
    if held.dtype == np.float32:
        wanted += ", or pass X as float64"
    validate.require(name, values, ~lost, wanted)


def relative(weight: Array) -> Vector:
    """Return weights relative to the largest."""
    # In the wider of the two dtypes: a longdouble may be below what a float64 holds.
    wide = np.result_type(weight, np.float64)
    return np.asarray(weight / weight.max().astype(wide), np.float64)


def products(of_class: Vector, sample_weight: Array) -> Vector:
    """Return the weights of the classes times those of the examples; ValueError for a product that float64 lacks."""
    with np.errstate(all="ignore"):
        weight: Vector = of_class * sample_weight
    is_zero = (of_class == 0.0) | (sample_weight == 0.0)
    held = is_zero | ((weight >= np.finfo(weight.dtype).smallest_normal) & np.isfinite(weight))
    if not held.all():
        first = int(np.argmin(held))
        raise ValueError(
            f"sample_weight has {sample_weight[first]} at index {first}, where class_weight has {of_class[first]}; "
            f"their product should be a number of {weight.dtype}: scale one of them"
        )
    return weight


def mean_penalty(C: float, m: int, weight: Array | None) -> float:
    """Return the strength of the penalty of the mean loss, for which C is that of the sum of the losses."""
    with np.errstate(all="ignore"):
        total = float(m) if weight is None else float(weight.sum(dtype=np.float64))
        if not 0.0 < C * total < math.inf:
            # The product, or the sum, is beyond float64, but the quotient need not be.
            total = float(m) if weight is None else m * (weight / np.float64(m)).sum(dtype=np.longdouble)
            l2 = float(np.float64(1.0) / np.longdouble(C) / total)
        else:
            l2 = 1.0 / (C * total)
    if not math.isfinite(l2):
        raise ValueError(f"C is {C!r}; it is too small: the penalty overflows")
    return l2
