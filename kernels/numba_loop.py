"""The two loops, compiled by Numba when they are first called, with both passes over a few rows in the cache."""

from __future__ import annotations

from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]  # it has no types, as Numba has none
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.numpy_support import carray
from numpy.typing import NDArray

from gradstep.contract import FloatArray

# nogil: the engine runs blocks on several threads. cache: the next process loads the machine code instead of compiling.
# error_model="numpy": no branch for a division by zero, which 1 + e cannot be.
_compiled = numba.njit(nogil=True, cache=True, error_model="numpy")

# Sums may be taken in any order, which lets the compiler fill vectors with their terms; nothing else is relaxed, and
# nothing at all for exp and log1p, whose accuracy rests on the order of their operations.
_compiled_sum = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})

# From here on w competes with the rows for a 32 KiB L1 cache, and four rows at once load it a quarter as often. Below,
# one row at a time wins: a hardware prefetcher follows one stream best (docs/performance.md).
_WIDE_ROW_BYTES = 12_000

# The most rows that are taken through both passes at once.
_MOST_ROWS = 512


def _asks_ahead() -> bool:
    """Whether this processor gains from requests for the rows that come next: those with AVX-512, but for Zen 4."""
    features: dict[str, bool] = llvmlite.binding.get_host_cpu_features()
    return features.get("avx512f", False) and llvmlite.binding.get_host_cpu_name() != "znver4"


# One stream of loads does not keep the memory of some processors busy. There both passes ask for the rows that come
# next, and take as many rows as stay in an L1 cache of 48 KiB (docs/performance.md).
_ASKS_AHEAD = _asks_ahead()
_BYTES_OF_SHORT_ROWS, _LONG_ROWS = (24_576, 8) if _ASKS_AHEAD else (8192, 32)

# X of fewer bytes has stayed in the L2 cache since it was written or read last, and is not asked for.
_CACHED_BYTES = 1 << 20

# dw is added up in the data's own precision over about this many rows, from there on in float64. With the rows that are
# added at once fewer than 1024, whose factors 1 + e have a product that a float64 can hold.
_ROWS_PER_FLUSH = 512

# Up to this many features, rows are first copied into columns: vectors then hold several rows, not a part of one.
_FEW_FEATURES = 3

# So many products of factors 1 + e grow side by side, because the next factor has to wait for the last.
_PRODUCTS = 16


@_compiled
def partial_sums(
    X: FloatArray,
    y: FloatArray,
    w: FloatArray,
    b: float,
    block_rows: int,
    out: NDArray[np.float64],
    sample_weight: FloatArray | None = None,
) -> None:
    """Write ``[sum dz x, sum dz, sum loss]`` of each block of rows into its row of `out`.

    May be called from other ``@njit`` code; the contract is in `gradstep.kernels`, the formula in `gradstep.contract`.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty((1, 4))
    >>> partial_sums(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0]), np.zeros(2), 0.0, 2, out)
    >>> out
    array([[-1.        , -1.        ,  0.        ,  1.38629436]])
    """
    m, n = X.shape
    row_stride = X.strides[0] // X.itemsize
    column_stride = X.strides[1] // X.itemsize
    by_rows = column_stride == 1 if n > 1 else row_stride != 1
    numbers = _memory_of(X, (m - 1) * row_stride + (n - 1) * column_stride + 1)
    most = _rows_at_a_time(n, n * X.itemsize) if by_rows else _rows_of_columns(n * X.itemsize)
    asks_ahead = _ASKS_AHEAD and n * X.itemsize <= _WIDE_ROW_BYTES and m * n * X.itemsize > _CACHED_BYTES

    z = np.empty(_MOST_ROWS, X.dtype)
    dz = np.empty(_MOST_ROWS, X.dtype)
    e = np.empty(_MOST_ROWS)
    loss = np.empty(_MOST_ROWS)
    products = np.zeros(_PRODUCTS)
    columns = np.empty(_FEW_FEATURES * _MOST_ROWS, X.dtype)
    dw = np.zeros(n, X.dtype)
    for block in range(out.shape[0]):
        sums = out[block]
        sums[:] = 0.0
        first = block * block_rows
        stop = min(first + block_rows, m)
        unflushed = 0
        while first < stop:
            rows = min(most, stop - first)
            following = (first + rows) * row_stride if asks_ahead and first + rows < m else -1
            _first_pass(numbers, columns, by_rows, first, following, row_stride, column_stride, n, rows, w, b, z)
            _slopes_and_losses(z, y[first : first + rows], e, dz, loss)
            if sample_weight is not None:
                _weigh(e, dz, loss, sample_weight[first : first + rows])
            else:
                _multiply(products, e, rows)
            sums[n] += _total(dz, rows)
            sums[n + 1] += _total(loss, rows)

            _second_pass(numbers, columns, by_rows, first, following, row_stride, column_stride, n, rows, dz, dw, sums)
            first += rows
            unflushed += rows
            if unflushed >= _ROWS_PER_FLUSH or first == stop:
                _move(dw, sums)
                sums[n + 1] += _logarithm(products)
                unflushed = 0


