"""What every record of measurements says alike: when and where it was measured, and how quiet the machine was."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from gradstep.compare.measure.noise import Watch
from gradstep.compare.record.records import Cell, FirstCall, LeftOut, Record, Settings
from gradstep.machine import Machine, commit, versions

TIMED = "one call of gradstep.step(X, y, w, b, alpha): the cost, the gradient and the update"
"""What is timed, in words."""


class Session:
    """The time from the beginning of a run to its record.

    Attributes
    ----------
    watch : Watch
        Looks at the noise of the machine, and knows how long ago the session began.
    """

    def __init__(self) -> None:
        self._created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.watch = Watch()

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
    ) -> Record:
        """Return the record of what was measured so far."""
        return Record(
            created=self._created,
            seconds=self.watch.seconds,
            complete=complete,
            commit=commit(),
            timed=TIMED,
            machine=Machine.here(),
            versions=versions(),
            settings=settings,
            first_calls=list(first_calls),
            unavailable=dict(unavailable),
            notes=list(notes),
            left_out=list(left_out),
            cells=list(cells),
            peers=dict(peers),
            noise=self.watch.noise(),
        )
