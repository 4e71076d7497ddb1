"""Data files: reads CSV, npz and Parquet into X, y and the names of the columns."""

from __future__ import annotations

import csv
import math
import warnings
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TextIO

import numpy as np
from numpy.typing import NDArray

from gradstep.contract import FloatArray
from gradstep.data import labels
from gradstep.data.standardization import Standardization
from gradstep.extras import require

SUFFIXES = (".csv", ".npz", ".parquet")

# Text, whole and broken numbers, and truth values; the codes are NumPy's.
_KINDS_OF_LABELS = "fiubU"


@dataclass(frozen=True)
class Table:
    """The examples of a data file.

    Attributes
    ----------
    X : ndarray of shape (m, n)
        The features, all finite.
    y : ndarray of shape (m,)
        The labels, in [0, 1].
    columns : tuple of str
        The names of the n features.
    label : str
        The name of the column that y was made from.
    positive : str
        The value of that column that counts as 1.
    path : Path, optional
        The file.
    """

    X: FloatArray
    y: NDArray[np.float64]
    columns: tuple[str, ...]
    label: str
    positive: str
    path: Path | None = None

    def standardization(self) -> Standardization:
        """Measure the columns; an error names the file and the column."""
        where = "" if self.path is None else f"{self.path}, "
        return Standardization.of(self.X, [f"{where}column {name!r}" for name in self.columns])


def read(path: Path, label: str | None = None, positive: str | None = None) -> Table:
    """Read a data file; its suffix says which kind it is.

    Parameters
    ----------
    path : Path
        A CSV file whose first line names the columns, an npz file with a two-dimensional array X and one of labels, or
        a Parquet file.
    label : str, optional
        The column (npz: the array) that holds the labels. May be left out for npz, where it is then "y".
    positive : str, optional
        The value of the label that counts as 1; all others count as 0. Without it the labels have to be numbers in
        [0, 1].

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If its content is not as described above; the message names the row and the column.
    MissingExtra
        If a Parquet file is read and pyarrow is not installed.
    """
    # A file that does not exist gets the system's own message, whatever its suffix.
    path.stat()
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _read_npz(path, label or "y", positive)
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: the name should end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if label is None:
        raise ValueError(f"{path}: the column of the labels should be named (--label COLUMN)")
    return (_read_csv if suffix == ".csv" else _read_parquet)(path, label, positive)


def _read_csv(path: Path, label: str, positive: str | None) -> Table:
    codes: dict[str, int] = {}
    with _opened(path) as file:
        columns, label_index = _header(path, file, label)
        try:
            with warnings.catch_warnings():
                # "input contained no data" is reported below, as an error.
                warnings.simplefilter("ignore", UserWarning)
                cells = np.loadtxt(
                    file,
                    delimiter=",",
                    comments=None,
                    quotechar='"',
                    ndmin=2,
                    # Labels may be text; each value gets a number.
                    converters={label_index: lambda text: codes.setdefault(text.strip(), len(codes))},
                )
        except UnicodeDecodeError:
            raise ValueError(f"{path}: not a text file in UTF-8") from None
        except ValueError as error:
            _raise_for_culprit(path, label, str(error))
    if cells.shape[0] == 0:
        raise ValueError(f"{path}: no row follows the header")
    if cells.shape[1] != len(columns):
        _raise_for_culprit(path, label, f"{cells.shape[1]} fields in a row, {len(columns)} in the header")
    if not np.isfinite(cells).all():
        _raise_for_culprit(path, label, "a cell is not finite")
    y = labels.as_y(f"{path}: column {label!r}", list(codes), cells[:, label_index].astype(np.intp), positive)
    features = (*columns[:label_index], *columns[label_index + 1 :])
    return Table(np.delete(cells, label_index, axis=1), y, features, label, positive or "1", path)


def _opened(path: Path) -> TextIO:
    # utf-8-sig: spreadsheets put a byte order mark before the first name.
    return path.open(encoding="utf-8-sig", newline="")


