"""One session of measuring: it watches how quiet the machine is from its beginning, and makes the record at its end."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping, Sequence

import numpy as np

from gradstep.compare.measure.read_limit import ReadLimit
from gradstep.compare.record.records import Cell, FirstCall, LeftOut, Noise, Record, Settings
from gradstep.contract import KernelUnavailable
from gradstep.machine import Machine, commit, versions

TIMED = "one call of gradstep.step(X, y, w, b, alpha): the cost, the gradient and the update"
"""What is timed, in words."""

# The array that is read again and again: more than most caches hold, and read within milliseconds.
_X_BYTES = 64 << 20

# Each look begins with readings that do not count, because by then the caches hold something else.
_UNCOUNTED = 2
_SAMPLES = 3


class Session:
    """The time from the beginning of a run to its record. A look at the noise takes about `look_seconds`.

    The run may have started earlier: `started` is what `time.perf_counter` showed then.
    """

    def __init__(self, started: float | None = None) -> None:
        self._created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._start = time.perf_counter() if started is None else started
        self._samples: list[tuple[float, float]] = []
        self.look_seconds = 0.0
        try:
            self._read: ReadLimit | None = ReadLimit(np.ones((_X_BYTES // 8, 1)))
        except KernelUnavailable:
            # Without the extension there is nothing to watch with; the read limit of each cell says why.
            self._read = None

    @property
    def seconds(self) -> float:
        """How long ago the session began."""
        return time.perf_counter() - self._start

    def look(self) -> None:
        """Read the same array as at every look, and keep the times."""
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

    def record(
        self,
        *,
        complete: bool,
        settings: Settings,
        cells: Sequence[Cell],
        peers: Mapping[str, str],
        unavailable: Mapping[str, str],
        notes: Sequence[str],
        first_calls: Sequence[FirstCall] = (),
        left_out: Sequence[LeftOut] = (),
        models: int = 1,
    ) -> Record:
        """Return the record of what was measured so far."""
        return Record(
            created=self._created,
            seconds=self.seconds,
            complete=complete,
            commit=commit(),
            timed=TIMED if models == 1 else TIMED.replace(":", f" of {models:,} models:"),
            machine=Machine.here(),
            versions=versions(),
            settings=settings,
            first_calls=list(first_calls),
            unavailable=dict(unavailable),
            notes=list(notes),
            left_out=list(left_out),
            cells=list(cells),
            peers=dict(peers),
            noise=Noise(_X_BYTES, list(self._samples)) if self._samples else None,
        )
