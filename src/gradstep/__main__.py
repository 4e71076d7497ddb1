"""Starts the command line, as ``gradstep`` and as ``python -m gradstep``, or says in one line what it lacks."""

import sys

from gradstep import startup
from gradstep.cli.interrupts import heed_once
from gradstep.extras import MissingExtra, require


def main() -> None:
    """Run the command line."""
    try:
        heed_once()
        _run()
    except KeyboardInterrupt:
        # Before or after the work of a command, which turns it into the same line itself.
        startup.say_so()
        sys.exit(startup.CODE)
    finally:
        # Where Ctrl-C came while a text was run as code, as a dataclass or Numba does, Python would end by the signal
        # and not by the exit code; it forgets that when it runs another text.
        exec("")


def _run() -> None:
    try:
        for package in ("click", "rich"):
            require(package, "cli", "The command line")
    except MissingExtra as error:
        sys.exit(f"gradstep: error: {error}")
    from gradstep.cli.main import main as commands

    commands(prog_name="gradstep")


if __name__ == "__main__":
    main()
