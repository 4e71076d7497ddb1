"""The two loops, compiled by Numba at the first call; both passes run over a few rows while they are in the cache."""

from __future__ import annotations

import ctypes
import operator
import sys
import warnings
from typing import Any

import numpy as np
from numba import types
from numba.core.types.function_type import CompileResultWAP
from numba.extending import overload

from gradstep.contract import FloatArray, KernelUnavailable, PartialSums, TeamSums, Vector
from gradstep.kernels.numba_blocks import SUMS, shape_of
from gradstep.kernels.numba_compiler import address, aligned, compiler, lock_of_compilation, size_of, vector
from gradstep.kernels.numba_contract import Sums, checked_job, fault_of_types, general_types, type_of
from gradstep.kernels.numba_job import NUMBERS_OF_JOB, Job, call, layout, write_job
from gradstep.kernels.numba_tuning import VARIANTS

_compiled = compiler()


def partial_sums(
    X: FloatArray,
    y: FloatArray,
    theta: FloatArray,
    block_rows: int,
    out: Sums,
    sample_weight: FloatArray | None = None,
    direction: FloatArray | None = None,
    team: object | None = None,
) -> None:
    """Write the sums over each block of rows, for each model, into `out`.

    May be called from ``@njit`` code, without a team. The contract is in `gradstep.kernels`, the formula in
    `gradstep.contract`; what breaks the contract raises ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty((1, 1, 4))
    >>> partial_sums(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0]), np.zeros((1, 3)), 2, out)
    >>> out[0, 0]
    array([-1.        , -1.        ,  0.        ,  1.38629436])
    """
    _sum(X, y, theta, block_rows, out, sample_weight, direction, team, 0)


def _variant(number: int) -> TeamSums:
    """Return `partial_sums` with another tuning."""

    def sums(
        X: FloatArray,
        y: FloatArray,
        theta: FloatArray,
        block_rows: int,
        out: Sums,
        sample_weight: FloatArray | None = None,
        direction: FloatArray | None = None,
        team: object | None = None,
    ) -> None:
        _sum(X, y, theta, block_rows, out, sample_weight, direction, team, number)

    return sums


