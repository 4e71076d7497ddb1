"""How quiet the machine is: the same floor, measured again and again through a run."""

from __future__ import annotations

import time

import numpy as np

from gradstep.compare.measure.floor import Floor
from gradstep.compare.record.records import Noise
from gradstep.contract import KernelUnavailable

# More than most caches hold, and read within some milliseconds.
X_BYTES = 64 << 20

# Each look reads so many times before it counts, because the caches hold something else by then, and takes so many
# samples.
_UNCOUNTED = 2
_SAMPLES = 3


class Watch:
    """Reads the same array whenever it is asked to look, and keeps the times.

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
            self._floor: Floor | None = Floor(np.ones((X_bytes // 8, 1)))
        except KernelUnavailable:
            # The floor of each cell says why; a run without the extension has none.
            self._floor = None

    def look(self) -> None:
        """Take some samples."""
        if self._floor is None:
            return
        start = time.perf_counter()
        for _ in range(_UNCOUNTED):
            self._floor()
        for _ in range(_SAMPLES):
            before = time.perf_counter()
            self._floor()
            self._samples.append((before - self._start, time.perf_counter() - before))
        self.look_seconds = time.perf_counter() - start

    @property
    def seconds(self) -> float:
        """How long ago this began."""
        return time.perf_counter() - self._start

    def noise(self) -> Noise | None:
        """Return what was seen; None if nothing was."""
        return Noise(self._X_bytes, list(self._samples)) if self._samples else None
