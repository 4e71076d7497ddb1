"""How long a contender should take on a problem, judging by the calls so far."""

from __future__ import annotations

import math
from typing import NamedTuple

from gradstep.compare.measure import sampling
from gradstep.compare.measure.problems import AnyProblem
from gradstep.compare.record.records import Settings

# Until a problem has been prepared: (m, n) and the seconds that this takes on a slow machine.
_PREPARATION = (1_000, 1_000, 0.05)


class Kind(NamedTuple):
    """What contenders compile for, and what a forecast tells apart."""

    dtype: str
    order: str
    threads: int | None
    models: int = 1

    @classmethod
    def of(cls, problem: AnyProblem, threads: int | None) -> Kind:
        """Return the kind of a problem that is measured with a number of threads."""
        return cls(problem.dtype, problem.order, threads, problem.models)


class Who(NamedTuple):
    """A contender on one kind of problem."""

    name: str
    kind: Kind


PREPARATION = Who("preparation", Kind("", "", None))
"""Stands for a contender in the forecast: making the arrays of a problem and the reference for the check.

There k models count as k times as many features."""


class Forecast:
    """Predicts how long a call will take from the times of earlier calls."""

    def __init__(self) -> None:
        self._fixed: dict[Who, float] = {}
        self._seconds: dict[Who, list[tuple[int, int, float]]] = {PREPARATION: [_PREPARATION]}
        self._waits: dict[Who, float] = {}
        self._first: dict[str, Who] = {}

    def learn_fixed(self, who: Who, seconds: float) -> None:
        """Note that the smallest call of this contender took `seconds`: the part that does not grow."""
        self._fixed[who] = seconds

    def learn(self, who: Who, m: int, n: int, seconds: float) -> None:
        """Note that a call of this contender took `seconds` on an (m, n) problem."""
        self._seconds.setdefault(who, []).append((m, n, seconds))
        self._first.setdefault(who.name, who)

    def learn_wait(self, who: Who, seconds: float) -> None:
        """Note how long it took until the process was idle, before each sample."""
        self._waits[who] = seconds

    def wait(self, who: Who) -> float:
        """Return how long it takes until the process is idle, before a sample."""
        return self._waits.get(who, self._waits.get(self._stand_in(who), 1.5 * sampling.LOOK_SECONDS))

    def seconds(self, who: Who, m: int, n: int) -> float:
        """Return the expected time of a call: the fixed cost, and the time per element of the most similar problem.

        The most similar problem has the nearest n, because the cost of a row weighs more where rows are short; among
        several with that n, it has the nearest number of elements. Until a contender was called on a kind of problem,
        its times on the other kinds stand in; without any the answer is 0.
        """
        who = self._stand_in(who)
        known = self._seconds.get(who, [])
        if not known:
            return 0.0

        def distance(entry: tuple[int, int, float]) -> tuple[float, float]:
            known_m, known_n, _ = entry
            return abs(math.log(known_n / n)), abs(math.log(known_m * known_n / (m * n)))

        known_m, known_n, seconds = min(known, key=distance)
        fixed = min(self._fixed.get(who, 0.0), seconds)
        return fixed + (seconds - fixed) / (known_m * known_n) * (m * n)

    def _stand_in(self, who: Who) -> Who:
        return who if who in self._seconds else self._first.get(who.name, who)


def expected_seconds(
    name: str, problem: AnyProblem, threads: int | None, settings: Settings, forecast: Forecast
) -> float:
    """Return how long a contender should take on a problem: the call that is checked, the warm-up and the rounds."""
    who = Who(name, Kind.of(problem, threads))
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
