"""Threads: how many there are, and how they share the blocks of X."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gradstep import environment, validate

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# Below this size of X one thread is faster: handing work to another one and waiting for it costs 50 to 70 microseconds
# (docs/performance.md), in which one thread reads about this much.
_BYTES_PER_THREAD = 1 << 20

# Each thread claims blocks about this many times, so that a thread that is held up leaves its share to the others.
_TURNS_PER_THREAD = 8

# More helpers than any caller asks for; the pool starts a thread only when work is waiting and no thread is idle.
_MOST_HELPERS = 1024


@functools.cache
def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def named_threads() -> int | None:
    """Return the number of threads that the environment variable ``GRADSTEP_THREADS`` names, if it is set."""
    named = environment.variable("GRADSTEP_THREADS")
    if named is None:
        return None
    if not named.isdecimal():
        raise ValueError(f"GRADSTEP_THREADS is {named!r}; it should be an integer, at least 1")
    return validate.count("GRADSTEP_THREADS", int(named), 1)


def threads_for(X_bytes: int) -> tuple[int, str]:
    """Return how many threads an automatic choice takes for X of this size, and why."""
    named = named_threads()
    if named is not None:
        return named, "GRADSTEP_THREADS says so"
    worthwhile = max(1, X_bytes // _BYTES_PER_THREAD)
    if worthwhile < usable_cores():
        return worthwhile, f"a thread pays from {_BYTES_PER_THREAD >> 20} MiB of X on"
    return usable_cores(), "all cores that this process may use"


def share(work: Callable[[int, int], None], n_blocks: int, threads: int) -> None:
    """Let several threads, the calling one among them, claim runs of blocks until none is left.

    Parameters
    ----------
    work : callable
        Called with the number of the first block of a run and of the one behind its last.
    n_blocks : int
        The number of blocks.
    threads : int
        The number of threads.

    Examples
    --------
    >>> claimed = []
    >>> share(lambda first, last: claimed.extend(range(first, last)), n_blocks=10, threads=2)
    >>> sorted(claimed)
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    turns = Turns(n_blocks, -(-n_blocks // (threads * _TURNS_PER_THREAD)))

    def work_in_turns() -> None:
        for first, last in turns:
            work(first, last)

    helpers = [_pool().submit(work_in_turns) for _ in range(threads - 1)]
    try:
        work_in_turns()
    finally:
        turns.stop()
        # A helper that never started has nothing left to do; the others are finishing their last run.
        started = [helper for helper in helpers if not helper.cancel()]
        for helper in started:
            helper.result()


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


@functools.cache
def _pool() -> ThreadPoolExecutor:
    # Imported here because it takes a tenth as long as NumPy, and small problems never need a second thread.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(max_workers=_MOST_HELPERS, thread_name_prefix="gradstep")


# The threads of a pool do not exist in a forked child, although the pool believes that they do.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
