"""``python -m tools.torture`` runs all parts or the named ones, and ends with a table of what was tried and failed."""

from __future__ import annotations

import time
from collections.abc import Iterable

import click
from rich.console import Console
from rich.table import Table

from tools.torture import (
    damaged_files,
    environments,
    growth,
    interrupts,
    older_processors,
    processes,
    sanitizers,
    threads,
)
from tools.torture.part import Amount, Outcome, Run

PARTS: dict[str, Run] = {
    "sanitizers": sanitizers.run,
    "threads": threads.run,
    "processes": processes.run,
    "growth": growth.run,
    "interrupts": interrupts.run,
    "environments": environments.run,
    "files": damaged_files.run,
    "processors": older_processors.run,
}

_SHOWN_FAILURES = 20


@click.command("torture")
@click.argument("names", nargs=-1, type=click.Choice(list(PARTS)), metavar="[PART]...")
@click.option(
    "--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="How much of each part to do. Default: 1."
)
@click.pass_context
def main(context: click.Context, names: tuple[str, ...], share: float) -> None:
    """Treat gradstep badly, and exit with 1 if anything fails.

    The parts are sanitizers, threads, processes, growth, interrupts, environments, files and processors. All together
    take up to 15 minutes on two cores.
    """
    console = Console(highlight=False)
    outcomes = {}
    for name in names or PARTS:
        began = time.monotonic()
        console.print(f"{name} ...")
        outcomes[name] = (PARTS[name](Amount(share), ""), time.monotonic() - began)
    console.print(_table(outcomes))
    failed = {name: outcome.failures for name, (outcome, _) in outcomes.items() if outcome.failures}
    for name, failures in failed.items():
        _list(console, name, failures)
    context.exit(1 if failed else 0)


def _table(outcomes: dict[str, tuple[Outcome, float]]) -> Table:
    table = Table("part", "what was tried", "times", "failed", "seconds")
    for column in table.columns[2:]:
        column.justify = "right"
    for name, (outcome, seconds) in outcomes.items():
        failed = "skipped" if outcome.skipped else str(len(outcome.failures))
        what = f"{outcome.what} ({outcome.skipped})" if outcome.skipped else outcome.what
        table.add_row(name, what, f"{outcome.tried:,}", failed, f"{seconds:.0f}")
    return table


def _list(console: Console, name: str, failures: Iterable[str]) -> None:
    lines = list(failures)
    for line in lines[:_SHOWN_FAILURES]:
        console.print(f"{name}: {line}", markup=False, soft_wrap=True)
    if lines[_SHOWN_FAILURES:]:
        console.print(f"{name}: and {len(lines) - _SHOWN_FAILURES} more")


if __name__ == "__main__":
    main(prog_name="python -m tools.torture")
