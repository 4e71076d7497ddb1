"""The progress of a run: a bar on the terminal, and the points at which the run heeds a Ctrl-C."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable
from typing import Self, TextIO, cast

from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from gradstep import environment
from gradstep.cli.interrupts import Interrupts
from gradstep.compare.measure.run import Progress
from gradstep.compare.record.records import Conditions
from gradstep.compare.show.console import PlainConsole
from gradstep.compare.show.places import Places
from gradstep.streams import Unfailing


class RunProgress(Progress):
    """The progress of a run as a bar, by default one on stderr, if that is a terminal.

    Where the problems of the run are given, it counts those that have begun.
    """

    def __init__(self, problems: Iterable[Conditions] = (), bar: Bar | None = None) -> None:
        expected = list(problems)
        places = Places(expected)
        self._names = {each.conditions.words: places.name(each) for each in expected}
        self._begun: set[str] = set()
        self._bar = bar or on_stderr()
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        # Rich before 14.1 ends even a disabled bar with an empty line.
        if not self._bar.disable:
            self._bar.stop()

    def plan(self, seconds: float) -> None:
        """Set the length of the rest of the bar."""
        self._bar.update(self._task, total=self._bar.tasks[self._task].completed + seconds)

    def begin(self, what: str) -> None:
        """Name what is being measured, and count it if it is a problem."""
        self._bar.update(self._task, description=self._in_short(what))

    def _in_short(self, what: str) -> str:
        problem = next((words for words in self._names if what.endswith(words)), None)
        if problem is None:
            return what
        if what != problem:
            return f"{what.removesuffix(problem)}{self._names[problem]}"
        self._begun.add(problem)
        return f"{len(self._begun)} of {len(self._names)}: {self._names[problem]}"

    def advance(self, seconds: float) -> None:
        """Move the bar."""
        self._bar.advance(self._task, seconds)


class _Times(ProgressColumn):
    """How long the run has taken so far, and how long it may still take."""

    def render(self, task: Task) -> Text:
        """Return both as minutes and seconds; the second only where it is known."""
        left = "" if task.time_remaining is None else f", {_clock(task.time_remaining)} left"
        return Text(f"{_clock(task.elapsed or 0.0)} elapsed{left}")


def _clock(seconds: float) -> str:
    return str(datetime.timedelta(seconds=int(seconds)))


def on_stderr() -> Bar:
    """Return a bar on stderr that is gone in the end; nothing is shown unless that is a terminal."""
    return Bar(
        # The description names the problem, which may be a file with any name.
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        _Times(),
        console=PlainConsole(cast(TextIO, Unfailing())),
        transient=True,
        disable=not _can_be_redrawn(),
    )


def _can_be_redrawn() -> bool:
    """Return whether stderr is a real terminal: in one that a notebook imitates every state of a bar would stay."""
    return sys.stderr is not None and sys.stderr.isatty() and environment.variable("JPY_PARENT_PID") is None


class Heeding(Progress):
    """Passes on the progress of a run, and ends the run at a Ctrl-C whose exception was lost."""

    def __init__(self, progress: Progress, interrupts: Interrupts) -> None:
        self._progress = progress
        self._interrupts = interrupts

    def plan(self, seconds: float) -> None:
        """Pass it on."""
        self._interrupts.heed()
        self._progress.plan(seconds)

    def begin(self, what: str) -> None:
        """Pass it on."""
        self._interrupts.heed()
        self._progress.begin(what)

    def advance(self, seconds: float) -> None:
        """Pass it on."""
        self._interrupts.heed()
        self._progress.advance(seconds)
