"""Labels of classes, numbers or text, as they are kept anywhere: none of them may be missing or masked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradstep import arrays, masks

Array = NDArray[Any]


def sorted_classes(name: str, values: Any) -> tuple[Array, NDArray[np.intp]]:
    """Return the classes, sorted, and which of them each label is.

    Raises
    ------
    ValueError
        For a label that is missing or masked, and for labels that are not one-dimensional.
    TypeError
        For labels that have no order.

    Examples
    --------
    >>> sorted_classes("labels", ["red", "blue", "red"])
    (array(['blue', 'red'], dtype='<U4'), array([1, 0, 1]))
    """
    values = present(name, values)
    array = arrays.converted(name, values)
    if array.ndim != 1:
        raise ValueError(f"{name} have shape {array.shape}; they should be one-dimensional, one per example")
    _refuse_missing(name, _missing(array))
    try:
        found, codes = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise TypeError(f"{name} hold values that cannot be sorted, such as numbers beside text: {error}") from error
    return found, codes


def present(name: str, values: Any) -> Any:
    """Return labels as another library may convert them to an array.

    Raises
    ------
    ValueError
        For a label that is masked, or that a container says is missing.
    TypeError
        For text beside something else in a list, of which NumPy would make text.
    """
    is_list = isinstance(values, (list, tuple))
    values = masks.without(name, values) if is_list else arrays.unmasked(name, values)
    # As series, indexes and arrays of pandas, and series of polars and arrays of Arrow say it.
    for ask in ("isna", "is_null"):
        if hasattr(values, ask):
            _refuse_missing(name, np.asarray(getattr(values, ask)()))
    # NumPy makes the text "nan" of a NaN beside text.
    if isinstance(values, (list, tuple)):
        _refuse_missing(name, np.array([_is_missing(value) for value in values], np.bool_))
        _refuse_mixture(name, set(map(type, values)))
    elif isinstance(values, np.ndarray) and values.dtype.kind == "O":
        _refuse_missing(name, _missing(values))
    return values


def _refuse_mixture(name: str, kinds: set[type]) -> None:
    texts = {kind for kind in kinds if issubclass(kind, (str, bytes))}
    if texts and (kinds - texts or len({issubclass(kind, str) for kind in texts}) > 1):
        listed = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TypeError(f"{name} hold values that cannot be sorted, such as numbers beside text: {listed}")


def _missing(array: Array) -> Array:
    """Return which values stand for a missing one: NaN, None, NaT and NA."""
    if array.dtype.kind in "mM":
        return np.isnat(array)
    if array.dtype.kind in "fc":
        return np.isnan(array)
    if array.dtype.kind == "O":
        return np.reshape(np.array([_is_missing(value) for value in array.ravel()], np.bool_), array.shape)
    return np.zeros(array.shape, np.bool_)


def _is_missing(value: Any) -> bool:
    if isinstance(value, (str, bytes, int)):
        return False
    # pandas' NA is equal to nothing, and its `!=` is no truth value.
    if value is None or type(value).__name__ == "NAType":
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 - NaN and NaT, of whatever library, differ from themselves
    except ArithmeticError:
        # That is how a signalling NaN of the module decimal differs.
        return True
    except (TypeError, ValueError):
        return False


def _refuse_missing(name: str, missing: Array) -> None:
    if missing.any():
        where = masks.place(masks.first(missing))
        raise ValueError(f"{name} has a missing value at index {where}; fill it in, or drop the row")
