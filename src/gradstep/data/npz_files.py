"""Files of NumPy arrays (npz): the array X of features, read whole or some rows at a time, and arrays beside it."""

from __future__ import annotations

import contextlib
import math
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradstep.contract import FloatArray
from gradstep.data import labels
from gradstep.data.blocks import Block, Texts, require_finite, require_regular, rows_at_a_time
from gradstep.extras import MissingExtra
from gradstep.machine import available_memory
from gradstep.text import quoted

# NumPy's codes for floats, signed and unsigned integers, booleans, bytes and text.
_KINDS_OF_LABELS = "fiubUS"

# A byte that was compressed by deflate, as NumPy does, stands for at most this many.
_MOST_OF_A_BYTE = 1032

# The names of the columns of X.
_COLUMN = re.compile(r"x(0|[1-9][0-9]{0,18})")

# The name of a column takes about this many bytes.
_NAME = 100


class _Header(NamedTuple):
    """What the header of an array says."""

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype[Any]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[NpzSource]:
    """Open an npz file and read the header of X."""
    with path.open("rb") as file:
        require_regular(path, file)
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path}: not an npz file")
        with _explained(path):
            archive = zipfile.ZipFile(file)
        with archive:
            yield NpzSource(path, archive)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the exceptions of a damaged file, nearly any of zipfile, its decompressors and NumPy, into one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # each of them fails in its own way
        raise ValueError(f"{path}: not read as npz: {error or type(error).__name__}") from error


