"""One comparison run: which contenders take one step of gradient descent in which time, on which problems."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import gradstep
from gradstep import registry
from gradstep.compare.measure import budget, timing
from gradstep.compare.measure.floor import NAME as FLOOR
from gradstep.compare.measure.noise import Watch
from gradstep.compare.measure.problems import ALPHA, AnyProblem, Examples, Problem
from gradstep.compare.measure.timing import Call, Contender, Forecast
from gradstep.compare.record.machine import Machine, available_memory, commit, versions
from gradstep.compare.record.records import SCHEMA, Cause, Cell, FirstCall, LeftOut, Record, Settings, changed
from gradstep.contract import KernelUnavailable, Step
from gradstep.extras import MissingExtra

LineUp = Callable[[int | None], Sequence[Contender]]
"""Given a number of threads, returns who takes part; the same names for each."""

TIMED = "one call of gradstep.step(X, y, w, b, alpha): the cost, the gradient and the update"
"""What is timed, in words."""


class Progress(Protocol):
    """What a run tells while it goes on."""

    def plan(self, seconds: float) -> None:
        """Take note of how long the rest of the run should take."""

    def begin(self, what: str) -> None:
        """Take note of what is being worked on."""

    def advance(self, seconds: float) -> None:
        """Take note that this much of the plan has been worked off."""


class Silent:
    """Shows no progress."""

    def plan(self, seconds: float) -> None:
        """Show nothing."""

    def begin(self, what: str) -> None:
        """Show nothing."""

    def advance(self, seconds: float) -> None:
        """Show nothing."""


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C was pressed during a run.

    Attributes
    ----------
    record : Record
        What had been measured until then; its `complete` is False, unless that was all.
    """

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record = record


def kernel_contender(name: str, threads: int | None = 1) -> Contender:
    """Return the contender that calls `gradstep.step` with one kernel."""

    def prepare(examples: Examples) -> Call:
        X, y, w, b = examples

        def call() -> Step:
            return gradstep.step(X, y, w, b, ALPHA, kernel=name, threads=threads)

        return call

    return Contender(name, prepare, load=lambda: _import_kernel(name), compiles=registry.KERNELS[name].compiles)


_import_seconds: dict[str, float] = {}


def _import_kernel(name: str) -> float:
    start = time.perf_counter()
    registry.load(name)
    return _import_seconds.setdefault(name, time.perf_counter() - start)


def run(
    line_up: LineUp,
    problems: Sequence[AnyProblem],
    settings: Settings,
    *,
    skip_unavailable: bool = True,
    unavailable: Mapping[str, str] = MappingProxyType({}),
    notes: Sequence[str] = (),
    progress: Progress | None = None,
) -> Record:
    """Measure contenders on problems.

    Parameters
    ----------
    line_up : callable
        Who takes part, for each of the numbers of threads of the settings.
    problems : sequence of Problem or RealProblem
        Each is measured with each number of threads; the smallest come first, so that the times of the larger ones can
        be forecast. They are reported in the given order.
    settings : Settings
        The record's settings; its contenders, dtypes and orders are replaced by those that took part.
    skip_unavailable : bool
        Whether a contender that cannot run is left out and noted; else the error is raised.
    unavailable : mapping
        Who is known not to take part, and why; passed on to the record.
    notes : sequence of str
        Passed on to the record.
    progress : Progress, optional
        What is told while the run goes on.

    Returns
    -------
    Record
        The measurements. Whether a result was wrong is told by `Record.wrong`.

    Raises
    ------
    KernelUnavailable, MissingExtra
        If `skip_unavailable` is false.
    RunInterrupted
        If Ctrl-C is pressed; it holds the record so far.
    """
    whole = _Run(line_up, problems, settings, dict(unavailable), list(notes), progress or Silent())
    try:
        whole.make_first_calls(skip_unavailable)
        whole.measure()
        return whole.record()
    except KeyboardInterrupt:
        raise RunInterrupted(whole.record()) from None


class _Place(NamedTuple):
    """Where a cell is measured: its number in the order that was asked for, its problem and its number of threads."""

    number: int
    problem: AnyProblem
    threads: int | None


