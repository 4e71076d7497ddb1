"""The coordinates of a descent: those of X as it is given, or those in which each column has mean 0 and scale 1.

Both stand for the same cost and the same model: a step is computed in these coordinates and taken in those of (w, b).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradstep import weighing
from gradstep.contract import Gradient
from gradstep.rows import Rows
from gradstep.validate import Array, Data

Vector = NDArray[np.float64]

# A block of rows that is converted to float64 at a time: it fits into a cache.
_BLOCK_BYTES = 1 << 18

# Sums of squares outside this range have overflowed, or have lost digits to underflow.
_LEAST_SQUARES, _MOST_SQUARES = 2.0**-960, 2.0**1000

# A column whose spread is this many roundings of its mean is constant but for rounding.
_ROUNDINGS = 64.0


class Given:
    """The coordinates of X as it is given: a step in them is the plain step of gradient descent."""

    def slope(self, gradient: Gradient) -> Vector:
        """Return the derivative of J, with respect to b last."""
        return _joined(gradient.dw, gradient.db)

    def moved(self, w: Vector, b: float, slope: Vector, alpha: float) -> tuple[Vector, float]:
        """Return w and b after a step of `alpha` against the slope."""
        return w - alpha * slope[:-1], b - alpha * slope.item(-1)


class Standard(NamedTuple):
    """The coordinates z = (x - mean) / scale.

    With v = scale w and c = b + w . mean the scores are the same, ``v . z + c = w . x + b``, and so is J, the
    penalty of w included.

    Attributes
    ----------
    mean, scale : ndarray of shape (n,)
        Of each column of X. A scale is infinite where no change of w changes J: at a constant column.
    """

    mean: Vector
    scale: Vector

    def slope(self, gradient: Gradient) -> Vector:
        """Return the derivative of J with respect to v, and last with respect to c."""
        return _joined((gradient.dw - self.mean * gradient.db) / self.scale, gradient.db)

    def moved(self, w: Vector, b: float, slope: Vector, alpha: float) -> tuple[Vector, float]:
        """Return w and b after a step of `alpha` against the slope.

        The change of (v, c) is taken over to (w, b), not v and c themselves: so a start keeps its bits, and the
        rounding of a large mean does not add up.
        """
        change = alpha * slope[:-1] / self.scale
        return w - change, b - (alpha * slope.item(-1) - float(np.sum(change * self.mean)))

    @property
    def curvature(self) -> float:
        """A bound of the second derivative of J in any direction.

        Along a column it is at most ``(variance / 4 + l2) / scale^2 = 1/4``, along c it is at most 1/4, and no
        eigenvalue is larger than the sum of these n + 1.
        """
        return (len(self.scale) + 1) / 4.0


def _joined(dw: NDArray[Any], db: float) -> Vector:
    """Return one vector of both, in a sixth of the time that np.append takes."""
    slope = np.empty(len(dw) + 1)
    slope[:-1] = dw
    slope[-1] = db
    return slope


class Columns(NamedTuple):
    """Where the columns of X lie, and how far their values go from there."""

    mean: Vector
    spread: Vector


@np.errstate(all="ignore")
def measured(examples: Data, centred: bool) -> Columns:
    """Measure the columns of X in one pass over it, block by block.

    Parameters
    ----------
    examples : Data
        Examples of one model whose values have been checked.
    centred : bool
        Whether the spread is that about the mean, else that about 0: without an intercept there is no other origin.

    Raises
    ------
    ValueError
        If the range of a column overflows.
    """
    X = examples.X
    weight = None if examples.sample_weight is None else weighing.relative(examples.sample_weight)
    origin = _origin(X, weight) if centred else np.zeros(X.shape[1])
    mean, variance, squares = _moments(X, weight, origin)
    if not centred:
        mean, variance = origin.copy(), variance + mean * mean
    spread = np.sqrt(np.maximum(variance, 0.0))
    for j in np.flatnonzero(~((squares >= _LEAST_SQUARES) & (squares <= _MOST_SQUARES))):
        spread[j] = _largest_difference(X[:, j], origin[j])
        mean[j] = mean[j] if math.isfinite(mean[j]) else 0.0
    mean += origin
    if not np.isfinite(spread).all():
        first = int(np.argmin(np.isfinite(spread)))
        raise ValueError(f"column {first} of X is too wide for alpha='auto': the difference of its values overflows")
    spread[spread <= _ROUNDINGS * np.finfo(examples.dtype).eps * np.abs(mean)] = 0.0
    return Columns(mean, spread)


def _origin(X: Array | Rows, weight: Vector | None) -> Vector:
    """Return a row near which the others lie.

    No row of larger weight lies near the others for certain, but it lies within sqrt(m) standard deviations of their
    mean: the squares of the differences to it lose no more than log10(m) digits.
    """
    row: Vector = X[0 if weight is None else int(np.argmax(weight))].astype(np.float64)
    return row


@np.errstate(all="ignore")
def standard(columns: Columns, l2: float) -> Standard:
    """Return coordinates in which the bound of J's curvature is alike along all columns.

    The scale of a column is ``sqrt(variance + 4 l2)``.
    """
    scale = np.hypot(columns.spread, 2.0 * math.sqrt(l2))
    scale[scale == 0.0] = np.inf
    return Standard(columns.mean, scale)


def _moments(X: Array | Rows, weight: Vector | None, origin: Vector) -> tuple[Vector, Vector, Vector]:
    """Return mean, variance and sum of squares of the differences to `origin`, for each column."""
    m, n = X.shape
    total, squares = np.zeros(n), np.zeros(n)
    rows = min(m, max(1, _BLOCK_BYTES // (8 * n)))
    buffer = np.empty((rows, n))
    for start in range(0, m, rows):
        block = X[start : start + rows]
        differences = np.subtract(block, origin, out=buffer[: len(block)], casting="same_kind")
        weighted = differences if weight is None else differences * weight[start : start + rows, np.newaxis]
        total += weighted.sum(axis=0)
        squares += np.einsum("ij,ij->j", weighted, differences)
    sum_of_weights = float(m) if weight is None else float(weight.sum())
    mean = total / sum_of_weights
    return mean, squares / sum_of_weights - mean * mean, squares


def _largest_difference(column: Array, origin: float) -> float:
    """Return how far a column goes from one of its values."""
    return max(float(column.max()) - origin, origin - float(column.min()))