class NpzSource:
    """An npz file: a `Source` whose features are the columns of X, by position."""

    by_position = True

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive
        self._size = path.stat().st_size
        members = [member.removesuffix(".npy") for member in archive.namelist()]
        self._require_member("X")
        with _explained(path), self._of_array("X"), self._opened("X") as (_, header):
            shape, self._by_columns, self._dtype = header
        if len(shape) != 2 or self._dtype.kind not in "fiub":
            raise ValueError(f"{path}: X has shape {shape} and dtype {self._dtype}; it should be 2-D and hold numbers")
        self.m, self.features = shape
        self._require_memory(_NAME * self.features, "the names of its columns take")
        others = [member for member in members if member != "X"]
        self.names = (*(f"x{j}" for j in range(self.features)), *others)

    def index(self, name: str) -> int:
        """Return the index in `names` of the array of this name, or of this column of X."""
        column = _COLUMN.fullmatch(name)
        if column and f"{name}.npy" not in self._archive.namelist() and int(column[1]) < self.features:
            return int(column[1])
        if name == "X":
            raise ValueError(f"{self.path}: 'X' holds the features; labels and keys are arrays of their own")
        self._require_member(name)
        return self.features + self.names[self.features :].index(name)

    def _require_member(self, name: str) -> None:
        members = self._archive.namelist()
        found = members.count(f"{name}.npy")
        if found == 0:
            there = labels.listed([member.removesuffix(".npy") for member in members])
            raise ValueError(f"{self.path}: there is no array {quoted(name)}; there are {there}")
        if found > 1:
            raise ValueError(f"{self.path}: {found} arrays are called {quoted(name)}")

    def _require_memory(self, needed: float, what: str) -> None:
        """Raise ValueError where there is less memory, before it is taken: a small file may hold much."""
        if needed > (free := _free_memory()):
            raise ValueError(
                f"{self.path}: {what} {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB of memory are free"
            )

    @contextlib.contextmanager
    def _of_array(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each damage fails in its own way
            raise ValueError(f"array {name!r}: {error or type(error).__name__}") from error

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[tuple[IO[bytes], _Header]]:
        """Open an array at its first number, if the size in its header is the one that the file gives."""
        member = self._archive.getinfo(f"{name}.npy")
        with self._archive.open(member) as file:
            header = _header(file)
            shape, _, dtype = header
            if dtype.hasobject:
                raise ValueError("it holds objects of Python; it should hold numbers or text")
            claimed = file.tell() + math.prod(shape) * dtype.itemsize
            if claimed != member.file_size or min(shape, default=0) < 0:
                raise ValueError(f"it is {'longer' if claimed < member.file_size else 'shorter'} than it says")
            most = _MOST_OF_A_BYTE * (member.compress_size + 100)
            if member.compress_size > self._size or (
                member.compress_type == zipfile.ZIP_DEFLATED and member.file_size > most
            ):
                raise ValueError("it is shorter than it says")
            yield file, header

    def whole(self, numbers: Sequence[int], texts: Sequence[int]) -> Block:
        """Return all rows at once, in the order in memory that X has."""
        X = self._array("X")
        if 0 in X.shape:
            raise ValueError(f"{self.path}: X has shape {X.shape}; it should have rows and columns")
        if len(numbers) < self.features:
            X = X[:, list(numbers)]
        return Block(0, self._checked(X, 0, numbers), tuple(self._texts(j) for j in texts))

    def blocks(self, numbers: Sequence[int], texts: Sequence[int]) -> Iterator[Block]:
        """Yield the rows, some at a time; an X that is stored by columns is read whole."""
        columns = [self._texts(j) for j in texts]
        first = 0
        for rows in self._rows():
            here = slice(first, first + len(rows))
            block = tuple(_part(column, here) for column in columns)
            yield Block(first, self._checked(rows[:, list(numbers)], first, numbers), block)
            first += len(rows)

    def _rows(self) -> Iterator[NDArray[Any]]:
        count = rows_at_a_time(self.features)
        if self._by_columns:
            X = self._array("X")
            yield from (X[i : i + count] for i in range(0, self.m, count))
            return
        with contextlib.ExitStack() as stack:
            with _explained(self.path), self._of_array("X"):
                file, _ = stack.enter_context(self._opened("X"))
            for i in range(0, self.m, count):
                with _explained(self.path), self._of_array("X"):
                    rows = self._read(file, min(count, self.m - i))
                yield rows
            with _explained(self.path), self._of_array("X"):
                _require_end(file)

    def _read(self, file: IO[bytes], count: int) -> NDArray[Any]:
        size = count * self.features * self._dtype.itemsize
        content = file.read(size)
        if len(content) < size:
            raise ValueError("it is shorter than it says")
        return np.frombuffer(content, self._dtype).reshape(count, self.features)

    def _array(self, name: str) -> NDArray[Any]:
        self._require_memory(self._archive.getinfo(f"{name}.npy").file_size, f"array {name!r} takes")
        with _explained(self.path), self._of_array(name), self._opened(name) as (file, _):
            file.seek(0)
            values: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            _require_end(file)
        return values

    def _checked(self, X: NDArray[Any], first: int, numbers: Sequence[int]) -> FloatArray:
        """Return rows of X as floats, all of them finite."""
        if X.dtype != np.float32:
            with np.errstate(over="ignore"):
                X = X.astype(np.float64, copy=False)
        require_finite(self.path, X, [self.names[j] for j in numbers], first)
        return X

    def _texts(self, j: int) -> Texts:
        """Return one of the other arrays as text, or a column of X."""
        name = self.names[j]
        if j < self.features:
            raise ValueError(f"{self.path}: {name!r} is a column of X; it should be an array of its own")
        values = self._array(name)
        if values.shape != (self.m,):
            raise ValueError(
                f"{self.path}: {name} has shape {values.shape}; it should have one label per row of X: "
                f"{(self.m, self.features)}"
            )
        if values.dtype.kind not in _KINDS_OF_LABELS:
            raise ValueError(f"{self.path}: array {name!r} holds {values.dtype}, neither numbers nor text")
        try:
            distinct, codes = np.unique(values, return_inverse=True)
            return Texts([_as_text(value) for value in distinct], codes)
        except (UnicodeError, SystemError) as error:  # SystemError: the number of a character that is beyond Unicode
            raise ValueError(f"{self.path}: array {name!r} holds what is no text in UTF-8") from error


def _as_text(value: object) -> str:
    """Return a label as text; UnicodeError if UTF-8 cannot hold it."""
    text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
    text.encode("utf-8")
    return text


def _free_memory() -> float:
    """Return how many bytes of memory are free, as far as that is known; infinity where it is not."""
    try:
        return available_memory()
    except MissingExtra:
        return math.inf


def _header(file: IO[bytes]) -> _Header:
    """Read the header of an array."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return _Header(*np.lib.format.read_array_header_1_0(file))
    if version == (2, 0):
        return _Header(*np.lib.format.read_array_header_2_0(file))
    raise ValueError(f"version {version[0]}.{version[1]} of the format; it should be 1.0 or 2.0")


def _require_end(file: IO[bytes]) -> None:
    """Read on to the end, where the checksum is compared."""
    if file.read(1):
        raise ValueError("it is longer than it says")


def _part(column: Texts, rows: slice) -> Texts:
    used, codes = np.unique(column.codes[rows], return_inverse=True)
    return Texts([column.values[k] for k in used], codes)
