"""The floor: what it costs only to read X, with the same blocks and threads as a step."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gradstep import engine, processor, validate
from gradstep.compare.record.records import READ_LIMIT, Check
from gradstep.contract import FloatArray, KernelUnavailable
from gradstep.validate import Array

NAME = READ_LIMIT

# X is cut into rows of this many bytes for the engine, which makes blocks of them; what is left over is read last. Rows
# this short leave the size of the blocks to the engine, and their unused sums take a thousandth of X.
_ROW_BYTES = 1 << 10

# Summing in another order than NumPy does; float32 is summed in float32 by both.
_TOLERANCES = {8: 1e-11, 4: 1e-3}


class Floor:
    """A call that reads all of X once, in memory order, and does nothing else with it than to sum it up.

    Parameters
    ----------
    X : ndarray
        C or F contiguous. Of other dtypes than float64 and float32 the bytes are read as if they were float64, so far
        as they fill whole numbers.
    threads : int or None
        As of a step; None chooses by the size of X.

    Raises
    ------
    KernelUnavailable
        If the Cython extension, which holds the reading loop, is not available.
    ValueError
        If X is not contiguous.

    Examples
    --------
    >>> Floor(np.ones((1000, 10)), threads=1)()
    10000.0
    """

    def __init__(self, X: Array, threads: int | None = 1) -> None:
        try:
            self._read = processor.load_best().read
        except ImportError as error:
            raise KernelUnavailable(f"X cannot be read by the Cython extension: {error}") from error
        self._values = in_memory_order(X)
        rows, tail = _split(self._values)
        self._tail = tail
        self._pass: engine.Pass | None = None
        self._sums: list[float] = []
        wanted = engine.threads_for(X.nbytes)[0] if threads is None else threads
        if wanted > 1 and rows.shape[0] > 0:
            # The engine shares the blocks out exactly as it does for a step: this reader is a kernel to it.
            labels = np.zeros(rows.shape[0], rows.dtype)
            shared = engine.Pass(self, validate.data(rows, labels), wanted)
            self._pass = shared if shared.threads > 1 else None
            self._no_w = np.zeros(rows.shape[1], rows.dtype)
        self.threads = 1 if self._pass is None else self._pass.threads

    name = NAME
    releases_gil = True

    def __call__(self) -> float:
        """Read X and return the sum of its values."""
        if self._pass is None:
            return float(self._read(self._values))
        self._sums.clear()
        self._pass(self._no_w, 0.0)
        return math.fsum(self._sums) + (float(self._read(self._tail)) if self._tail.size else 0.0)

    def partial_sums(
        self,
        X: FloatArray,
        y: FloatArray,
        w: FloatArray,
        b: float,
        block_rows: int,
        out: NDArray[np.float64],
        sample_weight: FloatArray | None = None,
    ) -> None:
        """Read some blocks; to the engine this is a kernel whose sums are all zero."""
        self._sums.append(self._read(X.reshape(-1)))
        out.fill(0.0)

    def check(self) -> Check:
        """Compare the sum with NumPy's: a floor that left something out would be too low."""
        tolerance = _TOLERANCES[self._values.itemsize]
        with np.errstate(over="ignore", invalid="ignore"):
            expected, size = float(self._values.sum()), float(np.abs(self._values).sum())
            found = self()
        if not math.isfinite(size):
            # Bytes of integers read as float64 can be anything; then all that can be seen is that both met it.
            return Check(not math.isfinite(found) or found == expected, None, tolerance)
        error = abs(found - expected) / max(size, np.finfo(np.float64).tiny)
        return Check(error <= tolerance, error, tolerance)


def in_memory_order(X: Array) -> FloatArray:
    """Return all elements of a contiguous X as one vector of float64 or float32, without a copy."""
    if not (X.flags.c_contiguous or X.flags.f_contiguous):
        raise ValueError("X is not contiguous; the floor reads X in memory order")
    vector = X.reshape(-1) if X.flags.c_contiguous else X.T.reshape(-1)
    if vector.dtype in (np.float64, np.float32):
        return vector
    whole = vector.nbytes // 8 * 8
    values: FloatArray = vector.view(np.uint8)[:whole].view(np.float64)
    return values


def _split(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cut a vector into rows of equal length, as a matrix, and what is left over."""
    length = _ROW_BYTES // values.itemsize
    whole = values.size // length * length
    return values[:whole].reshape(-1, length), values[whole:]