variants: dict[str, TeamSums] = {
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
        X, y, theta, block_rows, out, sample_weight, direction
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


@_compiled
def _prepared(job: Job, size: int) -> tuple[Vector, int, int, int]:
    """Return new memory, where the job is in it, where there is room for its sums, and how much that is, in bytes."""
    shape = shape_of(job, size)
    bytes_ = shape.numbers * size + shape.doubles * 8
    owner = aligned(NUMBERS_OF_JOB + bytes_ // 8 + 1)
    place = address(owner)
    write_job(job, place)
    return owner, place, place + 8 * NUMBERS_OF_JOB, bytes_


def _sums_for_njit_code(
    X: FloatArray,
    y: FloatArray,
    theta: FloatArray,
    block_rows: int,
    out: Sums,
    sample_weight: FloatArray | None,
    direction: FloatArray | None,
) -> None:
    """Check the arrays and sum their blocks; for compiled code."""
    raise NotImplementedError("Python has `_sum`")


@overload(_sums_for_njit_code, strict=False)
def _sums_of_types(X: Any, y: Any, theta: Any, block_rows: Any, out: Any, sample_weight: Any, direction: Any) -> Any:
    sum_blocks = SUMS[str(X.dtype)]

    def check_and_sum(
        X: Any, y: Any, theta: Any, block_rows: Any, out: Any, sample_weight: Any, direction: Any
    ) -> None:
        size, blocks = size_of(X), len(out)
        job = checked_job(
            layout(X),
            layout(y),
            layout(theta),
            block_rows,
            layout(out),
            layout(sample_weight),
            layout(direction),
            size,
            0,
        )
        owner, place, scratch, _ = _prepared(job, size)
        sum_blocks(place, 0, blocks, scratch)
        # Numba frees an array after its last use, whatever addresses of it there are.
        owner[0] = 0.0

    return check_and_sum


def _check_and_sum(
    X: FloatArray,
    y: FloatArray,
    theta: FloatArray,
    block_rows: int,
    out: Sums,
    sample_weight: FloatArray | None,
    direction: FloatArray | None,
    variant: int,
    sum_blocks: int,
    team: int,
) -> None:
    """Check the arrays and let the code at the address `sum_blocks` sum their blocks, with a team unless that is 0."""
    size = size_of(X)
    job = checked_job(
        layout(X),
        layout(y),
        layout(theta),
        block_rows,
        layout(out),
        layout(sample_weight),
        layout(direction),
        size,
        variant,
    )
    owner, place, scratch, bytes_ = _prepared(job, size)
    blocks = (job.m - 1) // block_rows + 1
    if team == 0:
        call(sum_blocks, (place, 0, blocks, scratch))
    else:
        width = job.k * (job.n + 2)
        if call(vector(team, 1, 0)[0], (team, sum_blocks, place, blocks, job.out, width, bytes_)) < 0:
            raise MemoryError("no memory for the scratch arrays of a team")
    # Numba frees an array after its last use, whatever addresses of it there are.
    owner[0] = 0.0


# What Python calls has a signature for each dtype and number of axes: all else follows addresses and strides, so one
# takes arrays of any layout, read-only or not. None is compiled yet.
_sums: Any = _compiled(_check_and_sum)
_entries: dict[tuple[Any, ...], tuple[Any, int]] = {}
"""The machine code by the kinds of arguments, and the address of what sums the blocks. Numba's own look-up takes an
array of foreign byte order, or a masked one, for another that it has seen."""
_plain_entries: dict[int, tuple[Any, int]] = {}
"""That of most calls, float64 without weights or a direction, by the number of axes of y."""
_pointer_of_capsule = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of_capsule.restype, _pointer_of_capsule.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_ndarray, _float64 = np.ndarray, np.dtype(np.float64)
# Reentrant, because the handler of a signal or a finalizer may call the kernel while it compiles: Numba cannot.
_compiling = lock_of_compilation()
_in_compilation: list[Any] = []


def compiled_sums() -> Any:
    """Return the function of Numba that runs, with the signatures that are compiled so far and the cache on disk."""
    return _sums


def _sum(
    X: Any,
    y: Any,
    theta: Any,
    block_rows: Any,
    out: Any,
    sample_weight: Any,
    direction: Any,
    team: Any,
    variant: int,
) -> None:
    """Sum with the machine code for arguments of these kinds."""
    # Comparisons take less time than the table, which hashes each dtype.
    if (
        sample_weight is direction is None
        and type(X) is type(y) is type(theta) is type(out) is _ndarray
        and X.dtype is y.dtype is theta.dtype is out.dtype is _float64
        and type(block_rows) is int
        and X.ndim == theta.ndim == 2
        and out.ndim == 3
        and out.flags.writeable
    ):
        found = _plain_entries.get(y.ndim)
    else:
        found = _known_entry(X, y, theta, block_rows, out, sample_weight, direction)
    place = 0 if team is None else _place_of(team)
    if found is None:
        _sum_anew(X, y, theta, block_rows, out, sample_weight, direction, variant, place)
        return
    entry, sum_blocks = found
    try:
        entry(X, y, theta, block_rows, out, sample_weight, direction, variant, sum_blocks, place)
    except OverflowError as error:
        raise ValueError(f"block_rows is too large: {block_rows}") from error


def _place_of(team: Any) -> int:
    """Return the address of a team, which `gradstep.team` hands out as a capsule."""
    place: int = _pointer_of_capsule(team, b"gradstep.team")
    return place


def _known_entry(
    X: Any, y: Any, theta: Any, block_rows: Any, out: Any, sample_weight: Any, direction: Any
) -> tuple[Any, int] | None:
    """Return the entry for arguments of these kinds, None if there is none yet."""
    try:
        return _entries[
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
        return None


def _sum_anew(
    X: Any,
    y: Any,
    theta: Any,
    block_rows: Any,
    out: Any,
    sample_weight: Any,
    direction: Any,
    variant: int,
    team: int,
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
    sum_blocks = address_of(SUMS[str(X_type.dtype)], (types.intp,) * 4)
    entry = entry_of(_sums, general_types(of_arrays))
    # Without their classes: those that subclasses make of an array are not kept.
    arrays = [values if values is None else np.asarray(values) for values in named.values()]
    kinds = [() if values is None else (np.ndarray, values.dtype, values.ndim) for values in arrays]
    of_X, of_y, of_theta, of_out, *of_others = kinds
    _entries[*of_X, *of_y, *of_theta, int, *of_out, True, *(kind or None for kind in of_others)] = entry, sum_blocks
    if sample_weight is direction is None and X.dtype == _float64:
        _plain_entries[y.ndim] = entry, sum_blocks
    X, y, theta, out, sample_weight, direction = arrays
    entry(X, y, theta, rows, out, sample_weight, direction, variant, sum_blocks, team)


def entry_of(function: Any, signature: tuple[Any, ...]) -> Any:
    """Return the machine code of a function of Numba for arguments of these types, compiled where there is none yet."""
    return _overload(function, signature).entry_point


def address_of(function: Any, signature: tuple[Any, ...]) -> int:
    """Return the address of the same code for callers in C, which hand on numbers."""
    # With the lock, because LLVM has one of its own, and a child that is forked meanwhile would wait for it for ever.
    with _compiling:
        place: int = CompileResultWAP(_overload(function, signature)).__wrapper_address__()
        return place


def _overload(function: Any, signature: tuple[Any, ...]) -> Any:
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
        return function.overloads[signature]


def _compile(function: Any, signature: Any) -> None:
    try:
        function.compile(signature)
    except Warning:
        # Warnings are errors here. Numba's are about our code, and about variables of its own.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function.compile(signature)
