"""The two loops, compiled by Numba at the first call; both passes run over a few rows while they are in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import llvmlite.binding  # type: ignore[import-untyped]  # it has no types, as Numba has none
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np.numpy_support import carray
from numpy.typing import NDArray

from gradstep.contract import FloatArray, KernelUnavailable

Sums = NDArray[np.float64]

_Function = TypeVar("_Function", bound=Callable[..., Any])

if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # Numba sets its attributes from the environment
    raise KernelUnavailable("the numba kernel is not available: NUMBA_DISABLE_JIT is set. Fix: unset it")


def _compiler(**options: Any) -> Callable[[_Function], _Function]:
    """Return a decorator that compiles, with a cache on disk where Numba finds a folder that it can write to."""
    # nogil: the engine runs blocks on several threads.
    # error_model="numpy": no branch for a division by zero, since 1 + e is never zero.
    options = {"nogil": True, "error_model": "numpy", **options}

    def compiled(function: _Function) -> _Function:
        try:
            # The next process loads the machine code instead of compiling.
            cached: _Function = numba.njit(cache=True, **options)(function)
        except RuntimeError:
            # An installation that cannot be written to, and no home: "cannot cache function: no locator available".
            uncached: _Function = numba.njit(**options)(function)
            return uncached
        return cached

    return compiled


_compiled = _compiler()

# The compiler may reorder sums, which lets it vectorize them. Nothing else is relaxed, and exp and log1p are compiled
# without it: their accuracy depends on the order of their operations.
_compiled_sum = _compiler(fastmath={"reassoc", "nsz", "contract"})

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


def _have_the_dtypes(X: Any, y: Any, w: Any, out: Any, sample_weight: Any) -> bool:
    """Whether every array has the dtype that the contract asks for; known when Numba compiles."""
    vectors = (y, w) if _is_absent(sample_weight) else (y, w, sample_weight)
    return (
        _is_array_type(X, 2, types.float32, types.float64)
        and _is_array_type(out, 2, types.float64)
        and all(_is_array_type(vector, 1, X.dtype) for vector in vectors)
    )


def _is_absent(type_: Any) -> bool:
    return type_ is None or isinstance(type_, (types.NoneType, types.Omitted))


def _is_array_type(type_: Any, ndim: int, *dtypes: Any) -> bool:
    return isinstance(type_, types.Array) and type_.ndim == ndim and type_.dtype in dtypes


@overload(_have_the_dtypes, strict=False)
def _overloaded(X: Any, y: Any, w: Any, out: Any, sample_weight: Any) -> Any:
    if _have_the_dtypes(X, y, w, out, sample_weight):
        return lambda X, y, w, out, sample_weight: True  # noqa: ARG005 - the names are those of the function
    return lambda X, y, w, out, sample_weight: False  # noqa: ARG005 - the names are those of the function


@_compiled
def _require_contract(
    X: FloatArray, y: FloatArray, w: FloatArray, block_rows: int, out: Sums, sample_weight: FloatArray | None
) -> None:
    """Raise ValueError for what `gradstep.kernels` does not allow: the loops below follow raw addresses."""
    if not _have_the_dtypes(X, y, w, out, sample_weight):
        raise ValueError("X should be float32 or float64, y, w and sample_weight like X, and out float64")
    m, n = X.shape
    if block_rows < 1 or m < 1 or n < 1:
        raise ValueError("block_rows, m and n should be at least 1")
    if (m > 1 and X.strides[0] % X.itemsize != 0) or (n > 1 and X.strides[1] % X.itemsize != 0):
        raise ValueError("the strides of X should be multiples of the size of a number")
    if m > 1 and n > 1 and X.strides[0] != X.itemsize and X.strides[1] != X.itemsize:
        raise ValueError("X should have unit stride along its rows or along its columns")
    if X.ctypes.data % X.itemsize != 0:
        raise ValueError("X should be aligned")
    if not _is_plain(y, m):
        raise ValueError("y should be contiguous and aligned, of shape (m,)")
    if not _is_plain(w, n):
        raise ValueError("w should be contiguous and aligned, of shape (n,)")
    if sample_weight is not None and not _is_plain(sample_weight, m):
        raise ValueError("sample_weight should be contiguous and aligned, of shape (m,)")
    width = n + 2
    if out.shape[0] != (m - 1) // block_rows + 1 or out.shape[1] != width:
        raise ValueError("out should have shape (ceil(m / block_rows), n + 2)")
    if out.strides[1] != out.itemsize or (out.shape[0] > 1 and out.strides[0] != width * out.itemsize):
        raise ValueError("out should be C-contiguous")
    if out.ctypes.data % out.itemsize != 0:
        raise ValueError("out should be aligned")


@_compiled
def _is_plain(vector: FloatArray, length: int) -> bool:
    """Whether a vector has this length and lies contiguous and aligned."""
    return (
        vector.shape[0] == length
        and (length == 1 or vector.strides[0] == vector.itemsize)
        and vector.ctypes.data % vector.itemsize == 0
    )


@_compiled
def partial_sums(
    X: FloatArray,
    y: FloatArray,
    w: FloatArray,
    b: float,
    block_rows: int,
    out: Sums,
    sample_weight: FloatArray | None = None,
) -> None:
    """Write ``[sum dz x, sum dz, sum loss]`` of each block of rows into its row of `out`.

    May be called from other ``@njit`` code; the contract is in `gradstep.kernels`, the formula in `gradstep.contract`.
    This kernel follows raw addresses, so it checks the arrays and raises ValueError if one breaks the contract.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty((1, 4))
    >>> partial_sums(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0]), np.zeros(2), 0.0, 2, out)
    >>> out
    array([[-1.        , -1.        ,  0.        ,  1.38629436]])
    """
    _require_contract(X, y, w, block_rows, out, sample_weight)
    m, n = X.shape
    row_stride, column_stride = X.strides[0] // X.itemsize, X.strides[1] // X.itemsize
    by_rows = column_stride == 1 if n > 1 else row_stride != 1
    short_rows = by_rows and n <= _FEW_FEATURES
    by_columns = short_rows or not by_rows
    # An axis that goes backwards starts at its highest address: the first number is `origin` after the lowest.
    origin = -(min(0, (m - 1) * row_stride) + min(0, (n - 1) * column_stride))
    numbers = _memory_of(X, origin, (m - 1) * abs(row_stride) + (n - 1) * abs(column_stride) + 1)
    most = _rows_at_a_time(n, n * X.itemsize) if by_rows else _rows_of_columns(n * X.itemsize)
    prefetches = _PREFETCHES and n * X.itemsize <= _WIDE_ROW_BYTES and m * n * X.itemsize > _CACHED_BYTES

    z, dz = np.empty(_MOST_ROWS, X.dtype), np.empty(_MOST_ROWS, X.dtype)
    e, loss = np.empty(_MOST_ROWS), np.empty(_MOST_ROWS)
    products = np.zeros(_PRODUCTS)
    dw = np.zeros(n, X.dtype)
    columns = np.empty(_FEW_FEATURES * _MOST_ROWS, X.dtype)
    # Both passes read x, whose rows or columns are `stride` apart; each finished row moves their start by `step`.
    x = columns if short_rows else numbers
    stride = _MOST_ROWS if short_rows else (row_stride if by_rows else column_stride)
    step = 0 if short_rows else (row_stride if by_rows else 1)
    start = 0 if short_rows else origin
    for block in range(out.shape[0]):
        sums = out[block]
        sums[:] = 0.0
        first, stop = block * block_rows, min((block + 1) * block_rows, m)
        unflushed = 0
        while first < stop:
            rows = min(most, stop - first)
            following = origin + (first + rows) * row_stride if prefetches and first + rows < m else -1
            if short_rows:
                _copy_columns(numbers, origin + first * row_stride, row_stride, n, rows, columns)
            _first_pass(x, start + first * step, stride, by_columns, w, b, z[:rows], following)
            _slopes_and_losses(z, y[first : first + rows], e, dz, loss)
            if sample_weight is not None:
                _weigh(e, dz, loss, sample_weight[first : first + rows])
            else:
                _multiply(products, e, rows)
            sums[n] += _total(dz, rows)
            sums[n + 1] += _total(loss, rows)

            _second_pass(x, start + first * step, stride, by_columns, dz[:rows], dw, sums, following)
            first += rows
            unflushed += rows
            if unflushed >= _ROWS_PER_FLUSH or first == stop:
                _move(dw, sums)
                sums[n + 1] += _logarithm(products)
                unflushed = 0


@_compiled
def _first_pass(
    x: FloatArray, start: int, stride: int, by_columns: bool, w: FloatArray, b: float, z: FloatArray, following: int
) -> None:
    """Write X w + b of some rows to z; prefetch the rows at `following`, unless it is -1."""
    if by_columns:
        z[:] = b
        _add_rows(x, start, stride, w, z)
        return
    if len(w) * x.itemsize > _WIDE_ROW_BYTES:
        _dots_of_wide_rows(x, start, stride, w, z)
    else:
        _dots(x, start, stride, w, z, following)
    for i in range(len(z)):
        z[i] += b


@_compiled
def _second_pass(
    x: FloatArray, start: int, stride: int, by_columns: bool, dz: FloatArray, dw: FloatArray, sums: Sums, following: int
) -> None:
    """Add sum dz x over some rows to dw, or to the block's sums where columns are computed one by one."""
    if by_columns:
        _dots(x, start, stride, dz, dw)
        _move(dw, sums)
    else:
        _add_rows(x, start, stride, dz, dw, following)


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
def _pointer(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - Numba's signature
    """Turn an address into a pointer, which Numba has no other way to do."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001 - Numba's signature
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.intp), code


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
def _memory_of(X: FloatArray, origin: int, length: int) -> FloatArray:
    """Return the memory of X as one contiguous vector that starts `origin` numbers before its first.

    The compiler then knows that neighbours are adjacent, even in slices of a larger array, and compiles one layout.
    """
    address: Any = _pointer(X.ctypes.data - origin * X.itemsize)  # type: ignore[call-arg]  # Numba passes the context itself
    return carray(address, (length,), X.dtype)


@_compiled
def _copy_columns(numbers: FloatArray, start: int, stride: int, n: int, rows: int, columns: FloatArray) -> None:
    """Copy some narrow rows into columns."""
    # A stride known at compile time lets the compiler load whole vectors and shuffle them.
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
def _dots(numbers: FloatArray, start: int, stride: int, w: FloatArray, dots: FloatArray, following: int = -1) -> None:
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
def _dots_of_wide_rows(numbers: FloatArray, start: int, stride: int, w: FloatArray, dots: FloatArray) -> None:
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
    _dots(numbers, start + whole * stride, stride, w, dots[whole:])


@_compiled_sum
def _add_rows(
    numbers: FloatArray, start: int, stride: int, c: FloatArray, total: FloatArray, following: int = -1
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
def _slopes_and_losses(z: FloatArray, y: FloatArray, e: FloatArray, dz: FloatArray, loss: FloatArray) -> None:
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
        loss[i] = loss_i if (y_i >= 0.0) & (y_i <= 1.0) else np.nan


@_compiled
def _weigh(e: FloatArray, dz: FloatArray, loss: FloatArray, c: FloatArray) -> None:
    """Add log1p(e) to each loss, then multiply dz and loss by the weights; a negative weight makes the loss NaN."""
    for i in range(len(c)):
        dz[i] *= c[i]
        loss_i = loss[i] + _log1p_of_unit(e[i])
        loss[i] = loss_i * c[i] if c[i] >= 0.0 else np.nan


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
