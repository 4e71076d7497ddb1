"""The checks of the Numba kernel's arguments: of their types before it is compiled, of all else in each call."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core.errors import NumbaError
from numba.np.numpy_support import from_dtype
from numpy.typing import NDArray

from gradstep.contract import mask_of
from gradstep.kernels.numba_compiler import compiler
from gradstep.kernels.numba_job import Job, Layout

Sums = NDArray[np.float64]

_compiled = compiler()


def fault_of_types(X: Any, y: Any, theta: Any, block_rows: Any, out: Any, sample_weight: Any, direction: Any) -> str:
    """Return what the contract does not allow of the arguments' Numba types, '' if it allows all of them."""
    if not is_array(X, (2,), types.float32, types.float64):
        return "X should be aligned, float32 or float64, with 2 axes"
    if not is_array(theta, (2,), X.dtype):
        return "theta should be aligned, have the dtype of X, and 2 axes"
    if not is_array(y, (1, 2), X.dtype):
        return "y should be aligned, have the dtype of X, and 1 or 2 axes"
    if not (is_array(sample_weight, (1, 2), X.dtype) or is_absent(sample_weight)):
        return "sample_weight should be None, or aligned, have the dtype of X, and 1 or 2 axes"
    if not (is_array(direction, (2,), X.dtype) or is_absent(direction)):
        return "direction should be None, or aligned, have the dtype of X, and 2 axes"
    if not (is_array(out, (3,), types.float64) and out.mutable):
        return "out should be aligned, float64, with 3 axes, and not read-only"
    return "" if isinstance(block_rows, types.Integer) else "block_rows should be an integer"


def type_of(name: str, values: Any) -> Any:
    """Return the Numba type of an array, of any layout, or of None.

    Numba's own look-up keeps what it finds, but neither the byte order nor the mask of an array counts in it.
    """
    if values is None:
        return types.none
    if not isinstance(values, np.ndarray):
        raise TypeError(f"{name} should be an array of NumPy, not {type(values).__name__}")
    if mask_of(values) is not None:
        raise ValueError(f"{name} should not be masked")
    if not values.dtype.isnative:
        raise ValueError(f"{name} should be of native byte order")
    try:
        dtype = from_dtype(values.dtype)
    except NumbaError as error:
        raise ValueError(f"{name} should be float32 or float64, not {values.dtype}") from error
    flags = values.flags
    return types.Array(dtype, values.ndim, "A", readonly=not flags.writeable, aligned=flags.aligned)


def is_array(type_: Any, axes: tuple[int, ...], *dtypes: Any) -> bool:
    """Whether this is the type of an aligned array with one of these numbers of axes, and dtypes."""
    return isinstance(type_, types.Array) and type_.aligned and type_.ndim in axes and type_.dtype in dtypes


def is_absent(type_: Any) -> bool:
    """Whether this is the type of None, as given or as the default."""
    return type_ is None or isinstance(type_, (types.NoneType, types.Omitted))


