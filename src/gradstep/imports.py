"""Imports of modules that may fail in any way: what failed for good is remembered, what may pass is tried again."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType

# What failed for good is not tried again: "auto" asks at each call, and a failing import of Numba takes a while.
_failures: dict[Callable[[], ModuleType], BaseException] = {}


class ImportFailed(Exception):
    """An import failed.

    Attributes
    ----------
    error : BaseException
        What it raised.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(type(error).__name__)
        self.error = error


def attempt(load: Callable[[], ModuleType], *, raises: tuple[type[Exception], ...] = ()) -> ModuleType:
    """Return the module that `load` imports.

    Parameters
    ----------
    load : callable
        Imports and returns it.
    raises : tuple of exceptions
        What `load` raises in words of its own.

    Raises
    ------
    ImportFailed
        For whatever a package raises while it starts: an exit and a panic of Rust as well, which are no exceptions.
        Not for what a signal raised, nor for `raises`.
    """
    error = _failures.get(load)
    if error is None:
        before = set(sys.modules)
        try:
            return load()
        except raises:
            raise
        except BaseException as failure:  # a package may exit, or panic in Rust, while it starts
            is_of_a_signal = isinstance(failure, KeyboardInterrupt) or of_a_signal(failure)
            if is_of_a_signal or _may_pass(failure):
                _forget_halves(before)
            else:
                _failures[load] = failure
            if is_of_a_signal:
                raise
            error = failure.with_traceback(None)
    raise ImportFailed(error) from error


def of_a_signal(error: BaseException) -> bool:
    """Return whether the handler of a signal raised an error: an alarm or an end that the caller waits for."""
    # Who has set a handler has imported it.
    signal = sys.modules.get("signal")
    if signal is None:
        return False
    handlers = [getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()]
    return any(frame.f_code in handlers for frame, _ in traceback.walk_tb(error.__traceback__))


def _may_pass(error: BaseException) -> bool:
    """Return whether a failure may have been for want of memory, of files that can be opened, or of stack."""
    if isinstance(error, ModuleNotFoundError):
        return False
    if isinstance(error, ImportError):
        # A library that the system did not load.
        return str(error.path).endswith(tuple(EXTENSION_SUFFIXES))
    return isinstance(error, RecursionError | MemoryError) or getattr(error, "errno", None) is not None


def _forget_halves(before: set[str]) -> None:
    """Let an import that was interrupted begin anew: Python forgets the package, and not what it had imported of it."""
    while halves := [name for name in sys.modules.keys() - before if _parent(name) not in sys.modules]:
        for name in halves:
            sys.modules.pop(name, None)


def _parent(module: str) -> str:
    return module.rpartition(".")[0] or module
