"""The progress of a run: it counts the problems, and is a bar only where a bar can be drawn over."""

from __future__ import annotations

import errno
import io
import sys

import pytest
from rich.progress import Progress

from gradstep import environment
from gradstep.cli.progress import RunProgress, on_stderr
from gradstep.compare.record.records import Conditions
from gradstep.compare.show.console import PlainConsole


def problem(m: int, n: int, name: str = "random") -> Conditions:
    return Conditions(problem=name, m=m, n=n, dtype="float64", order="C", threads=1)


@pytest.fixture
def bar() -> Progress:
    return Progress(disable=True)


def test_problems_are_counted_as_they_begin(bar):
    problems = [problem(569, 30, "wine"), problem(100, 2), problem(1000, 2)]
    said = []
    with RunProgress(problems, bar) as progress:
        for what in (
            "first call of numba", problems[1].words, problems[2].words, problems[0].words,
            f"more rounds: {problems[2].words}", problems[0].words,
        ):  # fmt: skip
            progress.begin(what)
            said.append(bar.tasks[0].description)
    assert said == [
        "first call of numba", "1 of 3: 100 x 2", "2 of 3: 1,000 x 2", "3 of 3: wine", "more rounds: 1,000 x 2",
        "3 of 3: wine",
    ]  # fmt: skip


def test_bar_grows_by_what_is_planned_anew(bar):
    with RunProgress(bar=bar) as progress:
        progress.plan(10.0)
        progress.advance(4.0)
        progress.plan(3.0)
        (task,) = bar.tasks
        assert (task.completed, task.total) == (4.0, 7.0)


def test_bar_says_how_long_it_has_been_and_will_be():
    clock = iter(range(0, 1000, 10))
    made = on_stderr()
    bar = Progress(*made.columns, disable=True, get_time=lambda: float(next(clock)))
    task = bar.add_task("3 of 9: 100 x 2", total=100.0)
    for _ in range(4):
        bar.advance(task, 10.0)
    console = PlainConsole()
    console.file = io.StringIO()
    console.print(bar.get_renderable())
    assert "3 of 9: 100 x 2" in console.file.getvalue()
    assert " elapsed, 0:0" in console.file.getvalue()
    assert console.file.getvalue().rstrip().endswith(" left")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stderr", "notebook", "is_drawn"),
    [(Terminal(), False, True), (Terminal(), True, False), (io.StringIO(), False, False), (None, False, False)],
)
def test_bar_is_drawn_on_terminals_alone(monkeypatch, stderr, notebook, is_drawn):
    # What a notebook runs has a terminal that keeps each state of a bar, and is asked for colours.
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    if notebook:
        monkeypatch.setenv("JPY_PARENT_PID", "1")
    environment.variable.cache_clear()
    try:
        assert on_stderr().disable is not is_drawn
    finally:
        environment.variable.cache_clear()


class Gone(io.StringIO):
    """A terminal whose other end has gone."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "gone")


def test_bar_on_a_terminal_that_has_gone_does_not_end_the_run(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Gone())
    with RunProgress([problem(100, 2)]) as progress:
        assert not progress._bar.disable
        progress.plan(10.0)
        progress.begin(problem(100, 2).words)
        progress.advance(10.0)
