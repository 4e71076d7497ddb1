"""Data files: reads CSV, npz and Parquet into X, y and the names of the columns."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gradstep import files
from gradstep.contract import FloatArray
from gradstep.data import csv_files, labels, npz_files, parquet_files
from gradstep.data.blocks import Source, Unusable
from gradstep.data.standardization import Standardization

SUFFIXES = (".csv", ".npz", ".parquet")


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
    negative : str, optional
        The value that counts as 0; None where there are several.
    path : Path, optional
        The file.
    """

    X: FloatArray
    y: NDArray[np.float64]
    columns: tuple[str, ...]
    label: str
    positive: str
    negative: str | None = None
    path: Path | None = None

    def standardization(self) -> Standardization:
        """Measure the columns; an error names the file and the column."""
        where = "" if self.path is None else f"{self.path}, "
        return Standardization.of(self.X, [f"{where}column {name!r}" for name in self.columns])


def read(
    path: Path,
    label: str | None = None,
    positive: str | None = None,
    *,
    delimiter: str = ",",
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Table:
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
    delimiter : str
        The character between the cells of a CSV file.
    columns : sequence of str
        The features; all columns but the label if it is empty.
    drop : sequence of str
        Columns that are no features.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If its content is not as described above; the message names the row and the column.
    MissingExtra
        If a Parquet file is read and pyarrow is not installed.
    """
    with opened(path, delimiter) as source:
        if source.path.suffix.lower() == ".npz":
            label = label or "y"
        elif label is None:
            raise ValueError(f"{path}: the column of the labels should be named (--label COLUMN)")
        if source.by_position and path.suffix.lower() == ".csv":
            raise ValueError(f"{path}: line 1 holds only numbers; it should be a header, the names of the columns")
        label_index = source.index(label)
        features = _features(source, label_index, columns, drop)
        X, texts = source.whole(features, [label_index])[1:]
    if len(X) == 0:
        lacking = "no row follows the header" if path.suffix.lower() == ".csv" else "the table has no rows"
        raise ValueError(f"{path}: {lacking}")
    kind = "array" if path.suffix.lower() == ".npz" else "column"
    y = labels.as_labels(f"{path}: {kind} {label!r}", *texts[0], positive)
    return Table(X, y.y, tuple(source.names[j] for j in features), label, y.positive, y.negative, path)


@contextlib.contextmanager
def opened(path: Path, delimiter: str = ",", wanted: Sequence[str] = ()) -> Iterator[Source]:
    """Open a data file; its suffix says which kind it is. A first line with all names that are wanted is a header.

    Raises
    ------
    OSError, ValueError, MissingExtra
        As `read` does.
    """
    with files.named_where_memory_ends(path), _opened(path, delimiter, wanted) as source:
        yield source


def _opened(path: Path, delimiter: str, wanted: Sequence[str]) -> AbstractContextManager[Source]:
    # A file that does not exist gets the system's own message, whatever its suffix.
    path.stat()
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return csv_files.opened(path, delimiter, wanted)
    if suffix == ".npz":
        return npz_files.opened(path)
    if suffix == ".parquet":
        return parquet_files.opened(path)
    raise ValueError(f"{path}: the name should end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")


def _features(source: Source, label: int, columns: Sequence[str], drop: Sequence[str]) -> list[int]:
    """Return the indices of the columns that are features."""
    chosen, dropped = ({source.index(name) for name in names} for names in (columns, drop))
    wanted = chosen or set(range(source.features))
    for option, named in (("--columns", chosen), ("--drop", dropped)):
        if label in named:
            raise ValueError(f"{source.path}: {option} names {source.names[label]!r}, which holds the labels")
    features = sorted(wanted - dropped - {label})
    if not features:
        left = "left " if drop or columns else ""
        raise ValueError(f"{source.path}: there is no column {left}besides the label {source.names[label]!r}")
    _require_names(source, features)
    return features


def _require_names(source: Source, features: Sequence[int]) -> None:
    """Raise Unusable if several columns have the name of a feature: a model knows its columns by their names."""
    if source.by_position:
        return
    counts = Counter(map(labels.composed, source.names))
    for j in features:
        if (found := counts[labels.composed(source.names[j])]) > 1:
            raise Unusable(f"{source.path}: {found} columns are called {source.names[j]!r}; each feature needs a name")
