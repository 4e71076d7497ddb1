"""How long a contender should take on a problem, judging by the calls so far."""

from __future__ import annotations

import math
from collections.abc import Hashable

from gradstep.compare.measure import sampling
from gradstep.compare.measure.problems import AnyProblem
from gradstep.compare.record.records import Settings

PREPARATION = "preparation"
"""Stands for a contender in the forecast: making the arrays of a problem and the reference for the check."""


class Forecast:
    """Predicts how long a call will take from the times of earlier calls."""

    def __init__(self) -> None:
        self._fixed: dict[Hashable, float] = {}
        self._seconds: dict[Hashable, list[tuple[int, int, float]]] = {}
        self._waits: dict[Hashable, float] = {}

    def learn_fixed(self, who: Hashable, seconds: float) -> None:
        """Note that the smallest call of this contender took `seconds`: the part that does not grow."""
        self._fixed[who] = seconds

    def learn(self, who: Hashable, m: int, n: int, seconds: float) -> None:
        """Note that a call of this contender took `seconds` on an (m, n) problem."""
        self._seconds.setdefault(who, []).append((m, n, seconds))

    def learn_wait(self, who: Hashable, seconds: float) -> None:
        """Note how long it took until the process was idle, before each sample."""
        self._waits[who] = seconds

    def wait(self, who: Hashable) -> float:
        """Return how long it takes until the process is idle, before a sample."""
        return self._waits.get(who, 1.5 * sampling.LOOK_SECONDS)

    def seconds(self, who: Hashable, m: int, n: int) -> float:
        """Return the expected time of a call: the fixed cost, and the time per element of the most similar problem.

        The most similar problem has the nearest n, because the cost of a row weighs more where rows are short; among
        several with that n, it has the nearest number of elements.
        """
        known = self._seconds.get(who, [])
        if not known:
            return 0.0

        def distance(entry: tuple[int, int, float]) -> tuple[float, float]:
            known_m, known_n, _ = entry
            return abs(math.log(known_n / n)), abs(math.log(known_m * known_n / (m * n)))

        known_m, known_n, seconds = min(known, key=distance)
        fixed = min(self._fixed.get(who, 0.0), seconds)
        return fixed + (seconds - fixed) / (known_m * known_n) * (m * n)


def identity(name: str, problem: AnyProblem, threads: int | None) -> Hashable:
    """Return what a forecast distinguishes: a contender with one dtype, order and number of threads."""
    return name, problem.dtype, problem.order, threads


def expected_seconds(
    name: str, problem: AnyProblem, threads: int | None, settings: Settings, forecast: Forecast
) -> float:
    """Return how long a contender should take on a problem: the call that is checked, the warm-up and the rounds."""
    who = identity(name, problem, threads)
    one_call = forecast.seconds(who, problem.m, problem.n)
    warm_up = 0 if one_call > sampling.LONG_CALL else 3
    return one_call + (settings.rounds + warm_up) * (max(one_call, sampling.SAMPLE_SECONDS) + forecast.wait(who))


def rough(seconds: float) -> str:
    """Return a forecast in words, with no more digits than it deserves.

    Examples
    --------
    >>> rough(0.0234), rough(1.42), rough(1234.5)
    ('0.023 s', '1.4 s', '1,234 s')
    """
    return f"{seconds:,.0f} s" if seconds >= 9.5 else f"{seconds:.2g} s"
