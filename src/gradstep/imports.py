"""Imports of modules that may fail in any way: what failed for good is remembered, what may pass is tried again."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from types import ModuleType

from gradstep.forks import lock_against_forks

# What failed for good is not tried again: "auto" asks at each call, and a failing import of Numba takes a while.
_failures: dict[Callable[[], ModuleType], BaseException] = {}

# The child of a fork has no thread that goes on with an import, and would wait for it as Python lets imports wait.
_importing = lock_against_forks()


class ImportFailed(Exception):
    """An import failed.

    Attributes
    ----------
    error : BaseException
        What it raised.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
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
        with _importing:
            found = _first_attempt(load, raises)
        if not isinstance(found, BaseException):
            return found
        error = found
    raise ImportFailed(error) from error


def _first_attempt(load: Callable[[], ModuleType], raises: tuple[type[Exception], ...]) -> ModuleType | BaseException:
    """Return the module that `load` imports, or what it raises for other reasons than a signal or those in `raises`."""
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
        return failure.with_traceback(None)


def extension(name: str) -> ModuleType:
    """Import an extension module of gradstep's own, such as a download or a disk that was full may have cut off.

    Raises
    ------
    ImportError
        If it cannot be loaded. Linux would end the process where a file is shorter than it says.
    """
    found = None if name in sys.modules else find_spec(name)
    if found is not None and found.origin is not None:
        _require_whole(found.origin)
    return import_module(name)


# Where an ELF file, the format of Linux, of 64 bits says where its table of sections is, which is the end of the file:
# bytes of the number, then bytes of the size and of the number of its entries.
_TABLE, _SIZE, _COUNT = slice(40, 48), slice(58, 60), slice(60, 62)


def _require_whole(path: str) -> None:
    with open(path, "rb") as file:
        header = file.read(64)
        length = os.fstat(file.fileno()).st_size
    if not header.startswith(b"\x7fELF\x02\x01"):
        # Of another format, or damaged: loading it will show.
        return
    table, size, count = (int.from_bytes(header[part], "little") for part in (_TABLE, _SIZE, _COUNT))
    if len(header) < 64 or table + size * count > length:
        raise ImportError(f"{path}: the file is cut off")


def of_a_signal(error: BaseException) -> bool:
    """Return whether the handler of a signal raised an error: an alarm or an end that the caller waits for."""
    # Without this module nobody has set a handler.
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
    """Let an interrupted import start over: Python drops the package, but not the submodules it had imported."""
    while halves := [name for name in sys.modules.keys() - before if _parent(name) not in sys.modules]:
        for name in halves:
            sys.modules.pop(name, None)


def _parent(module: str) -> str:
    return module.rpartition(".")[0] or module
