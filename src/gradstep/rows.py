"""Rows of numbers that are no array: columns apart in memory, and data sets on disk, read a slice at a time."""

from __future__ import annotations

import bisect
import itertools
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from types import EllipsisType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Key = int | slice | tuple[slice, int | np.integer[Any]] | EllipsisType

# What is no larger is read once and kept: it is one block, which an optimizer would read again at each of its steps.
KEPT_BYTES = 2 << 20

# A larger chunk is read in parts: whatever reads it decompresses it once for each of them.
_HELD_BYTES = 32 << 20

# Between the columns of an Arrow file there are fewer bytes than these.
_PADDING = 64


class Rows(ABC):
    """Numbers that can be read by rows as an array is: ``rows[2]``, ``rows[2:5]`` and ``rows[:, 1]`` are arrays.

    Safe to read from several threads at the same time.

    Attributes
    ----------
    shape : tuple of int
        (m, n), or what a data set has instead of it.
    dtype : dtype
        Of the arrays that are read.
    order : str
        "C" if the numbers of a row come together, "F" if those of a column do.
    """

    order: Literal["C", "F"] = "C"

    def __init__(self, shape: tuple[Any, ...], dtype: np.dtype[Any]) -> None:
        self.shape = shape
        self.dtype = dtype

    def __len__(self) -> int:
        return int(self.shape[0])

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one number."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all numbers."""
        return int(math.prod(self.shape)) * self.itemsize

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> Array:
        """Return all numbers; NumPy calls this."""
        if copy is False:
            raise ValueError("rows that are no array can only be read")
        return self[...].astype(dtype or self.dtype, copy=False)

    @abstractmethod
    def __getitem__(self, key: Key) -> Array: ...

    @abstractmethod
    def read(self, rows: slice, out: Array) -> None:
        """Write the numbers of these rows to `out`, in the dtype of `out`."""


def settled(rows: Rows) -> Array | Rows:
    """Return what is small as an array, anything else as it is."""
    return rows[...] if rows.nbytes <= KEPT_BYTES else rows


class Slices(Rows):
    """What gives a part of itself for a slice, such as a data set on disk.

    Parameters
    ----------
    source : object
        Has a shape, and takes the keys of an array.
    dtype : dtype
        Of the arrays that `convert` returns.
    convert : callable
        Makes an array of a part of the source.
    """

    def __init__(self, source: Any, dtype: np.dtype[Any], convert: Callable[[Any], Array] = np.asarray) -> None:
        super().__init__(tuple(source.shape), dtype)
        self._source = source
        self._convert = convert

    def __getitem__(self, key: Key) -> Array:
        return self._convert(self._source[key])

    def read(self, rows: slice, out: Array) -> None:
        """Write the numbers of these rows to `out`, in the dtype of `out`."""
        np.copyto(out, self[rows], casting="same_kind")


