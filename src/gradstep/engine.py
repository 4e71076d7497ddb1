"""Blocks, threads, staging and the ordered sum: turns a kernel's partial sums into the sums over all rows.

Where the blocks begin depends on the shape and dtype of X alone, each block is summed by one call of a kernel, and the
blocks' sums are added in block order. So the result has the same bits for every number of threads.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gradstep import validate
from gradstep.contract import FloatArray, Kernel
from gradstep.threads import named_threads, share, threads_for
from gradstep.validate import Array, Data

# A block of X is about this large: it keeps a thread busy for tens of microseconds.
BLOCK_BYTES = 2 << 20

# Each block costs n + 2 float64 of partial sums; it is long enough to keep these within 1/64 of its own bytes.
_BLOCK_TO_SUMS = 64


def block_rows(m: int, n: int, dtype: DTypeLike) -> int:
    """Return the number of rows in a block of an (m, n) array of `dtype`."""
    given = np.dtype(dtype)
    # Of the row as the kernel computes with it: a staged block should fit the cache as well.
    computed_row_bytes = n * max(given.itemsize, validate.compute_dtype(given).itemsize)
    if m * computed_row_bytes <= BLOCK_BYTES:
        return m
    least = -(-_BLOCK_TO_SUMS * (n + 2) * 8 // (n * given.itemsize))
    rows = max(least, BLOCK_BYTES // computed_row_bytes)
    # Blocks of equal length: with one of 65 rows and one of 3, the second of two threads would be idle.
    return -(-m // max(1, round(m / rows)))


class Pass:
    """One pass over checked data with one kernel; prepared once, called many times.

    Safe to call from several threads at the same time.

    Parameters
    ----------
    kernel : Kernel
        The implementation that sums each block.
    examples : Data
        The checked data.
    threads : int or None
        The number of threads; None chooses by the size of X. It never changes a bit of the result.
    """

    def __init__(self, kernel: Kernel, examples: Data, threads: int | None) -> None:
        X, y, sample_weight, dtype = examples
        m, n = X.shape
        self._kernel = kernel
        self._examples = examples
        # A short cut for small problems, which are most calls; block_rows gives the same answer.
        one_block = m * n * max(X.itemsize, dtype.itemsize) <= BLOCK_BYTES
        self._block_rows = m if one_block else block_rows(m, n, X.dtype)
        self._n_blocks: int = -(-m // self._block_rows)
        self._X_in_place = _readable_rows(X, dtype, getattr(kernel, "narrow_dtypes", ()))
        self._in_place = (
            self._X_in_place
            and _readable_vector(y, dtype)
            and (sample_weight is None or _readable_vector(sample_weight, dtype))
        )
        self.threads = self._threads(threads)
        self._spare_sums: list[NDArray[np.float64]] = []

    def _threads(self, wanted: int | None) -> int:
        if wanted is None:
            wanted = named_threads()
        if self._n_blocks == 1 or not self._kernel.releases_gil:
            return 1
        if wanted is None:
            wanted, _ = threads_for(self._examples.X.nbytes)
        return min(wanted, self._n_blocks)

    @functools.cached_property
    def total_weight(self) -> float:
        """Sum of the sample weights, added up by blocks in block order; m without weights."""
        weight = self._examples.sample_weight
        if weight is None:
            return float(self._examples.X.shape[0])
        blocks = (weight[k : k + self._block_rows] for k in range(0, weight.shape[0], self._block_rows))
        return validate.total_weight(sum(float(block.sum(dtype=np.float64)) for block in blocks))

    def __call__(self, w: FloatArray, b: float) -> NDArray[np.float64]:
        """Return ``[sum dz x, sum dz, sum loss]`` over all rows, shape (n + 2,).

        Raises
        ------
        ValueError
            If a value of the input is NaN or infinite, a label lies outside [0, 1] or a weight is negative.
        """
        total = self._one_block(w, b) if self._n_blocks == 1 else self._all_blocks(w, b)
        # Every number of the input is a factor or a term of its row's loss, so one that is not finite shows there.
        if not math.isfinite(total[-1]):
            validate.raise_for_culprit(self._examples, w, b)
        return total

    def _one_block(self, w: FloatArray, b: float) -> NDArray[np.float64]:
        sums = np.empty((1, self._examples.X.shape[1] + 2))
        self._sum_blocks(0, 1, *self._native(w, b), sums)
        total: NDArray[np.float64] = sums[0]
        return total

    def _all_blocks(self, w: FloatArray, b: float) -> NDArray[np.float64]:
        sums = self._take_sums()
        native_w, native_b = self._native(w, b)
        if self.threads == 1:
            self._sum_blocks(0, self._n_blocks, native_w, native_b, sums)
        else:
            share(
                lambda first, last: self._sum_blocks(first, last, native_w, native_b, sums),
                self._n_blocks,
                self.threads,
            )
        with np.errstate(over="ignore", invalid="ignore"):
            total: NDArray[np.float64] = np.add.reduce(sums, axis=0)
        self._spare_sums.append(sums)
        return total

    def _native(self, w: FloatArray, b: float) -> tuple[FloatArray, float]:
        """Return w and b as the kernel reads them: both rounded to the dtype of the computation, b as a float."""
        dtype = self._examples.dtype
        if dtype.itemsize == 8 and _readable_vector(w, dtype):
            return w, b
        # An overflow here makes the sums infinite or NaN, and these are reported.
        with np.errstate(over="ignore", invalid="ignore"):
            return np.require(w, dtype, ("C", "A")), float(dtype.type(b))

    def _take_sums(self) -> NDArray[np.float64]:
        try:
            return self._spare_sums.pop()
        except IndexError:
            return np.empty((self._n_blocks, self._examples.X.shape[1] + 2))

    def _sum_blocks(self, first: int, last: int, w: FloatArray, b: float, sums: NDArray[np.float64]) -> None:
        if not self._in_place:
            self._sum_staged_blocks(first, last, w, b, sums)
            return
        X, y, sample_weight, _ = self._examples
        if last - first == self._n_blocks:
            self._kernel.partial_sums(X, y, w, b, self._block_rows, sums, sample_weight)
            return
        rows = slice(first * self._block_rows, last * self._block_rows)
        weight = None if sample_weight is None else sample_weight[rows]
        self._kernel.partial_sums(X[rows], y[rows], w, b, self._block_rows, sums[first:last], weight)

    def _sum_staged_blocks(self, first: int, last: int, w: FloatArray, b: float, sums: NDArray[np.float64]) -> None:
        """Sum block by block, copying what the kernel cannot read in place into small reused buffers."""
        X, y, sample_weight, dtype = self._examples
        most = self._block_rows
        read_X = _Reader(X, self._X_in_place, (most, X.shape[1]), dtype)
        read_y = _Reader(y, _readable_vector(y, dtype), (most,), dtype)
        read_weight = None
        if sample_weight is not None:
            read_weight = _Reader(sample_weight, _readable_vector(sample_weight, dtype), (most,), dtype)
        for block in range(first, last):
            rows = slice(block * most, (block + 1) * most)
            weight = None if read_weight is None else read_weight(rows)
            self._kernel.partial_sums(read_X(rows), read_y(rows), w, b, most, sums[block : block + 1], weight)


class _Reader:
    """Reads a block of rows of one array: in place if a kernel can, else through a buffer of one block."""

    def __init__(self, source: Array, in_place: bool, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._source = source
        self._buffer = None if in_place else np.empty(shape, dtype)

    def __call__(self, rows: slice) -> Array:
        values = self._source[rows]
        if self._buffer is None:
            return values
        part: Array = self._buffer[: values.shape[0]]
        with np.errstate(over="ignore"):
            np.copyto(part, values, casting="same_kind")
        return part


def _readable_rows(X: Array, dtype: np.dtype[Any], narrow_dtypes: Collection[str]) -> bool:
    """Whether a kernel can read X in place: native, aligned, one axis contiguous and the other going forwards."""
    if X.dtype != dtype and (X.dtype.name not in narrow_dtypes or not X.dtype.isnative):
        return False
    flags = X.flags
    if not flags.aligned:
        return False
    if flags.c_contiguous or flags.f_contiguous:
        return True
    (m, n), (row_stride, column_stride) = X.shape, X.strides
    rows_contiguous = n == 1 or column_stride == X.itemsize
    columns_contiguous = m == 1 or row_stride == X.itemsize
    if rows_contiguous:
        return m == 1 or _forward(row_stride, X.itemsize)
    return columns_contiguous and _forward(column_stride, X.itemsize)


def _forward(stride: int, itemsize: int) -> bool:
    return stride > 0 and stride % itemsize == 0


def _readable_vector(values: Array, dtype: np.dtype[Any]) -> bool:
    flags = values.flags
    return values.dtype == dtype and flags.aligned and flags.c_contiguous
