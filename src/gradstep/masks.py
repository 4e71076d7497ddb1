"""Values that a mask hides: they are refused, because NumPy would convert them to whatever lies behind the mask."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from gradstep.contract import mask_of
from gradstep.rows import Array


def without(name: str, values: Any) -> Any:
    """Return values that are not masked, a list with its lazy rows as arrays; ValueError for one that is."""
    if not isinstance(values, (list, tuple)):
        refuse(name, values)
        return values
    if "numpy.ma" not in sys.modules:
        return values
    kinds = set(map(type, values))
    lazy = {kind for kind in kinds if hasattr(kind, "__array__") and not issubclass(kind, (np.ndarray, np.generic))}
    if lazy:
        try:
            values = [np.asanyarray(row) if type(row) in lazy else row for row in values]
        except Exception:  # noqa: BLE001 - whatever another library raises: it does so again, and is reported
            return values
    if lazy or any(issubclass(kind, np.ndarray) and kind is not np.ndarray for kind in kinds):
        for k, row in enumerate(values):
            refuse(name, row, (k,))
    return values


def refuse_numbers(name: str, rows: Any) -> None:
    """Raise ValueError for a masked number in the lists of a list: to look takes a third of the conversion."""
    for k, row in enumerate(rows if isinstance(rows, (list, tuple)) else ()):
        for j, number in enumerate(row if isinstance(row, (list, tuple)) else ()):
            refuse(name, number, (k, j))


def refuse(name: str, values: Any, index: tuple[int, ...] = ()) -> None:
    """Raise ValueError if any of these values, which lie at an index of the argument, is masked."""
    mask = mask_of(values)
    if mask is not None:
        where = place((*index, *first(mask)))
        raise ValueError(f"{name} is masked at index {where}; fill or drop masked values first: {name}.filled(...)")


def first(which: Array) -> tuple[int, ...]:
    """Return the index of the first that is true."""
    return tuple(int(k) for k in np.unravel_index(int(np.argmax(which)), which.shape))


def place(index: tuple[int, ...]) -> str:
    """Return an index as a message shows it."""
    return str(index[0]) if len(index) == 1 else f"({', '.join(map(str, index))})"
