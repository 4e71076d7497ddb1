"""Ctrl-C during a long command: it ends the work once, is never lost, and does not cut off the results.

A scheduler that asks the process to end (SIGTERM) and a terminal that is closed (SIGHUP) are heeded as the first Ctrl-C
is; asked again, the process ends at once, as it does without gradstep.
"""

from __future__ import annotations

import atexit
import math
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, Self, TypeVar

from gradstep import startup

_OTHERS = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

# A press within this many seconds of the one before repeats it.
_IMPATIENT_SECONDS = 1.0

# Results that are not saved this many seconds after the first press wait for something, such as the reader of a pipe.
_STUCK_SECONDS = 10.0

_Item = TypeVar("_Item")


class _Presses:
    """The presses of Ctrl-C in this process, whoever handled them."""

    def __init__(self) -> None:
        self._last = -math.inf

    def count_one(self) -> bool:
        """Count a press that comes now; return whether it repeats none before."""
        before, self._last = self._last, time.monotonic()
        return self._last - before >= _IMPATIENT_SECONDS


_presses = _Presses()


def heed_once() -> None:
    """Let Ctrl-C end the process with its one line: presses that follow at once do not cut that off.

    A shell makes its background jobs ignore Ctrl-C; they go on ignoring it.
    """
    for number in _OTHERS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)
    if signal.getsignal(signal.SIGINT) not in (signal.default_int_handler, startup.end):
        return

    def press(_number: int, _frame: FrameType | None) -> None:
        if _presses.count_one():
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, press)
    _ignore_at_the_end()
    shown = sys.unraisablehook

    def show(lost: sys.UnraisableHookArgs) -> None:
        # What Python raised in a callback or a destructor, and lost; `Interrupts.heed` raises it again.
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            shown(lost)

    sys.unraisablehook = show


def _end(number: int, _frame: FrameType | None) -> None:
    """End the work at the first of these signals; a second one ends the process."""
    signal.signal(number, signal.SIG_DFL)
    # Not while the process already ends, at Ctrl-C.
    if _presses.count_one():
        raise KeyboardInterrupt


def became(error: BaseException | None) -> bool:
    """Return whether an error is what became of Ctrl-C: NumPy makes it one of the cell that it was reading."""
    # An error that is kept and raised again may come to have itself among its causes.
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _ignore_at_the_end() -> None:
    """Ignore Ctrl-C while Python shuts down: Python would print a message of its own, and end by the signal."""
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


class Interrupts:
    """While this context lasts, Ctrl-C raises KeyboardInterrupt at most once.

    Python raises KeyboardInterrupt wherever it happens to be. In a callback of a C library or a destructor it is
    printed and lost; `heed` raises it again. A second Ctrl-C, or one after `hold`, is only noted: an impatient user
    does not cut off the saving that the first one began, unless it lasts so long that it waits for something.

    Attributes
    ----------
    pressed : bool
        Whether Ctrl-C was pressed.

    Examples
    --------
    >>> with Interrupts() as interrupts:
    ...     try:
    ...         signal.raise_signal(signal.SIGINT)
    ...     except KeyboardInterrupt:
    ...         signal.raise_signal(signal.SIGINT)
    ...         print("done with it")
    done with it
    >>> interrupts.pressed
    True
    """

    def __init__(self) -> None:
        self.pressed = False
        self._holding = False
        self._first = math.inf
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *_OTHERS)}
        # A shell makes its background jobs ignore Ctrl-C, and nohup a closed terminal; they go on ignoring it.
        self._before = {number: each for number, each in handlers.items() if each not in (signal.SIG_IGN, None)}
        for number in self._before:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.pressed:
            _ignore_at_the_end()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
        # For the handler before, which may get the next press: this command may be over by then.
        _presses.count_one()
        again, self.pressed = self.pressed, True
        self._first = min(self._first, time.monotonic())
        if not (again or self._holding) or time.monotonic() - self._first > _STUCK_SECONDS:
            raise KeyboardInterrupt

    def hold(self) -> None:
        """Raise no more: the results are being shown and saved."""
        self._holding = True

    def heed(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed and the exception was lost."""
        if self.pressed and not self._holding:
            raise KeyboardInterrupt

    def heeded_between(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield the items, and heed after the work on each."""
        for item in items:
            yield item
            self.heed()
