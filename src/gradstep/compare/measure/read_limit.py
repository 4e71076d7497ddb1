"""The read limit: the time just to read X once, with the same blocks and threads as a step."""

from __future__ import annotations

import math

import numpy as np

from gradstep import blocks, processor
from gradstep.compare.record.records import Check
from gradstep.contract import FloatArray, KernelUnavailable
from gradstep.threads import team, threads_for
from gradstep.validate import Array

# Sums in another order than NumPy's. Both sum float32 in float32.
_TOLERANCES = {8: 1e-11, 4: 1e-3}


class ReadLimit:
    """A call that reads all of X once, in memory order, and only sums it.

    Parameters
    ----------
    X : ndarray
        C or F contiguous. Dtypes other than float64 and float32 are read as if their bytes were float64, as far as
        they fill whole numbers.
    threads : int or None
        As in a step; None chooses by the size of X.

    Attributes
    ----------
    threads : int
        The number of threads in use.

    Raises
    ------
    KernelUnavailable
        If the Cython extension, which holds the reading loop, is not available.
    ValueError
        If X is not contiguous.

    Examples
    --------
    >>> ReadLimit(np.ones((1000, 10)), threads=1)()
    10000.0
    """

    def __init__(self, X: Array, threads: int | None = 1) -> None:
        try:
            self._read = processor.load_best().read
        except ImportError as error:
            raise KernelUnavailable(f"the Cython extension, which reads X, is not available: {error}") from error
        self._values = in_memory_order(X)
        wanted = threads_for(X.nbytes)[0] if threads is None else threads
        self.threads = min(wanted, max(1, -(-self._values.nbytes // blocks.BLOCK_BYTES)))

    def __call__(self) -> float:
        """Read X and return the sum of its values."""
        if self.threads == 1:
            # To lend a team takes longer than to read a small X.
            return float(self._read(self._values))
        with team(self.threads) as helpers:
            return float(self._read(self._values, helpers))

    def check(self) -> Check:
        """Compare the sum with NumPy's: if a part were left out, the limit would be too low."""
        tolerance = _TOLERANCES[self._values.itemsize]
        with np.errstate(over="ignore", invalid="ignore"):
            expected, size = float(self._values.sum()), float(np.abs(self._values).sum())
            found = self()
        if not math.isfinite(size):
            # The bytes of integers, read as float64, can be anything. Then the check only sees that both sums met it.
            return Check(not math.isfinite(found) or found == expected, None, tolerance)
        error = abs(found - expected) / max(size, np.finfo(np.float64).tiny)
        return Check(error <= tolerance, error, tolerance)


def in_memory_order(X: Array) -> FloatArray:
    """Return all elements of a contiguous X as one vector of float64 or float32, without a copy."""
    if not (X.flags.c_contiguous or X.flags.f_contiguous):
        raise ValueError("X is not contiguous; the read limit is measured in memory order")
    vector = X.reshape(-1) if X.flags.c_contiguous else X.T.reshape(-1)
    if vector.dtype in (np.float64, np.float32):
        return vector
    whole = vector.nbytes // 8 * 8
    values: FloatArray = vector.view(np.uint8)[:whole].view(np.float64)
    return values
