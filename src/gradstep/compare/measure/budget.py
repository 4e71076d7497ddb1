"""What a run can afford: which contenders fit into the time, and which problems into the memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from gradstep.compare.measure import forecast as forecasts
from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.forecast import PREPARATION, Forecast, rough
from gradstep.compare.measure.problems import AnyProblem
from gradstep.compare.record.records import READ_LIMIT, Settings

Item = TypeVar("Item")

# The vectors of length m that contenders make at the same time, of 8 bytes a row each.
_VECTORS = 8

# This part of the free memory stays free.
_SPARE = 0.1


class Place(NamedTuple):
    """Where a cell is measured: its number in the requested order, its problem and its number of threads."""

    number: int
    problem: AnyProblem
    threads: int | None


class Planner:
    """Plans which contenders are measured where, from the limit, the budget and a forecast that goes on learning."""

    def __init__(self, settings: Settings, forecast: Forecast) -> None:
        self._settings = settings
        self._forecast = forecast
        self._expected = self._spent = 0.0

    def note(self, expected: float, spent: float) -> None:
        """Note that work for which this many seconds were expected took this many."""
        self._expected += expected
        self._spent += spent

    def seconds(self, name: str, place: Place) -> float:
        """Return how long a contender should take at a place."""
        return forecasts.expected_seconds(name, place.problem, place.threads, self._settings, self._forecast)

    def overhead(self, place: Place) -> float:
        """Return what a place takes with any contenders: the arrays, the reference and the read limit."""
        preparation = self._forecast.seconds(PREPARATION, place.problem.m, place.problem.n)
        return preparation + self.seconds(READ_LIMIT, place)

    def plan(
        self,
        places: Sequence[Place],
        contenders: Mapping[int | None, Sequence[Contender]],
        *,
        elapsed: float = 0.0,
        look_seconds: float = 0.0,
    ) -> dict[tuple[int, str], float]:
        """Return which contenders to measure at which of the remaining places, and how long each should take.

        Parameters
        ----------
        places : sequence of Place
            Those still to be measured.
        contenders : mapping
            By number of threads.
        elapsed, look_seconds : float
            The seconds since the run began, and those of a look at the machine's noise, one for each place.

        Returns
        -------
        dict
            (number of the place, contender) -> expected seconds on an idle machine. The budget is planned with the pace
            of the run so far, if that was slower.
        """
        costs = {
            (place.number, contender.name): expected
            for place in places
            for contender in contenders[place.threads]
            if (expected := self.seconds(contender.name, place)) <= self._settings.limit
        }
        if self._settings.budget is None:
            return costs
        overheads = {place.number: self.overhead(place) + look_seconds for place in places}
        shared = {(number, name): (number, overheads[number]) for number, name in costs}
        pace = max(1.0, self._spent / self._expected) if self._expected else 1.0
        chosen = affordable(costs, shared, (self._settings.budget - elapsed) / pace)
        return {item: seconds for item, seconds in costs.items() if item in chosen}

    def unaffordable(
        self, place: Place, contenders: Iterable[Contender], planned: Mapping[tuple[int, str], float]
    ) -> dict[str, str]:
        """Return the contenders that the budget leaves out at a place, and why. Those beyond the limit are skipped."""
        if self._settings.budget is None:
            return {}
        budget_left = f"more than the budget of {self._settings.budget:g} s has left"
        expected = {each.name: self.seconds(each.name, place) for each in contenders}
        return {
            name: f"about {rough(seconds)} expected, {budget_left}"
            for name, seconds in expected.items()
            if seconds <= self._settings.limit and (place.number, name) not in planned
        }


def affordable(costs: Mapping[Item, float], shared: Mapping[Item, tuple[object, float]], seconds: float) -> set[Item]:
    """Return the items that fit into a time: the cheapest first, to get as many as possible.

    Parameters
    ----------
    costs : mapping
        Item -> its expected seconds.
    shared : mapping
        Item -> what it needs done beforehand, which several items share, and the seconds of that. It is paid once.
    seconds : float
        The time there is.

    Examples
    --------
    >>> sorted(affordable({"a": 1.0, "b": 9.0, "c": 2.0}, {"c": ("data", 1.0)}, 5.0))
    ['a', 'c']
    """
    chosen: set[Item] = set()
    paid: set[object] = set()
    for item in sorted(costs, key=costs.__getitem__):
        need, price = shared.get(item, (None, 0.0))
        cost = costs[item] + (0.0 if need in paid else price)
        if cost <= seconds:
            seconds -= cost
            chosen.add(item)
            paid.add(need)
    return chosen


def needed_bytes(problem: AnyProblem, contenders: Iterable[Contender]) -> int:
    """Return the memory that a problem takes at its peak: X, the contenders' copies of it, and vectors of length m.

    An X in Fortran order is made in C order and then copied.

    Examples
    --------
    >>> from gradstep.compare.measure.problems import Problem
    >>> needed_bytes(Problem(1000, 100), []) == 1000 * (100 * 8 + 64)
    True
    """
    copies = sum(each.copies.get(problem.order, 0) for each in contenders)
    return problem.X_bytes * (1 + max(copies, problem.order == "F")) + problem.m * 8 * _VECTORS


def shortage(problem: AnyProblem, contenders: Iterable[Contender], available: int) -> str | None:
    """Return in words why a problem does not fit into the available memory; None if it does."""
    needed = needed_bytes(problem, contenders)
    if needed <= (1.0 - _SPARE) * available:
        return None
    return f"{needed / 2**30:.1f} GiB are needed and {available / 2**30:.1f} GiB of memory are free"
