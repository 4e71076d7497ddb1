"""The group of commands ``gradstep``: loads a command when it is called, and turns every error into one line."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, NamedTuple, NoReturn, TextIO

import click

import gradstep
from gradstep.cli import endings
from gradstep.extras import require_all_of

# What writing to a stream that is full or closed ends in.
_STREAM_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class Place(NamedTuple):
    """Where a command is defined, and what it needs."""

    module: str
    extra: str
    """What installs all that the module imports."""
    summary: str
    """The first line of the command's help, known here so that ``gradstep --help`` loads no command."""


COMMANDS = {
    "compare": Place("gradstep.cli.compare", "compare", "Compare the kernels on one gradient-descent step."),
    "diff": Place(
        "gradstep.cli.records", "compare", "Show what became faster or slower from one record to another, beyond noise."
    ),
    "export": Place("gradstep.cli.records", "compare", "Write a record in the format of another tool."),
    "fit": Place("gradstep.cli.fit", "cli", "Train logistic regression on a data file by gradient descent."),
    "info": Place("gradstep.cli.info", "cli", "Show versions, processor, threads and kernels."),
    "predict": Place("gradstep.cli.predict", "cli", "Predict probabilities and labels for a data file."),
    "report": Place("gradstep.cli.records", "compare", "Show a saved record, and write its report or its pictures."),
}


class Commands(click.Group):
    """The group of commands, in which every error is one line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run a command and end the process: 0, 1 a run failed, 2 usage, 3 became slower, 130 Ctrl-C."""
        extra["standalone_mode"] = False
        _open_what_is_closed()
        _write_all_to_stdout()
        _spell_out_what_stdout_cannot_encode()
        try:
            code = super().main(*args, **extra) or 0
            _flush_stdout()
            sys.exit(code)
        except click.UsageError as error:
            endings.complain(error.format_message())
            sys.exit(endings.USAGE)
        except click.Abort:
            endings.complain("interrupted")
            sys.exit(endings.INTERRUPTED)
        except BrokenPipeError:
            # Whoever read the output has enough.
            _give_up(sys.stdout)
            sys.exit(endings.FAILED)
        except endings.EXPECTED as error:
            endings.complain(endings.in_words(_of_stdout(error)))
            sys.exit(endings.FAILED)
        finally:
            _flush_stderr()

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Load a command; None if there is none of this name."""
        place = COMMANDS.get(name)
        if place is None:
            return None
        module = require_all_of(place.module, place.extra, f"gradstep {name}")
        command: click.Command = getattr(module, f"{name}_command")
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands into the help, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.summary) for name, place in COMMANDS.items()])


def _open_what_is_closed() -> None:
    """Let what is written to a stream that the caller has closed go nowhere, and not into the next file that is opened.

    A closed stdout stays None: `gradstep predict` has to have a place for its result.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free. Only stderr for writing: a result that should go to a closed stdout is
            # refused, not lost.
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _write_all_to_stdout() -> None:
    """Put a buffer before a stdout that has none, as with PYTHONUNBUFFERED.

    A disk that is nearly full takes a part of what is written to such a stream, and Python says nothing.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and isinstance(sys.stdout.buffer, io.RawIOBase):
        buffer = io.BufferedWriter(sys.stdout.buffer)
        sys.stdout = io.TextIOWrapper(buffer, sys.stdout.encoding, sys.stdout.errors, line_buffering=True)


def _spell_out_what_stdout_cannot_encode() -> None:
    """Let an output in ASCII show a name in other letters as escapes, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _flush_stdout() -> None:
    # None where the process was started without one.
    if sys.stdout is not None:
        sys.stdout.flush()


def _flush_stderr() -> None:
    """Let a stderr that is full change nothing: Python flushes it again when it ends, and would exit with 120."""
    try:
        sys.stderr.flush()
    except OSError:
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Let what a stream still holds, and what follows, go nowhere: Python would complain in lines of its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _of_stdout(error: Exception) -> Exception:
    """Return an error as one that names stdout, if that is what failed, and give stdout up."""
    # Errors of files name their files.
    if not (isinstance(error, OSError) and error.filename is None and error.errno in _STREAM_FAILED):
        return error
    _give_up(sys.stdout)
    return OSError(error.errno, error.strerror, "standard output")


# Not a docstring, because "python -OO" drops these.
_HELP = """The gradient-descent step of logistic regression, by four kernels.

The kernels are python (two explicit loops), numba and cython (the loops, compiled) and numpy (vectorized).

\b
Begin with
  gradstep compare                   which kernel is the fastest on this machine
  gradstep diff old.json new.json    what became faster or slower between two records
  gradstep info                      what is installed, and what "auto" chooses
  gradstep fit data.csv --label y    train on a file
"""


@click.group(
    cls=Commands, help=_HELP, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(gradstep.__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """The gradient-descent step of logistic regression, by four kernels."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
