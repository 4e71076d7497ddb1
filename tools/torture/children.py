"""Child processes of the torture: started on a piece of Python, ended in time, and looked at."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

TIMED_OUT = -1000
"""The exit code of a child that had to be killed because it took too long."""


_PATIENCE = 30
"""Seconds that what a child started may go on after it."""


class Ended(NamedTuple):
    """How a child process ended.

    Attributes
    ----------
    code : int
        Its exit code, minus the number of the signal that killed it, or `TIMED_OUT`.
    output, errors : str
        What it wrote to stdout and stderr.
    left : bool
        Whether processes that it started were still running.
    """

    code: int
    output: str
    errors: str
    left: bool

    def failure(self, what: str) -> str:
        """Return how this went wrong, in one line, or nothing if it ended well and in silence."""
        if self.code == 0 and not self.errors and not self.left:
            return ""
        if self.code == TIMED_OUT:
            return f"{what}: hangs"
        if self.left:
            return f"{what}: leaves processes running"
        last = (self.errors.strip() or self.output.strip() or "no word").splitlines()[-1]
        return f"{what}: exit code {self.code}: {last[:300]}"


class Child:
    """A fresh interpreter in a process group of its own, so that whatever it starts can be found and ended.

    Parameters
    ----------
    code : str
        The Python it runs.
    arguments : sequence of str
        Its `sys.argv[1:]`.
    variables : mapping
        Environment variables besides this process's own; one that is None is removed.
    options : sequence of str
        Options of the interpreter.
    folder : Path, optional
        Where it starts.
    prefix : sequence of str
        What runs the interpreter, with its options.
    """

    def __init__(
        self,
        code: str,
        arguments: Sequence[str] = (),
        variables: Mapping[str, str | None] | None = None,
        options: Sequence[str] = (),
        folder: Path | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        # A file and not `-c`, because children that are spawned import the main module once more.
        self._scripts = tempfile.TemporaryDirectory()
        script = Path(self._scripts.name, "child.py")
        script.write_text(textwrap.dedent(code), encoding="utf-8")
        command = [*prefix, sys.executable, *options, str(script), *arguments]
        self.process = subprocess.Popen(
            command,
            env=_environment(variables or {}),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
            errors="replace",
        )

    def interrupt(self) -> None:
        """Press Ctrl-C: the whole group gets the signal, as from a terminal."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)

    def end(self, seconds: float) -> Ended:
        """Wait this long at most, and end whatever is left."""
        try:
            output, errors = self.process.communicate(timeout=seconds)
            code = self.process.returncode
        except subprocess.TimeoutExpired:
            self._kill_group()
            output, errors = self.process.communicate()
            code = TIMED_OUT
        left = not self._group_ends() and self._kill_group()
        self._scripts.cleanup()
        return Ended(code, output, errors, left)

    def _group_ends(self) -> bool:
        """Return whether the group ends by itself: trackers of resources see the end of their parent late."""
        for _ in range(_PATIENCE * 20):
            try:
                os.killpg(self.process.pid, 0)
            except (ProcessLookupError, PermissionError):
                return True
            time.sleep(0.05)
        return False

    def _kill_group(self) -> bool:
        """Kill what is left of the group, and return whether there was anything."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def run(code: str, seconds: float = 600.0, **options: Any) -> Ended:
    """Run a piece of Python to its end; the options are those of `Child`."""
    return Child(code, **options).end(seconds)


def after(first: str, code: str) -> str:
    """Return the code with what a test plants before it."""
    return textwrap.dedent(first) + "\n" + textwrap.dedent(code)


def _environment(variables: Mapping[str, str | None]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRADSTEP_")} | dict(variables)
    return {name: value for name, value in kept.items() if value is not None}
