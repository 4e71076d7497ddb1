"""Draws every picture that a record supports, and writes it as PNG and SVG."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gradstep.compare.judge.findings import Findings
from gradstep.compare.judge.series import CannotDraw
from gradstep.compare.show.pictures import canvas, fastest, roofline, speed_ups, times
from gradstep.files import require_place_for, write_whole

PICTURES: dict[str, Callable[[Findings], dict[str, Any]]] = {
    "time-against-m": partial(times.draw, along="m"),
    "time-against-n": partial(times.draw, along="n"),
    "speed-up": speed_ups.draw,
    "roofline": roofline.draw,
    "fastest": fastest.draw,
}
"""Name of the file -> what draws it: a figure for each ending of the name."""


@dataclass(frozen=True)
class Drawn:
    """What became of the pictures.

    Attributes
    ----------
    files : list of Path
        Those that were written.
    skipped : dict
        Picture -> what the record lacks for it.
    """

    files: list[Path]
    skipped: dict[str, str]


def require(folder: Path) -> None:
    """Raise `OSError` or `MissingExtra` if pictures could not be written into this folder, which need not exist."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "this is a file; the pictures need a folder", str(folder))
    if not folder.exists():
        require_place_for(folder)
    elif not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "this folder is not writable", str(folder))
    canvas.matplotlib("figure")


def write(found: Findings, folder: Path) -> Drawn:
    """Write every picture that the record supports into a folder, which is made if need be.

    Parameters
    ----------
    found : Findings
        The judged record.
    folder : Path
        Where ``time-against-m``, ``time-against-n``, ``speed-up``, ``roofline`` and ``fastest`` are written, each as
        ``.png`` and ``.svg``. A run with several dtypes, orders, numbers of threads or data sets has a picture of each,
        and its name says of which.

    Returns
    -------
    Drawn
        The files, and the pictures that were left out.

    Raises
    ------
    MissingExtra
        If Matplotlib is not installed.
    OSError
        If a file cannot be written.
    """
    canvas.matplotlib("figure")
    folder.mkdir(exist_ok=True)
    drawn = Drawn([], {})
    for name, draw in PICTURES.items():
        try:
            figures = draw(found)
        except CannotDraw as error:
            drawn.skipped[name] = str(error)
            continue
        for ending, figure in figures.items():
            for suffix in (".png", ".svg"):
                file = folder / f"{name}{ending}{suffix}"
                write_whole(file, canvas.encoded(figure, suffix))
                drawn.files.append(file)
    return drawn
