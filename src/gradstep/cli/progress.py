"""The progress of a run: a bar on the terminal, and the points at which the run heeds a Ctrl-C."""

from __future__ import annotations

from typing import Self

from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from gradstep.cli.interrupts import Interrupts
from gradstep.compare.measure.run import Progress
from gradstep.compare.show.console import PlainConsole


class RunProgress(Progress):
    """The progress of a run as a bar, by default one on stderr, if that is a terminal."""

    def __init__(self, bar: Bar | None = None) -> None:
        self._bar = bar or on_stderr()
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def plan(self, seconds: float) -> None:
        """Set the length of the rest of the bar."""
        self._bar.update(self._task, total=self._bar.tasks[self._task].completed + seconds)

    def begin(self, what: str) -> None:
        """Name what is being measured."""
        self._bar.update(self._task, description=what)

    def advance(self, seconds: float) -> None:
        """Move the bar."""
        self._bar.advance(self._task, seconds)


def on_stderr() -> Bar:
    """Return a bar on stderr that is gone in the end; nothing is shown unless that is a terminal."""
    console = PlainConsole(stderr=True)
    return Bar(
        # The description names the problem, which may be a file with any name.
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


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
