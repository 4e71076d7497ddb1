"""Starts the command line, as ``gradstep`` and as ``python -m gradstep``, or says in one line what it lacks."""

import sys

from gradstep.extras import MissingExtra, require


def main() -> None:
    """Run the command line."""
    try:
        for package in ("click", "rich"):
            require(package, "cli", "The command line")
    except MissingExtra as error:
        sys.exit(f"gradstep: error: {error}")
    from gradstep.cli.main import main as commands

    commands(prog_name="gradstep")


if __name__ == "__main__":
    main()
