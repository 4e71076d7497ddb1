"""The two loops, compiled by Numba at the first call; both passes run over a few rows while they are in the cache."""

from __future__ import annotations

from threading import Lock
from typing import Any, NamedTuple

import llvmlite.binding  # type: ignore[import-untyped]  # it has no types, as Numba has none
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np.numpy_support import carray

from gradstep.contract import FloatArray
from gradstep.kernels.numba_compiler import compiler
from gradstep.kernels.numba_contract import (
    Sums,
    fault_of_types,
    general_types,
    is_absent,
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

# The distance of scratch arrays of so many numbers. At exactly 512 a store to one would delay loads from another (4K
# aliasing).
_SPAN = _MOST_ROWS + 16


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


class Rows(NamedTuple):
    """Rows of X as both passes read them: vectors of contiguous numbers, which are its rows or its columns."""

    numbers: FloatArray
    start: int
    """The place of the first row's first number."""
    stride: int
    """From one vector to the next."""
    by_columns: bool
    following: int
    """The place of the rows to prefetch for the next group, or -1."""


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
    c = y if sample_weight is None else sample_weight
    v = theta if direction is None else direction
    try:
        sums = _compiled_for[X.dtype, y.ndim, c.ndim]
        sums(X, y, theta, block_rows, out, c, v, sample_weight is not None, direction is not None)
    except (AttributeError, KeyError, TypeError):
        # The first call with these types, or types that the contract does not allow.
        sums = _compile_for(X, y, theta, block_rows, out, c, v)
        sums(X, y, theta, block_rows, out, c, v, sample_weight is not None, direction is not None)


@overload(partial_sums, strict=False)
def _called_from_njit_code(
    X: Any, y: Any, theta: Any, block_rows: Any, out: Any, sample_weight: Any = None, direction: Any = None
) -> Any:
    c = y if is_absent(sample_weight) else sample_weight
    v = theta if is_absent(direction) else direction
    fault = fault_of_types(X, y, theta, block_rows, out, c, v)

    def refuse(X, y, theta, block_rows, out, sample_weight=None, direction=None):  # type: ignore[no-untyped-def]
        raise ValueError(fault)

    def add_up(X, y, theta, block_rows, out, sample_weight=None, direction=None):  # type: ignore[no-untyped-def]
        c = y if sample_weight is None else sample_weight
        v = theta if direction is None else direction
        sums(X, y, theta, block_rows, out, c, v, sample_weight is not None, direction is not None)

    sums = _compiled(_check_and_sum)
    return refuse if fault else add_up


def _check_and_sum(
    X: FloatArray,
    y: FloatArray,
    theta: FloatArray,
    block_rows: int,
    out: Sums,
    c: FloatArray,
    v: FloatArray,
    weighted: bool,
    directed: bool,
) -> None:
    require_contract(X, y, theta, block_rows, out, c, v)
    m, n = X.shape
    k = theta.shape[0]
    row_stride, column_stride = X.strides[0] // X.itemsize, X.strides[1] // X.itemsize
    by_rows = column_stride == 1 if n > 1 else row_stride != 1
    short_rows = by_rows and n <= _FEW_FEATURES
    most = _rows_at_a_time(n, n * X.itemsize) if by_rows else _rows_of_columns(n * X.itemsize)
    prefetches = _PREFETCHES and n * X.itemsize <= _WIDE_ROW_BYTES and m * n * X.itemsize > _CACHED_BYTES
    # An axis that goes backwards starts at its highest address: the first number is `origin` after the lowest.
    origin = -(min(0, (m - 1) * row_stride) + min(0, (n - 1) * column_stride))
    zero = X.dtype.type(0)
    numbers = _vector(X.ctypes.data - origin * X.itemsize, (m - 1) * abs(row_stride) + (n - 1) * abs(column_stride) + 1, zero)

    # Models use z, u, dz, e and last one after another; each has its own dw and products.
    scratch = np.empty((3 + _FEW_FEATURES) * _SPAN, X.dtype)
    z, u, dz, columns = scratch[:_SPAN], scratch[_SPAN : 2 * _SPAN], scratch[2 * _SPAN : 3 * _SPAN], scratch[3 * _SPAN :]
    wide_scratch = np.empty(2 * _SPAN + k * _PRODUCTS)
    e, last, products = wide_scratch[:_SPAN], wide_scratch[_SPAN : 2 * _SPAN], wide_scratch[2 * _SPAN :]
    products[:] = 0.0
    padded = (n + 15) // 16 * 16
    dw = np.zeros(k * padded, X.dtype)

    # The memory of the other arrays, as vectors.
    y_step = y.strides[0] // y.itemsize if y.ndim > 1 else 0
    c_step = c.strides[0] // c.itemsize if c.ndim > 1 else 0
    all_theta = _vector(theta.ctypes.data, k * (n + 1), zero)
    all_v = _vector(v.ctypes.data, k * (n + 1), zero)
    all_sums = _vector(out.ctypes.data, out.shape[0] * k * (n + 2), 0.0)

    x = columns if short_rows else numbers
    stride = _SPAN if short_rows else (row_stride if by_rows else column_stride)
    start, step = (0, 0) if short_rows else (origin, row_stride if by_rows else 1)
    for block in range(out.shape[0]):
        sums_of_block = all_sums[block * k * (n + 2) : (block + 1) * k * (n + 2)]
        sums_of_block[:] = 0.0
        first, stop = block * block_rows, min((block + 1) * block_rows, m)
        unflushed = 0
        while first < stop:
            rows = min(most, stop - first)
            following = origin + (first + rows) * row_stride if prefetches and first + rows < m else -1
            if short_rows:
                _copy_columns(numbers, origin + first * row_stride, row_stride, n, rows, columns)
            for j in range(k):
                group = Rows(x, start + first * step, stride, not by_rows or short_rows, following)
                _scores(group, all_theta[j * (n + 1) : (j + 1) * (n + 1)], z[:rows])
                following = -1
                y_j = _vector(y.ctypes.data + (j * y_step + first) * y.itemsize, rows, zero)
                if directed:
                    group = Rows(x, start + first * step, stride, not by_rows or short_rows, following)
                    _scores(group, all_v[j * (n + 1) : (j + 1) * (n + 1)], u[:rows])
                    _curvatures(z, u, y_j, e, dz, last)
                else:
                    _costs(z, y_j, e, dz, last)
                if weighted:
                    _weigh(e, dz, last, _vector(c.ctypes.data + (j * c_step + first) * c.itemsize, rows, zero))
                else:
                    _multiply(products[j * _PRODUCTS : (j + 1) * _PRODUCTS], e, rows)
                sums = sums_of_block[j * (n + 2) : (j + 1) * (n + 2)]
                sums[n] += _total(dz, rows)
                sums[n + 1] += _total(last, rows)
                _add(group, dz[:rows], dw[j * padded : j * padded + n], sums)
            first += rows
            unflushed += rows
            if unflushed >= _ROWS_PER_FLUSH or first == stop:
                for j in range(k):
                    sums = sums_of_block[j * (n + 2) : (j + 1) * (n + 2)]
                    _move(dw[j * padded : j * padded + n], sums)
                    sums[n + 1] += _logarithm(products[j * _PRODUCTS : (j + 1) * _PRODUCTS])
                unflushed = 0


# One function for each dtype and number of axes of y and weights: all else follows addresses and strides, so arrays of
# any layout, read-only or not, need no other. Numba would compile one for each combination.
_compiled_for: dict[tuple[Any, int, int], Any] = {}
_compiling = Lock()


def _compile_for(*arguments: Any) -> Any:
    """Return the kernel for arguments of these types; raise ValueError for types that the contract does not allow."""
    given = tuple(map(numba.typeof, arguments))
    fault = fault_of_types(*given)
    if fault:
        raise ValueError(fault)
    X, y, _, _, _, c, _ = arguments
    with _compiling:
        if (X.dtype, y.ndim, c.ndim) not in _compiled_for:
            sums = _compiled(_check_and_sum)
            sums.compile((*general_types(given), types.boolean, types.boolean))
            sums.disable_compile()
            _compiled_for[X.dtype, y.ndim, c.ndim] = sums
    return _compiled_for[X.dtype, y.ndim, c.ndim]


@_compiled
def _scores(x: Rows, theta: FloatArray, z: FloatArray) -> None:
    """Write X w + b of some rows to z; prefetch the next ones."""
    n = len(theta) - 1
    w, b = theta[:n], float(theta[n])
    if x.by_columns:
        z[:] = b
        _add_rows(x.numbers, x.start, x.stride, w, z, x.following)
        return
    if n * theta.itemsize > _WIDE_ROW_BYTES:
        _dots_of_wide_rows(x.numbers, x.start, x.stride, w, z, x.following)
    else:
        _dots(x.numbers, x.start, x.stride, w, z, x.following)
    for i in range(len(z)):
        z[i] += b


@_compiled
def _add(x: Rows, dz: FloatArray, dw: FloatArray, sums: Sums) -> None:
    """Add sum dz x over some rows to dw, or to the block's sums where columns are computed one by one."""
    if x.by_columns:
        _dots(x.numbers, x.start, x.stride, dz, dw, x.following)
        _move(dw, sums)
    else:
        _add_rows(x.numbers, x.start, x.stride, dz, dw, x.following)


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


@intrinsic
def _pointer(typing_context: Any, address: Any, like: Any) -> Any:  # noqa: ARG001 - Numba's signature
    """Turn an address into a pointer to numbers like one, which Numba has no other way to do."""
    pointer = types.CPointer(like)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return pointer(types.intp, like), code


@_compiled
def _vector(address: int, length: int, like: float) -> Any:
    """Return the memory at an address as a contiguous vector of numbers like one.

    The compiler then knows that neighbours are adjacent, even in slices of a larger array, and compiles one layout.
    """
    return carray(_pointer(address, like), (length,))  # type: ignore[call-arg]  # Numba passes the context itself


@intrinsic
def _prefetch_line(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - Numba's signature
    """Prefetch the cache line at an address into the L2 cache; an unmapped address does no harm."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # LLVM Language Reference, llvm.prefetch: the address, 0 for reading, the locality (2 is L2), 1 for data.
        number = ir.IntType(32)
        signature = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], signature)
        builder.call(prefetch, [builder.inttoptr(arguments[0], cgutils.voidptr_t), number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(types.intp), code


@_compiled
def _prefetch(numbers: FloatArray, start: int, count: int) -> None:
    """Prefetch some numbers, one cache line at a time."""
    first = numbers.ctypes.data + start * numbers.itemsize
    for address in range(first, first + count * numbers.itemsize, 64):
        _prefetch_line(address)  # type: ignore[call-arg]  # Numba passes the context itself


@_compiled
def _copy_columns(numbers: FloatArray, start: int, stride: int, n: int, rows: int, columns: FloatArray) -> None:
    """Copy some narrow rows into columns."""
    # A stride known at compile time lets the compiler load whole vectors and shuffle them.
    if n == stride == 2:
        for i in range(rows):
            columns[i] = numbers[start + 2 * i]
            columns[_SPAN + i] = numbers[start + 2 * i + 1]
        return
    if n == stride == 3:
        for i in range(rows):
            columns[i] = numbers[start + 3 * i]
            columns[_SPAN + i] = numbers[start + 3 * i + 1]
            columns[2 * _SPAN + i] = numbers[start + 3 * i + 2]
        return
    for j in range(n):
        column = columns[j * _SPAN : j * _SPAN + rows]
        for i in range(rows):
            column[i] = numbers[start + i * stride + j]


@_compiled_sum
def _dots(numbers: FloatArray, start: int, stride: int, w: FloatArray, dots: FloatArray, following: int) -> None:
    """Write the dot products with w of rows that are `stride` apart; prefetch 3/4 of the rows at `following`."""
    n = len(w)
    for k in range(len(dots)):
        if following >= 0:
            _prefetch(numbers, following + k * stride * 3 // 4, n * 3 // 4)
        first = start + k * stride
        x = numbers[first : first + n]
        dot = numbers.dtype.type(0)
        for j in range(n):
            dot += w[j] * x[j]
        dots[k] = dot


@_compiled_sum
def _dots_of_wide_rows(numbers: FloatArray, start: int, stride: int, w: FloatArray, dots: FloatArray, following: int) -> None:
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
def _add_rows(
    numbers: FloatArray, start: int, stride: int, c: FloatArray, total: FloatArray, following: int
) -> None:
    """Add to `total` the sum of rows, each times its c; prefetch the quarter that `_dots` leaves."""
    n, count = len(total), len(c)
    whole = count // 4 * 4
    rest = following + count * stride * 3 // 4
    # Four rows share each load and store of the total.
    for k in range(0, whole, 4):
        first = start + k * stride
        if following >= 0:
            _prefetch(numbers, rest + k * stride // 4, n)
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
def _curvatures(
    z: FloatArray, u: FloatArray, y: FloatArray, e: FloatArray, dz: FloatArray, last: FloatArray
) -> None:
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
