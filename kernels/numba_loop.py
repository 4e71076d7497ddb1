"""The two loops, compiled by Numba at the first call; both passes run over a few rows while they are in the cache."""

from __future__ import annotations

from threading import Lock
from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]  # it has no types, as Numba has none
import numba
import numpy as np
from numba.core.errors import NumbaError
from numba.extending import overload

from gradstep.contract import FloatArray
from gradstep.kernels.numba_compiler import aligned, compiler, copy_rows, padded, size_of, vector
from gradstep.kernels.numba_contract import Sums, fault_of_types, general_types, require_contract
from gradstep.kernels.numba_rows import WIDE_ROW_BYTES, Rows, add, copy_columns, move, scores, total

_compiled = compiler()

# The largest group of rows that goes through both passes together.
_MOST_ROWS = 512


def _gains_from_prefetches() -> bool:
    """Whether this processor gains from prefetching the next rows: those with AVX-512 do, except Zen 4."""
    features: dict[str, bool] = llvmlite.binding.get_host_cpu_features()
    return features.get("avx512f", False) and llvmlite.binding.get_host_cpu_name() != "znver4"


# A single stream of loads does not saturate the memory of some processors. On these, both passes prefetch the next
# rows, and a group of rows fits in their L1 cache of 48 KiB (docs/performance.md).
_PREFETCHES = _gains_from_prefetches()
_BYTES_OF_SHORT_ROWS, _LONG_ROWS = (24_576, 8) if _PREFETCHES else (8192, 32)

# A smaller X, in bytes, is still in the L2 cache since its last use and needs no prefetch.
_CACHED_BYTES = 1 << 20

# dw has the precision of the computation over about this many rows and is then added in float64. With the last group
# that makes fewer than 1024 rows, whose factors 1 + e have a product that fits into a float64.
_ROWS_PER_FLUSH = 512

# Rows of at most this many features are first copied into columns, so that a vector holds several rows.
_FEW_FEATURES = 3

# Independent running products of the factors 1 + e hide the latency of the multiplication.
_PRODUCTS = 16

# About what stays in the L1 cache while one model after another reads it.
_BYTES_OF_TILE = 24_576


def partial_sums(
    X: FloatArray,
    y: FloatArray,
    theta: FloatArray,
    block_rows: int,
    out: Sums,
    sample_weight: FloatArray | None = None,
    direction: FloatArray | None = None,
) -> None:
    """Write the sums over each block of rows, for each model, into `out`.

    May be called from ``@njit`` code. The contract is in `gradstep.kernels`, the formula in `gradstep.contract`; what
    breaks the contract raises ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty((1, 1, 4))
    >>> partial_sums(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0]), np.zeros((1, 3)), 2, out)
    >>> out[0, 0]
    array([-1.        , -1.        ,  0.        ,  1.38629436])
    """
    try:
        _sums(X, y, theta, block_rows, out, sample_weight, direction)
    except TypeError:
        # The first call with these types, or types that the contract does not allow.
        _compile_for(X, y, theta, block_rows, out, sample_weight, direction)
        _sums(X, y, theta, block_rows, out, sample_weight, direction)


@overload(partial_sums, strict=False)
def _called_from_njit_code(
    X: Any, y: Any, theta: Any, block_rows: Any, out: Any, sample_weight: Any = None, direction: Any = None
) -> Any:
    fault = fault_of_types(X, y, theta, block_rows, out, sample_weight, direction)
    if fault:
        return lambda X, y, theta, block_rows, out, sample_weight=None, direction=None: _refuse(fault)
    return lambda X, y, theta, block_rows, out, sample_weight=None, direction=None: _sums_for_njit_code(
        X, y, theta, block_rows, out, sample_weight, direction
    )


@_compiled
def _refuse(fault: str) -> None:
    raise ValueError(fault)


