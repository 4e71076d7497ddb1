"""CSV files: read some rows at a time by NumPy; the csv module finds the cell that cannot be read."""

from __future__ import annotations

import contextlib
import csv
import itertools
import math
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, Protocol, TextIO

import numpy as np
from numpy.typing import NDArray

from gradstep.data import labels
from gradstep.data.blocks import Block, Texts, gathered, index, rows_at_a_time, text_columns
from gradstep.text import quoted

# No header is longer, but a device may never end its first line.
_LONGEST_LINE = 1 << 24

_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")


class Rows(Protocol):
    """What csv.reader returns, whose type has no name that can be imported."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]:
        """Return itself."""


@contextlib.contextmanager
def opened(path: Path, delimiter: str = ",", wanted: Sequence[str] = ()) -> Iterator[CsvSource]:
    """Open a CSV file and read its first line, which may be a row unless it holds all names that are wanted."""
    with _file(path) as file:
        yield CsvSource(path, file, delimiter, wanted)


def _file(path: Path) -> TextIO:
    # utf-8-sig: spreadsheets put a byte order mark before the first name.
    return path.open(encoding="utf-8-sig", newline="")


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """Let the csv module read cells of any length."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


class CsvSource:
    """A CSV file that is open at its first row: a `Source`."""

    def __init__(self, path: Path, file: TextIO, delimiter: str, wanted: Sequence[str] = ()) -> None:
        self.path = path
        self._delimiter = delimiter
        first: list[str] = []
        try:
            with _long_cells():
                names = _names(csv.reader(_recorded(_of_some_length(file), first), delimiter=delimiter))
        except UnicodeDecodeError:
            raise _not_text(path) from None
        except (csv.Error, ValueError) as error:
            raise ValueError(f"{path}, line 1: {error}") from error
        if not names:
            raise ValueError(f"{path}: the file is empty; it should begin with a header, the names of the columns")
        self.names = tuple(names)
        self.features = len(names)
        # Numbers are no names: that line is the first row. But a frame of pandas may call its columns 0, 1 and 2.
        found = wanted and set(map(labels.composed, wanted)) <= set(map(labels.composed, names))
        self.by_position = not found and all(labels.as_number(name) is not None for name in names)
        self._lines: Iterable[str] = itertools.chain(first, file) if self.by_position else file
        # A pipe cannot be read again.
        self._is_file = path.is_file()
        # Lines before the last block, and those of it; of a file they are not kept.
        self._lines_before = 0 if self.by_position else len(first)
        self._kept: list[str] = []
        # Whether a cell of text that no one wants holds more than one line, and whether the quotes were looked at.
        self._has_long_text = self._paired = False

    def index(self, name: str) -> int:
        """Return the index of the one column of this name."""
        return index(self.path, self.names, name)

    def whole(self, numbers: Sequence[int], texts: Sequence[int]) -> Block:
        """Return all rows at once."""
        return gathered(self.blocks(numbers, texts))

    def blocks(self, numbers: Sequence[int], texts: Sequence[int]) -> Iterator[Block]:
        """Yield the rows, some at a time."""
        first, rows = 0, rows_at_a_time(len(self.names))
        wanted = list(numbers)
        while True:
            codes: dict[int, dict[str, int]] = {j: {} for j in texts}
            cells = self._cells(rows, wanted, codes)
            if len(cells) == 0:
                return
            if self._has_long_text or any(map(_has_lines, itertools.chain.from_iterable(codes.values()))):
                self._require_pairs_of_quotes()
            columns = tuple(Texts(list(codes[j]), cells[:, j].astype(np.intp)) for j in texts)
            for j, (values, code) in zip(texts, columns, strict=True):
                if j in wanted:
                    cells[:, j] = np.array([_number(value) for value in values])[code]
            X = cells[:, wanted]
            if not np.isfinite(X).all():
                self._raise_for_culprit(wanted, "a cell is not finite")
            yield Block(first, X, columns)
            first += len(cells)

    def _cells(self, rows: int, numbers: list[int], codes: dict[int, dict[str, int]]) -> NDArray[np.float64]:
        """Read rows; a column of text has the numbers of its values, and one that no one wants is 0."""
        numeric = set(numbers)
        converters: dict[int | str, Callable[[str], float]] = {
            j: self._unwanted for j in range(len(self.names)) if j not in numeric
        }
        # Each value gets a number.
        converters |= {j: partial(_code, known) for j, known in codes.items()}
        self._lines_before += len(self._kept)
        self._kept = []
        try:
            with warnings.catch_warnings():
                # The end of the file, and blank lines.
                warnings.simplefilter("ignore", UserWarning)
                cells: NDArray[np.float64] = np.loadtxt(
                    self._lines if self._is_file else _recorded(self._lines, self._kept),
                    delimiter=self._delimiter,
                    comments=None,
                    quotechar='"',
                    ndmin=2,
                    max_rows=rows,
                    converters=converters,
                )
        except UnicodeDecodeError:
            raise _not_text(self.path) from None
        except ValueError as error:
            self._raise_for_culprit(numbers, str(error))
        if len(cells) and cells.shape[1] != len(self.names):
            self._raise_for_culprit(numbers, f"{cells.shape[1]} fields in a row, {len(self.names)} in the header")
        return cells

    def _unwanted(self, text: str) -> float:
        """Read a cell that no one wants."""
        if "\n" in text or "\r" in text:
            self._has_long_text = True
        return 0.0

    def _require_pairs_of_quotes(self) -> None:
        """Raise ValueError if a quotation mark that is left open takes in rows after its own."""
        if self._paired:
            return
        self._paired = self._is_file
        with _long_cells(), self._rows_again(strict=True) as (rows, before):
            line = rows.line_num
            try:
                for _ in rows:
                    line = rows.line_num
            except csv.Error:
                message = "a quotation mark is left open, and takes in the lines that follow"
                raise ValueError(f"{self.path}, line {before + line + 1}: {message}") from None

    def _raise_for_culprit(self, numbers: Sequence[int], otherwise: str) -> NoReturn:
        """Raise ValueError for the first row that is not numbers, or does not fit the header."""
        try:
            with _long_cells():
                self._look_for_culprit(numbers)
        except csv.Error as error:
            raise ValueError(f"{self.path}: {error}") from None
        raise ValueError(f"{self.path}: {otherwise}") from None

    def _look_for_culprit(self, numbers: Sequence[int]) -> None:
        with self._rows_again() as (rows, before):
            for k, row in enumerate(row for row in rows if row):
                line = before + rows.line_num
                if len(row) != len(self.names):
                    first = "first row" if self.by_position else "header"
                    fields = "1 field" if len(row) == 1 else f"{len(row)} fields"
                    raise ValueError(f"{self.path}, line {line}: {fields}; the {first} has {len(self.names)}") from None
                cells = [(self.names[j], row[j].strip()) for j in numbers]
                text = [(name, cell) for name, cell in cells if _is_text(cell)]
                if k == 0 and text:
                    names = [name for name, _ in text]
                    raise text_columns(f"{self.path}, line {line}", names, (cell for _, cell in text)) from None
                self._require_numbers(cells, line)

    @contextlib.contextmanager
    def _rows_again(self, *, strict: bool = False) -> Iterator[tuple[Rows, int]]:
        """Give the rows once more, and how many lines come before them; of a pipe the rows of the last block alone."""
        if not self._is_file:
            yield csv.reader(self._kept, delimiter=self._delimiter, strict=strict), self._lines_before
            return
        with _file(self.path) as file:
            reader = csv.reader(file, delimiter=self._delimiter, strict=strict)
            if not self.by_position:
                _names(reader)
            yield reader, 0

    def _require_numbers(self, cells: Iterable[tuple[str, str]], line: int) -> None:
        for j, (name, cell) in enumerate(cells):
            if math.isfinite(_number(cell)):
                continue
            shown = f"{quoted(cell)} is not a finite number" if cell else "the cell is empty"
            if _DECIMAL_COMMA.fullmatch(cell):
                shown += "; decimals should have a point"
            column = f"{j + 1}" if self.by_position else quoted(name)
            raise ValueError(f"{self.path}, line {line}, column {column}: {shown}") from None


def _recorded(lines: Iterable[str], record: list[str]) -> Iterator[str]:
    for line in lines:
        record.append(line)
        yield line


def _names(rows: Iterable[list[str]]) -> list[str]:
    """Return the names in the first row that is not blank; blank lines are skipped everywhere."""
    first = next((row for row in rows if any(cell.strip() for cell in row)), [])
    return [name.strip() for name in first]


def _of_some_length(file: TextIO) -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise ValueError(f"it is longer than {_LONGEST_LINE >> 20} MiB, so this is no table")
        yield line


def _has_lines(text: str) -> bool:
    return "\n" in text or "\r" in text


def _code(known: dict[str, int], text: str) -> float:
    return known.setdefault(text.strip(), len(known))


def _number(text: str) -> float:
    number = labels.as_number(text)
    return math.nan if number is None else number


def _is_text(cell: str) -> bool:
    return labels.as_number(cell) is None and not labels.is_missing(cell) and not _DECIMAL_COMMA.fullmatch(cell)


def _not_text(path: Path) -> ValueError:
    return ValueError(f"{path}: not a text file in UTF-8")
