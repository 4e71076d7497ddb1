"""One comparison run: which contenders take one step of gradient descent in which time, on which problems."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Protocol

import gradstep
from gradstep.compare import timing
from gradstep.compare.machine import Machine, versions
from gradstep.compare.problems import ALPHA, AnyProblem, Examples
from gradstep.compare.records import SCHEMA, Cell, Record, Settings
from gradstep.compare.timing import Call, Contender, Forecast
from gradstep.contract import KernelUnavailable, Step


class Progress(Protocol):
    """What a run tells while it goes on."""

    def plan(self, seconds: float) -> None:
        """Take note of how long the whole run should take."""

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


def kernel_contender(name: str, threads: int | None = 1) -> Contender:
    """Return the contender that calls `gradstep.step` with one kernel."""

    def prepare(examples: Examples) -> Call:
        X, y, w, b = examples

        def call() -> Step:
            return gradstep.step(X, y, w, b, ALPHA, kernel=name, threads=threads)

        return call

    return Contender(name, prepare)


def run(
    contenders: Sequence[Contender],
    problems: Sequence[AnyProblem],
    settings: Settings,
    *,
    skip_unavailable: bool = True,
    notes: Sequence[str] = (),
    progress: Progress | None = None,
) -> Record:
    """Measure contenders on problems.

    Parameters
    ----------
    contenders : sequence of Contender
        Who takes part.
    problems : sequence of Problem or RealProblem
        They are measured from the smallest to the largest, and reported in the given order.
    settings : Settings
        The record's settings; its contenders are replaced by those that are available.
    skip_unavailable : bool
        Whether a kernel that cannot run is left out and noted; else `KernelUnavailable` is raised.
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
    KernelUnavailable
        If `skip_unavailable` is false.
    """
    progress = progress or Silent()
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    forecast = Forecast()
    first_calls, unavailable = _first_calls(contenders, settings, forecast, progress, skip_unavailable)
    present = [contender for contender in contenders if contender.name in first_calls]
    progress.plan(sum(_plan(present, problem, settings, forecast) for problem in problems))

    cells: dict[int, Cell] = {}
    for index in sorted(range(len(problems)), key=lambda k: problems[k].m * problems[k].n):
        problem = problems[index]
        progress.begin(f"{problem.name}, m = {problem.m}, n = {problem.n}")
        cells[index] = timing.measure(present, problem, settings, forecast, progress.advance)
    return Record(
        schema=SCHEMA,
        created=created,
        timed="one call of gradstep.step(X, y, w, b, alpha): the cost, the gradient and the update",
        machine=Machine.here(),
        versions=versions(),
        settings=Settings(**{**vars(settings), "contenders": [contender.name for contender in present]}),
        first_calls=first_calls,
        unavailable=unavailable,
        notes=list(notes),
        cells=[cells[index] for index in range(len(problems))],
        peers={contender.name: contender.version for contender in present if contender.version},
    )


def _first_calls(
    contenders: Sequence[Contender],
    settings: Settings,
    forecast: Forecast,
    progress: Progress,
    skip_unavailable: bool,
) -> tuple[dict[str, float], dict[str, str]]:
    seconds: dict[str, float] = {}
    unavailable: dict[str, str] = {}
    for contender in contenders:
        progress.begin(f"first call of {contender.name}")
        try:
            seconds[contender.name] = timing.first_call(contender, forecast, settings.dtype, settings.order)
        except KernelUnavailable as error:
            if not skip_unavailable:
                raise
            unavailable[contender.name] = str(error)
    return seconds, unavailable


def _plan(contenders: Sequence[Contender], problem: AnyProblem, settings: Settings, forecast: Forecast) -> float:
    expected = (timing.expected_seconds(each.name, problem, settings, forecast) for each in contenders)
    return sum(seconds for seconds in expected if seconds <= settings.limit)


__all__ = ["Contender", "Progress", "Record", "Settings", "kernel_contender", "run"]
