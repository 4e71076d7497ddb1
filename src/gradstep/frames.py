"""Frames and series of pandas, or of what is built like it, whose columns NumPy would make an array of objects of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_REAL_KINDS = "fiub"


def numbers(name: str, values: ArrayLike) -> ArrayLike:
    """Return a frame or series of numbers as an array, if NumPy cannot do so by itself; anything else as it is.

    Parameters
    ----------
    name : str
        The argument, for the message.
    values : array-like
        What was given for it.

    Raises
    ------
    TypeError
        For a column that holds no numbers; the message names it.
    """
    frame: Any = values
    if not (hasattr(frame, "dtypes") and hasattr(frame, "to_numpy")):
        return values
    columns, dtypes = (frame.columns, frame.dtypes) if hasattr(frame, "columns") else ([None], [frame.dtypes])
    if not all(hasattr(dtype, "kind") for dtype in dtypes):
        return values
    for column, dtype in zip(columns, dtypes, strict=True):
        _require_numbers(name, column, dtype)
    array: ArrayLike = values
    if not all(isinstance(dtype, np.dtype) for dtype in dtypes):
        # Dtypes of pandas' own may lack values; these become NaN, which is reported by its place.
        array = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    elif len({dtype.kind == "b" for dtype in dtypes}) > 1:
        array = frame.to_numpy(dtype=np.result_type(*dtypes))
    return array


def _require_numbers(name: str, column: Any, dtype: Any) -> None:
    if dtype.kind in _REAL_KINDS:
        return
    if column is None:
        raise TypeError(f"{name} has dtype {dtype}; it should be real numbers (float, integer or bool)")
    raise TypeError(
        f"{name} has column {column!r} of dtype {dtype}; it should be real numbers: drop the column, or encode it"
    )
