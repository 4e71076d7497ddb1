"""The command ``gradstep report``: shows a saved record to people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradstep.cli import outputs
from gradstep.cli.outputs import DRAWINGS
from gradstep.compare.record import records


@click.command("report")
@click.argument("record", type=click.Path(path_type=Path))
@outputs.options(DRAWINGS)
def report_command(record: Path, **given: Any) -> None:
    """Write the report or the pictures of a saved record.

    RECORD is a file that `gradstep compare --json` wrote. The report is one HTML file of some 5 MB; it opens without a
    network, and holds the record, which can be downloaded from it. A picture that the record does not support, such as
    times against m where there is one m, is left out with the reason. Both need pip install 'gradstep[report]'.

    \b
    Examples
      gradstep report run.json --html run.html
      gradstep report run.json --plot pictures
    """
    places = outputs.taken(given, DRAWINGS)
    if not places:
        raise click.UsageError(f"name what to write: {', '.join(output.option for output in DRAWINGS)}")
    for output, path in places.items():
        output.require(path)
    read = records.load(record)
    for output, path in places.items():
        output.write(read, path)
