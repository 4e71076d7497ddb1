"""Rows of X, labels and weights as kernels read them: in place where they lie, or through buffers of one block."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradstep.one_against_rest import OneAgainstRest
from gradstep.rows import Rows
from gradstep.validate import Array, Data

Models = NDArray[np.intp]
"""The indices of some models."""

Reader = Callable[[slice], Array]

InPlace = tuple[Array, Array, Array | None]
"""X, labels and weights as a kernel reads them where they lie."""


def in_place(examples: Data, narrow_dtypes: Collection[str]) -> InPlace | None:
    """Return X, labels and weights as a kernel reads them in place; None where one of them has to be staged."""
    X, y, weight, dtype, _ = examples
    # A small problem has no time for a closer look at what lies as most arrays do: C-contiguous, aligned and writable.
    if (
        weight is None
        and (type(X) is np.ndarray and X.dtype is dtype and X.flags.carray)
        and (type(y) is np.ndarray and y.dtype is dtype and y.flags.carray and y.ndim == 1)
    ):
        return X, y, None
    labels = by_model_in_place(y, dtype)
    if labels is None or not isinstance(X, np.ndarray) or not rows_in_place(X, dtype, narrow_dtypes):
        return None
    if weight is None:
        return X, labels, None
    weights = by_model_in_place(weight, dtype)
    return None if weights is None else (X, labels, weights)


def rows_in_place(X: Array | Rows, dtype: np.dtype[Any], narrow_dtypes: Collection[str]) -> bool:
    """Whether a kernel can read X in place: native, aligned, one axis contiguous and the other going forwards."""
    if not isinstance(X, np.ndarray):
        return False
    if X.dtype != dtype and (X.dtype.name not in narrow_dtypes or not X.dtype.isnative):
        return False
    flags = X.flags
    if not flags.aligned:
        return False
    if flags.c_contiguous or flags.f_contiguous:
        return True
    (m, n), (row_stride, column_stride) = X.shape, X.strides
    rows_contiguous = n == 1 or column_stride == X.itemsize
    columns_contiguous = m == 1 or row_stride == X.itemsize
    if rows_contiguous:
        return m == 1 or _forward(row_stride, X.itemsize)
    return columns_contiguous and _forward(column_stride, X.itemsize)


def lies_by_rows(X: Array | Rows) -> bool:
    """Whether the numbers of a row come together."""
    return X.strides[1] == X.itemsize if isinstance(X, np.ndarray) else X.order == "C"


def _forward(stride: int, itemsize: int) -> bool:
    return stride > 0 and stride % itemsize == 0


def by_model_in_place(values: Array | OneAgainstRest, dtype: np.dtype[Any]) -> Array | None:
    """Return labels or weights with one row for each model, as a kernel reads them in place; None where it cannot."""
    if isinstance(values, OneAgainstRest) or values.dtype != dtype:
        return None
    flags = values.flags
    if values.ndim == 1:
        return values if flags.aligned and flags.c_contiguous else None
    example_stride, model_stride = values.strides
    in_place = (
        flags.aligned
        and (example_stride == values.itemsize or len(values) == 1)
        and model_stride % values.itemsize == 0
    )
    return values.T if in_place else None


def rows_reader(X: Array | Rows, narrow_dtypes: Collection[str], dtype: np.dtype[Any], most: int) -> Reader:
    """Return a function that reads up to `most` rows of X at a time."""
    if rows_in_place(X, dtype, narrow_dtypes):
        return X.__getitem__
    if isinstance(X, Rows):
        return _lazy_reader(X, dtype, most)
    buffer = np.empty((most, X.shape[1]), dtype)

    def read(rows: slice) -> Array:
        values = X[rows]
        return _copied(values, buffer[: len(values)])

    return read


def _lazy_reader(X: Rows, dtype: np.dtype[Any], most: int) -> Reader:
    buffer = np.empty((most, X.shape[1]), dtype, X.order)

    def read(rows: slice) -> Array:
        part: Array = buffer[: min(rows.stop, len(X)) - rows.start]
        with np.errstate(all="ignore"):
            X.read(rows, part)
        return part

    return read


def by_model_reader(values: Array | OneAgainstRest, dtype: np.dtype[Any], most: int, models: Models | None) -> Reader:
    """Return a function that reads up to `most` labels or weights of some models; of all models for None."""
    if isinstance(values, OneAgainstRest):
        return _class_reader(values, dtype, most, models)
    if values.ndim == 2:
        return _column_reader(values, dtype, most, models)
    if by_model_in_place(values, dtype) is not None:
        return values.__getitem__
    buffer = np.empty(most, dtype)

    def read(rows: slice) -> Array:
        part = values[rows]
        return _copied(part, buffer[: len(part)])

    return read


def _column_reader(values: Array, dtype: np.dtype[Any], most: int, models: Models | None) -> Reader:
    buffer = np.empty((values.shape[1] if models is None else len(models), most), dtype)

    def read(rows: slice) -> Array:
        part = values[rows]
        return _copied((part if models is None else part[:, models]).T, buffer[:, : len(part)])

    return read


def _class_reader(labels: OneAgainstRest, dtype: np.dtype[Any], most: int, models: Models | None) -> Reader:
    m, k = labels.shape
    buffer = np.empty((k if models is None else len(models), most), dtype)

    def read(rows: slice) -> Array:
        part = buffer[:, : min(rows.stop, m) - rows.start]
        labels.write(rows, models, part)
        return part

    return read


def _copied(values: Array, buffer: Array) -> Array:
    """Return the buffer with these values, rounded to its dtype."""
    with np.errstate(all="ignore"):
        np.copyto(buffer, values, casting="same_kind")
    return buffer
