"""The commands that read records: ``gradstep diff``, ``gradstep export`` and ``gradstep report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradstep.cli import endings, options, outputs, places, screen
from gradstep.cli.grouped import GroupedCommand, GroupedOption
from gradstep.cli.outputs import DRAWINGS, EXPORTS
from gradstep.compare.judge import differences
from gradstep.compare.judge.differences import Differences
from gradstep.compare.judge.findings import findings
from gradstep.compare.record import records
from gradstep.compare.record.records import Record
from gradstep.compare.show import difference_tables
from gradstep.compare.show.console import PlainConsole

RECORD_FILE = places.GivenPath()

FAIL_ON = click.option(
    "--fail-on",
    cls=GroupedOption,
    group="Differences",
    callback=options.ratio,
    metavar="RATIO",
    help="Exit with 3 if a time became at least RATIO× slower, beyond noise.",
)


_DIFF_HELP = """Show what became faster or slower from one record to another, beyond noise.

BEFORE and AFTER are files that `gradstep compare --json` wrote. Times belong together where problem, m, n, dtype,
order, threads, models and contender are the same.

Where the machine changed much between the two runs, small changes are too close to call: the read limits show it,
which are the same code in both. Of all changes that are named, at most 5 % are chance. docs/record.md explains more.

\b
Exit code
  0   compared, whatever was found
  1   a file is no record, or nothing is in both
  3   with --fail-on 1.10: the lower end of an interval is at least 1.10

\b
Examples
  gradstep diff before.json after.json
  gradstep diff before.json after.json --fail-on 1.10
"""


@click.command("diff", cls=GroupedCommand, help=_DIFF_HELP)
@click.argument("before", type=RECORD_FILE)
@click.argument("after", type=RECORD_FILE)
@FAIL_ON
@click.option(
    "--details", cls=GroupedOption, group="Differences", is_flag=True,
    help="Every change, the drift, and what else differs.",
)  # fmt: skip
@click.pass_context
def diff_command(context: click.Context, before: Path, after: Path, fail_on: float | None, details: bool) -> None:
    """Show what became faster or slower from one record to another, beyond noise."""
    places.require_apart({}, {"BEFORE": before, "AFTER": after})
    found = show_differences(records.load(before), records.load(after), (str(before), str(after)), details)
    require_no_slower(context, found, fail_on)


def show_differences(before: Record, after: Record, names: tuple[str, str], details: bool) -> Differences:
    """Compare two records, print what is found in short or whole, and return it."""
    try:
        found = differences.between(before, after)
    except ValueError as error:
        raise ValueError(f"{names[0]} and {names[1]}: {error}") from error
    show = difference_tables.show_details if details else difference_tables.show
    show(found, before, after, names, PlainConsole())
    return found


def require_no_slower(context: click.Context, found: Differences, fail_on: float | None) -> None:
    """Fail if a time became slower by at least this ratio, beyond noise."""
    if fail_on is None or not (slower := found.slower_than(fail_on)):
        return
    count = "1 time" if len(slower) == 1 else f"{len(slower)} times"
    endings.complain(f"{count} became at least {fail_on:g}× slower beyond noise: {difference_tables.names_of(slower)}")
    context.exit(endings.SLOWER)


_EXPORT_HELP = """Write a record in the format of another tool.

RECORD is a file that `gradstep compare --json` wrote. CSV and Parquet have a row for each sample, with
everything that identifies it; docs/record.md lists the columns. Parquet needs the extra "parquet", and pyperf's format
the extra "pyperf".

\b
Examples
  gradstep export run.json --csv run.csv --parquet run.parquet
  gradstep export run.json --pyperf run.pyperf.json
  python -m pyperf compare_to old.pyperf.json run.pyperf.json --table
"""


@click.command("export", cls=GroupedCommand, help=_EXPORT_HELP)
@click.argument("record", type=RECORD_FILE)
@outputs.options(EXPORTS)
@click.pass_context
def export_command(context: click.Context, /, record: Path, **given: Any) -> None:
    """Write a record in the format of another tool."""
    wanted = outputs.taken(given, EXPORTS)
    outputs.require(wanted, {"RECORD": record})
    if not wanted:
        raise click.UsageError(f"name what to write: {', '.join(output.option for output in EXPORTS)}")
    if not outputs.write(findings(records.load(record)), wanted):
        context.exit(endings.FAILED)


_REPORT_HELP = """Show a saved record, and write its report or its pictures.

RECORD is a file that `gradstep compare --json` wrote. It is shown as the comparison showed it. The report is one HTML
file of some 5 MB; it opens without a network, and holds the record, which can be downloaded from it. A picture that
the record does not support, such as times against m where there is one m, is left out with the reason. Report and
pictures need the extra "report".

\b
Examples
  gradstep report run.json
  gradstep report run.json --details
  gradstep report run.json --html run.html --plot pictures
"""


@click.command("report", cls=GroupedCommand, help=_REPORT_HELP)
@click.argument("record", type=RECORD_FILE)
@screen.DETAILS
@outputs.options(DRAWINGS)
@click.pass_context
def report_command(context: click.Context, /, record: Path, details: bool, **given: Any) -> None:
    """Show a saved record, and write its report or its pictures."""
    wanted = outputs.taken(given, DRAWINGS)
    outputs.require(wanted, {"RECORD": record})
    found = findings(records.load(record))
    written = outputs.write(found, wanted)
    screen.show(found, details)
    if not written:
        context.exit(endings.FAILED)
