"""Both passes over a group of rows, for each layout: the scores of its rows, and the sum of its rows."""

from __future__ import annotations

from typing import NamedTuple

from gradstep.contract import FloatArray
from gradstep.kernels.numba_compiler import compiler, prefetch, size_of
from gradstep.kernels.numba_contract import Sums

_compiled = compiler()

# The compiler may reorder sums, which lets it vectorize them. Nothing else is relaxed, and exp and log1p are compiled
# without it: their accuracy depends on the order of their operations.
_compiled_sum = compiler(fastmath={"reassoc", "nsz", "contract"})

# Rows of at most this many features are first copied into columns, so that a vector holds several rows.
FEW_FEATURES = 3

# Longer rows share each load of w by fours.
_SHARED_ROW_BYTES = 700

# Longer rows go through both passes in groups of a fixed number.
LONG_ROW_BYTES = 1600

# Above this size w competes with the rows for a 32 KiB L1 cache.
WIDE_ROW_BYTES = 12_000


class Rows(NamedTuple):
    """A group of rows of X as both passes read it: vectors of contiguous numbers, which are its rows or its columns."""

    numbers: FloatArray
    start: int
    """The place of the first row's first number."""
    stride: int
    """From one vector to the next."""
    by_columns: bool


@_compiled
def scores(x: Rows, first: int, stop: int, parameters: FloatArray, z: FloatArray, following: int) -> None:
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
    if following >= 0:
        following += first * x.stride * 3 // 4
    if n * size_of(w) > _SHARED_ROW_BYTES:
        _dots_of_long_rows(x.numbers, start, x.stride, w, z, following)
    else:
        _dots(x.numbers, start, x.stride, w, z, following)
    for i in range(len(z)):
        z[i] += b


@_compiled
def add(x: Rows, first: int, stop: int, dz: FloatArray, dw: FloatArray, sums: Sums, following: int) -> None:
    """Add sum dz x by some of the vectors to dw, or to the block's sums where columns are computed one by one."""
    start = x.start + first * x.stride
    if x.by_columns:
        _dots(x.numbers, start, x.stride, dz, dw[first:stop], following)
        move(dw[first:stop], sums[first:stop])
        return
    if following >= 0:
        following += (len(dz) * 3 + first) * x.stride // 4
    _add_rows(x.numbers, start, x.stride, dz[first:stop], dw, following)


@_compiled
def move(dw: FloatArray, sums: Sums) -> None:
    """Add dw to the block's sums, which are float64 for every dtype, and clear it."""
    for j in range(len(dw)):
        sums[j] += dw[j]
        dw[j] = 0.0


@_compiled
def copy_columns(
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
def _dots_of_long_rows(
    numbers: FloatArray, start: int, stride: int, w: FloatArray, dots: FloatArray, following: int
) -> None:
    """Do the same as `_dots`, with four rows that share each load of w."""
    n = len(w)
    whole = len(dots) // 4 * 4
    for k in range(0, whole, 4):
        if following >= 0:
            prefetch(numbers, following + k * stride * 3 // 4, n * 3)
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
    if following >= 0:
        following += whole * stride * 3 // 4
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
