"""Threads: how many there are, and how they share the blocks of X."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gradstep import environment
from gradstep.limits import usable_cores

if TYPE_CHECKING:
    from gradstep.team import Seat

__all__ = ["Turns", "has_teams", "named_threads", "share", "team", "threads_for", "turns_for", "usable_cores"]

# Below this size of X one thread is faster: handing work to another one and waiting for it costs 50 to 70 microseconds
# (docs/performance.md), in which one thread reads about this much.
_BYTES_PER_THREAD = 1 << 20


# Each thread takes at most this many turns, so that one that is held up leaves its share to the others.
_TURNS_PER_THREAD = 8


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
        raise environment.BadVariable(f"GRADSTEP_THREADS is {named!r}; it should be an integer, at least 1")
    return number


def _openmp_threads() -> int | None:
    """Return the number in ``OMP_NUM_THREADS``, the first one of a list; None for what OpenMP would ignore.

    Joblib, Dask and schedulers set it for their workers, each of which would take all cores otherwise.
    """
    return _positive((environment.variable("OMP_NUM_THREADS") or "").partition(",")[0].strip())


def _positive(digits: str) -> int | None:
    """Return the number that some digits are, None if it is 0 or larger than any number of threads or they are none."""
    return int(digits) or None if digits.isascii() and digits.isdecimal() and len(digits) < 10 else None


def threads_for(X_bytes: int) -> tuple[int, str]:
    """Return how many threads an automatic choice takes for X of this size, and why."""
    named = named_threads()
    if named is not None:
        return named, "GRADSTEP_THREADS says so"
    worthwhile = max(1, X_bytes // _BYTES_PER_THREAD)
    why = f"a thread pays from {_BYTES_PER_THREAD >> 20} MiB of X on"
    if worthwhile == 1:
        return 1, why
    cores, limit = usable_cores(), _openmp_threads()
    if worthwhile < min(cores, limit or cores):
        return worthwhile, why
    if limit is not None and limit < cores:
        return limit, "OMP_NUM_THREADS says so"
    return cores, "all cores that this process may use"


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
    pool = _pool_of_this_mode()
    seats: list[Seat] = []
    tasks: list[_Task] = []
    try:
        pool.lend(threads - 1, seats)
        for seat in seats:
            task = _Task(work_in_turns)
            tasks.append(task)
            seat.send(task)
        work_in_turns()
    finally:
        runs.stop()
        _take_back(tasks)
        pool.take_back(seats)
    for task in tasks:
        if task.error is not None:
            raise task.error


def has_teams() -> bool:
    """Whether there can be a `team`: not where gradstep was installed without its extensions."""
    return _teams() is not None


@contextmanager
def team(threads: int) -> Iterator[object]:
    """Lend a compiled kernel the helpers that make up so many threads with the caller, while the context lasts.

    Yields
    ------
    object
        What `gradstep.contract.TeamSums` takes. It has fewer helpers, or none, where there are no more to have.
    """
    teams = _teams()
    if teams is None:
        raise AssertionError("gradstep was installed without its extensions, so no kernel can take a team")
    if threads == 1:
        yield teams.of([])
        return
    pool = _pool_of_this_mode()
    seats: list[Seat] = []
    try:
        pool.lend(threads - 1, seats)
        yield teams.of(seats)
    finally:
        pool.take_back(seats)


def _take_back(tasks: list[_Task]) -> None:
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


class _Task:
    """A share of a caller's work, for one helper."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._unclaimed = threading.Lock()
        self._running = threading.Lock()
        self._running.acquire()
        self.error: BaseException | None = None

    def claim(self) -> bool:
        """Return True to the first who asks: to a helper that is to run it, or to the caller who needs no help now."""
        return self._unclaimed.acquire(blocking=False)

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            self.error = error
        finally:
            self._running.release()

    def wait(self) -> None:
        """Wait until the helper that claimed it has run it."""
        self._running.acquire()


@functools.cache
def _teams() -> ModuleType | None:
    """Return the compiled module of helpers' seats, or None where gradstep was installed without its extensions."""
    try:
        return import_module("gradstep.team")
    except ImportError:
        return None


