"""Which variant of a kernel is the fastest on this machine: found out while they work, and kept for the process.

The variants of a kernel give the same bits, so no result depends on what is found. They take turns at runs of blocks,
or at whole calls where these are small: four turns of five go to the best one so far, so that trying costs little. An
option that is much slower is soon known, and tried no more.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Hashable, Mapping
from typing import Any

from gradstep.contract import FloatArray, Kernel, PartialSums, Vector

# A pass over a smaller X, in bytes, takes the default: it is over before a choice could pay.
LEAST_BYTES = 1 << 18

# One turn of so many is for another than the best one so far.
_TURNS_TO_ONE_TRIAL = 5

# A median of so many turns is good to some per cent on a busy machine. From a few on an option may lead or drop out.
_ENOUGH_TURNS = 9
_FEW_TURNS = 3

# An option that takes longer than this many times the best one is tried no more.
_HOPELESS = 1.25

# After so many turns the best so far is kept, whatever the clock said: that of a debugger may stand still.
_MOST_TURNS = 1000


class Choice:
    """A choice among a few options, made by their times while they are used.

    Safe to use from several threads, and after a fork from any of them: it has no lock, and each of its changes is a
    single assignment. At worst two threads take the same turn.

    Parameters
    ----------
    options : int
        Their number; the first is taken until another is known to be faster.
    """

    def __init__(self, options: int) -> None:
        self._turns = itertools.count()
        self._times: tuple[list[float], ...] = tuple([] for _ in range(options))
        self._in_question = tuple(range(options))
        self.best = 0
        """The fastest option so far."""
        self.settled = options == 1
        """Whether that is final."""

    def next(self) -> int:
        """Return the option that takes the next turn."""
        turn = next(self._turns)
        if self.settled or (turn + 1) % _TURNS_TO_ONE_TRIAL:
            return self.best
        best = self.best
        others = [option for option in self._in_question if option != best]
        if not others or turn > _MOST_TURNS:
            self.settled = True
            return best
        return others[turn // _TURNS_TO_ONE_TRIAL % len(others)]

    def took(self, option: int, duration: float) -> None:
        """Note how long a turn of an option took, for a certain amount of work."""
        if self.settled or not duration > 0.0:
            return
        times = self._times[option]
        times.append(duration)
        if option != self.best and len(times) >= _FEW_TURNS:
            self._judge()

    def _judge(self) -> None:
        medians = {
            option: statistics.median(times) for option, times in enumerate(self._times) if len(times) >= _FEW_TURNS
        }
        best = min(medians, key=medians.__getitem__)
        longest = _HOPELESS * medians[best]
        in_question = tuple(option for option in range(len(self._times)) if medians.get(option, longest) <= longest)
        self._in_question, self.best = in_question, best
        self.settled = all(len(self._times[option]) >= _ENOUGH_TURNS for option in in_question)

    def medians(self) -> list[float | None]:
        """Return the median time of each option, None for one that had no turn."""
        return [statistics.median(times) if times else None for times in self._times]


Work = tuple[Hashable, ...]
"""What decides which variant is the fastest, beside the kernel and the machine."""


class _Trial:
    """The variants of a kernel for one sort of work; called like any of them."""

    def __init__(self, variants: Mapping[str, PartialSums]) -> None:
        self.names = tuple(variants)
        self.functions = tuple(variants.values())
        self.choice = Choice(len(variants))

    def __call__(
        self,
        X: FloatArray,
        y: FloatArray,
        theta: FloatArray,
        block_rows: int,
        out: Vector,
        sample_weight: FloatArray | None = None,
        direction: FloatArray | None = None,
    ) -> None:
        variant = self.choice.next()
        start = time.perf_counter()
        self.functions[variant](X, y, theta, block_rows, out, sample_weight, direction)
        self.choice.took(variant, (time.perf_counter() - start) / len(X))


_trials: dict[tuple[PartialSums, Work], _Trial] = {}


def _trial(kernel: Kernel, work: Work) -> _Trial:
    key = kernel.partial_sums, work
    trial = _trials.get(key)
    if trial is None:
        # Of two threads that come here at the same time both get the same one.
        trial = _trials.setdefault(key, _Trial(of(kernel)))
    return trial


def of(kernel: Kernel) -> Mapping[str, PartialSums]:
    """Return the variants of a kernel by name, the default first; a kernel that names none has itself."""
    variants: Mapping[str, PartialSums] | None = getattr(kernel, "variants", None)
    return variants or {kernel.name: kernel.partial_sums}


def sums_of(kernel: Kernel, work: Work) -> PartialSums:
    """Return the fastest variant for some work or, as long as it is not known, what lets them take turns."""
    trial = _trial(kernel, work)
    return trial.functions[trial.choice.best] if trial.choice.settled else trial


def is_settled(kernel: Kernel, work: Work) -> bool:
    """Whether the fastest variant for some work is known."""
    return _trial(kernel, work).choice.settled


def name_of(kernel: Kernel, work: Work) -> str:
    """Return the name of the variant that is the fastest for some work so far."""
    trial = _trial(kernel, work)
    return trial.names[trial.choice.best]


_threads: dict[Any, Choice] = {}


def threads_choice(kernel: Kernel, work: Work, X_bytes: int) -> Choice:
    """Return the choice between some threads and a single one, for X of about this size."""
    key = kernel.partial_sums, work, X_bytes.bit_length()
    return _threads.get(key) or _threads.setdefault(key, Choice(2))
