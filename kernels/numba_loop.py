"""The two loops, compiled by Numba at the first call; both passes run over a few rows while they are in the cache."""

from __future__ import annotations

import operator
import sys
import warnings
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from gradstep.contract import FloatArray, KernelUnavailable, PartialSums
from gradstep.kernels.numba_compiler import (
    aligned,
    compiler,
    copy_rows,
    lock_of_compilation,
    padded,
    size_of,
    vector,
)
from gradstep.kernels.numba_contract import Sums, fault_of_types, general_types, require_contract, type_of
from gradstep.kernels.numba_link import LANES, costs, curvatures, flush, take, weigh
from gradstep.kernels.numba_rows import FEW_FEATURES, Rows, add, copy_columns, move, scores
from gradstep.kernels.numba_tuning import TUNINGS, VARIANTS, rows_at_a_time, rows_of_columns

_compiled = compiler()

# A smaller X, in bytes, is still in the L2 cache since its last use and needs no prefetch.
_CACHED_BYTES = 1 << 20

# dw has the precision of the computation over this many rows of a block and is then added in float64. So many factors
# 1 + e have a product that fits into a float64.
_ROWS_PER_FLUSH = 512

# About what stays in the L1 cache while one model after another reads it.
_BYTES_OF_TILE = 32_768


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
    _sum(X, y, theta, block_rows, out, sample_weight, direction, 0)


def _variant(number: int) -> PartialSums:
    """Return `partial_sums` with another tuning."""

    def sums(
        X: FloatArray,
        y: FloatArray,
        theta: FloatArray,
        block_rows: int,
        out: Sums,
        sample_weight: FloatArray | None = None,
        direction: FloatArray | None = None,
    ) -> None:
        _sum(X, y, theta, block_rows, out, sample_weight, direction, number)

    return sums


variants: dict[str, PartialSums] = {
    name: _variant(number) if number else partial_sums for number, name in enumerate(VARIANTS)
}
"""Functions that give the same bits at another speed, the default first. The engine finds out which is fastest."""


@overload(partial_sums, strict=False)
def _called_from_njit_code(
    X: Any, y: Any, theta: Any, block_rows: Any, out: Any, sample_weight: Any = None, direction: Any = None
) -> Any:
    fault = fault_of_types(X, y, theta, block_rows, out, sample_weight, direction)
    if fault:
        return _refusal(fault)
    return lambda X, y, theta, block_rows, out, sample_weight=None, direction=None: _sums_for_njit_code(
        X, y, theta, block_rows, out, sample_weight, direction, 0
    )


def _refusal(fault: str) -> PartialSums:
    def refuse(
        X: Any,
        y: Any,
        theta: Any,
        block_rows: Any,
        out: Any,
        sample_weight: Any = None,
        direction: Any = None,
    ) -> None:
        # A constant of this function: Numba 0.61 mixes up the words that two functions from its cache hand to a third.
        raise ValueError(fault)

    return refuse


def _check_and_sum(  # noqa: PLR0912, PLR0915 - Numba compiles again what a function calls: each level costs a second
    X: FloatArray,
    y: FloatArray,
    theta: FloatArray,
    block_rows: int,
    out: Sums,
    sample_weight: FloatArray | None,
    direction: FloatArray | None,
    variant: int,
) -> None:
    """Sum each block in groups of a few rows, which go through both passes, for all models, while in the cache."""
    require_contract(X, y, theta, block_rows, out, sample_weight, direction)
    m, n = X.shape
    k, size = theta.shape[0], size_of(X)
    zero: Any = X.dtype.type(0)
    row_stride, column_stride = X.strides[0] // size, X.strides[1] // size
    by_rows = column_stride == 1 if n > 1 else row_stride != 1
    short_rows = by_rows and n <= FEW_FEATURES
    by_columns = short_rows or not by_rows
    tuning = TUNINGS[variant]
    most = min(m, rows_at_a_time(n, n * size, tuning) if by_rows else rows_of_columns(n * size))
    prefetches = n * size <= tuning.prefetched_bytes and not by_columns and m * n * size > _CACHED_BYTES
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
    # Views without an owner: to count the references of each slice would take longer than a group of few rows.
    length = (lines + k + (FEW_FEATURES if short_rows else 0)) * span + (lines + k) * row
    owner, owner_of_doubles = aligned(length, zero), aligned(2 * span + k * 3 * LANES, 0.0)
    memory = vector(owner.ctypes.data, length, zero)
    doubles = vector(owner_of_doubles.ctypes.data, 2 * span + k * 3 * LANES, 0.0)
    parameters, dw = memory[: lines * row], memory[lines * row : (lines + k) * row]
    z, dz = memory[(lines + k) * row :], memory[(lines + k) * row + lines * span :]
    columns = dz[k * span :]
    e, last, lanes = doubles[:span], doubles[span : 2 * span], doubles[2 * span :]
    dw[:] = 0.0
    lanes[:] = 0.0
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
            rows = min(most, stop - first, _ROWS_PER_FLUSH - unflushed)
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
                    curvatures(z_j, z[(k + j) * span : (k + j) * span + rows], y_j, e, dz_j, last)
                else:
                    costs(z_j, y_j, e, dz_j, last)
                if sample_weight is not None:
                    step = sample_weight.strides[0] if sample_weight.ndim > 1 else 0
                    c_j = vector(sample_weight.ctypes.data + j * step + first * size, rows, zero)
                    weigh(e, dz_j, last, c_j)
                take(lanes[j * 3 * LANES : (j + 1) * 3 * LANES], unflushed % LANES, e, dz_j, last, rows)
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
            if unflushed == _ROWS_PER_FLUSH or first == stop:
                for j in range(k):
                    sums_j = sums[j * (n + 2) : (j + 1) * (n + 2)]
                    move(dw[j * row : j * row + n], sums_j)
                    flush(lanes[j * 3 * LANES : (j + 1) * 3 * LANES], sums_j)
                unflushed = 0
    # Numba frees an array after its last use, whatever views there are.
    owner[0], owner_of_doubles[0] = zero, 0.0