@_compiled
def _first_pass(
    numbers: FloatArray,
    columns: FloatArray,
    by_rows: bool,
    first: int,
    following: int,
    row_stride: int,
    column_stride: int,
    n: int,
    rows: int,
    w: FloatArray,
    b: float,
    z: FloatArray,
) -> None:
    """Write X w + b of some rows; of rows that are short, `columns` keeps a copy for the second pass.

    The rows that come next begin at `following`, unless it is -1.
    """
    if not by_rows:
        z[:rows] = b
        _add_rows(numbers, first, column_stride, rows, n, w, z)
        return
    if n <= _FEW_FEATURES:
        _copy_columns(numbers, first * row_stride, row_stride, n, rows, columns)
        z[:rows] = b
        _add_rows(columns, 0, _MOST_ROWS, rows, n, w, z)
        return
    if n * numbers.itemsize > _WIDE_ROW_BYTES:
        _dots_of_wide_rows(numbers, first * row_stride, row_stride, n, rows, w, z)
    else:
        _dots(numbers, first * row_stride, row_stride, n, rows, w, z, following)
    for i in range(rows):
        z[i] += b


@_compiled
def _second_pass(
    numbers: FloatArray,
    columns: FloatArray,
    by_rows: bool,
    first: int,
    following: int,
    row_stride: int,
    column_stride: int,
    n: int,
    rows: int,
    dz: FloatArray,
    dw: FloatArray,
    sums: NDArray[np.float64],
) -> None:
    """Add sum dz x over some rows to dw, or where it is computed column by column, to the block's sums."""
    if not by_rows:
        _dots(numbers, first, column_stride, rows, n, dz, dw)
        _move(dw, sums)
    elif n <= _FEW_FEATURES:
        _dots(columns, 0, _MOST_ROWS, rows, n, dz, dw)
        _move(dw, sums)
    else:
        _add_rows(numbers, first * row_stride, row_stride, n, rows, dz, dw, following)


@_compiled
def _move(dw: FloatArray, sums: NDArray[np.float64]) -> None:
    """Move dw into the block's sums, which are float64 whatever the data's precision."""
    for j in range(len(dw)):
        sums[j] += dw[j]
        dw[j] = 0.0


