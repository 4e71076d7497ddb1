"""Data files: reads CSV, npz and Parquet into X, y and the names of the columns, and standardizes columns."""

from __future__ import annotations

import csv
import math
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TextIO

import numpy as np
from numpy.typing import NDArray

from gradstep.contract import FloatArray
from gradstep.extras import require

SUFFIXES = (".csv", ".npz", ".parquet")

# A message lists at most this many values of a label column.
_VALUES_SHOWN = 6


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
    """

    X: FloatArray
    y: NDArray[np.float64]
    columns: tuple[str, ...]
    label: str
    positive: str


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
    y = _labels(f"{path}: column {label!r}", list(codes), cells[:, label_index].astype(np.intp), positive)
    features = (*columns[:label_index], *columns[label_index + 1 :])
    return Table(np.delete(cells, label_index, axis=1), y, features, label, positive or "1")


def _opened(path: Path) -> TextIO:
    # utf-8-sig: spreadsheets put a byte order mark before the first name.
    return path.open(encoding="utf-8-sig", newline="")


def _header(path: Path, file: TextIO, label: str) -> tuple[list[str], int]:
    """Read the first line, and return the names of the columns and the index of the label's."""
    try:
        columns = [name.strip() for name in next(csv.reader(file), [])]
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file in UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{path}, line 1: {error}") from error
    if not columns:
        raise ValueError(f"{path}: the file is empty; it should begin with a header, the names of the columns")
    if all(_as_number(name) is not None for name in columns):
        raise ValueError(f"{path}: line 1 holds only numbers; it should be a header, the names of the columns")
    return columns, _label_index(path, columns, label)


def _label_index(path: Path, columns: list[str], label: str) -> int:
    found = columns.count(label)
    if found == 0:
        raise ValueError(f"{path}: there is no column {label!r}; there are {_listed(columns)}")
    if found > 1:
        raise ValueError(f"{path}: {found} columns are called {label!r}")
    if len(columns) == 1:
        raise ValueError(f"{path}: there is no column besides the label {label!r}")
    return columns.index(label)


def _raise_for_culprit(path: Path, label: str, otherwise: str) -> NoReturn:
    """Raise ValueError for the first row that is not numbers, or does not fit the header."""
    with _opened(path) as file:
        reader = csv.reader(file)
        columns = [name.strip() for name in next(reader)]
        for row in reader:
            if row and len(row) != len(columns):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(row)} fields; the header has {len(columns)}"
                ) from None
            for column, cell in zip(columns, row, strict=False):
                number = _as_number(cell)
                if column != label and (number is None or not math.isfinite(number)):
                    shown = "the cell is empty" if not cell.strip() else f"{cell.strip()!r} is not a finite number"
                    raise ValueError(f"{path}, line {reader.line_num}, column {column!r}: {shown}") from None
    raise ValueError(f"{path}: {otherwise}") from None


