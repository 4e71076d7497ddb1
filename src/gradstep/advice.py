"""What to change where a descent has stopped short of a minimum."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gradstep import weighing
from gradstep.models import Model
from gradstep.validate import Array, Data

# J may differ from the exact one by this many roundings, relative to 1 + |J|.
_ROUNDINGS = 256.0

# Scores that are this many times as large leave a loss of 0 to each example on the right side of 0.
_FAR = 2.0**20

SEPARABLE = (
    "The classes can be separated, so J has no minimum and w grows without end: set l2, for example l2=0.01, or take "
    "w as it is if all you need is the side of the boundary."
)

FOR_A_GIVEN_ALPHA = (
    "Take alpha='auto', which chooses the step and the scale of the columns, or a larger alpha, or a larger max_iter."
)

SLOW = (
    "Raise max_iter, or go on from here with w0=fit.w, b0=fit.b. Where columns of X nearly depend on one another the "
    "descent is slow: leave some out, or set l2, for example l2=0.001."
)


def rounding(model: Model, J: float) -> float:
    """Return by how much J may differ from the exact one, because its sums are rounded."""
    return _ROUNDINGS * float(np.finfo(model.dtype).eps) * (1.0 + abs(J))


def to_go_on(model: Model, history: list[float]) -> str:
    """Return what to change where ``alpha="auto"`` came to max_iter and the classes are not known to be separable."""
    if len(history) > 2 and history[len(history) // 2] - history[-1] <= rounding(model, history[-1]):
        wider = ", or pass X as float64" if model.dtype.itemsize == 4 else ""
        return f"J no longer falls, because tol is too small for the rounding of {model.dtype}. Raise tol{wider}."
    return SLOW


@np.errstate(all="ignore")
def separable(model: Model, w: NDArray[np.float64], b: float, J: float) -> bool:
    """Whether (w, b), or a large multiple of it, shows that J has no minimum.

    An example on the wrong side of the boundary costs log 2 or more. So if the whole cost is below that of one such
    example, each one is on the right side, and J falls along (w, b) for ever.
    """
    if model.l2 > 0.0:
        return False
    examples = model.examples
    if not _labels_are_classes(examples):
        return False
    limit = 0.6 * _least_share(examples.sample_weight, len(examples.X))
    if J < limit:
        return True
    far_w, far_b = w * _FAR, b * _FAR
    if not (np.isfinite(far_w.astype(model.dtype)).all() and math.isfinite(model.dtype.type(far_b))):
        return False
    return bool(model.gradient(far_w, far_b).J < limit)


def _labels_are_classes(examples: Data) -> bool:
    y, weight = np.asarray(examples.y), examples.sample_weight
    certain = (y == 0) | (y == 1)
    return bool(certain.all() if weight is None else (certain | (weight == 0)).all())


def _least_share(weight: Array | None, m: int) -> float:
    """Return the smallest nonzero weight of an example, as a fraction of the total weight."""
    if weight is None:
        return 1.0 / m
    relative = weighing.relative(weight[weight > 0])
    return float(relative.min() / relative.sum())
