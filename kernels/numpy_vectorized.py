"""The same sums in vectorized NumPy: the only explicit loops run over groups of rows and over models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gradstep.contract import FloatArray, require_contract, require_unmasked

Product = Callable[..., FloatArray]

# Smaller groups pay for more calls; in larger ones the rows, or the vectors, do not stay in the cache.
_MOST_BYTES = 4 << 20
_MOST_ROWS = 32_768

# OpenBLAS multiplies groups of this many rows; rows left over are several times slower.
_ROWS_AT_ONCE = 4

# From 460,800 elements of a matrix and 10,001 of a vector on, OpenBLAS starts its own threads inside the engine's
# (0.3.27 of 2024 and later, which are in all wheels of NumPy 2: interface/gemv.c, kernel/x86_64/ddot.c).
_MOST_ELEMENTS = 460_000
_MOST_OF_A_VECTOR = 10_000

_FLOAT64 = np.dtype(np.float64)


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
    require_contract(
        X.shape,
        y.shape,
        theta.shape,
        block_rows,
        out.shape,
        None if sample_weight is None else sample_weight.shape,
        None if direction is None else direction.shape,
    )
    if out.dtype is not _FLOAT64:
        raise ValueError("out should be float64")
    if not (type(X) is type(y) is type(theta) is np.ndarray and sample_weight is direction is None):
        require_unmasked(X=X, y=y, theta=theta, sample_weight=sample_weight, direction=direction)
    m, n = X.shape
    # Most blocks are one group: each costs about thirty calls of NumPy.
    most = min(_MOST_ROWS, _whole(_MOST_BYTES // (n * X.itemsize)))
    with np.errstate(all="ignore"):
        for block, block_sums in enumerate(out):
            block_sums[...] = 0.0
            start = block * block_rows
            stop = min(start + block_rows, m)
            for first in range(start, stop, most):
                rows = slice(first, min(first + most, stop))
                X_group = X[rows]
                # One product a model, not one for all: BLAS adds up a matrix in another order than a vector.
                for j, sums in enumerate(block_sums):
                    c = None if sample_weight is None else _of_model(sample_weight, j)[rows]
                    v = None if direction is None else direction[j]
                    _add(X_group, _of_model(y, j)[rows], theta[j], c, v, sums)


def _add(
    X: FloatArray,
    y: FloatArray,
    theta: FloatArray,
    c: FloatArray | None,
    v: FloatArray | None,
    sums: NDArray[np.float64],
) -> None:
    """Add the sums of one model over a group of rows."""
    parts = _parts(X)
    z = _scores(parts, theta)
    slopes, lasts = _costs(z, y) if v is None else _curvatures(z, _scores(parts, v))
    if c is not None:
        slopes *= c
        lasts *= c
    for rows, X_part, product in parts:
        sums[:-2] += product(slopes[rows], X_part)
    # np.add.reduce: the method slopes.sum() is 2× slower on the few rows of a group.
    sums[-2] += np.add.reduce(slopes, dtype=np.float64)
    sums[-1] += np.nan if _invalid(y, c) else np.add.reduce(lasts, dtype=np.float64)


def _of_model(values: FloatArray, j: int) -> FloatArray:
    """Return the labels or weights of model j: its own row where there is one for each model."""
    return values if values.ndim == 1 else values[j]


def _whole(rows: int) -> int:
    """Return this number of rows or slightly fewer, so that BLAS has no odd rows left over."""
    return max(_ROWS_AT_ONCE, rows // _ROWS_AT_ONCE * _ROWS_AT_ONCE)


def _parts(X: FloatArray) -> list[tuple[slice, FloatArray, Product]]:
    """Return some rows in as few parts as BLAS multiplies without starting threads, and the fastest product of each."""
    m, n = X.shape
    most = m if n > _MOST_ELEMENTS // _ROWS_AT_ONCE else _whole(_MOST_ELEMENTS // n)
    if m <= most:
        return [(slice(m), X, _product_with(X))]
    slices = [slice(first, first + most) for first in range(0, m, most)]
    return [(rows, X[rows], _product_with(X[rows])) for rows in slices]


def _product_with(X: FloatArray) -> Product:
    """Return the fastest product with some rows that starts no thread; a single row or column is a vector."""
    if X.size > (_MOST_OF_A_VECTOR if 1 in X.shape else _MOST_ELEMENTS):
        return _product_without_blas
    # np.matmul keeps the GIL meanwhile, and np.dot copies what is not contiguous.
    return np.dot if X.flags.c_contiguous else np.matmul


def _scores(parts: list[tuple[slice, FloatArray, Product]], theta: FloatArray) -> FloatArray:
    """Return ``X w + b``."""
    w, b = theta[:-1], theta[-1]
    scores = [product(X, w) for _, X, product in parts]
    z = scores[0] if len(scores) == 1 else np.concatenate(scores)
    z += b
    return z


def _product_without_blas(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the product of a matrix and a vector, in either order."""
    product: FloatArray = np.einsum("ij,j" if a.ndim == 2 else "i,ij", a, b)
    return product


def _costs(z: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return dz and the loss of each row, for weights of 1; z serves as memory."""
    e = np.abs(z)
    np.negative(e, out=e)
    np.exp(e, out=e)
    q = 1.0 + e
    np.divide(e, q, out=q)
    # Not chosen by the sign of z, for which np.where takes several times as long: 1 - y or -y first, then q with that
    # sign. So the terms are grouped as in python_loop, which keeps the relative accuracy of well-classified rows.
    dz: FloatArray = ~np.signbit(z) - y
    np.copysign(q, z, out=q)
    # max(z, 0) - y z is (1 - y) z or -y z, which is never negative.
    loss = np.multiply(dz, z, out=z)
    dz -= q
    loss += np.log1p(e, out=e)
    return dz, loss


def _curvatures(z: FloatArray, u: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return s u and s u^2 of each row, for weights of 1."""
    e = np.exp(-np.abs(z))
    # sigmoid'(z) = q (1 - q), without the subtraction.
    divisor = 1.0 + e
    slopes = e / divisor
    slopes /= divisor
    slopes *= u
    return slopes, slopes * u


def _invalid(y: FloatArray, sample_weight: FloatArray | None) -> bool:
    """Whether a label lies outside [0, 1] or a weight is negative."""
    # A NaN is neither: along a direction no sum has y as a factor.
    if not (np.minimum.reduce(y) >= 0.0 and np.maximum.reduce(y) <= 1.0):
        return True
    return sample_weight is not None and bool(np.minimum.reduce(sample_weight) < 0.0)
