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
from gradstep.rows import Rows
from gradstep.threads import named_threads, share, threads_for
from gradstep.validate import Array, Data

# A block of X is about this large: it keeps a thread busy for tens of microseconds.
BLOCK_BYTES = 2 << 20

# Each block costs n + 2 float64 of partial sums; it is long enough to keep these within 1/64 of its own bytes.
_BLOCK_TO_SUMS = 64

# A mean weight in this range leaves room below and above for the products with the weights.
_MEAN_WEIGHTS = {4: (2.0**-32, 2.0**32), 8: (2.0**-256, 2.0**256)}


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
        self._given = examples
        # A short cut for small problems, which are most calls; block_rows gives the same answer.
        one_block = m * n * max(X.itemsize, dtype.itemsize) <= BLOCK_BYTES
        self._block_rows = m if one_block else block_rows(m, n, X.dtype)
        self._n_blocks: int = -(-m // self._block_rows)
        self._X_in_place = _readable_rows(X, dtype, getattr(kernel, "narrow_dtypes", ()))
        y_in_place = _readable_vector(y, dtype)
        self._y_is_narrowed = not y_in_place and y.dtype.kind == "f" and y.itemsize > dtype.itemsize
        if sample_weight is None:
            self._weighed = examples, self._X_in_place and y_in_place, float(m)
            # A 0-d array: to divide by a float takes NumPy twice as long, most of a microsecond more.
            self._divisor = np.array(float(m))
        self.threads = self._threads(threads)
        self._spare_sums: list[NDArray[np.float64]] = []

    def _threads(self, wanted: int | None) -> int:
        if wanted is None:
            wanted = named_threads()
        if self._n_blocks == 1 or not self._kernel.releases_gil:
            return 1
        if wanted is None:
            wanted, _ = threads_for(self._given.X.nbytes)
        return min(wanted, self._n_blocks)

    def _readable(self, examples: Data) -> bool:
        """Whether the kernel can read every array in place."""
        _, y, sample_weight, dtype = examples
        return (
            self._X_in_place
            and _readable_vector(y, dtype)
            and (sample_weight is None or _readable_vector(sample_weight, dtype))
        )

    @functools.cached_property
    def _weighed(self) -> tuple[Data, bool, float]:
        """The examples with weights that the computation can hold, whether they are read in place, and the total.

        Only the ratios of weights matter, so very small and very large ones are scaled by a power of two.
        """
        X, _, weight, dtype = self._given
        if weight is None:
            raise AssertionError("examples without weights need no weighing")
        total = self._sum_of_weights(weight)
        low, high = _MEAN_WEIGHTS[dtype.itemsize]
        if low <= total / X.shape[0] <= high:
            if weight.dtype.kind == "f" and weight.itemsize > dtype.itemsize:
                validate.require_nothing_lost("sample_weight", weight, dtype)
            return self._given, self._readable(self._given), total
        weight = validate.scaled_weights(weight, dtype)
        examples = self._given._replace(sample_weight=weight)
        return examples, self._readable(examples), self._sum_of_weights(weight)

    def _sum_of_weights(self, weight: Array) -> float:
        """Return the sum of the weights, added up by blocks in block order."""
        with np.errstate(all="ignore"):
            if self._n_blocks == 1:
                return float(np.add.reduce(weight, dtype=np.float64))
            blocks = (weight[k : k + self._block_rows] for k in range(0, weight.shape[0], self._block_rows))
            return sum(float(block.sum(dtype=np.float64)) for block in blocks)

    @property
    def total_weight(self) -> float:
        """Sum of the sample weights as the sums have them; m without weights."""
        return validate.total_weight(self._weighed[2])

    @functools.cached_property
    def _divisor(self) -> NDArray[np.float64]:
        return np.array(self.total_weight)

    def means(self, w: FloatArray, b: float) -> NDArray[np.float64]:
        """Return ``[sum dz x, sum dz, sum loss]`` over all rows, divided by the total weight.

        The mean loss is finite wherever that of each row is, although their sum may overflow.
        """
        sums = self._one_block(w, b) if self._n_blocks == 1 else self._all_blocks(w, b)
        if self._y_is_narrowed or not math.isfinite(sums.item(-1)):
            self._check_values(sums, w, b)
            if not math.isfinite(sums[-1]):
                scaled = self._with_small_weights()
                with np.errstate(all="ignore"):
                    return np.divide(scaled._sums(w, b), scaled._divisor)
        return np.divide(sums, self._divisor, sums)

    def _with_small_weights(self) -> Pass:
        """Return the same pass with weights whose total is at most 1, so that no sum exceeds its largest term."""
        (X, y, weight, dtype), _, total = self._weighed
        if weight is None:
            weight = np.broadcast_to(np.ones(1), y.shape)
        _, exponent = math.frexp(total)
        with np.errstate(all="ignore"):
            small = np.ldexp(weight.astype(np.float64, copy=False), -exponent)
        return Pass(self._kernel, Data(X, y, small, dtype), self.threads)

    def __call__(self, w: FloatArray, b: float) -> NDArray[np.float64]:
        """Return ``[sum dz x, sum dz, sum loss]`` over all rows, shape (n + 2,).

        Raises
        ------
        ValueError
            If a value of the input is NaN or infinite, a label lies outside [0, 1] or a weight is negative, or the
            ratio of two weights is beyond the dtype of the computation.
        """
        sums = self._sums(w, b)
        self._check_values(sums, w, b)
        return sums

    def _sums(self, w: FloatArray, b: float) -> NDArray[np.float64]:
        return self._one_block(w, b) if self._n_blocks == 1 else self._all_blocks(w, b)

    def _check_values(self, sums: NDArray[np.float64], w: FloatArray, b: float) -> None:
        """Raise ValueError for the first value that is wrong, by what the sums show."""
        # Every number of the input is a factor or a term of its row's loss, so one that is not finite shows there.
        if not math.isfinite(sums[-1]):
            validate.raise_for_culprit(self._given, w, b)
        if self._y_is_narrowed:
            # A label just outside [0, 1] may be rounded to 0 or 1.
            validate.require_labels(self._given.y)
            self._y_is_narrowed = False

    def _one_block(self, w: FloatArray, b: float) -> NDArray[np.float64]:
        sums = np.empty((1, self._given.X.shape[1] + 2))
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
        with np.errstate(all="ignore"):
            total: NDArray[np.float64] = np.add.reduce(sums, axis=0)
        self._spare_sums.append(sums)
        return total

    def _native(self, w: FloatArray, b: float) -> tuple[FloatArray, float]:
        """Return w and b as the kernel reads them: both rounded to the dtype of the computation, b as a float."""
        dtype = self._given.dtype
        if dtype.itemsize == 8 and _readable_vector(w, dtype):
            return w, b
        # An overflow here makes the sums infinite or NaN, and these are reported.
        with np.errstate(all="ignore"):
            return np.require(w, dtype, ("C", "A")), float(dtype.type(b))

    def _take_sums(self) -> NDArray[np.float64]:
        try:
            return self._spare_sums.pop()
        except IndexError:
            return np.empty((self._n_blocks, self._given.X.shape[1] + 2))

    def _sum_blocks(self, first: int, last: int, w: FloatArray, b: float, sums: NDArray[np.float64]) -> None:
        (X, y, sample_weight, _), in_place, _ = self._weighed
        if not in_place or isinstance(X, Rows):
            self._sum_staged_blocks(first, last, w, b, sums)
            return
        if last - first == self._n_blocks:
            self._kernel.partial_sums(X, y, w, b, self._block_rows, sums, sample_weight)
            return
        rows = slice(first * self._block_rows, last * self._block_rows)
        weight = None if sample_weight is None else sample_weight[rows]
        self._kernel.partial_sums(X[rows], y[rows], w, b, self._block_rows, sums[first:last], weight)

    def _sum_staged_blocks(self, first: int, last: int, w: FloatArray, b: float, sums: NDArray[np.float64]) -> None:
        """Sum block by block, copying what the kernel cannot read in place into small reused buffers."""
        X, y, sample_weight, dtype = self._weighed[0]
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

    def __init__(self, source: Array | Rows, in_place: bool, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._source = source
        order = source.order if isinstance(source, Rows) else "C"
        self._buffer = None if in_place else np.empty(shape, dtype, order)

    def __call__(self, rows: slice) -> Array:
        if self._buffer is None:
            return self._source[rows]
        start, stop, _ = rows.indices(self._source.shape[0])
        part: Array = self._buffer[: stop - start]
        with np.errstate(all="ignore"):
            if isinstance(self._source, Rows):
                self._source.read(rows, part)
            else:
                np.copyto(part, self._source[rows], casting="same_kind")
        return part


def _readable_rows(X: Array | Rows, dtype: np.dtype[Any], narrow_dtypes: Collection[str]) -> bool:
    """Whether a kernel can read X in place: native, aligned, one axis contiguous and the other going forwards."""
    if isinstance(X, Rows):
        return False
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
