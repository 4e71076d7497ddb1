"""``python -m tools.targets`` measures the table of targets, prints it and can write it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import click
from rich.console import Console

from gradstep import files
from gradstep.cli import endings
from gradstep.cli.compare import peer_names
from gradstep.cli.interrupts import Interrupts
from gradstep.cli.progress import Heeding, RunProgress
from gradstep.compare.measure import peers
from gradstep.compare.measure.run import Progress
from gradstep.extras import MissingExtra
from tools.targets import results, run, show
from tools.targets.results import TargetsRecord


@click.command("targets")
@click.option(
    "--peers",
    "names",
    callback=peer_names,
    metavar="all|LIST",
    help="The libraries that gradstep is compared with. Default: every one that is installed.",
)
@click.option("--json", "path", type=click.Path(path_type=Path), metavar="FILE", help="Write the results to this file.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.pass_context
def main(context: click.Context, names: tuple[str, ...] | None, path: Path | None, quiet: bool) -> None:
    """Measure what gradstep's speed must be and should be, in ten minutes.

    Ctrl-C ends the run, shows and writes the rows that were measured until then, and exits with 130.
    """
    try:
        if path is not None:
            files.require_place_for(path)
        chosen, unavailable = peers.chosen(names or (peers.ALL,))
    except (OSError, MissingExtra) as error:
        endings.complain(str(error))
        context.exit(endings.FAILED)
    with Interrupts() as interrupts:
        measured = _measure(chosen, unavailable, interrupts, quiet)
        if path is not None:
            results.save(measured, path)
        show.show(measured, Console(highlight=False))
    if interrupts.pressed:
        endings.complain("interrupted")
        context.exit(endings.INTERRUPTED)


def _measure(
    chosen: list[peers.Peer], unavailable: dict[str, str], interrupts: Interrupts, quiet: bool
) -> TargetsRecord:
    """Return the results, as far as the run went; after that, Ctrl-C is only noted."""
    watched: AbstractContextManager[Progress] = nullcontext(Progress()) if quiet else RunProgress()
    with watched as progress:
        try:
            measured = run.run(chosen, unavailable=unavailable, progress=Heeding(progress, interrupts))
        except run.TargetsInterrupted as interruption:
            measured = interruption.results
        interrupts.hold()
    return measured


if __name__ == "__main__":
    main(prog_name="python -m tools.targets")
