"""A clock that the work puts forward, for what depends on time."""

from __future__ import annotations


class Clock:
    """A clock that the calls of a kernel put forward, so that no choice depends on how fast or busy the machine is."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
