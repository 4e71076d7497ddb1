"""Threads: how many there are, and how they share the blocks of X."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gradstep import environment
from gradstep.limits import usable_cores

if TYPE_CHECKING:
    from queue import SimpleQueue

__all__ = ["Turns", "blocks_per_turn", "named_threads", "share", "threads_for", "usable_cores"]

# Below this size of X one thread is faster: handing work to another one and waiting for it costs 50 to 70 microseconds
# (docs/performance.md), in which one thread reads about this much.
_BYTES_PER_THREAD = 1 << 20


# Each thread claims blocks about this many times, so that a thread that is held up leaves its share to the others.
_TURNS_PER_THREAD = 8


def blocks_per_turn(n_blocks: int, threads: int) -> int:
    """Return how many blocks a thread should claim at a time."""
    return max(1, round(n_blocks / (threads * _TURNS_PER_THREAD)))


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
    """Return the number that some digits are, None if it is 0 or larger than any number of threads or they are none."""
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


def share(work: Callable[[int, int], None], n_blocks: int, threads: int, turn: int) -> None:
    """Let several threads, the calling one among them, claim runs of blocks until none is left.

    Parameters
    ----------
    work : callable
        Called with the number of the first block of a run and of the one behind its last.
    n_blocks : int
        The number of blocks.
    threads : int
        The number of threads.
    turn : int
        The number of blocks in a run; the last one may be shorter.

    Examples
    --------
    >>> claimed = []
    >>> share(lambda first, last: claimed.extend(range(first, last)), n_blocks=10, threads=2, turn=1)
    >>> sorted(claimed)
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    turns = Turns(n_blocks, turn)

    def work_in_turns() -> None:
        try:
            for first, last in turns:
                work(first, last)
        finally:
            # Done, failed or interrupted: in any case there is nothing left for the others to begin.
            turns.stop()

    if threads == 1 or sys.is_finalizing():
        work_in_turns()
        return
    pool = _pool_of_this_mode()
    if pool is None:
        work_in_turns()
        return
    tasks: list[_Task] = []
    try:
        pool.hand_out(work_in_turns, threads - 1, tasks)
        work_in_turns()
    finally:
        turns.stop()
        pool.take_back(tasks)
    errors = [error for error in map(_Task.take_error, tasks) if error is not None]
    try:
        if errors:
            raise errors[0]
    finally:
        # It knows this frame: if this frame knew it, what the caller gave would live until a garbage collection.
        errors.clear()


class Turns:
    """Runs of consecutive blocks; each goes once, to the thread that asks next.

    Parameters
    ----------
    n_blocks : int
        The number of blocks.
    blocks_per_turn : int
        The length of a run; the last one may be shorter.
    """

    def __init__(self, n_blocks: int, blocks_per_turn: int) -> None:
        self._n_blocks = n_blocks
        self._blocks_per_turn = blocks_per_turn
        self._claimed = 0
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        while True:
            with self._lock:
                first = self._claimed
                self._claimed = last = min(first + self._blocks_per_turn, self._n_blocks)
            if first == last:
                return
            yield first, last

    def stop(self) -> None:
        """Hand out no more: the caller is done, has failed or was interrupted."""
        with self._lock:
            self._claimed = self._n_blocks


class _Task:
    """A share of a caller's work, for one helper."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._unclaimed = threading.Lock()
        self._running = threading.Lock()
        self._running.acquire()
        self._error: BaseException | None = None

    def claim(self) -> bool:
        """Return True to the first who asks: to a helper that is to run it, or to the caller who needs no help now."""
        return self._unclaimed.acquire(blocking=False)

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            self._error = error
        finally:
            self._running.release()

    def wait(self) -> None:
        """Wait until the helper that claimed it has run it."""
        self._running.acquire()

    def take_error(self) -> BaseException | None:
        """Return what the work raised, once."""
        error, self._error = self._error, None
        return error


class _Pool:
    """Helper threads that compute in the floating-point mode of the thread that made the pool.

    A helper is started when all others are in use, and never more of them than there are other cores. Where no thread
    can be started, the callers do the work themselves.
    """

    def __init__(self, mode: tuple[float, ...]) -> None:
        # Imported here: small problems never need a second thread.
        from queue import SimpleQueue

        self.mode = mode
        self._queue: SimpleQueue[_Task | None] = SimpleQueue()
        # Reentrant, because Python may run a signal's handler or a finalizer of the caller's anywhere.
        self._lock = threading.RLock()
        self._helpers: list[threading.Thread] = []
        self._in_use: set[_Task] = set()
        self._can_help = True

    def hand_out(self, work: Callable[[], None], wanted: int, tasks: list[_Task]) -> None:
        """Let up to `wanted` helpers do `work`; append a task to `tasks` for each that is free or can be started."""
        with self._lock:
            most = usable_cores() - 1
            # One that was interrupted while it started is not among them, nor is one that has ended.
            helpers = sum(helper.is_alive() for helper in self._helpers)
            while len(tasks) < wanted and len(self._in_use) < most:
                if len(self._in_use) >= helpers:
                    if not self._start():
                        return
                    helpers += 1
                task = _Task(work)
                # In this order, so that an interruption between any two lines leaves nothing that is not taken back.
                tasks.append(task)
                self._in_use.add(task)
                self._queue.put(task)

    def take_back(self, tasks: list[_Task]) -> None:
        """Wait for the helpers that have begun; those that have not need not begin."""
        try:
            for task in tasks:
                if not task.claim():
                    task.wait()
        finally:
            with self._lock:
                self._in_use.difference_update(tasks)

    def retire(self) -> None:
        """End the helpers as soon as they are idle."""
        for _ in self._helpers:
            self._queue.put(None)

    def _start(self) -> bool:
        """Start a helper; return False if the system, or an interpreter that is ending, has no thread to give."""
        if not self._can_help:
            return False
        try:
            helper = threading.Thread(target=self._help, name="gradstep", daemon=True)
            self._helpers = [*(each for each in self._helpers if each.is_alive()), helper]
            helper.start()
        except Exception:  # noqa: BLE001 - for whatever reason, the callers can do without
            return False
        return True

    def _help(self) -> None:
        """Run tasks until there is a None: what a helper thread does."""
        if _floating_point_mode() != self.mode:
            # Not every system gives a thread the mode of the one that started it; the callers take their tasks back.
            self._can_help = False
            return
        while (task := self._queue.get()) is not None:
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


def _pool_of_this_mode() -> _Pool | None:
    """Return the pool, or a new one if its helpers compute in another mode than this thread; None if there is none."""
    mode = _floating_point_mode()
    with _pools_lock:
        if not _pools or _pools[-1].mode != mode:
            try:
                new = _Pool(mode)
            except Exception:  # noqa: BLE001 - it imports a module: no file can be opened, or another has its name
                return None
            for pool in _pools:
                pool.retire()
            _pools[:] = [new]
        return _pools[-1]


_pools_lock = threading.RLock()


def _forget() -> None:
    """Begin anew in a forked child, in which the helpers do not exist."""
    global _pools_lock  # noqa: PLW0603 - another thread may hold it at the fork
    _pools_lock = threading.RLock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
