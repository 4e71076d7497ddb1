"""The checks of the Numba kernel's arguments, of which those of dtypes are made when Numba compiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from gradstep.contract import FloatArray
from gradstep.kernels.numba_compiler import compiler

Sums = NDArray[np.float64]

_compiled = compiler()


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
        return lambda X, y, w, out, sample_weight: True
    return lambda X, y, w, out, sample_weight: False


@_compiled
def require_contract(
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
