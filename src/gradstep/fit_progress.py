"""Shows on stderr how far a descent has come: a bar in a terminal, one line of text in a notebook."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO, cast

from gradstep.extras import require
from gradstep.streams import Unfailing

# The line of text is written at most this often.
_SECONDS_BETWEEN_LINES = 0.2

_BAR = 30


class State(Protocol):
    """What is shown of a descent."""

    @property
    def n_iter(self) -> int:
        """The number of steps taken."""

    @property
    def J(self) -> float:
        """The cost."""

    @property
    def largest(self) -> float:
        """The largest component of the gradient, as tol judges it."""


Show = Callable[[State], None]


def bar(max_iter: int, tol: float) -> AbstractContextManager[Show]:
    """Return a context whose value is called with each state of the descent.

    Raises
    ------
    MissingExtra
        If Rich is not installed; a notebook does without it.
    """
    if _in_a_notebook():
        # Rich needs ipywidgets for a bar in a notebook.
        return _line_of_text(max_iter, tol)
    require("rich", "cli", "The progress bar")
    return _rich_bar(max_iter, tol)


def _in_a_notebook() -> bool:
    """Whether the output goes to cells of Jupyter."""
    ipython = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return ipython is not None and "IPKernelApp" in getattr(ipython, "config", ())


@contextmanager
def _line_of_text(max_iter: int, tol: float) -> Iterator[Show]:
    written = -math.inf
    last: State | None = None
    stderr = Unfailing()

    def write(state: State) -> None:
        done = _BAR * state.n_iter // max(1, max_iter)
        line = f"[{'#' * done}{'.' * (_BAR - done)}] {state.n_iter:,} of {max_iter:,} steps, {_numbers(state, tol)}"
        stderr.write(f"\r{line:<100}")
        stderr.flush()

    def show(state: State) -> None:
        nonlocal written, last
        last = state
        if time.monotonic() - written >= _SECONDS_BETWEEN_LINES:
            write(state)
            written = time.monotonic()

    try:
        yield show
    finally:
        if last is not None:
            write(last)
            stderr.write("\n")


@contextmanager
def _rich_bar(max_iter: int, tol: float) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=cast(TextIO, Unfailing()))) as progress:
        task = progress.add_task("", total=max_iter)

        def show(state: State) -> None:
            progress.update(task, completed=state.n_iter, description=_numbers(state, tol))

        yield show


def _numbers(state: State, tol: float) -> str:
    return f"J = {state.J:.6g}, largest gradient {state.largest:.2e} (tol {tol:g})"