class _Run:
    """The state of a run."""

    def __init__(
        self,
        line_up: LineUp,
        problems: Sequence[AnyProblem],
        settings: Settings,
        unavailable: dict[str, str],
        notes: list[str],
        progress: Progress,
    ) -> None:
        self._created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._watch = Watch()
        self._settings = settings
        self._notes = notes
        self._progress = progress
        self._forecast = Forecast()
        self._contenders = {threads: list(line_up(threads)) for threads in settings.threads}
        self._first_calls: list[FirstCall] = []
        self._unavailable = unavailable
        self._left_out: list[LeftOut] = []
        self._cells: dict[int, Cell] = {}
        self._hoped = self._spent = 0.0
        self._complete = False
        in_order = [(problem, threads) for problem in problems for threads in settings.threads]
        self._places = [_Place(number, *place) for number, place in enumerate(in_order)]

    def make_first_calls(self, skip_unavailable: bool) -> None:
        """Import, compile and call each contender for each dtype, order and number of threads."""
        kinds = dict.fromkeys((each.problem.dtype, each.problem.order, each.threads) for each in self._places)
        for dtype, order, threads in kinds:
            for contender in self._contenders[threads]:
                if contender.name in self._unavailable:
                    continue
                self._progress.begin(f"first call of {contender.name}")
                try:
                    first = timing.first_call(contender, Problem(100, 10, dtype, order), threads, self._forecast)
                except (KernelUnavailable, MissingExtra) as error:
                    if not skip_unavailable:
                        raise
                    self._unavailable[contender.name] = str(error)
                    continue
                if any(each.contender == contender.name for each in self._first_calls):
                    first = changed(first, imported=None)
                self._first_calls.append(first)
        self._contenders = {
            threads: [each for each in contenders if each.name not in self._unavailable]
            for threads, contenders in self._contenders.items()
        }

    def measure(self) -> None:
        """Measure all that there is time and memory for, the smallest problems first."""
        places = sorted(self._places, key=lambda place: place.problem.m * place.problem.n)
        for done, place in enumerate(places):
            plan = self._plan(places[done:])
            start = time.perf_counter()
            self._measure_at(place, set(plan))
            if place.number in self._cells:
                self._hoped += sum(seconds for (number, _), seconds in plan.items() if number == place.number)
                self._hoped += self._overhead(place)
                self._spent += time.perf_counter() - start
        self._watch.look()
        self._complete = True

    def _plan(self, places: Sequence[_Place]) -> dict[tuple[int, str], float]:
        """Return who shall be measured at which of the remaining places, and how long that should take.

        The times hold for an idle machine; the budget is planned with how much longer it took so far.
        """
        costs: dict[tuple[int, str], float] = {}
        shared: dict[tuple[int, str], tuple[object, float]] = {}
        for place in places:
            overhead = self._overhead(place)
            for contender in self._contenders[place.threads]:
                expected = self._expected(contender.name, place)
                if expected <= self._settings.limit:
                    costs[place.number, contender.name] = expected
                    shared[place.number, contender.name] = (place.number, overhead)
        if self._settings.budget is not None:
            pace = max(1.0, self._spent / self._hoped) if self._hoped else 1.0
            chosen = budget.affordable(costs, shared, (self._settings.budget - self._watch.seconds) / pace)
            costs = {item: seconds for item, seconds in costs.items() if item in chosen}
        self._progress.plan(sum(costs.values()))
        return costs

    def _overhead(self, place: _Place) -> float:
        """Return how long a place takes whoever is measured there: the arrays, the reference, the floors."""
        preparation = self._forecast.seconds(timing.PREPARATION, place.problem.m, place.problem.n)
        return preparation + self._expected(FLOOR, place) + self._watch.look_seconds

    def _expected(self, name: str, place: _Place) -> float:
        return timing.expected_seconds(name, place.problem, place.threads, self._settings, self._forecast)

    def _measure_at(self, place: _Place, planned: set[tuple[int, str]]) -> None:
        contenders = self._contenders[place.threads]
        lacking = budget.shortage(place.problem, contenders, available_memory())
        if lacking is not None:
            self._leave_out(place, None, "memory", lacking)
            return
        unaffordable = self._unaffordable(place, planned)
        if unaffordable and not any((place.number, each.name) in planned for each in contenders):
            # Whoever is left would be skipped for the limit: nobody is measured.
            self._leave_out(place, None, "budget", next(iter(unaffordable.values())))
            return
        for name, reason in unaffordable.items():
            self._leave_out(place, name, "budget", reason)
        self._watch.look()
        self._progress.begin(_title(place))
        self._cells[place.number] = timing.measure(
            contenders,
            place.problem,
            place.threads,
            self._settings,
            self._forecast,
            skipped=unaffordable,
            on_progress=self._progress.advance,
        )

    def _unaffordable(self, place: _Place, planned: set[tuple[int, str]]) -> dict[str, str]:
        """Return whom the budget leaves out at a place, and why; those beyond the limit are skipped in any case."""
        if self._settings.budget is None:
            return {}
        budget_left = f"more than the budget of {self._settings.budget:g} s has left"
        expected = {each.name: self._expected(each.name, place) for each in self._contenders[place.threads]}
        return {
            name: f"about {timing.rough(seconds)} expected, {budget_left}"
            for name, seconds in expected.items()
            if seconds <= self._settings.limit and (place.number, name) not in planned
        }

    def _leave_out(self, place: _Place, contender: str | None, cause: Cause, reason: str) -> None:
        problem = place.problem
        left = LeftOut(
            problem=problem.name,
            m=problem.m,
            n=problem.n,
            dtype=problem.dtype,
            order=problem.order,
            threads=place.threads,
            contender=contender,
            cause=cause,
            reason=reason,
        )
        self._left_out.append(left)

    def record(self) -> Record:
        """Return what has been measured so far."""
        present = list(dict.fromkeys(each.contender for each in self._first_calls))
        versions_of = {each.name: each.version for each in next(iter(self._contenders.values()), [])}
        return Record(
            schema=SCHEMA,
            created=self._created,
            seconds=self._watch.seconds,
            complete=self._complete,
            commit=commit(),
            timed=TIMED,
            machine=Machine.here(),
            versions=versions(),
            settings=changed(
                self._settings,
                contenders=present,
                dtypes=list(dict.fromkeys(each.problem.dtype for each in self._places)),
                orders=list(dict.fromkeys(each.problem.order for each in self._places)),
            ),
            first_calls=self._first_calls,
            unavailable=self._unavailable,
            notes=self._notes,
            left_out=self._left_out,
            cells=[self._cells[number] for number in sorted(self._cells)],
            peers={name: versions_of[name] for name in present if versions_of.get(name)},
            noise=self._watch.noise(),
        )


def _title(place: _Place) -> str:
    problem = place.problem
    threads = "threads by size" if place.threads is None else f"threads = {place.threads}"
    return f"{problem.name}, m = {problem.m}, n = {problem.n}, {problem.dtype}, {problem.order}, {threads}"


__all__ = ["Contender", "LineUp", "Progress", "Record", "RunInterrupted", "Settings", "kernel_contender", "run"]