@_compiled
def _rows_at_a_time(n: int, row_bytes: int) -> int:
    """Return how many rows stay in the cache from the first pass to the second: measured, in docs/performance.md."""
    if n <= _FEW_FEATURES:
        return _MOST_ROWS
    if row_bytes > _WIDE_ROW_BYTES:
        return 8
    if row_bytes > 1600:
        return _LONG_ROWS
    return min(128, max(8, _BYTES_OF_SHORT_ROWS // row_bytes // 8 * 8))


@_compiled
def _rows_of_columns(row_bytes: int) -> int:
    """Return the same for columns, where long runs of rows make for few, long streams."""
    return min(_MOST_ROWS, max(64, 262144 // row_bytes // 8 * 8))


@intrinsic
def _pointer(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - Numba's signature
    """Turn an address into a pointer, which Numba offers in no other way."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001 - Numba's signature
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.intp), code


@intrinsic
def _ask_for_line(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - Numba's signature
    """Ask for the cache line at an address, in the L2 cache. An address without memory does no harm."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # LLVM Language Reference, llvm.prefetch: the address, 0 for reading, the locality (2 is L2), 1 for data.
        number = ir.IntType(32)
        signature = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], signature)
        pointer = builder.inttoptr(arguments[0], cgutils.voidptr_t)
        builder.call(prefetch, [pointer, number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(types.intp), code


@_compiled
def _ask(numbers: FloatArray, start: int, count: int) -> None:
    """Ask for some numbers that are read later, a cache line at a time."""
    first = numbers.ctypes.data + start * numbers.itemsize
    for address in range(first, first + count * numbers.itemsize, 64):
        _ask_for_line(address)  # type: ignore[call-arg]  # Numba hands over the context itself


@_compiled
def _memory_of(X: FloatArray, length: int) -> FloatArray:
    """Return the memory that X lies in as one contiguous vector, whatever strides and flags X has.

    The compiler then knows that neighbours lie side by side, for rows of a wider array and columns of a longer one too,
    and one machine code serves all of them.
    """
    address: Any = _pointer(X.ctypes.data)  # type: ignore[call-arg]  # Numba hands over the context itself
    return carray(address, (length,), X.dtype)


@_compiled
def _copy_columns(numbers: FloatArray, start: int, stride: int, n: int, rows: int, columns: FloatArray) -> None:
    """Copy the few columns of some rows apart."""
    # Where the compiler knows the distance of two rows, it loads whole vectors and takes them apart.
    if n == stride == 2:
        for i in range(rows):
            columns[i] = numbers[start + 2 * i]
            columns[_MOST_ROWS + i] = numbers[start + 2 * i + 1]
        return
    if n == stride == 3:
        for i in range(rows):
            columns[i] = numbers[start + 3 * i]
            columns[_MOST_ROWS + i] = numbers[start + 3 * i + 1]
            columns[2 * _MOST_ROWS + i] = numbers[start + 3 * i + 2]
        return
    for j in range(n):
        column = columns[j * _MOST_ROWS : j * _MOST_ROWS + rows]
        for i in range(rows):
            column[i] = numbers[start + i * stride + j]


@_compiled_sum
def _dots(
    numbers: FloatArray,
    start: int,
    stride: int,
    n: int,
    count: int,
    w: FloatArray,
    dots: FloatArray,
    following: int = -1,
) -> None:
    """Write the products of `count` rows of n numbers, `stride` apart, with w; ask for 3/4 of as many that follow."""
    for k in range(count):
        if following >= 0:
            _ask(numbers, following + k * stride * 3 // 4, n * 3 // 4)
        first = start + k * stride
        x = numbers[first : first + n]
        dot = numbers.dtype.type(0)
        for j in range(n):
            dot += w[j] * x[j]
        dots[k] = dot


@_compiled_sum
def _dots_of_wide_rows(
    numbers: FloatArray, start: int, stride: int, n: int, count: int, w: FloatArray, dots: FloatArray
) -> None:
    """Do what `_dots` does, for four rows with one load of w."""
    whole = count // 4 * 4
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
    _dots(numbers, start + whole * stride, stride, n, count - whole, w, dots[whole:])


@_compiled_sum
def _add_rows(
    numbers: FloatArray,
    start: int,
    stride: int,
    n: int,
    count: int,
    c: FloatArray,
    total: FloatArray,
    following: int = -1,
) -> None:
    """Add to `total` the sum of `count` rows, each times its c; ask for what `_dots` has not asked for."""
    whole = count // 4 * 4
    rest = following + count * stride * 3 // 4
    # Four rows for one load and store of the total.
    for k in range(0, whole, 4):
        first = start + k * stride
        if following >= 0:
            _ask(numbers, rest + k * stride // 4, n)
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
def _slopes_and_losses(z: FloatArray, y: FloatArray, e: FloatArray, dz: FloatArray, loss: FloatArray) -> None:
    """Write e, dz and, but for log1p(e), the loss of each row; NaN as the loss for a label outside [0, 1]."""
    for i in range(len(y)):
        z_i = float(z[i])
        y_i = float(y[i])
        e_i = _exp_of_negative(-abs(z_i))
        q_i = e_i / (1.0 + e_i)
        e[i] = e_i
        # The same grouping as in python_loop: it keeps the relative accuracy of well-classified rows.
        dz[i] = (1.0 - y_i) - q_i if z_i >= 0.0 else q_i - y_i
        loss_i = max(z_i, 0.0) - y_i * z_i
        loss[i] = loss_i if (y_i >= 0.0) & (y_i <= 1.0) else np.nan


@_compiled
def _weigh(e: FloatArray, dz: FloatArray, loss: FloatArray, c: FloatArray) -> None:
    """Complete the losses by log1p(e), and multiply dz and them by the weights; NaN for a negative weight."""
    for i in range(len(c)):
        dz[i] *= c[i]
        loss_i = loss[i] + _log1p_of_unit(e[i])
        loss[i] = loss_i * c[i] if c[i] >= 0.0 else np.nan


@_compiled
def _multiply(products: FloatArray, e: FloatArray, rows: int) -> None:
    """Multiply the products, kept less 1, by the 1 + e of some rows: one logarithm then serves for many rows.

    (1 + s)(1 + e) - 1 = s + e (1 + s) keeps the digits of a small e that 1 + e would drop (docs/numerics.md).
    """
    whole = rows // _PRODUCTS * _PRODUCTS
    for i in range(0, whole, _PRODUCTS):
        for k in range(_PRODUCTS):
            products[k] += e[i + k] * (1.0 + products[k])
    for i in range(whole, rows):
        products[i - whole] += e[i] * (1.0 + products[i - whole])


@_compiled
def _logarithm(products: FloatArray) -> float:
    """Return the logarithm of the product of all products, and begin anew."""
    s = 0.0
    for k in range(_PRODUCTS):
        s += products[k] * (1.0 + s)
        products[k] = 0.0
    logarithm: float = np.log1p(s)
    return logarithm


@_compiled_sum
def _total(values: FloatArray, count: int) -> float:
    total = 0.0
    for i in range(count):
        total += values[i]
    return total


@_compiled
def _exp_of_negative(x: float) -> float:
    """Return exp(x) for x <= 0; the comments of kernels/simd_math.h, from which the constants are, hold here too."""
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
    """Return log1p(e) for e in [0, 1]; the comments of kernels/simd_math.h, from which the constants are, hold here."""
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
