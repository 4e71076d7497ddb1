"""The two loops, compiled by Numba at the first call; both passes run over a few rows while they are in the cache."""

from __future__ import annotations

from threading import Lock
from typing import Any, NamedTuple

import llvmlite.binding  # type: ignore[import-untyped]  # it has no types, as Numba has none
import numba
import numpy as np
from numba.extending import overload

from gradstep.contract import FloatArray
from gradstep.kernels.numba_compiler import compiler, prefetch, size_of, vector
from gradstep.kernels.numba_contract import (
    Sums,
    fault_of_types,
    general_types,
    require_contract,
)

_compiled = compiler()

# The compiler may reorder sums, which lets it vectorize them. Nothing else is relaxed, and exp and log1p are compiled
# without it: their accuracy depends on the order of their operations.
_compiled_sum = compiler(fastmath={"reassoc", "nsz", "contract"})

# Above this size w competes with the rows for a 32 KiB L1 cache, and sharing each load of w among four rows pays. Below
# it, one row at a time is faster: a hardware prefetcher follows one stream best (docs/performance.md).
_WIDE_ROW_BYTES = 12_000

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


class Rows(NamedTuple):
    """A group of rows of X as both passes read it: vectors of contiguous numbers, which are its rows or its columns."""

    numbers: FloatArray
    start: int
    """The place of the first row's first number."""
    stride: int
    """From one vector to the next."""
    by_columns: bool


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


