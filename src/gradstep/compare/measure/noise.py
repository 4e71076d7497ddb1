"""How quiet the machine is: the same array, read again and again through a run."""

from __future__ import annotations

import time

import numpy as np

from gradstep.compare.measure.read_limit import ReadLimit
from gradstep.compare.record.records import Noise
from gradstep.contract import KernelUnavailable

# More than most caches hold, and read within milliseconds.
X_BYTES = 64 << 20

# Each look begins with readings that do not count, because the caches hold something else by then.
_UNCOUNTED = 2
_SAMPLES = 3


class Watch:
    """Reads the same array at every look, and keeps the times.

    Parameters
    ----------
    X_bytes : int
        How much each sample reads.

    Attributes
    ----------
    look_seconds : float
        How long the last look took.
    """

    def __init__(self, X_bytes: int = X_BYTES) -> None:
        self._start = time.perf_counter()
        self._samples: list[tuple[float, float]] = []
        self._X_bytes = X_bytes
        self.look_seconds = 0.0
        try:
            self._read: ReadLimit | None = ReadLimit(np.ones((X_bytes // 8, 1)))
        except KernelUnavailable:
            # Without the extension there is nothing to watch with; the read limit of each cell says why.
            self._read = None

    def look(self) -> None:
        """Take some samples."""
        if self._read is None:
            return
        start = time.perf_counter()
        for _ in range(_UNCOUNTED):
            self._read()
        for _ in range(_SAMPLES):
            before = time.perf_counter()
            self._read()
            self._samples.append((before - self._start, time.perf_counter() - before))
        self.look_seconds = time.perf_counter() - start

    @property
    def seconds(self) -> float:
        """How long ago the watch began."""
        return time.perf_counter() - self._start

    def noise(self) -> Noise | None:
        """Return what was seen; None if nothing was."""
        return Noise(self._X_bytes, list(self._samples)) if self._samples else None
