"""How a command ends: the exit codes, and the one line that says what went wrong."""

from __future__ import annotations

import click

FAILED, USAGE, SLOWER, INTERRUPTED = 1, 2, 3, 130


def complain(message: str) -> None:
    """Write an error to stderr, in one line."""
    click.echo(f"gradstep: error: {' '.join(message.split())}", err=True)


def warn(message: str) -> None:
    """Write a warning to stderr, in one line."""
    click.echo(f"gradstep: warning: {' '.join(message.split())}", err=True)
