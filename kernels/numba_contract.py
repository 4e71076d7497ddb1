"""The checks of the Numba kernel's arguments: of their types before it is compiled, of all else in each call."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core.errors import NumbaError
from numba.np.numpy_support import from_dtype
from numpy.typing import NDArray

from gradstep.contract import FloatArray, mask_of
from gradstep.kernels.numba_compiler import compiler, size_of

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
    return X, y, theta, types.intp, general(out, readonly=False), sample_weight, direction, types.intp


def general(type_: Any, *, readonly: bool = True) -> Any:
    """Return the type of an array that takes one of any layout, read-only or not; that of None as it is."""
    if is_absent(type_):
        return types.none
    return types.Array(type_.dtype, type_.ndim, "A", readonly=readonly)


@_compiled
def require_contract(
    X: FloatArray,
    y: FloatArray,
    theta: FloatArray,
    block_rows: int,
    out: Sums,
    sample_weight: FloatArray | None,
    direction: FloatArray | None,
) -> None:
    """Raise ValueError for what `gradstep.kernels` does not allow: the loops follow raw addresses."""
    m, n = X.shape
    k, size = theta.shape[0], size_of(X)
    if block_rows < 1 or m < 1 or n < 1:
        raise ValueError("block_rows, and the rows and columns of X, should be at least 1")
    if k < 1:
        raise ValueError("theta should have one row for each model, at least 1")
    if (m > 1 and X.strides[0] % size != 0) or (n > 1 and X.strides[1] % size != 0):
        raise ValueError("the strides of X should be multiples of the size of a number")
    if m > 1 and n > 1 and X.strides[0] != size and X.strides[1] != size:
        raise ValueError("X should have unit stride along its rows or along its columns")
    if X.ctypes.data % size != 0:
        raise ValueError("X should be aligned")
    if not _has_examples(y, m, k):
        raise ValueError("y should be aligned, of shape (m,) or (k, m), with unit stride along the examples")
    if not _has_models(theta, k, n + 1):
        raise ValueError("theta should be C-contiguous and aligned, of shape (k, n + 1)")
    if sample_weight is not None and not _has_examples(sample_weight, m, k):
        raise ValueError(
            "sample_weight should be aligned, of shape (m,) or (k, m), with unit stride along the examples"
        )
    if direction is not None and not _has_models(direction, k, n + 1):
        raise ValueError("direction should be C-contiguous and aligned, of shape (k, n + 1)")
    blocks, size = out.shape[0], size_of(out)
    if blocks != (m - 1) // block_rows + 1 or out.shape[1] != k or out.shape[2] != n + 2:
        raise ValueError("out should have shape (ceil(m / block_rows), k, n + 2)")
    if (
        out.strides[2] != size
        or (k > 1 and out.strides[1] != (n + 2) * size)
        or (blocks > 1 and out.strides[0] != k * (n + 2) * size)
        or out.ctypes.data % size != 0
    ):
        raise ValueError("out should be C-contiguous and aligned")
    if (
        _overlap(out, X)
        or _overlap(out, y)
        or _overlap(out, theta)
        or (sample_weight is not None and _overlap(out, sample_weight))
        or (direction is not None and _overlap(out, direction))
    ):
        raise ValueError("out should share no memory with another array")


@_compiled
def _overlap(out: Sums, other: FloatArray) -> bool:
    """Whether two arrays lie in common memory, the second with whatever lies between its numbers."""
    lowest = highest = other.ctypes.data
    for axis in range(other.ndim):
        length = (other.shape[axis] - 1) * other.strides[axis]
        lowest, highest = lowest + min(length, 0), highest + max(length, 0)
    first = out.ctypes.data
    return lowest < first + out.size * size_of(out) and first < highest + size_of(other)


@_compiled
def _has_examples(values: FloatArray, m: int, k: int) -> bool:
    """Whether these are m numbers for all models or for each of k, with unit stride, and aligned."""
    return (
        values.shape[-1] == m
        and (m == 1 or values.strides[-1] == size_of(values))
        and (values.ndim == 1 or (values.shape[0] == k and (k == 1 or values.strides[0] % size_of(values) == 0)))
        and values.ctypes.data % size_of(values) == 0
    )


@_compiled
def _has_models(values: FloatArray, k: int, width: int) -> bool:
    """Whether these are k rows of this width, C-contiguous and aligned."""
    return (
        values.shape[0] == k
        and values.shape[1] == width
        and values.strides[1] == size_of(values)
        and (k == 1 or values.strides[0] == width * size_of(values))
        and values.ctypes.data % size_of(values) == 0
    )
