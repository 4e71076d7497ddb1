"""What ``gradstep compare`` and ``gradstep report`` print of a record."""

from __future__ import annotations

import click

from gradstep import select
from gradstep.cli.grouped import GroupedOption
from gradstep.compare.judge.findings import Findings
from gradstep.compare.judge.verdict import Auto
from gradstep.compare.record.records import Record
from gradstep.compare.show import overview
from gradstep.compare.show.console import PlainConsole
from gradstep.contract import KernelUnavailable
from gradstep.environment import BadVariable
from gradstep.machine import Machine

DETAILS = click.option(
    "--details",
    cls=GroupedOption,
    group="Output",
    is_flag=True,
    help="Every interval, the read limit, growth, one-time costs.",
)

# Where these differ it is another machine. The memory is none of them: it varies by some pages.
_IDENTITY = ("processor", "architecture", "cores", "features")


def show(found: Findings, details: bool) -> None:
    """Print a judged record, in short or whole."""
    printed = overview.show_details if details else overview.show
    printed(found, PlainConsole(), auto(found.record))


def auto(record: Record) -> Auto | None:
    """Return what "auto" takes, if the record is of this machine and "auto" can choose here."""
    here = Machine.here()
    if any(getattr(here, name) != getattr(record.machine, name) for name in _IDENTITY):
        return None
    try:
        _taken(1, 1)
    except (BadVariable, KernelUnavailable):
        return None
    return _taken


def _taken(m: int, n: int) -> str:
    return select.choose(m, n).kernel.name