def general_types(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return types that take arguments of these types, and also of any other layout, read-only or not."""
    X, y, theta, out, sample_weight, direction = given
    X, y, theta, sample_weight, direction = map(general, (X, y, theta, sample_weight, direction))
    numbers = types.intp, types.intp, types.intp
    return X, y, theta, types.intp, general(out, readonly=False), sample_weight, direction, *numbers


def general(type_: Any, *, readonly: bool = True) -> Any:
    """Return the type of an array that takes one of any layout, read-only or not; that of None as it is."""
    if is_absent(type_):
        return types.none
    return types.Array(type_.dtype, type_.ndim, "A", readonly=readonly)


@_compiled
def checked_job(
    X: Layout,
    y: Layout,
    theta: Layout,
    block_rows: int,
    out: Layout,
    weights: Layout,
    direction: Layout,
    size: int,
    variant: int,
) -> Job:
    """Return the arrays as a job; raise ValueError for what `gradstep.kernels` does not allow.

    It takes no arrays: Numba would count the references of each, and compile it for each set of types.
    """
    m, n, k = X.second, X.last, theta.second
    if block_rows < 1 or m < 1 or n < 1:
        raise ValueError("block_rows, and the rows and columns of X, should be at least 1")
    if k < 1:
        raise ValueError("theta should have one row for each model, at least 1")
    if (m > 1 and X.second_stride % size != 0) or (n > 1 and X.last_stride % size != 0):
        raise ValueError("the strides of X should be multiples of the size of a number")
    if m > 1 and n > 1 and size not in (X.second_stride, X.last_stride):
        raise ValueError("X should have unit stride along its rows or along its columns")
    if X.place % size != 0:
        raise ValueError("X should be aligned")
    if not _has_examples(y, m, k, size):
        raise ValueError("y should be aligned, of shape (m,) or (k, m), with unit stride along the examples")
    if not _has_models(theta, k, n + 1, size):
        raise ValueError("theta should be C-contiguous and aligned, of shape (k, n + 1)")
    if weights.axes and not _has_examples(weights, m, k, size):
        raise ValueError(
            "sample_weight should be aligned, of shape (m,) or (k, m), with unit stride along the examples"
        )
    if direction.axes and not _has_models(direction, k, n + 1, size):
        raise ValueError("direction should be C-contiguous and aligned, of shape (k, n + 1)")
    blocks = out.first
    if blocks != (m - 1) // block_rows + 1 or out.second != k or out.last != n + 2:
        raise ValueError("out should have shape (ceil(m / block_rows), k, n + 2)")
    if (
        out.last_stride != 8
        or (k > 1 and out.second_stride != (n + 2) * 8)
        or (blocks > 1 and out.first_stride != k * (n + 2) * 8)
        or out.place % 8 != 0
    ):
        raise ValueError("out should be C-contiguous and aligned")
    stop = out.place + blocks * k * (n + 2) * 8
    if (
        _overlap(out.place, stop, X, size)
        or _overlap(out.place, stop, y, size)
        or _overlap(out.place, stop, theta, size)
        or (weights.axes and _overlap(out.place, stop, weights, size))
        or (direction.axes and _overlap(out.place, stop, direction, size))
    ):
        raise ValueError("out should share no memory with another array")
    row_stride, column_stride = X.second_stride // size, X.last_stride // size
    y_step = y.second_stride if y.axes == 2 else 0
    weights_step = weights.second_stride if weights.axes == 2 else 0
    return Job(
        X.place,
        row_stride,
        column_stride,
        m,
        n,
        k,
        y.place,
        y_step,
        weights.place,
        weights_step,
        theta.place,
        direction.place,
        block_rows,
        out.place,
        variant,
    )


@_compiled
def _overlap(first: int, stop: int, other: Layout, size: int) -> bool:
    """Whether some memory has a part in common with an array of two axes at most, or with what lies between numbers."""
    second = (other.second - 1) * other.second_stride if other.axes == 2 else 0
    last = (other.last - 1) * other.last_stride
    lowest, highest = min(second, 0) + min(last, 0), max(second, 0) + max(last, 0)
    return other.place + lowest < stop and first < other.place + highest + size


@_compiled
def _has_examples(values: Layout, m: int, k: int, size: int) -> bool:
    """Whether these are m numbers for all models or for each of k, with unit stride, and aligned."""
    return (
        values.last == m
        and (m == 1 or values.last_stride == size)
        and (values.axes == 1 or (values.second == k and (k == 1 or values.second_stride % size == 0)))
        and values.place % size == 0
    )


@_compiled
def _has_models(values: Layout, k: int, width: int, size: int) -> bool:
    """Whether these are k rows of this width, C-contiguous and aligned."""
    return (
        values.second == k
        and values.last == width
        and values.last_stride == size
        and (k == 1 or values.second_stride == width * size)
        and values.place % size == 0
    )
