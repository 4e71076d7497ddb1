"""Runs the command line as ``python -m gradstep``."""

from gradstep.cli.main import main

if __name__ == "__main__":
    main(prog_name="gradstep")