def _check_and_sum(  # noqa: PLR0912, PLR0915 - Numba compiles again what a function calls: each level costs a second
    X: FloatArray,
    y: FloatArray,
    theta: FloatArray,
    block_rows: int,
    out: Sums,
    sample_weight: FloatArray | None,
    direction: FloatArray | None,
) -> None:
    """Sum each block in groups of a few rows, which go through both passes, for all models, while in the cache."""
    require_contract(X, y, theta, block_rows, out, sample_weight, direction)
    m, n = X.shape
    k, size = theta.shape[0], size_of(X)
    zero: Any = X.dtype.type(0)
    row_stride, column_stride = X.strides[0] // size, X.strides[1] // size
    by_rows = column_stride == 1 if n > 1 else row_stride != 1
    short_rows = by_rows and n <= _FEW_FEATURES
    by_columns = short_rows or not by_rows
    most = min(m, _rows_at_a_time(n, n * size) if by_rows else _rows_of_columns(n * size))
    prefetches = _PREFETCHES and not by_columns and n * size <= WIDE_ROW_BYTES and m * n * size > _CACHED_BYTES
    # An axis that goes backwards starts at its highest address: the first number is `origin` after the lowest.
    origin = -(min(0, (m - 1) * row_stride) + min(0, (n - 1) * column_stride))
    length = (m - 1) * abs(row_stride) + (n - 1) * abs(column_stride) + 1
    numbers = vector(X.ctypes.data - origin * size, length, zero)
    all_sums = vector(out.ctypes.data, out.shape[0] * k * (n + 2), 0.0)
    y_step = y.strides[0] if y.ndim > 1 else 0

    # Each model has a line of z, dz, dw and products, and one of its parameters; a direction's follow those of all
    # models, and so do its scores. One model after another uses e and last.
    lines = k if direction is None else 2 * k
    span, row = padded(most), padded(n + 1)
    memory = aligned((lines + k + (_FEW_FEATURES if short_rows else 0)) * span + (lines + k) * row, zero)
    parameters, dw = memory[: lines * row], memory[lines * row : (lines + k) * row]
    z, dz = memory[(lines + k) * row :], memory[(lines + k) * row + lines * span :]
    columns = dz[k * span :]
    doubles = aligned(2 * span + k * _PRODUCTS, 0.0)
    e, last, products = doubles[:span], doubles[span : 2 * span], doubles[2 * span :]
    dw[:] = 0.0
    products[:] = 0.0
    copy_rows(vector(theta.ctypes.data, k * (n + 1), zero), n + 1, parameters, row)
    if direction is not None:
        copy_rows(vector(direction.ctypes.data, k * (n + 1), zero), n + 1, parameters[k * row :], row)

    x = columns if short_rows else numbers
    stride = span if short_rows else (row_stride if by_rows else column_stride)
    start, row_step = (0, 0) if short_rows else (origin, row_stride if by_rows else 1)
    for block in range(out.shape[0]):
        sums = all_sums[block * k * (n + 2) : (block + 1) * k * (n + 2)]
        sums[:] = 0.0
        first, stop = block * block_rows, min((block + 1) * block_rows, m)
        unflushed = 0
        while first < stop:
            rows = min(most, stop - first)
            following = origin + (first + rows) * row_stride if prefetches and first + rows < m else -1
            if short_rows:
                copy_columns(numbers, origin + first * row_stride, row_stride, n, rows, columns, span)
            group = Rows(x, start + first * row_step, stride, by_columns)
            vectors, numbers_of_vector = (n, rows) if by_columns else (rows, n)
            # Sums of whole fours of vectors have the same bits as those of all.
            tile = vectors if k == 1 else max(4, _BYTES_OF_TILE // (numbers_of_vector * size) // 4 * 4)
            for i in range(0, vectors, tile):
                for j in range(lines):
                    scores(
                        group,
                        i,
                        min(i + tile, vectors),
                        parameters[j * row : j * row + n + 1],
                        z[j * span : j * span + rows],
                        following if j == 0 else -1,
                    )
            for j in range(k):
                z_j, dz_j = z[j * span : j * span + rows], dz[j * span : j * span + rows]
                y_j = vector(y.ctypes.data + j * y_step + first * size, rows, zero)
                if direction is not None:
                    _curvatures(z_j, z[(k + j) * span : (k + j) * span + rows], y_j, e, dz_j, last)
                else:
                    _costs(z_j, y_j, e, dz_j, last)
                if sample_weight is not None:
                    step = sample_weight.strides[0] if sample_weight.ndim > 1 else 0
                    c_j = vector(sample_weight.ctypes.data + j * step + first * size, rows, zero)
                    _weigh(e, dz_j, last, c_j)
                else:
                    _multiply(products[j * _PRODUCTS : (j + 1) * _PRODUCTS], e, rows)
                sums[j * (n + 2) + n] += total(dz_j, rows)
                sums[j * (n + 2) + n + 1] += total(last, rows)
            for i in range(0, vectors, tile):
                for j in range(k):
                    add(
                        group,
                        i,
                        min(i + tile, vectors),
                        dz[j * span : j * span + rows],
                        dw[j * row : j * row + n],
                        sums[j * (n + 2) : (j + 1) * (n + 2)],
                        following if j == 0 else -1,
                    )
            first += rows
            unflushed += rows
            if unflushed >= _ROWS_PER_FLUSH or first == stop:
                for j in range(k):
                    move(dw[j * row : j * row + n], sums[j * (n + 2) : (j + 1) * (n + 2)])
                    sums[j * (n + 2) + n + 1] += _logarithm(products[j * _PRODUCTS : (j + 1) * _PRODUCTS])
                unflushed = 0


_sums_for_njit_code = _compiled(_check_and_sum)

# What Python calls has a signature for each dtype and number of axes: all else follows addresses and strides, so one
# takes arrays of any layout, read-only or not. None is compiled yet.
_sums: Any = None
_compiling = Lock()


def compiled_sums() -> Any:
    """Return the function of Numba that runs, with the signatures that are compiled so far and the cache on disk."""
    return _sums_for_njit_code if _sums is None else _sums


def _compile_for(*arguments: Any) -> None:
    """Let `_sums` take arguments of these types; raise ValueError for types that the contract does not allow."""
    global _sums  # noqa: PLW0603 - a new dispatcher, since other threads may be using the old one
    # Numba gives such an array the type of one that is aligned and native.
    if any(isinstance(each, np.ndarray) and not (each.flags.aligned and each.dtype.isnative) for each in arguments):
        raise ValueError("every array should be aligned and of native byte order")
    try:
        given = tuple(map(numba.typeof, arguments))
    except NumbaError as error:
        # Such as a foreign byte order.
        raise ValueError(str(error)) from error
    fault = fault_of_types(*given)
    if fault:
        raise ValueError(fault)
    signature = general_types(given)
    with _compiling:
        compiled = {} if _sums is None else _sums.overloads
        if signature in compiled:
            return
        sums: Any = _compiled(_check_and_sum)
        for result in compiled.values():
            sums.add_overload(result)
        sums.compile(signature)
        sums.disable_compile()
        _sums = sums


@_compiled
def _rows_at_a_time(n: int, row_bytes: int) -> int:
    """Return the number of rows that stay in the cache from the first pass to the second (docs/performance.md)."""
    if n <= _FEW_FEATURES:
        return _MOST_ROWS
    if row_bytes > WIDE_ROW_BYTES:
        return 8
    if row_bytes > 1600:
        return _LONG_ROWS
    return min(128, max(8, _BYTES_OF_SHORT_ROWS // row_bytes // 8 * 8))


@_compiled
def _rows_of_columns(row_bytes: int) -> int:
    """Return the same for columns, where a large group makes each column one long stream."""
    return min(_MOST_ROWS, max(64, 262144 // row_bytes // 8 * 8))


@_compiled
def _costs(z: FloatArray, y: FloatArray, e: FloatArray, dz: FloatArray, last: FloatArray) -> None:
    """Write e, dz and the loss without its log1p(e) of each row; a label outside [0, 1] makes the loss NaN."""
    for i in range(len(y)):
        z_i = float(z[i])
        y_i = float(y[i])
        e_i = _exp_of_negative(-abs(z_i))
        q_i = e_i / (1.0 + e_i)
        e[i] = e_i
        # Grouped as in python_loop, which keeps the relative accuracy of well-classified rows.
        dz[i] = (1.0 - y_i) - q_i if z_i >= 0.0 else q_i - y_i
        loss_i = max(z_i, 0.0) - y_i * z_i
        last[i] = loss_i if (y_i >= 0.0) & (y_i <= 1.0) else np.nan


@_compiled
def _curvatures(z: FloatArray, u: FloatArray, y: FloatArray, e: FloatArray, dz: FloatArray, last: FloatArray) -> None:
    """Write s u as dz and s u^2 of each row, which has no logarithm, so 0 as e; y does the same as in `_costs`."""
    for i in range(len(y)):
        u_i = float(u[i])
        y_i = float(y[i])
        e_i = _exp_of_negative(-abs(float(z[i])))
        # sigmoid'(z) = q (1 - q), without the subtraction.
        slope_i = e_i / (1.0 + e_i) / (1.0 + e_i) * u_i
        e[i] = 0.0
        dz[i] = slope_i
        last[i] = slope_i * u_i if (y_i >= 0.0) & (y_i <= 1.0) else np.nan


@_compiled
def _weigh(e: FloatArray, dz: FloatArray, last: FloatArray, c: FloatArray) -> None:
    """Add log1p(e) to each loss, then multiply dz and the loss by the weights; a negative weight makes it NaN."""
    for i in range(len(c)):
        dz[i] *= c[i]
        last_i = last[i] + _log1p_of_unit(e[i])
        last[i] = last_i * c[i] if c[i] >= 0.0 else np.nan


@_compiled
def _multiply(products: FloatArray, e: FloatArray, rows: int) -> None:
    """Multiply the products, stored minus 1, by the 1 + e of some rows, so that many rows share one logarithm.

    (1 + s)(1 + e) - 1 = s + e (1 + s) keeps the digits of a small e that 1 + e drops (docs/numerics.md).
    """
    whole = rows // _PRODUCTS * _PRODUCTS
    for i in range(0, whole, _PRODUCTS):
        for k in range(_PRODUCTS):
            products[k] += e[i + k] * (1.0 + products[k])
    for i in range(whole, rows):
        products[i - whole] += e[i] * (1.0 + products[i - whole])


@_compiled
def _logarithm(products: FloatArray) -> float:
    """Return the logarithm of the product of all products, and reset them."""
    s = 0.0
    for k in range(_PRODUCTS):
        s += products[k] * (1.0 + s)
        products[k] = 0.0
    return float(np.log1p(s))


@_compiled
def _exp_of_negative(x: float) -> float:
    """Return exp(x) for x <= 0; method and constants are those of kernels/vector/simd_math.h."""
    shifted = x * 1.4426950408889634 + (6755399441055744.0 + 1023.0)
    k = shifted - (6755399441055744.0 + 1023.0)
    two_to_k = np.int64(np.float64(shifted).view(np.int64) << 52).view(np.float64)
    r = (x - k * 0.69314718055989033) - k * 5.4979230187083712e-14
    r2 = r * r
    high = (1.3888888943597781e-03 + 1.9841269506770898e-04 * r) + r2 * (
        (2.4801493136097612e-05 + 2.7557586274666723e-06 * r)
        + r2 * (2.7630233951018168e-07 + 2.5000069565431402e-08 * r)
    )
    quotient = (0.50000000000000111 + 0.16666666666666413 * r) + r2 * (
        (0.041666666666530267 + 0.0083333333334943364 * r) + r2 * high
    )
    result = (1.0 + (r + r2 * quotient)) * two_to_k
    return 0.0 if x < -708.39641853226408 else result


@_compiled
def _log1p_of_unit(e: float) -> float:
    """Return log1p(e) for e in [0, 1]; method and constants are those of kernels/vector/simd_math.h."""
    s = e / (2.0 + e)
    z = s * s
    w = z * z
    high = (0.18181744478957745 + 0.15386548395324401 * z) + w * (
        (0.13301121340837416 + 0.12104945244094129 * z) + w * (0.083449698253721505 + 0.17009760103148455 * z)
    )
    quotient = (0.66666666666666308 + 0.40000000000155117 * z) + w * (
        (0.2857142854811795 + 0.22222223953649675 * z) + w * high
    )
    return e - s * (e - z * quotient)