class _QueueSeat:
    """A seat where there is no compiled one: a helper waits there for errands alone."""

    def __init__(self) -> None:
        from queue import SimpleQueue

        self._errands: SimpleQueue[Any] = SimpleQueue()

    def send(self, errand: Any) -> None:
        self._errands.put(errand)

    def wait(self) -> Any:
        return self._errands.get()


class _Pool:
    """Helper threads that compute in the floating-point mode of the thread that made the pool.

    A helper is started when all others are in use, and never more of them than there are other cores. Where no thread
    can be started, the callers do the work themselves.
    """

    def __init__(self, mode: tuple[float, ...]) -> None:
        self.mode = mode
        teams = _teams()
        self._new_seat: Callable[[], Any] = _QueueSeat if teams is None else teams.Seat
        # Reentrant, because Python may run a signal's handler or a finalizer of the caller's anywhere.
        self._lock = threading.RLock()
        self._seats: list[Seat] = []
        self._lent: set[Seat] = set()
        self._retired = False

    def lend(self, wanted: int, seats: list[Seat]) -> None:
        """Append to `seats` those of up to `wanted` helpers that are free or can be started."""
        with self._lock:
            most = usable_cores() - 1
            free = [seat for seat in self._seats if seat not in self._lent]
            while len(seats) < wanted and len(self._lent) < most:
                seat = free.pop() if free else self._start()
                if seat is None:
                    return
                # In this order, so that an interruption between any two lines leaves nothing that is not taken back.
                seats.append(seat)
                self._lent.add(seat)

    def take_back(self, seats: list[Seat]) -> None:
        """Let others have these helpers, which do nothing now."""
        with self._lock:
            self._lent.difference_update(seats)
            if self._retired:
                _send_home(seats)

    def retire(self) -> None:
        """End the helpers as soon as they are idle."""
        with self._lock:
            self._retired = True
            _send_home([seat for seat in self._seats if seat not in self._lent])

    def _start(self) -> Seat | None:
        """Start a helper; return None if the system, or an interpreter that is ending, has no thread to give."""
        try:
            seat: Seat = self._new_seat()
        except MemoryError:
            return None
        helper = threading.Thread(target=_help, args=(seat, self.mode), name="gradstep", daemon=True)
        self._seats.append(seat)
        try:
            helper.start()
        except (RuntimeError, MemoryError, OSError):
            self._seats.remove(seat)
            return None
        return seat


def _send_home(seats: list[Seat]) -> None:
    for seat in seats:
        seat.send(None)


def _help(seat: Seat, mode: tuple[float, ...]) -> None:
    """Run tasks until there is a None: what a helper thread does."""
    if _floating_point_mode() != mode:
        # Not every system gives a new thread the mode of the one that started it; the callers take their tasks back.
        return
    while (task := seat.wait()) is not None:
        if task.claim():
            task.run()
        # An idle helper keeps no caller's arrays alive.
        del task


# Variables, because Python computes with constants when it compiles.
_ONE, _THREE_QUARTERS_OF_EPSILON, _SMALLEST_NORMAL, _TWO = 1.0, 0.75 * 2.0**-52, 2.0**-1022, 2.0


def _floating_point_mode() -> tuple[float, ...]:
    """Return what tells the floating-point modes of this thread apart: rounding, and what becomes of subnormals."""
    half = _SMALLEST_NORMAL / _TWO
    return _ONE + _THREE_QUARTERS_OF_EPSILON, -_ONE - _THREE_QUARTERS_OF_EPSILON, half, half * _TWO


_pools: list[_Pool] = []


def _pool_of_this_mode() -> _Pool:
    """Return the pool, or a new one if its helpers compute in another mode than this thread."""
    mode = _floating_point_mode()
    with _pools_lock:
        if not _pools or _pools[-1].mode != mode:
            for pool in _pools:
                pool.retire()
            _pools[:] = [_Pool(mode)]
        return _pools[-1]


_pools_lock = threading.RLock()


def _forget() -> None:
    """Begin anew in a forked child, in which the helpers do not exist."""
    global _pools_lock  # noqa: PLW0603 - another thread may hold it at the fork
    _pools_lock = threading.RLock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
