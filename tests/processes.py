"""Runs a piece of Python in a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping

# A process that hangs ends after these seconds. On a busy machine one may take a hundred times as long as alone.
PATIENCE = 400


def environment() -> dict[str, str]:
    """Return the tests' own environment without gradstep's variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GRADSTEP_")}


def start(code: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a fresh interpreter on `code`; the environment is the tests' own with these entries added."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    return subprocess.Popen(
        command, env=environment() | dict(variables or {}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the interpreter and return what it printed; fail if it failed or wrote to stderr."""
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, f"exit code {process.returncode}:\n{errors}"
    assert errors == "", errors
    return output


def run(code: str, variables: Mapping[str, str] | None = None) -> str:
    """Run `code` in a fresh interpreter and return what it printed."""
    return finish(start(code, variables))
