"""Threads: how many there are, and how they share the blocks of X."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gradstep import environment, helpers
from gradstep.limits import usable_cores

if TYPE_CHECKING:
    from gradstep.team import Seat

__all__ = ["Turns", "has_teams", "named_threads", "share", "team", "threads_for", "turns_for", "usable_cores"]

# Below this size of X one thread is faster.
_BYTES_PER_THREAD = 1 << 20


# Each thread takes at most this many turns, so that one that is held up leaves its share to the others.
_TURNS_PER_THREAD = 4


def turns_for(n_blocks: int, threads: int) -> int:
    """Return in how many turns some threads should share some blocks.

    Between two turns a thread needs the interpreter, which has one thread at a time: the more threads there are, the
    longer a turn has to be. With 16 of them turns of one block each took three times as long as a turn for each.
    """
    return threads * min(_TURNS_PER_THREAD, max(1, n_blocks // threads**2))


def named_threads() -> int | None:
    """Return the number of threads that the environment variable ``GRADSTEP_THREADS`` names, if it is set."""
    named = environment.variable("GRADSTEP_THREADS")
    if named is None:
        return None
    number = _positive(named)
    if number is None:
        raise environment.bad("GRADSTEP_THREADS", f"it should be an integer, at least 1 and at most {_MOST_THREADS:,}")
    return number


# What limits OpenMP: joblib, Dask and schedulers set the first for their workers, each of which would take all cores
# otherwise.
_OPENMP = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT")


def _openmp_limit() -> tuple[int, str] | None:
    """Return the least of OpenMP's limits, of a list the first number, and its variable; None without one."""
    numbers = [(_positive((environment.variable(name) or "").partition(",")[0].strip()), name) for name in _OPENMP]
    return min(((number, name) for number, name in numbers if number is not None), default=None)


_MOST_THREADS = 999_999_999


def _positive(digits: str) -> int | None:
    """Return the number that some digits stand for; None if they are no digits, or it is 0 or too many threads."""
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= len(str(_MOST_THREADS))):
        return None
    return int(digits) or None


def threads_for(X_bytes: int) -> tuple[int, str]:
    """Return how many threads an automatic choice takes for X of this size, and why."""
    named = named_threads()
    if named is not None:
        return named, "GRADSTEP_THREADS says so"
    worthwhile = max(1, X_bytes // _BYTES_PER_THREAD)
    why = f"a thread pays from {_BYTES_PER_THREAD >> 20} MiB of X on"
    if worthwhile == 1:
        return 1, why
    most, whose = usable_cores(), "all cores that this process may use"
    limit = _openmp_limit()
    if limit is not None and limit[0] < most:
        most, whose = limit[0], f"{limit[1]} says so"
    return (worthwhile, why) if worthwhile < most else (most, whose)


def share(work: Callable[[int, int], None], n_blocks: int, threads: int, turns: int) -> None:
    """Let several threads, the calling one among them, claim runs of blocks until none is left.

    Parameters
    ----------
    work : callable
        Called with the number of the first block of a run and of the one behind its last.
    n_blocks : int
        The number of blocks.
    threads : int
        The number of threads.
    turns : int
        The number of runs, if there are as many blocks; none is longer than another by more than a block.

    Examples
    --------
    >>> claimed = []
    >>> share(lambda first, last: claimed.extend(range(first, last)), n_blocks=10, threads=2, turns=4)
    >>> sorted(claimed)
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    runs = Turns(n_blocks, turns)

    def work_in_turns() -> None:
        try:
            for first, last in runs:
                work(first, last)
        finally:
            # Done, failed or interrupted: in any case there is nothing left for the others to begin.
            runs.stop()

    if threads == 1 or sys.is_finalizing():
        work_in_turns()
        return
    tasks: list[helpers.Task] = []
    with _helpers(threads - 1) as seats:
        try:
            for seat in seats:
                task = helpers.Task(work_in_turns)
                tasks.append(task)
                seat.send(task)
            work_in_turns()
        finally:
            runs.stop()
            _take_back(tasks)
    errors = [error for error in map(helpers.Task.take_error, tasks) if error is not None]
    try:
        if errors:
            raise errors[0]
    finally:
        # It knows this frame: if this frame knew it, what the caller gave would live until a garbage collection.
        errors.clear()


def has_teams() -> bool:
    """Whether there can be a `team`: not where gradstep was installed without its extensions."""
    return helpers.teams() is not None


@contextmanager
def team(threads: int) -> Iterator[object]:
    """Lend a compiled kernel the helpers that make up this many threads with the caller, while the context lasts.

    Yields
    ------
    object
        What `gradstep.contract.TeamSums` takes. It has fewer helpers, or none, where there are no more to have.
    """
    teams = helpers.teams()
    if teams is None:
        raise AssertionError("there is no team without gradstep.team")
    with _helpers(threads - 1) as seats:
        yield teams.of(seats)


@contextmanager
def _helpers(wanted: int) -> Iterator[list[Seat]]:
    """Lend the seats of up to this many helpers; never more of them work at once than there are other cores."""
    if wanted == 0:
        yield []
        return
    pool = helpers.pool_of_this_mode()
    seats: list[Seat] = []
    try:
        pool.lend(wanted, usable_cores() - 1, seats)
        yield seats
    finally:
        pool.take_back(seats)


def _take_back(tasks: list[helpers.Task]) -> None:
    """Wait for the helpers that have begun; those that have not need not begin."""
    for task in tasks:
        if not task.claim():
            task.wait()


class Turns:
    """Runs of consecutive blocks; each goes once, to the thread that asks next.

    Parameters
    ----------
    n_blocks : int
        The number of blocks.
    turns : int
        The number of runs, if there are as many blocks.
    """

    def __init__(self, n_blocks: int, turns: int) -> None:
        self._n_blocks = n_blocks
        self._turns = min(turns, n_blocks)
        self._next = 0
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        while True:
            with self._lock:
                turn = self._next
                self._next = turn + 1
            if turn >= self._turns:
                return
            yield turn * self._n_blocks // self._turns, (turn + 1) * self._n_blocks // self._turns

    def stop(self) -> None:
        """Hand out no more: the caller is done, has failed or was interrupted."""
        with self._lock:
            self._next = self._turns
