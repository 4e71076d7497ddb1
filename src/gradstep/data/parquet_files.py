"""Parquet files: read some rows at a time by pyarrow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from gradstep.data.blocks import (
    Block,
    NotNumbers,
    Texts,
    drop,
    gathered,
    index,
    require_finite,
    require_regular,
    rows_at_a_time,
    text_columns,
)
from gradstep.extras import require

# Of each column in a large file, as many bytes are read ahead; of others a row group at once, because the buffer grows
# to what a page claims to need, which is 2 GiB where a few bytes are damaged.
_BUFFER = 1 << 16
_LARGE = 1 << 25

# Larger batches take much more memory than their own size.
_MOST_ROWS = 1 << 13

_Number = TypeVar("_Number", np.float64, np.int64)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[ParquetSource]:
    """Open a Parquet file and read its schema."""
    require("pyarrow", "parquet", "Reading Parquet")
    with path.open("rb") as file:
        require_regular(path, file)
        yield ParquetSource(path, file)


class ParquetSource:
    """A Parquet file that is open at its first row: a `Source`."""

    by_position = False

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        parquet = require("pyarrow.parquet", "parquet", "Reading Parquet")
        self._arrow = require("pyarrow", "parquet", "Reading Parquet")
        try:
            buffer = _BUFFER if os.fstat(file.fileno()).st_size > _LARGE else 0
            self._file = parquet.ParquetFile(file, buffer_size=buffer, pre_buffer=False)
            schema = self._file.schema_arrow
            self.names = tuple(schema.names)
            # Asked for one by one, they would be listed anew for each.
            self._types = schema.types
        except Exception as error:  # a damaged file ends in nearly any exception of pyarrow
            raise ValueError(f"{path}: not read as Parquet: {error}") from error
        self.features = len(self.names)

    def index(self, name: str) -> int:
        """Return the index of the one column of this name."""
        return index(self.path, self.names, name)

    def whole(self, numbers: Sequence[int], texts: Sequence[int]) -> Block:
        """Return all rows at once."""
        return gathered(self.blocks(numbers, texts))

    def blocks(self, numbers: Sequence[int], texts: Sequence[int]) -> Iterator[Block]:
        """Yield the rows, some at a time."""
        self._require_numbers(numbers)
        for j in texts:
            self._require_text(j)
        names = [self.names[j] for j in numbers]
        first = 0
        for batch in self._batches([self.names[j] for j in dict.fromkeys([*numbers, *texts])]):
            X = np.empty((batch.num_rows, len(numbers)))
            for k, name in enumerate(names):
                X[:, k] = self._as_numbers(name, _kept(batch.column(name)), first)
            require_finite(self.path, X, names, first)
            columns = [(self.names[j], _kept(batch.column(self.names[j]))) for j in texts]
            yield Block(first, X, tuple(self._as_text(*column) for column in columns))
            first += batch.num_rows

    def _batches(self, names: list[str]) -> Iterator[Any]:
        """Yield the rows of some columns, some rows at a time, none of them empty."""
        # With threads it would hold every column of a row group.
        rows = min(rows_at_a_time(len(names)), _MOST_ROWS)
        batches = self._file.iter_batches(rows, columns=names, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except Exception as error:  # a damaged file ends in nearly any exception of pyarrow
                self._raise_for_culprit(names)
                raise ValueError(f"{self.path}: not read as Parquet: {error}") from error
            if batch is None:
                return
            if batch.num_rows:
                yield batch

    def _raise_for_culprit(self, names: list[str]) -> None:
        """Raise ValueError for the first of these columns that cannot be read."""
        for name in names:
            try:
                for _ in self._file.iter_batches(columns=[name], use_threads=False):
                    pass
            except Exception as damage:  # a damaged file ends in nearly any exception of pyarrow
                raise ValueError(f"{self.path}, column {name!r}: not read as Parquet: {damage}") from damage

    def _require_numbers(self, numbers: Sequence[int]) -> None:
        """Raise NotNumbers for columns that hold none."""
        others = [j for j in numbers if not self._is_number(self._plain(j))]
        types = self._arrow.types
        text = [j for j in others if types.is_string(self._plain(j)) or types.is_large_string(self._plain(j))]
        if text:
            values = (self._first_value(j) for j in text)
            raise text_columns(f"{self.path}", [self.names[j] for j in text], values)
        for j in others:
            raise NotNumbers(
                f"{self.path}, column {self.names[j]!r}: it holds {self._plain(j)}, not numbers",
                f"leave it out with {drop([self.names[j]])}",
            )

    def _first_value(self, j: int) -> str:
        for batch in self._batches([self.names[j]]):
            for value in batch.column(0):
                if value.is_valid:
                    return self._text(self.names[j], value)
        return ""

    def _text(self, name: str, value: Any) -> str:
        """Return a cell as text; it is empty where there is no value."""
        try:
            return str(value.as_py()) if value.is_valid else ""
        except (ValueError, OverflowError) as error:  # bytes that are no text, or a time beyond those of Python
            raise ValueError(f"{self.path}, column {name!r}: not read as text: {error}") from error

    def _plain(self, j: int) -> Any:
        """Return the type of a column; of a dictionary, that of its values; of a type made of others, what it keeps."""
        kind = self._types[j]
        if isinstance(kind, self._arrow.BaseExtensionType):
            kind = kind.storage_type
        return kind.value_type if self._arrow.types.is_dictionary(kind) else kind

    def _is_number(self, kind: Any) -> bool:
        types = self._arrow.types
        belongs = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
        return any(test(kind) for test in belongs)

    def _require_text(self, j: int) -> None:
        kind, types = self._plain(j), self._arrow.types
        binary = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
        if types.is_nested(kind) or any(test(kind) for test in binary):
            raise ValueError(f"{self.path}, column {self.names[j]!r}: it holds {kind}, neither numbers nor text")

    @contextlib.contextmanager
    def _of_column(self, name: str) -> Iterator[None]:
        """Name the column whose type pyarrow cannot turn into another one."""
        try:
            yield
        except self._arrow.ArrowException as error:
            raise ValueError(f"{self.path}, column {name!r}: {error}") from error

    def _as_numbers(self, name: str, column: Any, first: int) -> NDArray[np.float64]:
        if column.null_count:
            row = first + column.is_null().index(True).as_py() + 1
            raise ValueError(f"{self.path}, row {row}, column {name!r}: the cell is empty")
        with self._of_column(name):
            return _values(column.cast(self._arrow.float64(), safe=False), np.float64)

    def _as_text(self, name: str, column: Any) -> Texts:
        """Return a column as text; a cell without a value is empty."""
        with self._of_column(name):
            encoded = column if self._arrow.types.is_dictionary(column.type) else column.dictionary_encode()
        known = [self._text(name, value) for value in encoded.dictionary]
        # Cells without a value get the next code: that of an empty text.
        codes = encoded.indices.cast(self._arrow.int64()).fill_null(len(known))
        used, codes = np.unique(_values(codes, np.int64), return_inverse=True)
        return Texts([[*known, ""][k] for k in used], codes)


def _kept(column: Any) -> Any:
    """Return what a column keeps, where its type is made of another one."""
    return getattr(column, "storage", column)


def _values(column: Any, dtype: type[_Number]) -> NDArray[_Number]:
    """Return the values of a column without a missing one; to_numpy would import pandas, which takes 50 MB."""
    return np.frombuffer(column.buffers()[1], dtype, len(column), column.offset * np.dtype(dtype).itemsize)
