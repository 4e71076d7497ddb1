"""The older versions of a record that can be read, and what makes each of them one version newer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gradstep.compare.record.reading import Upgrade


def _to_4(record: Any) -> None:
    """Version 3 had one model everywhere, and kernels without variants."""
    for key in ("cells", "left_out", "first_calls"):
        for place, part in _objects(record, key):
            _add(part, place, "models", 1)
    for place, cell in _objects(record, "cells"):
        for in_cell, result in _objects(cell, "results"):
            _add(result, f"{place}.{in_cell}", "variant", None)
        if isinstance(read_limit := cell.get("read_limit"), dict):
            _add(read_limit, f"{place}.read_limit", "variant", None)


UPGRADES: dict[int, Upgrade] = {3: _to_4}
"""By version."""


def _objects(parent: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the objects of a list with their places; what is none is refused later, with the record."""
    children = parent.get(key)
    if isinstance(children, list):
        for index, child in enumerate(children):
            if isinstance(child, dict):
                yield f"{key}[{index}]", child


def _add(part: dict[str, Any], place: str, key: str, value: Any) -> None:
    """Add a key that the older version cannot have."""
    if key in part:
        raise ValueError(f"this is no valid record: {place} has the unknown {key}")
    part[key] = value
