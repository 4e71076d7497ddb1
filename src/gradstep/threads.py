"""Threads: how many there should be, and how they share the blocks of X."""

from collections.abc import Callable

from gradstep.engine import _pool, _Turns, named_threads, threads_for, usable_cores

__all__ = ["named_threads", "share", "threads_for", "usable_cores"]
_TURNS_PER_THREAD = 8


def share(work: Callable[[int, int], object], n_blocks: int, threads: int) -> None:
    """Let threads, this one among them, call ``work(first, last)`` on runs of blocks until all are done."""
    turns = _Turns(n_blocks, -(-n_blocks // (threads * _TURNS_PER_THREAD)))

    def take_turns() -> None:
        for first, last in turns:
            work(first, last)

    helpers = [_pool().submit(take_turns) for _ in range(threads - 1)]
    try:
        take_turns()
    finally:
        turns.stop()
        for helper in [each for each in helpers if not each.cancel()]:
            helper.result()