def _check_and_sum(
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
    k, size, zero = theta.shape[0], size_of(X), X.dtype.type(0)
    row_stride, column_stride = X.strides[0] // size, X.strides[1] // size
    by_rows = column_stride == 1 if n > 1 else row_stride != 1
    short_rows = by_rows and n <= _FEW_FEATURES
    by_columns = short_rows or not by_rows
    most = min(m, _rows_at_a_time(n, n * size) if by_rows else _rows_of_columns(n * size))
    prefetches = _PREFETCHES and not by_columns and n * size <= _WIDE_ROW_BYTES and m * n * size > _CACHED_BYTES
    # An axis that goes backwards starts at its highest address: the first number is `origin` after the lowest.
    origin = -(min(0, (m - 1) * row_stride) + min(0, (n - 1) * column_stride))
    length = (m - 1) * abs(row_stride) + (n - 1) * abs(column_stride) + 1
    numbers = vector(X.ctypes.data - origin * size, length, zero)
    all_sums = vector(out.ctypes.data, out.shape[0] * k * (n + 2), 0.0)
    y_step = y.strides[0] if y.ndim > 1 else 0

    # Each model has a line of z, dz, dw and products, and one of its parameters; a direction's follow those of all
    # models, and so do its scores. One model after another uses e and last.
    lines = k if direction is None else 2 * k
    span, row = _padded(most), _padded(n + 1)
    memory = _aligned((lines + k + (_FEW_FEATURES if short_rows else 0)) * span + (lines + k) * row, zero)
    parameters, dw = memory[: lines * row], memory[lines * row : (lines + k) * row]
    z, dz = memory[(lines + k) * row :], memory[(lines + k) * row + lines * span :]
    columns = dz[k * span :]
    doubles = _aligned(2 * span + k * _PRODUCTS, 0.0)
    e, last, products = doubles[:span], doubles[span : 2 * span], doubles[2 * span :]
    dw[:] = 0.0
    products[:] = 0.0
    _copy_rows(vector(theta.ctypes.data, k * (n + 1), zero), n + 1, parameters, row)
    if direction is not None:
        _copy_rows(vector(direction.ctypes.data, k * (n + 1), zero), n + 1, parameters[k * row :], row)

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
                _copy_columns(numbers, origin + first * row_stride, row_stride, n, rows, columns, span)
            group = Rows(x, start + first * row_step, stride, by_columns)
            vectors, numbers_of_vector = (n, rows) if by_columns else (rows, n)
            # Sums of whole fours of vectors have the same bits as those of all.
            tile = vectors if k == 1 else max(4, _BYTES_OF_TILE // (numbers_of_vector * size) // 4 * 4)
            for i in range(0, vectors, tile):
                for j in range(lines):
                    _scores(
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
                sums[j * (n + 2) + n] += _total(dz_j, rows)
                sums[j * (n + 2) + n + 1] += _total(last, rows)
            for i in range(0, vectors, tile):
                for j in range(k):
                    _add(
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
                    _move(dw[j * row : j * row + n], sums[j * (n + 2) : (j + 1) * (n + 2)])
                    sums[j * (n + 2) + n + 1] += _logarithm(products[j * _PRODUCTS : (j + 1) * _PRODUCTS])
                unflushed = 0


_sums_for_njit_code = _compiled(_check_and_sum)

# What Python calls has a signature for each dtype and number of axes: all else follows addresses and strides, so one
# takes arrays of any layout, read-only or not. None is compiled yet.
_sums: Any = None
_compiling = Lock()


def _compile_for(*arguments: Any) -> None:
    """Let `_sums` take arguments of these types; raise ValueError for types that the contract does not allow."""
    global _sums  # noqa: PLW0603 - a new dispatcher, since other threads may be using the old one
    given = tuple(map(numba.typeof, arguments))
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
def _padded(count: int) -> int:
    """Return a number of numbers that starts each of several vectors with a cache line.

    It is more than `count`: at a distance of exactly 4096 bytes a store to one vector would delay loads from another.
    """
    return (count + 16) // 16 * 16


@_compiled
def _aligned(length: int, like: float) -> FloatArray:
    """Return a new vector that starts with a cache line: loads and stores across two lines take twice as long."""
    memory = np.empty(length + 16, np.dtype(type(like)))
    start = -memory.ctypes.data % 64 // size_of(memory)
    return memory[start : start + length]


@_compiled
def _copy_rows(source: FloatArray, width: int, target: FloatArray, stride: int) -> None:
    """Copy contiguous rows to rows that are `stride` apart."""
    for j in range(len(source) // width):
        target[j * stride : j * stride + width] = source[j * width : (j + 1) * width]


@_compiled
def _scores(x: Rows, first: int, stop: int, parameters: FloatArray, z: FloatArray, following: int) -> None:
    """Write to z, or go on writing, w . x + b by some of the vectors; prefetch the group at `following`, if not -1."""
    n = len(parameters) - 1
    w, b = parameters[:n], float(parameters[n])
    start = x.start + first * x.stride
    if x.by_columns:
        if first == 0:
            z[:] = b
        _add_rows(x.numbers, start, x.stride, w[first:stop], z, following)
        return
    z = z[first:stop]
    if n * size_of(w) > _WIDE_ROW_BYTES:
        _dots_of_wide_rows(x.numbers, start, x.stride, w, z, following)
    else:
        if following >= 0:
            following += first * x.stride * 3 // 4
        _dots(x.numbers, start, x.stride, w, z, following)
    for i in range(len(z)):
        z[i] += b


@_compiled
def _add(x: Rows, first: int, stop: int, dz: FloatArray, dw: FloatArray, sums: Sums, following: int) -> None:
    """Add sum dz x by some of the vectors to dw, or to the block's sums where columns are computed one by one."""
    start = x.start + first * x.stride
    if x.by_columns:
        _dots(x.numbers, start, x.stride, dz, dw[first:stop], following)
        _move(dw[first:stop], sums[first:stop])
        return
    if following >= 0:
        following += (len(dz) * 3 + first) * x.stride // 4
    _add_rows(x.numbers, start, x.stride, dz[first:stop], dw, following)


@_compiled
def _move(dw: FloatArray, sums: Sums) -> None:
    """Add dw to the block's sums, which are float64 for every dtype, and clear it."""
    for j in range(len(dw)):
        sums[j] += dw[j]
        dw[j] = 0.0


@_compiled
def _rows_at_a_time(n: int, row_bytes: int) -> int:
    """Return the number of rows that stay in the cache from the first pass to the second (docs/performance.md)."""
    if n <= _FEW_FEATURES:
        return _MOST_ROWS
    if row_bytes > _WIDE_ROW_BYTES:
        return 8
    if row_bytes > 1600:
        return _LONG_ROWS
    return min(128, max(8, _BYTES_OF_SHORT_ROWS // row_bytes // 8 * 8))


@_compiled
def _rows_of_columns(row_bytes: int) -> int:
    """Return the same for columns, where a large group makes each column one long stream."""
    return min(_MOST_ROWS, max(64, 262144 // row_bytes // 8 * 8))


@_compiled
def _copy_columns(
    numbers: FloatArray, start: int, stride: int, n: int, rows: int, columns: FloatArray, span: int
) -> None:
    """Copy some narrow rows into columns."""
    # A stride known at compile time lets the compiler load whole vectors and shuffle them.
    first, second, third = columns[:rows], columns[span : span + rows], columns[2 * span : 2 * span + rows]
    if n == stride == 2:
        for i in range(rows):
            first[i] = numbers[start + 2 * i]
            second[i] = numbers[start + 2 * i + 1]
        return
    if n == stride == 3:
        for i in range(rows):
            first[i] = numbers[start + 3 * i]
            second[i] = numbers[start + 3 * i + 1]
            third[i] = numbers[start + 3 * i + 2]
        return
    for j in range(n):
        column = columns[j * span : j * span + rows]
        for i in range(rows):
            column[i] = numbers[start + i * stride + j]


@_compiled_sum
def _dots(numbers: FloatArray, start: int, stride: int, w: FloatArray, dots: FloatArray, following: int) -> None:
    """Write the dot products with w of rows that are `stride` apart; prefetch 3/4 of the rows at `following`."""
    n = len(w)
    for k in range(len(dots)):
        if following >= 0:
            prefetch(numbers, following + k * stride * 3 // 4, n * 3 // 4)
        first = start + k * stride
        x = numbers[first : first + n]
        dot = numbers.dtype.type(0)
        for j in range(n):
            dot += w[j] * x[j]
        dots[k] = dot


@_compiled_sum
def _dots_of_wide_rows(
    numbers: FloatArray, start: int, stride: int, w: FloatArray, dots: FloatArray, following: int
) -> None:
    """Do the same as `_dots`, with four rows that share each load of w."""
    n = len(w)
    whole = len(dots) // 4 * 4
    for k in range(0, whole, 4):
        first = start + k * stride
        x0 = numbers[first : first + n]
        x1 = numbers[first + stride : first + stride + n]
        x2 = numbers[first + 2 * stride : first + 2 * stride + n]
        x3 = numbers[first + 3 * stride : first + 3 * stride + n]
        dot0 = dot1 = dot2 = dot3 = numbers.dtype.type(0)
        for j in range(n):
            dot0 += w[j] * x0[j]
            dot1 += w[j] * x1[j]
            dot2 += w[j] * x2[j]
            dot3 += w[j] * x3[j]
        dots[k], dots[k + 1], dots[k + 2], dots[k + 3] = dot0, dot1, dot2, dot3
    _dots(numbers, start + whole * stride, stride, w, dots[whole:], following)


@_compiled_sum
def _add_rows(numbers: FloatArray, start: int, stride: int, c: FloatArray, total: FloatArray, following: int) -> None:
    """Add to `total` the sum of rows, each times its c; prefetch the quarter that `_dots` leaves."""
    n, count = len(total), len(c)
    whole = count // 4 * 4
    # Four rows share each load and store of the total.
    for k in range(0, whole, 4):
        first = start + k * stride
        if following >= 0:
            prefetch(numbers, following + k * stride // 4, n)
        x0 = numbers[first : first + n]
        x1 = numbers[first + stride : first + stride + n]
        x2 = numbers[first + 2 * stride : first + 2 * stride + n]
        x3 = numbers[first + 3 * stride : first + 3 * stride + n]
        c0, c1, c2, c3 = c[k], c[k + 1], c[k + 2], c[k + 3]
        for j in range(n):
            total[j] += (c0 * x0[j] + c1 * x1[j]) + (c2 * x2[j] + c3 * x3[j])
    for k in range(whole, count):
        first = start + k * stride
        x = numbers[first : first + n]
        for j in range(n):
            total[j] += c[k] * x[j]


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


@_compiled_sum
def _total(values: FloatArray, count: int) -> float:
    total = 0.0
    for i in range(count):
        total += values[i]
    return total


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