_sums_for_njit_code = _compiled(_check_and_sum)

# What Python calls has a signature for each dtype and number of axes: all else follows addresses and strides, so one
# takes arrays of any layout, read-only or not. None is compiled yet.
_sums: Any = _compiled(_check_and_sum)
_entries: dict[tuple[Any, ...], Any] = {}
"""The machine code by the kinds of arguments: Numba's look-up of it takes an array of foreign byte order, or a masked
one, for another that it has seen."""
# Reentrant, because the handler of a signal or a finalizer may call the kernel while it compiles: Numba cannot.
_compiling = lock_of_compilation()
_in_compilation: list[Any] = []


def compiled_sums() -> Any:
    """Return the function of Numba that runs, with the signatures that are compiled so far and the cache on disk."""
    return _sums


def _sum(
    X: Any, y: Any, theta: Any, block_rows: Any, out: Any, sample_weight: Any, direction: Any, variant: int
) -> None:
    """Sum with the machine code for arguments of these kinds."""
    try:
        entry = _entries[
            type(X),
            X.dtype,
            X.ndim,
            type(y),
            y.dtype,
            y.ndim,
            type(theta),
            theta.dtype,
            theta.ndim,
            type(block_rows),
            type(out),
            out.dtype,
            out.ndim,
            out.flags.writeable,
            sample_weight if sample_weight is None else (type(sample_weight), sample_weight.dtype, sample_weight.ndim),
            direction if direction is None else (type(direction), direction.dtype, direction.ndim),
        ]
    except (KeyError, AttributeError, TypeError):
        entry = None
    if entry is None:
        _sum_anew(X, y, theta, block_rows, out, sample_weight, direction, variant)
    else:
        try:
            entry(X, y, theta, block_rows, out, sample_weight, direction, variant)
        except OverflowError as error:
            raise ValueError(f"block_rows is too large: {block_rows}") from error


def _sum_anew(
    X: Any, y: Any, theta: Any, block_rows: Any, out: Any, sample_weight: Any, direction: Any, variant: int
) -> None:
    """Sum with the first arguments of these kinds; raise what names the one that the contract does not allow."""
    named = {"X": X, "y": y, "theta": theta, "out": out, "sample_weight": sample_weight, "direction": direction}
    of_arrays = tuple(type_of(name, values) for name, values in named.items())
    try:
        rows = operator.index(block_rows)
    except TypeError as error:
        raise TypeError(f"block_rows should be an integer: {error}") from error
    if rows > sys.maxsize:
        raise ValueError(f"block_rows is too large: {rows}")
    X_type, y_type, theta_type, *others = of_arrays
    fault = fault_of_types(X_type, y_type, theta_type, types.intp, *others)
    if fault:
        raise ValueError(fault)
    entry = entry_of(_sums, general_types(of_arrays))
    # Without their classes: those that subclasses make of an array are not kept.
    arrays = [values if values is None else np.asarray(values) for values in named.values()]
    kinds = [() if values is None else (np.ndarray, values.dtype, values.ndim) for values in arrays]
    of_X, of_y, of_theta, of_out, *of_others = kinds
    _entries[*of_X, *of_y, *of_theta, int, *of_out, True, *(kind or None for kind in of_others)] = entry
    X, y, theta, out, sample_weight, direction = arrays
    entry(X, y, theta, rows, out, sample_weight, direction, variant)


def entry_of(function: Any, signature: tuple[Any, ...]) -> Any:
    """Return the machine code of a function of Numba for arguments of these types, compiled where there is none yet."""
    with _compiling:
        if signature not in function.overloads:
            if _in_compilation:
                raise KernelUnavailable(
                    "the numba kernel is not available: this thread is compiling it, and was interrupted by what calls "
                    "it. Fix: call it once before, or name another kernel"
                )
            _in_compilation.append(signature)
            try:
                _compile(function, signature)
            finally:
                _in_compilation.clear()
        return function.overloads[signature].entry_point


def _compile(function: Any, signature: Any) -> None:
    try:
        function.compile(signature)
    except Warning:
        # Warnings are errors here. Numba's are about our code, and about variables of its own.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function.compile(signature)