class Chunks:
    """A data set that is stored in chunks, which are read as a whole although their rows are asked for a few at a time.

    Each thread holds the rows of the chunk that it works on, as far as they fit into `_HELD_BYTES`.
    """

    def __init__(self, source: Any, chunk_rows: int) -> None:
        self.shape = source.shape
        self._source = source
        self._chunk_rows = chunk_rows
        self._most_rows = _HELD_BYTES // max(1, source.dtype.itemsize * math.prod(source.shape[1:]))
        self._held = threading.local()

    def __getstate__(self) -> tuple[Any, int]:
        return self._source, self._chunk_rows

    def __setstate__(self, state: tuple[Any, int]) -> None:
        Chunks.__init__(self, *state)

    def __getitem__(self, key: Key) -> Any:
        if not isinstance(key, slice):
            return self._source[key]
        start, stop, _ = key.indices(self.shape[0])
        if stop - start >= self._chunk_rows:
            return self._source[key]
        first, held = getattr(self._held, "rows", None) or (stop, ())
        if not first <= start <= stop <= first + len(held):
            # Not both at once.
            self._held.rows = held = None
            end_of_chunk = -(-stop // self._chunk_rows) * self._chunk_rows
            first, held = start, self._source[start : min(end_of_chunk, max(stop, start + self._most_rows))]
            self._held.rows = first, held
        return held[start - first : stop - first]


class Bits:
    """A piece of a column of truth values that are packed in bits: NumPy has no such array."""

    dtype = np.dtype(np.bool_)

    def __init__(self, bits: Any) -> None:
        self._bits = bits

    def __len__(self) -> int:
        return len(self._bits)

    def __getitem__(self, rows: slice) -> Array:
        start, stop, _ = rows.indices(len(self))
        return np.asarray(self._bits[start:stop]).reshape(-1, 1)


Piece = Array | Bits
Column = list[Piece]
"""The pieces of a column, one below the other: vectors, or packed bits."""


def joined(column: Column) -> Array:
    """Return a column as a vector: its only piece as it lies in memory, else a copy."""
    if len(column) == 1 and isinstance(column[0], np.ndarray):
        return column[0]
    return np.concatenate([np.empty(0, np.bool_), *(piece[:].reshape(-1) for piece in column)])


def side_by_side(columns: Sequence[Column], m: int) -> Array | Rows:
    """Return columns of m rows as one array where they lie evenly spaced in memory, else as rows to be read.

    Whatever was read from them, their order in memory is that of a frame: column by column.
    """
    if m == 0 or not columns:
        return np.empty((m, len(columns)))
    stacks = [_Stack(list(alike)) for _, alike in itertools.groupby(columns, _lengths)]
    only = stacks[0].only_run()
    if len(stacks) == 1 and isinstance(only, np.ndarray):
        return only
    return settled(Table((m, len(columns)), stacks))


def _lengths(column: Column) -> list[int]:
    return [len(piece) for piece in column]


class Table(Rows):
    """Columns that are read where they lie, as stacks side by side."""

    order = "F"

    def __init__(self, shape: tuple[int, int], stacks: list[_Stack]) -> None:
        super().__init__(shape, np.result_type(*{dtype for stack in stacks for dtype in stack.dtypes()}))
        self._stacks = stacks

    def __getitem__(self, key: Key) -> Array:
        if isinstance(key, int):
            row: Array = self[key : key + 1][0]
            return row
        if isinstance(key, tuple):
            rows, j = key
            return np.concatenate([self[part][:, j] for part in _parts(rows, self.shape)])
        rows = key if isinstance(key, slice) else slice(None)
        start, stop, _ = rows.indices(self.shape[0])
        out = np.empty((stop - start, self.shape[1]), self.dtype, self.order)
        self.read(rows, out)
        return out

    def read(self, rows: slice, out: Array) -> None:
        """Write the numbers of these rows to `out`, in the dtype of `out`."""
        start, stop, _ = rows.indices(self.shape[0])
        j = 0
        for stack in self._stacks:
            stack.read(start, stop, out[:, j : j + stack.width])
            j += stack.width


class _Stack:
    """Neighbouring columns whose pieces end at the same rows: bands, one below the other, of runs side by side."""

    def __init__(self, columns: list[Column]) -> None:
        self.width = len(columns)
        lengths = _lengths(columns[0])
        self._starts = list(itertools.accumulate(lengths, initial=0))[:-1]
        self._bands = [_runs([column[k] for column in columns]) for k in range(len(lengths))]

    def only_run(self) -> Piece | None:
        """Return the run that all columns are; None if there are several."""
        return self._bands[0][0] if len(self._bands) == len(self._bands[0]) == 1 else None

    def dtypes(self) -> set[np.dtype[Any]]:
        """Return the dtypes of the columns."""
        return {run.dtype for runs in self._bands for run in runs}

    def read(self, start: int, stop: int, out: Array) -> None:
        """Write the numbers of the rows from `start` up to, and without, `stop` to `out`."""
        for band in range(bisect.bisect_right(self._starts, start) - 1, len(self._starts)):
            first = self._starts[band]
            if first >= stop:
                return
            rows = slice(max(start - first, 0), stop - first)
            j = 0
            for run in self._bands[band]:
                values = run[rows]
                below = max(first - start, 0)
                out[below : below + len(values), j : j + values.shape[1]] = values
                j += values.shape[1]


def _parts(rows: slice, shape: tuple[Any, ...]) -> list[slice]:
    """Split rows in slices that are small."""
    start, stop, _ = rows.indices(shape[0])
    step = max(1, KEPT_BYTES // (8 * shape[1]))
    return [slice(k, min(k + step, stop)) for k in range(start, stop, step)]


def _runs(pieces: Column) -> list[Piece]:
    """Return neighbours that lie evenly spaced in memory as one array of two dimensions."""
    runs: list[Piece] = []
    start = 0
    while start < len(pieces):
        piece = pieces[start]
        if isinstance(piece, Bits):
            runs.append(piece)
            start += 1
            continue
        neighbours, gap = _evenly_spaced(piece, itertools.islice(pieces, start + 1, None))
        runs.append(np.asarray(_Run(neighbours, gap)))
        start += len(neighbours)
    return runs


def _evenly_spaced(first: Array, others: Iterable[Piece]) -> tuple[list[Array], int]:
    """Return the first vector with those that follow it evenly spaced, and the bytes from one to the next."""
    vectors, gap = [first], first.itemsize
    for piece in others:
        if not isinstance(piece, np.ndarray) or (piece.dtype, piece.strides) != (first.dtype, first.strides):
            break
        distance = _address(piece) - _address(vectors[-1])
        if len(vectors) > 1 and distance != gap:
            break
        if not _in_one_table(first, distance, len(vectors) + 1):
            break
        gap = distance
        vectors.append(piece)
    return vectors, gap


def _in_one_table(vector: Array, gap: int, count: int) -> bool:
    """Whether vectors that lie so far apart are the columns of one table: side by side, or one after another.

    Nothing else may lie between them. NumPy takes what does for a part of the array, and copies without end.
    """
    stride = vector.strides[0]
    side_by_side = 0 < gap * count <= stride
    one_after_another = 0 <= gap - len(vector) * stride < _PADDING and stride > 0
    return gap % vector.itemsize == 0 and (side_by_side or one_after_another)


def _address(values: Array) -> int:
    address: int = values.__array_interface__["data"][0]
    return address


class _Run:
    """Vectors that lie evenly spaced, as NumPy reads them in place; keeps all of them alive."""

    def __init__(self, vectors: list[Array], gap: int) -> None:
        self._vectors = vectors
        first = vectors[0]
        self.__array_interface__ = {
            "version": 3,
            "shape": (len(first), len(vectors)),
            "typestr": first.dtype.str,
            "data": (_address(first), not all(vector.flags.writeable for vector in vectors)),
            "strides": (first.strides[0], gap),
        }