def _header(path: Path, file: TextIO, label: str) -> tuple[list[str], int]:
    """Read the first line, and return the names of the columns and the index of the label's."""
    try:
        columns = _names(csv.reader(file))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file in UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{path}, line 1: {error}") from error
    if not columns:
        raise ValueError(f"{path}: the file is empty; it should begin with a header, the names of the columns")
    if all(labels.as_number(name) is not None for name in columns):
        raise ValueError(f"{path}: line 1 holds only numbers; it should be a header, the names of the columns")
    return columns, _label_index(path, columns, label)


def _names(rows: Iterable[list[str]]) -> list[str]:
    """Return the names in the first row that is not blank; blank lines are skipped everywhere."""
    first = next((row for row in rows if any(cell.strip() for cell in row)), [])
    return [name.strip() for name in first]


def _label_index(path: Path, columns: list[str], label: str) -> int:
    columns, label = list(map(labels.composed, columns)), labels.composed(label)
    found = columns.count(label)
    if found == 0:
        raise ValueError(f"{path}: there is no column {label!r}; there are {labels.listed(columns)}")
    if found > 1:
        raise ValueError(f"{path}: {found} columns are called {label!r}")
    if len(columns) == 1:
        raise ValueError(f"{path}: there is no column besides the label {label!r}")
    return columns.index(label)


def _raise_for_culprit(path: Path, label: str, otherwise: str) -> NoReturn:
    """Raise ValueError for the first row that is not numbers, or does not fit the header."""
    try:
        _look_for_culprit(path, label)
    except csv.Error as error:
        raise ValueError(f"{path}: {error}") from None
    raise ValueError(f"{path}: {otherwise}") from None


def _look_for_culprit(path: Path, label: str) -> None:
    with _opened(path) as file:
        reader = csv.reader(file)
        columns = _names(reader)
        for row in reader:
            if row and len(row) != len(columns):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(row)} fields; the header has {len(columns)}"
                ) from None
            for column, cell in zip(columns, row, strict=False):
                number = labels.as_number(cell)
                if labels.composed(column) != labels.composed(label) and (number is None or not math.isfinite(number)):
                    shown = "the cell is empty" if not cell.strip() else f"{cell.strip()!r} is not a finite number"
                    raise ValueError(f"{path}, line {reader.line_num}, column {column!r}: {shown}") from None


def _read_npz(path: Path, label: str, positive: str | None) -> Table:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path}: not an npz file")
        # A damaged file ends in nearly any exception of zipfile, its decompressors and NumPy.
        try:
            with zipfile.ZipFile(file) as archive, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                X, values = (_npz_array(archive, name) for name in ("X", label))
        except Exception as error:  # a damaged file fails in zipfile, zlib, struct or NumPy, each in its own way
            raise ValueError(f"{path}: not read as npz: {error or type(error).__name__}") from error
    if X.ndim != 2 or X.dtype.kind not in "fiub":
        raise ValueError(f"{path}: X has shape {X.shape} and dtype {X.dtype}; it should be 2-D and hold numbers")
    if values.shape != X.shape[:1]:
        raise ValueError(f"{path}: {label} has shape {values.shape}; it should have one label per row of X: {X.shape}")
    if 0 in X.shape:
        raise ValueError(f"{path}: X has shape {X.shape}; it should have rows and columns")
    if X.dtype != np.float32:
        with np.errstate(over="ignore"):
            X = X.astype(np.float64, copy=False)
    columns = tuple(f"x{j}" for j in range(X.shape[1]))
    _require_finite(path, X, columns)
    return Table(X, _column_labels(f"{path}: array {label!r}", values, positive), columns, label, positive or "1", path)


def _npz_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    members = archive.namelist()
    if f"{name}.npy" not in members:
        there = labels.listed([member.removesuffix(".npy") for member in members])
        raise ValueError(f"there is no array {name!r}; there are {there}")
    try:
        with archive.open(f"{name}.npy") as file:
            values: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            # Only reading to the end compares the checksum.
            if file.read(1):
                raise ValueError("it is longer than it says")
    except Exception as error:  # as above
        raise ValueError(f"array {name!r}: {error or type(error).__name__}") from error
    return values


