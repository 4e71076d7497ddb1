"""Runs command lines for the tests, and judges what they said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Outcome]

UNHURRIED = ("--budget", "1e6")
"""For a comparison: time enough on a machine that is slow, busy or stopped for a while, so that nothing is left out."""


def process(*arguments: object, **environment: str) -> Outcome:
    """Run a command line in a process of its own, its output in pipes."""
    line = [sys.executable, "-m", "gradstep", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    return Outcome(done.returncode, done.stdout, done.stderr)


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line in which `g` is gradstep, and `$g` the same where a function will not do."""
    python = f"'{sys.executable}' -m gradstep"
    return subprocess.run(
        ["bash", "-c", f'g() {{ {python} "$@"; }}; {line}'],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_one_line(outcome: Outcome, code: int, *parts: str) -> None:
    assert outcome.code == code
    assert outcome.err.startswith("gradstep: error: ")
    assert outcome.err.count("\n") == 1
    for part in parts:
        assert part in outcome.err


def write_csv(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
