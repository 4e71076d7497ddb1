"""Ctrl-C while the command ``gradstep`` still imports NumPy: one line, as later. `gradstep` imports this first."""

from __future__ import annotations

import contextlib
import os
import sys

WORDS, CODE = "gradstep: error: interrupted\n", 130
"""What the command line says and exits with when Ctrl-C ends it."""


def is_the_command() -> bool:
    """Return whether this process was started as ``gradstep`` or as ``python -m gradstep``."""
    # A program with a Python inside may have no arguments.
    started = getattr(sys, "argv", None) or [""]
    if started[0] == "-m":
        # Python is still looking for the module, whose name stands before the module's own arguments.
        return sys.orig_argv[-len(started)] in ("gradstep", "-mgradstep")
    return os.path.basename(started[0]) in ("gradstep", "gradstep.exe", "gradstep-script.py")


def end(_number: int, _frame: object) -> None:
    """End the process: nothing has been begun that could be lost, and an exception might be, in an import."""
    say_so()
    os._exit(CODE)


def say_so() -> None:
    """Write that Ctrl-C ended it; a stderr that is full or closed does not change how it ends."""
    with contextlib.suppress(OSError):
        os.write(2, WORDS.encode())


def _end_at_ctrl_c() -> None:
    """Let Ctrl-C end the process in one line, until the command line is loaded and heeds it."""
    import signal
    import threading

    # A shell makes its background jobs ignore Ctrl-C; they go on ignoring it. Only the main thread may ask.
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, end)


if is_the_command():
    _end_at_ctrl_c()
