"""One comparison run: how long each contender takes for one step of gradient descent, on each problem."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from gradstep.compare.measure import budget, timing
from gradstep.compare.measure.budget import Place, Planner
from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.forecast import Forecast
from gradstep.compare.measure.problems import Problem, RealProblem, conditions
from gradstep.compare.measure.session import Session
from gradstep.compare.record import records
from gradstep.compare.record.records import Cause, Cell, Conditions, FirstCall, LeftOut, Record, Settings
from gradstep.contract import KernelUnavailable
from gradstep.extras import MissingExtra
from gradstep.machine import available_memory

LineUp = Callable[[int | None], Sequence[Contender]]
"""Given a number of threads, returns the contenders; the same names for each."""


class Progress:
    """Hears of a run while it goes on. This one shows nothing; subclasses do."""

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
    problems: Sequence[Problem | RealProblem],
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
        The contenders for each number of threads in the settings.
    problems : sequence of Problem or RealProblem
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
    whole = _Run(line_up, problems, settings, dict(unavailable), list(notes), progress or Progress())
    try:
        whole.make_first_calls(skip_unavailable)
        whole.measure()
        return whole.record()
    except KeyboardInterrupt:
        raise RunInterrupted(whole.record()) from None


class _Run:
    """The state of a run."""

    def __init__(
        self,
        line_up: LineUp,
        problems: Sequence[Problem | RealProblem],
        settings: Settings,
        unavailable: dict[str, str],
        notes: list[str],
        progress: Progress,
    ) -> None:
        self._session = Session()
        self._settings = settings
        self._notes = notes
        self._progress = progress
        self._forecast = Forecast()
        self._planner = Planner(settings, self._forecast)
        self._contenders = {threads: list(line_up(threads)) for threads in settings.threads}
        self._first_calls: list[FirstCall] = []
        self._unavailable = unavailable
        self._left_out: list[LeftOut] = []
        self._cells: dict[int, Cell] = {}
        self._complete = False
        in_order = [(problem, threads) for problem in problems for threads in settings.threads]
        self._places = [Place(number, *place) for number, place in enumerate(in_order)]

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
                    first = records.changed(first, imported=None)
                self._first_calls.append(first)
        self._contenders = {
            threads: [each for each in contenders if each.name not in self._unavailable]
            for threads, contenders in self._contenders.items()
        }

    def measure(self) -> None:
        """Measure everything that time and memory allow, the smallest problems first."""
        places = sorted(self._places, key=lambda place: place.problem.m * place.problem.n)
        for done, place in enumerate(places):
            elapsed, look_seconds = self._session.seconds, self._session.look_seconds
            plan = self._planner.plan(places[done:], self._contenders, elapsed=elapsed, look_seconds=look_seconds)
            self._progress.plan(sum(plan.values()))
            start = time.perf_counter()
            self._measure_at(place, plan)
            if place.number in self._cells:
                expected = sum(seconds for (number, _), seconds in plan.items() if number == place.number)
                overhead = self._planner.overhead(place) + self._session.look_seconds
                self._planner.note(expected + overhead, time.perf_counter() - start)
        self._session.look()
        self._complete = True

    def _measure_at(self, place: Place, planned: Mapping[tuple[int, str], float]) -> None:
        contenders = self._contenders[place.threads]
        lacking = budget.shortage(place.problem, contenders, available_memory())
        if lacking is not None:
            self._leave_out(place, None, "memory", lacking)
            return
        unaffordable = self._planner.unaffordable(place, contenders, planned)
        if unaffordable and not any((place.number, each.name) in planned for each in contenders):
            # Any others are beyond the limit, so nothing would be measured here.
            self._leave_out(place, None, "budget", next(iter(unaffordable.values())))
            return
        for name, reason in unaffordable.items():
            self._leave_out(place, name, "budget", reason)
        self._session.look()
        self._progress.begin(Conditions(**conditions(place.problem, place.threads)).words)
        self._cells[place.number] = timing.measure(
            contenders,
            place.problem,
            place.threads,
            self._settings,
            self._forecast,
            skipped=unaffordable,
            on_progress=self._progress.advance,
        )

    def _leave_out(self, place: Place, contender: str | None, cause: Cause, reason: str) -> None:
        where = conditions(place.problem, place.threads)
        self._left_out.append(LeftOut(**where, contender=contender, cause=cause, reason=reason))

    def record(self) -> Record:
        """Return what has been measured so far."""
        present = list(dict.fromkeys(each.contender for each in self._first_calls))
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
            peers={name: versions_of[name] for name in present if versions_of.get(name)},
        )
