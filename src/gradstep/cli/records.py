"""The commands that read records: ``gradstep diff`` and ``gradstep export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from gradstep.cli import endings, outputs
from gradstep.cli.outputs import EXPORTS
from gradstep.compare.judge import differences
from gradstep.compare.judge.differences import Differences
from gradstep.compare.record import records
from gradstep.compare.record.records import Record
from gradstep.compare.show import difference_tables

RECORD_FILE = click.Path(path_type=Path)

FAIL_ON = click.option(
    "--fail-on",
    type=click.FloatRange(1.0),
    metavar="RATIO",
    help="Exit with 3 if a time became at least so many times as long, such as 1.10, with the noise taken off.",
)


@click.command("diff")
@click.argument("before", type=RECORD_FILE)
@click.argument("after", type=RECORD_FILE)
@FAIL_ON
@click.pass_context
def diff_command(context: click.Context, before: Path, after: Path, fail_on: float | None) -> None:
    """Show what became faster or slower from one record to another, beyond noise.

    BEFORE and AFTER are files that `gradstep compare --json` wrote. Times belong together where problem, m, n, dtype,
    order, threads and contender are the same.

    \b
    Columns
      before, after   the median times
      times as long   their ratio
      interval        holds the true ratio in 95 % of all cases. It is as wide as the
                      spread of the samples makes it, and the drift between the two
                      runs: by how much the times only to read X differ, which is the
                      same code in both

    Where the machine drifted much, only large changes are told from noise; the line "drift" says how large. Of all
    changes that are named, at most 5 % should be chance, whatever the number of times that are compared.

    \b
    Exit code
      0   compared, whatever was found
      1   a file is no record, or nothing is in both
      3   with --fail-on 1.10: the lower end of an interval is at least 1.10

    docs/record.md tells how this is computed, and what two runs of the same code showed.

    \b
    Examples
      gradstep diff before.json after.json
      gradstep diff before.json after.json --fail-on 1.10
    """
    found = show_differences(records.load(before), records.load(after), (str(before), str(after)))
    require_no_slower(context, found, fail_on)


def show_differences(before: Record, after: Record, names: tuple[str, str]) -> Differences:
    """Compare two records, print what is found, and return it."""
    found = differences.between(before, after)
    difference_tables.show(found, before, after, names, Console(highlight=False))
    return found


def require_no_slower(context: click.Context, found: Differences, fail_on: float | None) -> None:
    """Fail if something became that many times as slow beyond noise."""
    if fail_on is None or not (slower := found.slower_than(fail_on)):
        return
    count = "1 time" if len(slower) == 1 else f"{len(slower)} times"
    endings.complain(
        f"{count} became at least {fail_on:g} times as long beyond noise: {difference_tables.names_of(slower)}"
    )
    context.exit(endings.SLOWER)


@click.command("export")
@click.argument("record", type=RECORD_FILE)
@outputs.options(EXPORTS)
def export_command(record: Path, **given: Any) -> None:
    """Write a record in the format of another tool.

    RECORD is a file that `gradstep compare --json` wrote. CSV and Parquet have a row for each sample, with all that
    says what it is of; docs/record.md lists the columns. Parquet needs pip install 'gradstep[parquet]', and pyperf's
    format pip install 'gradstep[pyperf]'.

    \b
    Examples
      gradstep export run.json --csv run.csv --parquet run.parquet
      gradstep export run.json --pyperf run.pyperf.json
      python -m pyperf compare_to old.pyperf.json run.pyperf.json --table
    """
    places = outputs.taken(given, EXPORTS)
    if not places:
        raise click.UsageError(f"name what to write: {', '.join(output.option for output in EXPORTS)}")
    for output, path in places.items():
        output.require(path)
    read = records.load(record)
    for output, path in places.items():
        output.write(read, path)