def _read_npz(path: Path, label: str, positive: str | None) -> Table:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: not an npz file")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in ("X", label) if name not in arrays]
            if missing:
                raise ValueError(f"there is no array {missing[0]!r}; there are {_listed(arrays.files)}")
            X, labels = arrays["X"], arrays[label]
    except (ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not read as npz: {error}") from error
    if X.ndim != 2 or X.dtype.kind not in "fiub":
        raise ValueError(f"{path}: X has shape {X.shape} and dtype {X.dtype}; it should be 2-D and hold numbers")
    if labels.shape != X.shape[:1]:
        raise ValueError(f"{path}: {label} has shape {labels.shape}; it should have one label per row of X: {X.shape}")
    if X.dtype != np.float32:
        X = X.astype(np.float64, copy=False)
    columns = tuple(f"x{j}" for j in range(X.shape[1]))
    _require_finite(path, X, columns)
    return Table(X, _column_labels(f"{path}: array {label!r}", labels, positive), columns, label, positive or "1")


def _read_parquet(path: Path, label: str, positive: str | None) -> Table:
    parquet = require("pyarrow.parquet", "parquet", "Reading Parquet")
    arrow = require("pyarrow", "parquet", "Reading Parquet")
    try:
        content = parquet.ParquetFile(path).read()
    except arrow.ArrowException as error:
        raise ValueError(f"{path}: not read as Parquet: {error}") from error
    columns = list(content.column_names)
    label_index = _label_index(path, columns, label)
    labels = content.column(label_index)
    if labels.null_count:
        raise ValueError(f"{path}, column {label!r}: {labels.null_count} values are missing")
    features = (*columns[:label_index], *columns[label_index + 1 :])
    X = np.empty((content.num_rows, len(features)))
    for j, name in enumerate(features):
        X[:, j] = _parquet_numbers(path, name, content.column(j if j < label_index else j + 1))
    _require_finite(path, X, features)
    # Text comes as objects: NumPy makes it fixed-width text, which can be compared and sorted.
    values = np.array(labels.to_pylist())
    return Table(X, _column_labels(f"{path}: column {label!r}", values, positive), features, label, positive or "1")


def _parquet_numbers(path: Path, name: str, column: Any) -> NDArray[Any]:
    if column.null_count:
        raise ValueError(f"{path}, column {name!r}: {column.null_count} values are missing")
    values: NDArray[Any] = column.to_numpy()
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{path}, column {name!r}: it holds {column.type}, not numbers")
    return values


def _require_finite(path: Path, X: FloatArray, columns: tuple[str, ...]) -> None:
    finite = np.isfinite(X)
    if not finite.all():
        i, j = (int(k) for k in np.unravel_index(int(np.argmin(finite)), finite.shape))
        raise ValueError(f"{path}, row {i + 1}, column {columns[j]!r}: {X[i, j]} is not a finite number")


def _column_labels(where: str, values: NDArray[Any], positive: str | None) -> NDArray[np.float64]:
    distinct, codes = np.unique(values, return_inverse=True)
    return _labels(where, [str(value) for value in distinct], codes, positive)


def _labels(where: str, values: list[str], codes: NDArray[np.intp], positive: str | None) -> NDArray[np.float64]:
    """Turn the values of a label column into y; ``values[codes[i]]`` is the label of row i."""
    if any(value.lower() in ("", "nan") for value in values):
        raise ValueError(f"{where} has rows without a value; every row needs its label")
    if len(values) < 2:
        raise ValueError(f"{where} holds only {_listed(values)}; two classes are needed")
    if positive is not None:
        matches = np.array([_same(value, positive) for value in values])
        if not matches.any():
            raise ValueError(f"{where} does not hold {positive!r}; it holds {_listed(values)}")
        return matches.astype(np.float64)[codes]
    numbers = [_as_number({"True": "1", "False": "0"}.get(value, value)) for value in values]
    known = [number for number in numbers if number is not None and 0.0 <= number <= 1.0]
    if len(known) < len(values):
        raise ValueError(f"{where} holds {_listed(values)}; name the value that counts as 1 with --positive VALUE")
    return np.array(known)[codes]


def _same(value: str, other: str) -> bool:
    return value == other or (_as_number(value) is not None and _as_number(value) == _as_number(other))


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _listed(values: list[str]) -> str:
    """Return the values in quotes; of a long list the first ones and the number of all."""
    shown = ", ".join(map(repr, sorted(values)[:_VALUES_SHOWN]))
    return shown if len(values) <= _VALUES_SHOWN else f"{shown} and {len(values) - _VALUES_SHOWN} more"


class Standardization(NamedTuple):
    """The shift and the scale of each column that make its mean 0 and its standard deviation 1.

    Attributes
    ----------
    means : ndarray of shape (n,)
        Subtracted first.
    scales : ndarray of shape (n,)
        Divided by; 1 for a column that is constant, which becomes 0.
    """

    means: NDArray[np.float64]
    scales: NDArray[np.float64]

    @classmethod
    def of(cls, X: FloatArray) -> Standardization:
        """Measure the columns of X.

        Examples
        --------
        >>> import numpy as np
        >>> Standardization.of(np.array([[1.0, 7.0], [3.0, 7.0]]))
        Standardization(means=array([2., 7.]), scales=array([1., 1.]))
        """
        least = X.min(axis=0)
        constant = least == X.max(axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            means = np.where(constant, least, X.mean(axis=0, dtype=np.float64))
            scales = np.where(constant, 1.0, X.std(axis=0, dtype=np.float64))
        usable = np.isfinite(scales) & (scales > 0.0)
        if not usable.all():
            raise ValueError(f"column {int(np.argmin(usable))} cannot be standardized: its spread is out of range")
        return cls(means, scales)

    def apply(self, X: FloatArray) -> FloatArray:
        """Return the standardized columns, a new array in the dtype of X."""
        return ((X - self.means) / self.scales).astype(X.dtype, copy=False)

    def original_units(self, w: FloatArray, b: float) -> tuple[NDArray[np.float64], float]:
        """Return the w and b that give for the original columns what (w, b) gives for the standardized ones."""
        original_w = w.astype(np.float64) / self.scales
        return original_w, b - float(original_w @ self.means)
