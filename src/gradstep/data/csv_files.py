"""CSV files: read some rows at a time by NumPy; the csv module finds the cell that cannot be read."""

from __future__ import annotations

import contextlib
import csv
import itertools
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, TextIO

import numpy as np
from numpy.typing import NDArray

from gradstep.data import labels
from gradstep.data.blocks import Block, Texts, gathered, index, rows_at_a_time, text_columns

_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")


@contextlib.contextmanager
def opened(path: Path, delimiter: str = ",") -> Iterator[CsvSource]:
    """Open a CSV file and read its first line."""
    with _file(path) as file:
        yield CsvSource(path, file, delimiter)


def _file(path: Path) -> TextIO:
    # utf-8-sig: spreadsheets put a byte order mark before the first name.
    return path.open(encoding="utf-8-sig", newline="")


class CsvSource:
    """A CSV file that is open at its first row: a `Source`."""

    def __init__(self, path: Path, file: TextIO, delimiter: str) -> None:
        self.path = path
        self._delimiter = delimiter
        first: list[str] = []
        try:
            names = _names(csv.reader(_recorded(file, first), delimiter=delimiter))
        except UnicodeDecodeError:
            raise _not_text(path) from None
        except csv.Error as error:
            raise ValueError(f"{path}, line 1: {error}") from error
        if not names:
            raise ValueError(f"{path}: the file is empty; it should begin with a header, the names of the columns")
        self.names = tuple(names)
        self.features = len(names)
        self.by_position = all(labels.as_number(name) is not None for name in names)
        # Numbers are no names: that line is the first row.
        self._lines: Iterable[str] = itertools.chain(first, file) if self.by_position else file

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
            j: _nothing for j in range(len(self.names)) if j not in numeric
        }
        # Each value gets a number.
        converters |= {j: partial(_code, known) for j, known in codes.items()}
        try:
            with warnings.catch_warnings():
                # The end of the file, and blank lines.
                warnings.simplefilter("ignore", UserWarning)
                cells: NDArray[np.float64] = np.loadtxt(
                    self._lines,
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

    def _raise_for_culprit(self, numbers: Sequence[int], otherwise: str) -> NoReturn:
        """Raise ValueError for the first row that is not numbers, or does not fit the header."""
        try:
            # A pipe cannot be read again.
            if self.path.is_file():
                self._look_for_culprit(numbers)
        except csv.Error as error:
            raise ValueError(f"{self.path}: {error}") from None
        raise ValueError(f"{self.path}: {otherwise}") from None

    def _look_for_culprit(self, numbers: Sequence[int]) -> None:
        with _file(self.path) as file:
            reader = csv.reader(file, delimiter=self._delimiter)
            if not self.by_position:
                _names(reader)
            rows = (row for row in reader if row)
            for k, row in enumerate(rows):
                if len(row) != len(self.names):
                    first = "first row" if self.by_position else "header"
                    message = f"{len(row)} fields; the {first} has {len(self.names)}"
                    raise ValueError(f"{self.path}, line {reader.line_num}: {message}") from None
                cells = [(self.names[j], row[j].strip()) for j in numbers]
                text = [(name, cell) for name, cell in cells if _is_text(cell)]
                if k == 0 and text:
                    raise text_columns(f"{self.path}, line {reader.line_num}", text) from None
                self._require_numbers(cells, reader.line_num)

    def _require_numbers(self, cells: Iterable[tuple[str, str]], line: int) -> None:
        for j, (name, cell) in enumerate(cells):
            if math.isfinite(_number(cell)):
                continue
            shown = f"{cell!r} is not a finite number" if cell else "the cell is empty"
            if _DECIMAL_COMMA.fullmatch(cell):
                shown += "; decimals should have a point"
            column = f"{j + 1}" if self.by_position else f"{name!r}"
            raise ValueError(f"{self.path}, line {line}, column {column}: {shown}") from None


def _recorded(lines: Iterable[str], record: list[str]) -> Iterator[str]:
    for line in lines:
        record.append(line)
        yield line


def _names(rows: Iterable[list[str]]) -> list[str]:
    """Return the names in the first row that is not blank; blank lines are skipped everywhere."""
    first = next((row for row in rows if any(cell.strip() for cell in row)), [])
    return [name.strip() for name in first]


def _nothing(_text: str) -> float:
    return 0.0


def _code(known: dict[str, int], text: str) -> float:
    return known.setdefault(text.strip(), len(known))


def _number(text: str) -> float:
    number = labels.as_number(text)
    return math.nan if number is None else number


def _is_text(cell: str) -> bool:
    return labels.as_number(cell) is None and not labels.is_missing(cell) and not _DECIMAL_COMMA.fullmatch(cell)


def _not_text(path: Path) -> ValueError:
    return ValueError(f"{path}: not a text file in UTF-8")
