"""Draws every picture that a record supports, and writes it as PNG and SVG."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from gradstep.compare.judge.findings import Findings
from gradstep.compare.judge.series import CannotDraw
from gradstep.compare.show.pictures import canvas, fastest, roofline, speed_ups, times
from gradstep.files import is_same, require_place_for, write_whole

PICTURES: dict[str, Callable[[Findings], dict[str, Any]]] = {
    "time-against-m": partial(times.draw, along="m"),
    "time-against-n": partial(times.draw, along="n"),
    "speed-up": speed_ups.draw,
    "roofline": roofline.draw,
    "fastest": fastest.draw,
}
"""Name of the file -> what draws it: a figure for each ending of the name."""

_SUFFIXES = (".png", ".svg")


def require(folder: Path) -> None:
    """Raise `OSError` or `MissingExtra` if pictures could not be written into this folder, which need not exist."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "this is a file; the pictures need a folder", str(folder))
    if not folder.exists():
        require_place_for(folder)
    else:
        for name, suffix in itertools.product(PICTURES, _SUFFIXES):
            require_place_for(folder / f"{name}{suffix}")
    canvas.matplotlib("figure")


def may_replace(folder: Path, path: Path) -> bool:
    """Return whether a picture in this folder may replace a file: one of their names is the file, or a link to it."""
    target = Path(os.path.realpath(path))
    if _is_name(target.name) and target.parent == Path(os.path.realpath(folder)):
        return True
    return folder.is_dir() and any(is_same(each, path) for each in folder.iterdir() if _is_name(each.name))


def _is_name(name: str) -> bool:
    return name.startswith(tuple(PICTURES)) and name.endswith(_SUFFIXES)


def write(found: Findings, folder: Path) -> dict[str, str]:
    """Write every picture that the record supports, as PNG and SVG, into a folder, which is made if need be.

    A run with several dtypes, orders, numbers of threads or data sets has a picture of each, and its name says which.

    Returns
    -------
    dict
        Picture that was left out -> what the record lacks for it.

    Raises
    ------
    MissingExtra
        If Matplotlib is not installed.
    ExceptionGroup
        Of an `OSError` for each file that cannot be written; the others are.
    OSError
        If the folder cannot be made.
    """
    canvas.matplotlib("figure")
    # A link to a folder that does not exist yet is followed.
    Path(os.path.realpath(folder)).mkdir(exist_ok=True)
    skipped: dict[str, str] = {}
    failed: list[OSError] = []
    for name, draw in PICTURES.items():
        try:
            figures = draw(found)
        except CannotDraw as error:
            skipped[name] = str(error)
            continue
        for ending, figure in figures.items():
            for suffix in _SUFFIXES:
                try:
                    write_whole(folder / f"{name}{ending}{suffix}", canvas.encoded(figure, suffix))
                except OSError as error:
                    failed.append(error)
    if failed:
        raise ExceptionGroup("pictures could not be written", failed)
    return skipped
