"""The independent evaluation of the step that every contender's result is checked against."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradstep.compare.measure.problems import ALPHA, Examples
from gradstep.compare.record.records import Check
from gradstep.contract import Step, Steps
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
    w : ndarray of shape (n,) or (n, k)
        The result, in the shape of the examples' w.
    b, J : ndarray of shape () or (k,)
        The others.
    w_size : ndarray of the shape of w
        For each component of w the sum of the absolute values of all terms: ``|w_j| + alpha/m sum_i |dz_i x_ij|``.
    b_size : ndarray of the shape of b
        The same for b.
    """

    w: NDArray[np.float64]
    b: NDArray[np.float64]
    J: NDArray[np.float64]
    w_size: NDArray[np.float64]
    b_size: NDArray[np.float64]

    @classmethod
    def of(cls, examples: Examples) -> Reference:
        """Evaluate the formula of `gradstep.contract`."""
        X, _, w, b = examples
        m, n = X.shape
        w, y, b = w.astype(np.float64), examples.labels, np.asarray(b, np.float64)
        dw, dw_size = np.zeros(w.shape), np.zeros(w.shape)
        db, db_size, loss = np.zeros(b.shape), np.zeros(b.shape), np.zeros(b.shape)
        block_rows = max(1, _ELEMENTS_PER_BLOCK // max(n, examples.models))
        for start in range(0, m, block_rows):
            rows = slice(start, start + block_rows)
            X_block, y_block = X[rows].astype(np.float64, copy=False), y[rows].astype(np.float64, copy=False)
            z = X_block @ w + b
            with np.errstate(over="ignore"):
                dz = 1.0 / (1.0 + np.exp(-z)) - y_block
            dw += X_block.T @ dz
            dw_size += np.abs(X_block).T @ np.abs(dz)
            db += dz.sum(axis=0)
            db_size += np.abs(dz).sum(axis=0)
            loss += (np.logaddexp(0.0, z) - y_block * z).sum(axis=0)
        scale = ALPHA / m
        return cls(w - scale * dw, b - scale * db, loss / m, np.abs(w) + scale * dw_size, np.abs(b) + scale * db_size)

    def check(self, step: Step | Steps, tolerance: float) -> Check:
        """Compare a result with this one, all models alike."""
        found = [np.asarray(part, dtype=np.float64) for part in (step.w, step.b, step.J)]
        expected = (self.w, self.b, self.J)
        if any(one.shape != other.shape for one, other in zip(found, expected, strict=True)):
            return Check(False, None, tolerance)
        differences = np.concatenate([np.abs(one - other).ravel() for one, other in zip(found, expected, strict=True)])
        # J is a mean of terms that are never negative, so its size is J itself.
        sizes = np.concatenate([size.ravel() for size in (self.w_size, self.b_size, self.J)])
        error = float((differences / np.maximum(sizes, np.finfo(np.float64).tiny)).max())
        if not math.isfinite(error):
            return Check(False, None, tolerance)
        return Check(error <= tolerance, error, tolerance)
