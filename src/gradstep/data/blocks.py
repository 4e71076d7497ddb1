"""Rows of a data file, some at a time: the numbers of some columns, and the text of others."""

from __future__ import annotations

import functools
import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gradstep.contract import FloatArray
from gradstep.data import labels
from gradstep.text import quoted

# About this many cells are in memory at a time.
_CELLS = 1 << 18


# A message suggests an option for at most this many columns; nobody would copy a longer list.
_MOST_TO_DROP = 100


class Unusable(ValueError):
    """A file cannot be used as it is.

    Attributes
    ----------
    advice : str
        What to do, by options that ``gradstep fit`` has; may be empty.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class NotNumbers(Unusable):
    """Columns hold something else than numbers."""


class Texts(NamedTuple):
    """A column as text: the value of row i is ``values[codes[i]]``, and every value occurs."""

    values: list[str]
    codes: NDArray[np.intp]


class Block(NamedTuple):
    """Rows that follow each other."""

    first: int
    """How many rows lie before these."""
    X: FloatArray
    """The columns asked for as numbers, all finite."""
    texts: tuple[Texts, ...]
    """The columns asked for as text; an empty text is a cell without a value."""


class Source(Protocol):
    """A data file that is open at its first row; it can be read once."""

    path: Path
    names: tuple[str, ...]
    """The names of the columns; of npz those of X are x0, x1, ..., and each other array is a column."""
    by_position: bool
    """Whether the file does not name its features: the first columns are these."""
    features: int
    """The number of columns that may be features."""

    def index(self, name: str) -> int:
        """Return the index of the one column of this name; raises ValueError if there is none, or more than one."""

    def blocks(self, numbers: Sequence[int], texts: Sequence[int]) -> Iterator[Block]:
        """Yield the rows: some columns as numbers, some as text, each by its index in `names`."""

    def whole(self, numbers: Sequence[int], texts: Sequence[int]) -> Block:
        """Return all rows at once."""


def rows_at_a_time(columns: int) -> int:
    """Return how many rows a block has."""
    return max(16, _CELLS // max(1, columns))


def gathered(blocks: Iterable[Block]) -> Block:
    """Put the blocks of a file together; there may be none."""
    all_blocks = list(blocks)
    if not all_blocks:
        return Block(0, np.empty((0, 0)), ())
    X = np.concatenate([block.X for block in all_blocks])
    columns = zip(*(block.texts for block in all_blocks), strict=True)
    return Block(0, X, tuple(_joined(parts) for parts in columns))


def _joined(parts: Sequence[Texts]) -> Texts:
    numbers: dict[str, int] = {}
    codes = []
    for values, part in parts:
        translated = np.array([numbers.setdefault(value, len(numbers)) for value in values], np.intp)
        codes.append(translated[part])
    return Texts(list(numbers), np.concatenate(codes))


def require_finite(path: Path, X: FloatArray, names: Sequence[str], first: int = 0) -> None:
    """Raise ValueError for the first cell that is not finite; `first` rows lie before X."""
    finite = np.isfinite(X)
    if not finite.all():
        i, j = (int(k) for k in np.unravel_index(int(np.argmin(finite)), finite.shape))
        raise ValueError(f"{path}, row {first + i + 1}, column {names[j]!r}: {X[i, j]} is not a finite number")


def require_regular(path: Path, file: BinaryIO) -> None:
    """Raise ValueError for a pipe, which can only be read from its beginning, and a device, which may have no end."""
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        what = "pipe" if stat.S_ISFIFO(mode) else "device"
        raise ValueError(f"{path}: this is a {what}; only CSV can be read from one")


def index(path: Path, names: Sequence[str], name: str) -> int:
    """Return the index of the one column of this name.

    Raises
    ------
    Unusable
        If there is none, or more than one.
    """
    found = _places(tuple(names)).get(labels.composed(name), [])
    if not found:
        raise Unusable(
            f"{path}: there is no column {quoted(name)}; there are {labels.listed(list(names))}",
            delimiter_advice(names),
        )
    if len(found) > 1:
        raise Unusable(f"{path}: {len(found)} columns are called {name!r}")
    return found[0]


@functools.lru_cache(maxsize=1)
def _places(names: tuple[str, ...]) -> dict[str, list[int]]:
    """Return the indices of each name; kept, because a command may look up many names among many."""
    found: dict[str, list[int]] = {}
    for j, name in enumerate(names):
        found.setdefault(labels.composed(name), []).append(j)
    return found


def delimiter_advice(names: Sequence[str]) -> str:
    """Return the advice for a file that seems to have one column because another character separates them."""
    if len(names) != 1:
        return ""
    for character, spelled in ((";", "';'"), ("\t", "tab"), ("|", "'|'")):
        if character in names[0]:
            return f"read it with --delimiter {spelled}"
    return ""


def text_columns(where: str, names: Sequence[str], first_values: Iterator[str]) -> NotNumbers:
    """Return the error that names columns of text, some of them with their first values, which it takes as needed."""
    some = zip(names[: labels.VALUES_SHOWN], first_values, strict=False)
    shown = ", ".join(f"{quoted(name)} ({quoted(value)})" for name, value in some)
    if len(names) > labels.VALUES_SHOWN:
        shown += f" and {len(names) - labels.VALUES_SHOWN:,} more"
    one = len(names) == 1
    todo = f"leave {'it' if one else 'them'} out with {drop(names)}"
    if len(names) > _MOST_TO_DROP:
        todo = "name the columns of numbers with --columns"
    return NotNumbers(
        f"{where}: {'column' if one else 'columns'} {shown} {'holds' if one else 'hold'} text, not numbers", todo
    )


def drop(names: Sequence[str]) -> str:
    """Return the option that leaves out columns, as a shell takes it."""
    quoted = ['"' + name.replace('"', '""') + '"' if set(name) & set(',"\r\n') or not name else name for name in names]
    return f"--drop {shlex.quote(','.join(quoted))}"