def _read_parquet(path: Path, label: str, positive: str | None) -> Table:
    parquet = require("pyarrow.parquet", "parquet", "Reading Parquet")
    require("pyarrow", "parquet", "Reading Parquet")
    with path.open("rb") as file:
        content = _parquet_content(path, parquet, file)
    columns = list(content.column_names)
    label_index = _label_index(path, columns, label)
    if content.num_rows == 0:
        raise ValueError(f"{path}: the table has no rows")
    features = (*columns[:label_index], *columns[label_index + 1 :])
    X = np.empty((content.num_rows, len(features)))
    for j, name in enumerate(features):
        X[:, j] = _parquet_numbers(path, name, content.column(j if j < label_index else j + 1))
    _require_finite(path, X, features)
    values = _parquet_labels(path, label, content.column(label_index))
    return Table(
        X, _column_labels(f"{path}: column {label!r}", values, positive), features, label, positive or "1", path
    )


def _parquet_content(path: Path, parquet: Any, file: BinaryIO) -> Any:
    """Read the whole file; a damaged one ends in nearly any exception of pyarrow."""
    try:
        source = parquet.ParquetFile(file)
        names = source.schema_arrow.names
    except Exception as error:
        raise ValueError(f"{path}: not read as Parquet: {error}") from error
    try:
        return source.read()
    except Exception as error:
        for name in names:
            try:
                source.read(columns=[name])
            except Exception as damage:
                raise ValueError(f"{path}, column {name!r}: not read as Parquet: {damage}") from damage
        raise ValueError(f"{path}: not read as Parquet: {error}") from error


def _parquet_labels(path: Path, name: str, column: Any) -> NDArray[Any]:
    if column.null_count:
        raise ValueError(f"{path}, column {name!r}: {column.null_count} values are missing")
    types = require("pyarrow", "parquet", "Reading Parquet").types
    if types.is_nested(column.type) or types.is_binary(column.type) or types.is_large_binary(column.type):
        raise ValueError(f"{path}, column {name!r}: it holds {column.type}, neither numbers nor text")
    # Text comes as objects: NumPy makes it fixed-width text, which can be compared and sorted.
    values = np.array(column.to_pylist())
    return values if values.dtype.kind in _KINDS_OF_LABELS else values.astype(str)


def _parquet_numbers(path: Path, name: str, column: Any) -> NDArray[Any]:
    if column.null_count:
        raise ValueError(f"{path}, column {name!r}: {column.null_count} values are missing")
    arrow = require("pyarrow", "parquet", "Reading Parquet")
    kind = column.type.value_type if arrow.types.is_dictionary(column.type) else column.type
    if not any(belongs(kind) for belongs in (arrow.types.is_integer, arrow.types.is_floating, arrow.types.is_boolean)):
        if not arrow.types.is_decimal(kind):
            raise ValueError(f"{path}, column {name!r}: it holds {column.type}, not numbers")
        kind = arrow.float64()
    values: NDArray[Any] = (column if kind == column.type else column.cast(kind)).to_numpy()
    return values


def _require_finite(path: Path, X: FloatArray, columns: tuple[str, ...]) -> None:
    finite = np.isfinite(X)
    if not finite.all():
        i, j = (int(k) for k in np.unravel_index(int(np.argmin(finite)), finite.shape))
        raise ValueError(f"{path}, row {i + 1}, column {columns[j]!r}: {X[i, j]} is not a finite number")


def _column_labels(where: str, values: NDArray[Any], positive: str | None) -> NDArray[np.float64]:
    if values.dtype.kind == "S":
        try:
            values = np.char.decode(values, "utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{where} holds bytes that are no text in UTF-8") from None
    if values.dtype.kind not in _KINDS_OF_LABELS:
        raise ValueError(f"{where} holds {values.dtype}, neither numbers nor text")
    distinct, codes = np.unique(values, return_inverse=True)
    return labels.as_y(where, [str(value) for value in distinct], codes, positive)
