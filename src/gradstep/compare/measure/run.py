"""One comparison run: how long each contender takes for one step of gradient descent, on each problem."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from gradstep.compare.measure import budget, timing
from gradstep.compare.measure.budget import Item, Place, Planner
from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.forecast import Forecast, Kind
from gradstep.compare.measure.problems import AnyProblem, Problem, conditions
from gradstep.compare.measure.session import Session
from gradstep.compare.measure.timing import Timing
from gradstep.compare.record import records
from gradstep.compare.record.records import Cause, Cell, Conditions, FirstCall, LeftOut, Record, Settings
from gradstep.contract import KernelUnavailable
from gradstep.extras import MissingExtra
from gradstep.machine import available_memory

# In each turn a cell gets one new round for three that it had, so that checking whether it is decided costs little.
_PART = 3

LineUp = Callable[[int | None], Sequence[Contender]]
"""Given a number of threads, returns the contenders; the same names for each."""


class Progress:
    """Follows a run. This one shows nothing; subclasses do."""

    def plan(self, seconds: float) -> None:
        """Take note of how long the rest of the run should take."""

    def begin(self, what: str) -> None:
        """Take note of what is being worked on."""

    def advance(self, seconds: float) -> None:
        """Take note that this much of the plan is done."""


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C was pressed during a run.

    Attributes
    ----------
    record : Record
        What had been measured until then; its `complete` is False, unless that was everything.
    """

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record = record

    def __reduce__(self) -> tuple[type[RunInterrupted], tuple[Record], dict[str, object]]:
        return type(self), (self.record,), self.__dict__


def run(
    line_up: LineUp,
    problems: Sequence[AnyProblem],
    settings: Settings,
    *,
    skip_unavailable: bool = True,
    unavailable: Mapping[str, str] = MappingProxyType({}),
    notes: Sequence[str] = (),
    progress: Progress | None = None,
    still_open: Callable[[Cell], bool] = lambda cell: False,
    started: float | None = None,
) -> Record:
    """Measure contenders on problems.

    First each problem gets the rounds of the settings, as far as the budget goes. What it has left goes in turns to the
    problems where `still_open` says that more rounds may show which contender is the fastest.

    Parameters
    ----------
    line_up : callable
        The contenders for each number of threads in the settings.
    problems : sequence of Problem, RealProblem, BundledProblem or GivenX
        Each is measured with each number of threads. The smallest come first, so that their times forecast those of the
        larger ones; the record keeps the given order.
    settings : Settings
        The record's settings; its contenders, dtypes and orders give way to what was measured.
    skip_unavailable : bool
        Whether a contender that cannot run is left out and noted; else the error is raised.
    unavailable : mapping
        The contenders known not to run, and why; passed on to the record.
    notes : sequence of str
        Passed on to the record.
    progress : Progress, optional
        Hears of the progress.
    still_open : callable
        Given a cell, returns whether rounds are to be added to it. Without a budget none are.
    started : float, optional
        What `time.perf_counter` showed when the work began that the budget is for; by default it begins now.

    Returns
    -------
    Record
        The measurements. `Record.wrong` lists the results that failed the check.

    Raises
    ------
    KernelUnavailable, MissingExtra
        If `skip_unavailable` is false.
    RunInterrupted
        If Ctrl-C is pressed; it holds the record so far.
    """
    whole = _Run(line_up, problems, settings, dict(unavailable), list(notes), progress or Progress(), started)
    try:
        whole.measure(still_open, skip_unavailable)
        return whole.record()
    except KeyboardInterrupt:
        raise RunInterrupted(whole.record()) from None


