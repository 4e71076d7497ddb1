"""The independent evaluation of the step that every contender's result is checked against."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradstep.compare.measure.problems import ALPHA, Examples
from gradstep.compare.record.records import Check
from gradstep.contract import Step
from gradstep.validate import compute_dtype

# The allowed error, relative to the size of the terms in the sum: a hundred thousand roundings in float64, and a
# hundred in float32, whose rows are summed in blocks of thousands.
_TOLERANCES = {"float64": 1e-11, "float32": 1e-5}

# The reference converts X to float64 in blocks of 32 MiB, whatever the number of features.
_ELEMENTS_PER_BLOCK = 1 << 22


def tolerance(dtype: str) -> float:
    """Return the error allowed in a step on an X of this dtype: what counts is the dtype of the computation.

    Examples
    --------
    >>> tolerance("float64"), tolerance("uint8"), tolerance("float16")
    (1e-11, 1e-11, 1e-05)
    """
    return _TOLERANCES[compute_dtype(dtype).name]


@dataclass(frozen=True)
class Reference:
    """The step in plain float64 NumPy, which shares no code with any kernel, and the size of the terms in its sums.

    Attributes
    ----------
    w, b, J
        The result.
    w_size : ndarray of shape (n,)
        For each component of w the sum of the absolute values of all terms: ``|w_j| + alpha/m sum_i |dz_i x_ij|``.
    b_size : float
        The same for b.
    """

    w: NDArray[np.float64]
    b: float
    J: float
    w_size: NDArray[np.float64]
    b_size: float

    @classmethod
    def of(cls, examples: Examples) -> Reference:
        """Evaluate the formula of `gradstep.contract`."""
        X, y, w, b = examples
        m, n = X.shape
        w = w.astype(np.float64)
        dw, dw_size = np.zeros(n), np.zeros(n)
        db = db_size = loss = 0.0
        block_rows = max(1, _ELEMENTS_PER_BLOCK // n)
        for start in range(0, m, block_rows):
            rows = slice(start, start + block_rows)
            X_block, y_block = X[rows].astype(np.float64, copy=False), y[rows].astype(np.float64, copy=False)
            z = X_block @ w + b
            with np.errstate(over="ignore"):
                dz = 1.0 / (1.0 + np.exp(-z)) - y_block
            dw += dz @ X_block
            dw_size += np.abs(dz) @ np.abs(X_block)
            db += float(dz.sum())
            db_size += float(np.abs(dz).sum())
            loss += float((np.logaddexp(0.0, z) - y_block * z).sum())
        scale = ALPHA / m
        return cls(w - scale * dw, b - scale * db, loss / m, np.abs(w) + scale * dw_size, abs(b) + scale * db_size)

    def check(self, step: Step, tolerance: float) -> Check:
        """Compare a result with this one."""
        w = np.asarray(step.w, dtype=np.float64)
        if w.shape != self.w.shape:
            return Check(False, None, tolerance)
        # J is a mean of terms that are never negative, so its size is J itself.
        differences = np.concatenate([np.abs(w - self.w), [abs(step.b - self.b), abs(step.J - self.J)]])
        sizes = np.concatenate([self.w_size, [self.b_size, self.J]])
        error = float((differences / np.maximum(sizes, np.finfo(np.float64).tiny)).max())
        if not math.isfinite(error):
            return Check(False, None, tolerance)
        return Check(error <= tolerance, error, tolerance)
