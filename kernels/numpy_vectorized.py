"""The same sums in vectorized NumPy: the only explicit loops run over blocks of rows and over models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gradstep.contract import FloatArray

# For a matrix of 9216 elements or more OpenBLAS starts its own threads (interface/gemv.c) inside those of the engine.
# Therefore a block is a stack of smaller matrices, which matmul passes to OpenBLAS one by one.
_MOST_ELEMENTS = 8192


def partial_sums(
    X: FloatArray,
    y: FloatArray,
    theta: FloatArray,
    block_rows: int,
    out: NDArray[np.float64],
    sample_weight: FloatArray | None = None,
    direction: FloatArray | None = None,
) -> None:
    """Write the sums over each block of rows, for each model, into `out`.

    The contract is in `gradstep.kernels`, the formula in `gradstep.contract`.

    Examples
    --------
    >>> out = np.empty((1, 1, 4))
    >>> partial_sums(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0]), np.zeros((1, 3)), 2, out)
    >>> out[0, 0]
    array([-1.        , -1.        ,  0.        ,  1.38629436])
    """
    with np.errstate(all="ignore"):
        for block, block_sums in enumerate(out):
            rows = slice(block * block_rows, (block + 1) * block_rows)
            # One product a model, not one for all: BLAS adds up a matrix in another order than a vector.
            for j, sums in enumerate(block_sums):
                c = None if sample_weight is None else _of_model(sample_weight, j)[rows]
                v = None if direction is None else direction[j]
                _sum(X[rows], _of_model(y, j)[rows], theta[j], c, v, sums)


def _sum(
    X: FloatArray,
    y: FloatArray,
    theta: FloatArray,
    c: FloatArray | None,
    v: FloatArray | None,
    sums: NDArray[np.float64],
) -> None:
    """Write the sums of one model over the rows of a block."""
    z = _scores(X, theta)
    slopes, lasts = _costs(z, y) if v is None else _curvatures(z, _scores(X, v))
    if c is not None:
        slopes *= c
        lasts *= c
    sums[:-2] = _sum_of_rows(X, slopes)
    # np.add.reduce: the method slopes.sum() takes twice as long on the few rows of a block.
    sums[-2] = np.add.reduce(slopes, dtype=np.float64)
    sums[-1] = np.nan if _invalid(y, c) else np.add.reduce(lasts, dtype=np.float64)


def _of_model(values: FloatArray, j: int) -> FloatArray:
    """Return the labels or weights of model j: its own row where there is one for each model."""
    return values if values.ndim == 1 else values[j]


def _scores(X: FloatArray, theta: FloatArray) -> FloatArray:
    """Return ``X w + b``."""
    m, n = X.shape
    w, b = theta[:n], theta[n]
    if n > _MOST_ELEMENTS:
        z: FloatArray = np.einsum("ij,j->i", X, w)
        z += b
        return z
    rows = _MOST_ELEMENTS // n
    stacked = m // rows * rows
    z = np.empty(m, X.dtype)
    if stacked:
        np.matmul(X[:stacked].reshape(-1, rows, n), w, out=z[:stacked].reshape(-1, rows))
    if stacked < m:
        np.matmul(X[stacked:], w, out=z[stacked:])
    z += b
    return z


def _sum_of_rows(X: FloatArray, slopes: FloatArray) -> FloatArray:
    """Return ``slopes X``; the parts of a stack's matrices are added in float64."""
    m, n = X.shape
    if n > _MOST_ELEMENTS:
        total: FloatArray = np.einsum("i,ij->j", slopes, X)
        return total
    rows = _MOST_ELEMENTS // n
    stacked = m // rows * rows
    total = np.zeros(n)
    if stacked:
        parts = np.matmul(slopes[:stacked].reshape(-1, 1, rows), X[:stacked].reshape(-1, rows, n))
        total = np.add.reduce(parts[:, 0], axis=0, dtype=np.float64)
    if stacked < m:
        total += slopes[stacked:] @ X[stacked:]
    return total


def _costs(z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return dz and the loss of each row, for weights of 1."""
    e = np.abs(z)
    np.negative(e, out=e)
    np.exp(e, out=e)
    q = e / (1.0 + e)
    # Grouped as in python_loop, which keeps the relative accuracy of well-classified rows.
    dz = np.where(z >= 0.0, (1.0 - y) - q, q - y)
    loss = np.maximum(z, 0.0)
    loss -= np.multiply(y, z, out=z)
    loss += np.log1p(e, out=e)
    return dz, loss


def _curvatures(z: FloatArray, u: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return s u and s u^2 of each row, for weights of 1."""
    e = np.exp(-np.abs(z))
    # sigmoid'(z) = q (1 - q), without the subtraction.
    slopes = e / (1.0 + e)
    slopes /= 1.0 + e
    slopes *= u
    return slopes, slopes * u


def _invalid(y: FloatArray, sample_weight: FloatArray | None) -> bool:
    """Whether a label lies outside [0, 1] or a weight is negative."""
    # A NaN is neither: along a direction no sum has y as a factor.
    if not (np.minimum.reduce(y) >= 0.0 and np.maximum.reduce(y) <= 1.0):
        return True
    return sample_weight is not None and bool(np.minimum.reduce(sample_weight) < 0.0)
