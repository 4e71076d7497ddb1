"""What a run can afford: which contenders fit into the time, and which problems into the memory."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gradstep.compare.measure import forecast as forecasts
from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.forecast import PREPARATION, Forecast, Kind, Who, rough
from gradstep.compare.measure.problems import AnyProblem
from gradstep.compare.record.records import READ_LIMIT, Settings

# Seconds for starting the program, before its clock runs, and for showing and saving the results; and the largest part
# of a small budget that is kept for them.
_REST, _MOST_OF_REST = 0.8, 0.25

# The pace of a run begins as if this many seconds had gone as expected, so that one early delay counts for little.
_AS_EXPECTED = 0.5

# An item that takes at most this many seconds is cheap; the classes of dearer ones are ten times as wide each.
_CHEAP = 0.1

# The first call of a kind on a small problem, and some more to see how long the next ones take.
_FIRST_CALL = 0.02

# The vectors of length m, and of length n, that contenders make of each model at the same time; 8 bytes a number.
_VECTORS = 8

# This part of the free memory stays free.
_SPARE = 0.1


class Place(NamedTuple):
    """Where a cell is measured: its number in the requested order, its problem and its number of threads."""

    number: int
    problem: AnyProblem
    threads: int | None

    @property
    def kind(self) -> Kind:
        """What contenders compile for."""
        return Kind.of(self.problem, self.threads)


Item = tuple[int, str]
"""What a plan is made of: the number of a place, and a contender that is measured there."""


class Planner:
    """Plans which contenders are measured where, from the limit, the budget and a forecast that goes on learning."""

    def __init__(self, settings: Settings, forecast: Forecast) -> None:
        self._settings = settings
        self._forecast = forecast
        self._expected = self._spent = _AS_EXPECTED
        self._called: set[Who] = set()

    def note(self, expected: float, spent: float) -> None:
        """Note that work for which this many seconds were expected took this many."""
        self._expected += expected
        self._spent += spent

    def note_first_call(self, name: str, kind: Kind) -> None:
        """Note that the one-time costs of a contender for a kind of problem are paid."""
        self._called.add(Who(name, kind))

    def has_called(self, name: str, kind: Kind) -> bool:
        """Whether the one-time costs of a contender for a kind of problem are paid."""
        return Who(name, kind) in self._called

    @property
    def seconds_to_measure(self) -> float:
        """The budget, less what showing and saving the results takes, and starting before the clock does."""
        if self._settings.budget is None:
            return math.inf
        return self._settings.budget - min(_REST, _MOST_OF_REST * self._settings.budget)

    def seconds(self, name: str, place: Place) -> float:
        """Return how long a contender should take at a place."""
        return forecasts.expected_seconds(name, place.problem, place.threads, self._settings, self._forecast)

    def one_time(self, contender: Contender, kind: Kind) -> float:
        """Return about how long importing and compiling a contender for a kind of problem is still going to take."""
        if self.has_called(contender.name, kind):
            return 0.0
        # A kernel of gradstep, which has no version of its own, compiles nothing for another number of threads.
        same_arrays = any(
            who.name == contender.name and who.kind._replace(threads=kind.threads) == kind for who in self._called
        )
        return _FIRST_CALL + (0.0 if same_arrays and not contender.version else contender.one_time())

    def overhead(self, place: Place) -> float:
        """Return what a place takes with any contenders: the arrays, the reference and the read limit."""
        preparation = self._forecast.seconds(PREPARATION, place.problem.m, place.problem.n * place.problem.models)
        return preparation + self.seconds(READ_LIMIT, place)

    def plan(
        self,
        places: Sequence[Place],
        contenders: Mapping[int | None, Sequence[Contender]],
        *,
        elapsed: float = 0.0,
        look_seconds: float = 0.0,
    ) -> dict[Item, float]:
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
        costs: dict[Item, float] = {}
        needs: dict[Item, dict[Hashable, float]] = {}
        one_time = functools.cache(self.one_time)
        for place in places:
            overhead = self.overhead(place) + look_seconds
            for contender in contenders[place.threads]:
                expected = self.seconds(contender.name, place)
                if expected <= self._settings.limit:
                    item = (place.number, contender.name)
                    costs[item] = expected
                    needs[item] = {
                        place.number: overhead,
                        place.problem.name: place.problem.load_seconds,
                        (contender.name, place.kind): one_time(contender, place.kind),
                    }
        if self._settings.budget is None:
            return costs
        pace = max(1.0, self._spent / self._expected)
        chosen = affordable(costs, needs, (self.seconds_to_measure - elapsed) / pace)
        return {item: seconds for item, seconds in costs.items() if item in chosen}

    def unaffordable(
        self, place: Place, contenders: Iterable[Contender], planned: Mapping[Item, float]
    ) -> dict[str, str]:
        """Return the contenders that the budget leaves out at a place, and why. Those beyond the limit are skipped."""
        if self._settings.budget is None:
            return {}
        reasons = {}
        for contender in contenders:
            expected, one_time = self.seconds(contender.name, place), self.one_time(contender, place.kind)
            if expected <= self._settings.limit and (place.number, contender.name) not in planned:
                words = f"about {rough(expected + one_time)} expected"
                if one_time > expected:
                    words += " to import and compile it"
                reasons[contender.name] = f"{words}, {self.too_little}"
        return reasons

    @property
    def too_little(self) -> str:
        """Why something does not fit into the budget, in words."""
        return f"more than the budget of {self._settings.budget:g} s has left"


def affordable(costs: Mapping[Any, float], needs: Mapping[Any, Mapping[Hashable, float]], seconds: float) -> set[Any]:
    """Return the items that fit into a time, the cheap ones first; those that cost about the same in their order.

    Parameters
    ----------
    costs : mapping
        Item -> its expected seconds.
    needs : mapping
        Item -> what it needs done beforehand, which several items may share, and the seconds of each. They are paid
        once; an item counts as cheap or dear with its part of them.
    seconds : float
        The time there is.

    Examples
    --------
    >>> sorted(affordable({"a": 1.0, "b": 9.0, "c": 2.0}, {"c": {"data": 1.0}}, 5.0))
    ['a', 'c']
    """
    shared_by = Counter(need for item in costs for need in needs.get(item, {}))

    def class_of(item: Any) -> int:
        price = costs[item] + sum(part / shared_by[need] for need, part in needs.get(item, {}).items())
        return math.ceil(math.log10(max(price, _CHEAP) / _CHEAP))

    chosen: set[Any] = set()
    paid: set[Hashable] = set()
    for item in sorted(costs, key=class_of):
        unpaid = {need: part for need, part in needs.get(item, {}).items() if need not in paid}
        cost = costs[item] + sum(unpaid.values())
        if cost <= seconds:
            seconds -= cost
            chosen.add(item)
            paid.update(unpaid)
    return chosen


def needed_bytes(problem: AnyProblem, contenders: Iterable[Contender]) -> int:
    """Return the memory that a problem takes at its peak: X, the contenders' copies of it, and the vectors.

    An X in Fortran order is made in C order and then copied.

    Examples
    --------
    >>> from gradstep.compare.measure.problems import Problem
    >>> needed_bytes(Problem(1000, 100), []) == 1000 * 100 * 8 + (1000 + 100) * 64
    True
    >>> needed_bytes(Problem(1000, 100, models=8), []) == 1000 * 100 * 8 + 8 * (1000 + 100) * 64
    True
    """
    copies = sum(each.copies.get(problem.order, 0) for each in contenders)
    return (
        problem.X_bytes * (1 + max(copies, problem.order == "F"))
        + (problem.m + problem.n) * problem.models * 8 * _VECTORS
    )


def shortage(problem: AnyProblem, contenders: Iterable[Contender], available: int) -> str | None:
    """Return in words why a problem does not fit into the available memory; None if it does."""
    needed = needed_bytes(problem, contenders)
    if needed <= (1.0 - _SPARE) * available:
        return None
    return f"{needed / 2**30:.1f} GiB are needed and {available / 2**30:.1f} GiB of memory are free"
