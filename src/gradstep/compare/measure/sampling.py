"""How one contender is sampled: calls long enough for the clock, once the process is idle and the code warm."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from gradstep.compare.measure.contenders import Call
from gradstep.compare.record.records import Check

SAMPLE_SECONDS = 2e-3
"""A sample lasts at least this long: thousands of times the resolution of the clock."""

LONG_CALL = 0.05
"""A call this long needs no warm-up: the call that is checked has warmed it up."""

LOOK_SECONDS = 6e-3
"""How long the process is watched at a time, before each sample, to see whether it is idle: longer than the tick of
4 ms in which Linux counts the time of threads that run on other cores."""

# The longest wait for an idle process.
_LONGEST_WAIT = 0.5

# The process is idle if its threads used less than this part of the time for which it was watched.
_IDLE = 0.3

# A contender is warm once a sample takes at least this fraction of the one before. It gets at most this many tries.
_STABLE = 0.95
_LONGEST_WARM_UP = 15


def seconds_for(call: Call, calls: int) -> float:
    """Return the time of this many calls, with garbage collection off."""
    enabled = gc.isenabled()
    gc.collect(0)
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - start
    finally:
        if enabled:
            gc.enable()


@dataclass(eq=False)
class Sampler:
    """Takes the samples of a contender that passed the check.

    Attributes
    ----------
    call_seconds : float
        About how long one call takes, as far as is known.
    expected_per_round : float
        The expected seconds of a round, for the progress.
    setting : callable
        Returns the context in which the calls are made.
    clock : callable
        Given the call and a number, returns the seconds of that many calls.
    variant : callable
        Returns which of its variants the contender used last, if it has any.
    first_seconds : float
        What the call that was checked took.
    calls : int
        The calls in a sample.
    samples, warm_up : list of float
        The seconds of one call in each sample.
    waited : float
        The seconds spent waiting for an idle process.
    """

    name: str
    call: Call
    check: Check
    call_seconds: float
    expected_per_round: float
    setting: Callable[[], AbstractContextManager[object]]
    clock: Callable[[Call, int], float] = seconds_for
    variant: Callable[[], str | None] = lambda: None
    first_seconds: float = 0.0
    calls: int = 1
    samples: list[float] = field(default_factory=list)
    warm_up: list[float] = field(default_factory=list)
    waited: float = 0.0
    _lengthened: bool = False

    @property
    def seconds(self) -> float:
        """About how long the next sample will take, the wait before it included."""
        taken = self.samples or self.warm_up
        waited = self.waited / max(1, len(self.samples) + len(self.warm_up))
        return waited + (self.calls * taken[-1] if taken else max(self.first_seconds, SAMPLE_SECONDS))

    def is_warm(self) -> bool:
        """Whether the times no longer fall, or the calls are too long to need a warm-up."""
        if self.call_seconds > LONG_CALL or len(self.warm_up) >= _LONGEST_WARM_UP:
            return True
        return len(self.warm_up) > 1 and not self._lengthened and self.warm_up[-1] >= _STABLE * self.warm_up[-2]

    def warm(self) -> None:
        """Take a sample that does not count, and lengthen the next ones if it was too short."""
        self._sample(self.warm_up)
        elapsed = self.warm_up[-1] * self.calls
        self._lengthened = elapsed < SAMPLE_SECONDS
        if self._lengthened:
            # An estimate from a very short time is rough, so a sample grows at most tenfold at once.
            factor = 1.2 * SAMPLE_SECONDS / max(elapsed, 1e-9)
            self.calls = math.ceil(self.calls * min(factor, 10.0))

    def sample(self) -> None:
        """Take a sample."""
        self._sample(self.samples)

    def _sample(self, samples: list[float]) -> None:
        start = time.perf_counter()
        wait_until_idle()
        self.waited += time.perf_counter() - start
        with self.setting():
            samples.append(self.clock(self.call, self.calls) / self.calls)


def warm_up(
    samplers: list[Sampler],
    shuffle: Callable[[list[Sampler]], None],
    seconds_left: Callable[[], float] = lambda: math.inf,
) -> None:
    """Take interleaved samples that do not count, until each contender's are long enough and stop getting faster.

    It ends early where no time is left.
    """
    cold = [sampler for sampler in samplers if not sampler.is_warm()]
    while cold and seconds_left() > 0.0:
        shuffle(cold)
        for sampler in cold:
            sampler.warm()
        cold = [sampler for sampler in cold if not sampler.is_warm()]


def wait_until_idle() -> None:
    """Return when no other thread of this process is working.

    The threads of some libraries spin for a while after a call, those of OpenBLAS for about 0.1 s, and would take the
    processor away from the contender that is timed next.
    """
    deadline = time.perf_counter() + _LONGEST_WAIT
    while time.perf_counter() < deadline:
        used = time.process_time()
        time.sleep(LOOK_SECONDS)
        if time.process_time() - used < _IDLE * LOOK_SECONDS:
            return


def shortest(call: Call) -> float:
    """Return the time of a warm call: the shortest mean of several short series of calls."""
    one_call = seconds_for(call, 1)
    if one_call > LONG_CALL:
        return one_call
    calls = max(1, min(100, int(SAMPLE_SECONDS / 5 / max(one_call, 1e-9))))
    return min(seconds_for(call, calls) / calls for _ in range(5))
