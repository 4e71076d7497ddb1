"""Helper threads: started on demand, lent to one caller at a time, and made anew after a fork."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gradstep import imports

if TYPE_CHECKING:
    from queue import SimpleQueue

    from gradstep.team import Seat


@functools.cache
def teams() -> ModuleType | None:
    """Return `gradstep.team`, or None where it was not built or cannot be loaded."""
    try:
        return imports.attempt(_load_team)
    except imports.ImportFailed:
        # Helpers can wait elsewhere.
        return None


def _load_team() -> ModuleType:
    return imports.extension("gradstep.team")


class Task:
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
        """Do it, and keep its error for the caller."""
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


class _QueueSeat:
    """Where a helper waits without `gradstep.team`: for tasks alone."""

    def __init__(self) -> None:
        from queue import SimpleQueue

        self._errands: SimpleQueue[Any] = SimpleQueue()

    def send(self, errand: Any) -> None:
        self._errands.put(errand)

    def wait(self) -> Any:
        return self._errands.get()


class Pool:
    """Helper threads that compute in the floating-point mode of the thread that made the pool.

    A helper is started when all others are lent. Where no thread can be started, the callers do the work themselves.

    Parameters
    ----------
    mode : tuple of float
        The mode, as `floating_point_mode` tells it.
    """

    def __init__(self, mode: tuple[float, ...]) -> None:
        self.mode = mode
        compiled = teams()
        self._new_seat: Callable[[], Any] = _QueueSeat if compiled is None else compiled.Seat
        # Reentrant, because Python may run a signal's handler or a finalizer of the caller's anywhere.
        self._lock = threading.RLock()
        self._helpers: dict[Seat, threading.Thread] = {}
        self._lent: set[Seat] = set()
        self._can_help = True
        self._retired = False

    def lend(self, wanted: int, most: int, seats: list[Seat]) -> None:
        """Append to `seats` those of up to `wanted` helpers that are free or can be started, if at most `most` work."""
        with self._lock:
            # One that was interrupted while it started is not alive, nor is one that has ended.
            free = [seat for seat, helper in self._helpers.items() if seat not in self._lent and helper.is_alive()]
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
            _send_home([seat for seat in self._helpers if seat not in self._lent])

    def _start(self) -> Seat | None:
        """Start a helper; return None if the system, or an interpreter that is ending, has no thread to give."""
        if not self._can_help:
            return None
        try:
            seat: Seat = self._new_seat()
            helper = threading.Thread(target=self._help, args=(seat,), name="gradstep", daemon=True)
            self._helpers = {each: other for each, other in self._helpers.items() if other.is_alive()} | {seat: helper}
            helper.start()
        except Exception:  # noqa: BLE001 - for whatever reason, the callers can do without
            return None
        return seat

    def _help(self, seat: Seat) -> None:
        """Run tasks until there is a None: what a helper thread does."""
        if floating_point_mode() != self.mode:
            # Not every system gives a thread the mode of the one that started it; the callers take their tasks back.
            self._can_help = False
            return
        while (task := seat.wait()) is not None:
            if task.claim():
                task.run()
            # An idle helper keeps no caller's arrays alive.
            del task


def _send_home(seats: list[Seat]) -> None:
    for seat in seats:
        seat.send(None)


# Variables, because Python computes with constants when it compiles.
_ONE, _THREE_QUARTERS_OF_EPSILON, _SMALLEST_NORMAL, _TWO = 1.0, 0.75 * 2.0**-52, 2.0**-1022, 2.0


def floating_point_mode() -> tuple[float, ...]:
    """Return what tells the floating-point modes of this thread apart: rounding, and what becomes of subnormals."""
    half = _SMALLEST_NORMAL / _TWO
    return _ONE + _THREE_QUARTERS_OF_EPSILON, -_ONE - _THREE_QUARTERS_OF_EPSILON, half, half * _TWO


_pools: list[Pool] = []


def pool_of_this_mode() -> Pool:
    """Return the pool, or a new one if its helpers compute in another mode than this thread."""
    mode = floating_point_mode()
    with _pools_lock:
        if not _pools or _pools[-1].mode != mode:
            for pool in _pools:
                pool.retire()
            _pools[:] = [Pool(mode)]
        return _pools[-1]


_pools_lock = threading.RLock()


def _forget() -> None:
    """Begin anew in a forked child, in which the helpers do not exist."""
    global _pools_lock  # noqa: PLW0603 - another thread may hold it at the fork
    _pools_lock = threading.RLock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
