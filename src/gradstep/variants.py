"""Which variant of a kernel, and how many threads, are fastest here: learned while they work, kept for the process.

The variants of a kernel give the same bits, as any number of threads does, so no result depends on what is found.
Passes over X take turns: most go to the best way so far, so that trying costs little, and a way that is much slower is
not tried again. Turns within a pass would be judged sooner, but mislead: after some milliseconds of 512-bit vectors a
processor lowers its clock, and what one variant leaves in the cache the next one finds (docs/performance.md).
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import NamedTuple

from gradstep.contract import Kernel, PartialSums

# A pass over a smaller X, in bytes, goes the default way: it is over before a choice could pay.
LEAST_BYTES = 1 << 18

# Turns come in cycles of this length. The last two of a cycle try a way other than the best one so far.
_CYCLE = 12

# A turn shorter than this, in seconds, counts only if the turn before went the same way: otherwise it finds the caches
# and the clock as another way left them.
_LONG = 4e-3

# After few turns a way may lead or drop out. On a busy machine the median of enough turns is right to a few per cent.
_FEW_TURNS = 2
_ENOUGH_TURNS = 6

# A way whose best turn is slower than the best way by this factor is not tried again.
_HOPELESS = 1.25

# After this many turns the best way so far is kept for good: under a debugger the clock may stand still.
_MOST_TURNS = 1000


class Choice:
    """A choice among a few ways, by the times that they take while they are used.

    Safe to use from several threads, and after a fork from any of them: it has no lock, and each of its changes is a
    single assignment. At worst two threads take the same turn.

    Parameters
    ----------
    ways : int
        Their number; the first is taken until another is known to be faster.
    """

    def __init__(self, ways: int) -> None:
        self._turns = itertools.count()
        self._times: tuple[list[float], ...] = tuple([] for _ in range(ways))
        self._in_question = tuple(range(ways))
        self._last = 0
        self.best = 0
        """The fastest way so far."""
        self.settled = ways == 1
        """Whether that is final."""

    def next(self) -> int:
        """Return the way that takes the next turn."""
        cycle, turn = divmod(next(self._turns), _CYCLE)
        best = self.best
        if self.settled or turn < _CYCLE - 2:
            return best
        others = [way for way in self._in_question if way != best]
        if not others or cycle * _CYCLE > _MOST_TURNS:
            self.settled = True
            return best
        return others[cycle % len(others)]

    def took(self, way: int, duration: float) -> None:
        """Note how long a turn took."""
        counts = duration >= _LONG or way == self._last
        self._last = way
        if self.settled or not counts or not duration > 0.0:
            return
        self._times[way].append(duration)
        if way != self.best and len(self._times[way]) >= _FEW_TURNS:
            self._judge()

    def _judge(self) -> None:
        known = {way: times for way, times in enumerate(self._times) if len(times) >= _FEW_TURNS}
        medians = {way: statistics.median(times) for way, times in known.items()}
        best = min(medians, key=medians.__getitem__)
        longest = _HOPELESS * medians[best]
        in_question = tuple(way for way in range(len(self._times)) if way not in known or min(known[way]) <= longest)
        self._in_question, self.best = in_question, best
        self.settled = all(len(self._times[way]) >= _ENOUGH_TURNS for way in in_question)


class Way(NamedTuple):
    """One way to the same sums."""

    variant: str
    partial_sums: PartialSums
    threads: int


class Trial:
    """The ways for one sort of work, and what is known of them.

    Parameters
    ----------
    ways : list of Way
        The default first.
    """

    def __init__(self, ways: list[Way]) -> None:
        self.ways = tuple(ways)
        self.choice = Choice(len(ways))

    @property
    def best(self) -> Way:
        """The fastest way so far."""
        return self.ways[self.choice.best]


_trials: dict[Hashable, Trial] = {}


def trial(work: Hashable, ways: Callable[[], list[Way]]) -> Trial:
    """Return what is known of the ways for some work, which `ways` returns for the first trial."""
    # Of two threads that come here at the same time both get the same one.
    return _trials.get(work) or _trials.setdefault(work, Trial(ways()))


def in_question() -> int:
    """Return for how many sorts of work, of those met so far, the fastest way is still open."""
    return sum(not each.choice.settled for each in list(_trials.values()))


def of(kernel: Kernel) -> Mapping[str, PartialSums]:
    """Return the variants of a kernel by name, the default first; a kernel that names none has itself."""
    variants: Mapping[str, PartialSums] | None = getattr(kernel, "variants", None)
    return variants or {kernel.name: kernel.partial_sums}


def ways(kernel: Kernel, threads: int) -> list[Way]:
    """Return the ways of a kernel's variants on this many threads, the default first."""
    return [Way(*each, threads) for each in of(kernel).items()]


def trial_of(kernel: Kernel, work: Hashable, threads: int, choosing_threads: bool) -> tuple[Trial, bool]:
    """Return what is known of the ways for some work, and whether this is the final trial.

    Where the number of threads is free, it is tried first: all, half of them, and so on, since on many cores the best
    number for an X of medium size may lie in between. The final trial is that of the variants.
    """
    if choosing_threads:
        numbers = [threads >> halvings for halvings in range(threads.bit_length())]
        first = trial((work, None), lambda: [ways(kernel, number)[0] for number in numbers])
        if not first.choice.settled:
            return first, False
        threads = first.best.threads
    return trial((work, threads), lambda: ways(kernel, threads)), True


class Pinned(NamedTuple):
    """A kernel that is one variant of another."""

    name: str
    releases_gil: bool
    partial_sums: PartialSums
    narrow_dtypes: Collection[str]
    takes_team: bool


def pinned(kernel: Kernel, variant: str) -> Pinned:
    """Return a kernel that is one variant of another, called ``KERNEL:VARIANT``."""
    return Pinned(
        f"{kernel.name}:{variant}",
        kernel.releases_gil,
        of(kernel)[variant],
        getattr(kernel, "narrow_dtypes", ()),
        getattr(kernel, "takes_team", False),
    )
