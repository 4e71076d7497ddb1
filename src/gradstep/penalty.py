"""The penalty ``(l2/2) ||w||^2`` of each model, which need not be out of range where the square of w is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradstep.contract import Vector

Matrix = NDArray[np.float64]

# Sums of squares below this may have lost digits to underflow.
LEAST_SQUARES = 2.0**-900


def add(means: Matrix, theta: NDArray[Any], l2: Vector) -> None:
    """Add the penalty of each model to its means ``[dw, db, J]``."""
    if len(means) == 1:
        # In the microseconds of a small gradient the general way is a long one.
        _add_one(means[0], theta[0, :-1].astype(np.float64, copy=False), l2)
        return
    w = theta[:, :-1]
    means[:, :-2] += l2[:, np.newaxis] * w
    means[:, -1] += of_models(l2, w)


def of_models(l2: Vector, w: Matrix) -> Vector:
    """Return ``(l2/2) ||w||^2`` of each model."""
    squares = np.sum(w * w, axis=1)
    penalties: Vector = np.where(l2 == 0.0, 0.0, 0.5 * l2 * squares)
    for j in np.flatnonzero(~((squares >= LEAST_SQUARES) & np.isfinite(squares)) & (l2 > 0.0)):
        penalties[j] = _of_extreme_weights(float(l2[j]), w[j])
    return penalties


def _add_one(means: Vector, w: Vector, l2: Vector) -> None:
    """Add the penalty of a single model to its means ``[dw, db, J]``; l2 has shape (1,)."""
    dw = means[:-2]
    dw += l2 * w
    means[-1] += _of_one(l2.item(), w)


def _of_one(l2: float, w: Vector) -> float:
    squares = float(np.add.reduce(w * w))
    return 0.5 * l2 * squares if LEAST_SQUARES <= squares < math.inf else _of_extreme_weights(l2, w)


def _of_extreme_weights(l2: float, w: Vector) -> float:
    """Return the penalty where the square of w overflows or underflows; the product with l2 need not."""
    largest = float(np.abs(w).max())
    if largest == 0.0:
        return 0.0
    root = math.sqrt(0.5) * math.sqrt(l2) * largest
    return root * root * float(np.sum((w / largest) ** 2))
