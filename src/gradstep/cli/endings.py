"""How a command ends: the exit codes, and the one line that says what went wrong."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable

import click

from gradstep.contract import KernelUnavailable
from gradstep.extras import MissingExtra
from gradstep.outcomes import FitDiverged
from gradstep.text import printable

FAILED, USAGE, SLOWER, INTERRUPTED = 1, 2, 3, 130

# What a user can cause. Anything else is a defect of gradstep, and its traceback is wanted.
EXPECTED = (OSError, ValueError, TypeError, MemoryError, KernelUnavailable, FitDiverged, MissingExtra)


def complain(message: str) -> None:
    """Write an error to stderr, in one line."""
    say(f"gradstep: error: {message}")


def warn(message: str) -> None:
    """Write a warning to stderr, in one line."""
    say(f"gradstep: warning: {message}")


def say(line: str) -> None:
    """Write to stderr, in one line."""
    # A stderr that is full or closed changes neither the exit code nor the files.
    with contextlib.suppress(OSError):
        click.echo(printable(" ".join(line.split())), err=True)


def in_words(error: BaseException) -> str:
    """Return the words of an expected error."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno == errno.ENOENT:
        # Only the look-up of the current folder names no file.
        return "the current folder does not exist any more"
    return str(error) or type(error).__name__


def succeeds(write: Callable[[], None]) -> bool:
    """Write a file and return whether that worked; if not, say so and let the command go on to its other results."""
    try:
        write()
    except EXPECTED as error:
        complain(in_words(error))
        return False
    except ExceptionGroup as errors:
        expected, defects = errors.split(EXPECTED)
        if defects is not None:
            raise
        for each in () if expected is None else expected.exceptions:
            complain(in_words(each))
        return False
    return True