def _small(kind: Kind) -> Problem:
    """Return what the first call of a kind is made on. With very many models even that may not fit into the memory."""
    return Problem(100, 10, kind.dtype, kind.order, models=kind.models)


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
        started: float | None,
    ) -> None:
        self._session = Session(started)
        self._settings = settings
        self._notes = notes
        self._progress = progress
        self._forecast = Forecast()
        self._planner = Planner(settings, self._forecast)
        self._contenders = {
            threads: [each for each in line_up(threads) if each.name not in unavailable] for threads in settings.threads
        }
        self._names = list(dict.fromkeys(each.name for group in self._contenders.values() for each in group))
        self._loaded: set[str] = set()
        self._first_calls: list[FirstCall] = []
        self._unavailable = unavailable
        self._left_out: list[LeftOut] = []
        self._cells: dict[int, Cell] = {}
        self._open: dict[int, Timing] = {}
        self._complete = False
        in_order = [(problem, threads) for problem in problems for threads in settings.threads]
        self._models = max((problem.models for problem in problems), default=1)
        self._places = [Place(number, *place) for number, place in enumerate(in_order)]

    def measure(self, still_open: Callable[[Cell], bool], skip_unavailable: bool) -> None:
        """Measure everything that time and memory allow, the smallest problems first, and then what is still open."""
        places = sorted(self._places, key=lambda place: place.problem.m * place.problem.n)
        plan: dict[Item, float] = {}
        for done, place in enumerate(places):
            # Once nothing more fits into the budget, nothing will: the time left only shrinks.
            if plan or not done or self._settings.budget is None:
                plan = self._plan_with_first_calls(places[done:], skip_unavailable)
            start, loading = time.perf_counter(), place.problem.load_seconds
            timing = self._measure_at(place, plan)
            if timing is not None:
                expected = sum(seconds for (number, _), seconds in plan.items() if number == place.number)
                overhead = loading + self._planner.overhead(place) + self._session.look_seconds
                self._planner.note(expected + overhead, time.perf_counter() - start)
                self._keep(place.number, timing, still_open)
        self._add_rounds(still_open)
        self._session.look()
        self._complete = True

    def _seconds_left(self) -> float:
        return self._planner.seconds_to_measure - self._session.seconds

    def _plan_with_first_calls(self, places: Sequence[Place], skip_unavailable: bool) -> dict[Item, float]:
        """Make the first calls of the first place, and return the plan for this place and the others.

        Each import and each first call may change the plan, since they show what was only guessed before.
        """
        place = places[0]
        while True:
            plan = self._planner.plan(
                places, self._contenders, elapsed=self._session.seconds, look_seconds=self._session.look_seconds
            )
            self._progress.plan(sum(plan.values()))
            new = {
                each.name: each
                for each in self._contenders[place.threads]
                if (place.number, each.name) in plan and not self._planner.has_called(each.name, place.kind)
            }
            if not new or budget.shortage(_small(place.kind), list(new.values()), available_memory()) is not None:
                return plan
            costs = {name: self._planner.one_time(each, place.kind) for name, each in new.items()}
            for name in [name for name in costs if costs[name] == min(costs.values())]:
                self._progress.begin(f"first call of {name}")
                try:
                    self._load_or_call(new[name], place.kind)
                except (KernelUnavailable, MissingExtra) as error:
                    if not skip_unavailable:
                        raise
                    self._drop(name, str(error))

    def _load_or_call(self, contender: Contender, kind: Kind) -> None:
        """Import what a contender needs; if that is done, or takes next to no time, make its first call."""
        if contender.name not in self._loaded and contender.one_time() > 0.0:
            contender.load()
            self._loaded.add(contender.name)
        else:
            self._make_first_call(contender, kind)

    def _make_first_call(self, contender: Contender, kind: Kind) -> None:
        first = timing.first_call(contender, _small(kind), kind.threads, self._forecast)
        if any(each.contender == contender.name for each in self._first_calls):
            first = records.changed(first, imported=None)
        self._first_calls.append(first)
        self._planner.note_first_call(contender.name, kind)

    def _drop(self, name: str, reason: str) -> None:
        """Go on without a contender that cannot run."""
        self._unavailable[name] = reason
        self._contenders = {
            threads: [each for each in contenders if each.name != name]
            for threads, contenders in self._contenders.items()
        }

    def _measure_at(self, place: Place, planned: Mapping[Item, float]) -> Timing | None:
        contenders = self._contenders[place.threads]
        lacking = budget.shortage(place.problem, contenders, available_memory())
        if lacking is not None and self._open:
            # Free the arrays that were kept for more rounds.
            self._open.clear()
            lacking = budget.shortage(place.problem, contenders, available_memory())
        if lacking is not None:
            self._leave_out(place, None, "memory", lacking)
            return None
        unaffordable = self._planner.unaffordable(place, contenders, planned)
        if unaffordable and not any((place.number, each.name) in planned for each in contenders):
            # Any others are beyond the limit, so nothing would be measured here.
            self._leave_out(place, None, "budget", next(iter(unaffordable.values())))
            return None
        self._session.look()
        self._progress.begin(Conditions(**conditions(place.problem, place.threads)).words)
        measured = Timing(
            contenders,
            place.problem,
            place.threads,
            self._settings,
            self._forecast,
            skipped=unaffordable,
            seconds_left=self._seconds_left,
            on_progress=self._progress.advance,
        )
        if measured.unaffordable and not measured.rounds:
            # The time went by while the problem was made.
            self._leave_out(place, None, "budget", next(iter(measured.unaffordable.values())))
            return None
        for name, reason in {**unaffordable, **measured.unaffordable}.items():
            self._leave_out(place, name, "budget", reason)
        return measured

    def _keep(self, number: int, measured: Timing, still_open: Callable[[Cell], bool]) -> None:
        """Keep what was measured in a cell; and its arrays, as long as more rounds may decide something."""
        self._cells[number] = measured.cell()
        if self._settings.budget is not None and still_open(self._cells[number]):
            self._open[number] = measured
        else:
            self._open.pop(number, None)

    def _add_rounds(self, still_open: Callable[[Cell], bool]) -> None:
        """Add rounds where they may decide something, the cheapest first, in turns until the budget is spent."""
        self._progress.plan(max(0.0, self._seconds_left()) if self._open else 0.0)
        while self._open:
            for number, measured in sorted(self._open.items(), key=lambda item: item[1].round_seconds):
                self._progress.begin(f"more rounds: {self._cells[number].words}")
                affordable = int(self._seconds_left() / measured.round_seconds)
                if affordable < 1:
                    del self._open[number]
                    continue
                start = time.perf_counter()
                measured.add(min(affordable, max(1, measured.rounds // _PART)))
                self._keep(number, measured, still_open)
                self._progress.advance(time.perf_counter() - start)
            if self._open and self._seconds_left() > 2.0 * self._session.look_seconds:
                self._session.look()

    def _leave_out(self, place: Place, contender: str | None, cause: Cause, reason: str) -> None:
        where = conditions(place.problem, place.threads)
        self._left_out.append(LeftOut(**where, contender=contender, cause=cause, reason=reason))

    def record(self) -> Record:
        """Return what has been measured so far."""
        in_cells = {result.contender for cell in self._cells.values() for result in cell.results}
        can_run = {each.name for contenders in self._contenders.values() for each in contenders}
        present = [name for name in self._names if name in in_cells | can_run]
        versions_of = {each.name: each.version for each in next(iter(self._contenders.values()), [])}
        return self._session.record(
            complete=self._complete,
            settings=records.changed(
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
            models=self._models,
            peers={name: versions_of[name] for name in present if versions_of.get(name)},
        )
