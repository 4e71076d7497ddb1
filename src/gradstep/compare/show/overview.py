"""What a comparison shows first: one grid of times, what a reader has to know, and the verdict at the end."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from gradstep.compare.judge.findings import Findings
from gradstep.compare.judge.verdict import Auto
from gradstep.compare.record.records import Record
from gradstep.compare.show import grid, tables, verdict, words
from gradstep.compare.show.circumstances import in_short
from gradstep.compare.show.console import print_lines, print_whole

# What a terminal has at least, and what a file or a pipe is given.
_WIDTH = 80


def show(found: Findings, console: Console, auto: Auto | None = None) -> None:
    """Print the grid and the verdict of a judged record.

    Parameters
    ----------
    found : Findings
        The judged record.
    console : Console
        Where to.
    auto : callable, optional
        What "auto" takes on the machine of the record.
    """
    print_lines(console, _head(found))
    for part in grid.one(found, console, _most(console)):
        print_whole(part, console)
    print_lines(console, [Text(), *in_short(found), Text(), *_verdict(found, auto)])


def show_details(found: Findings, console: Console, auto: Auto | None = None) -> None:
    """Print everything that a judged record says, and last the verdict; the parameters are those of `show`."""
    tables.show(found, console)
    print_lines(console, [Text(), *_head(found)])
    for part in grid.whole(found, console, _most(console)):
        print_whole(part, console)
    print_lines(console, [Text(), *_verdict(found, auto)])


def _most(console: Console) -> int:
    """Return how many characters a line may have."""
    return max(_WIDTH, console.width)


def _head(found: Findings) -> Iterator[Text]:
    over = grid.base(found)
    than = "" if over is None else f", and how many times faster than {over}"
    yield Text(f"Time of one gradient-descent step{than}", style="bold")
    yield Text("; ".join(filter(None, [_data(found.record), _kinds(found.record)])))
    if not found.record.complete:
        yield Text("Interrupted: only what had been measured until then is shown", style="bold yellow")


def _data(record: Record) -> str:
    """Name the data: the sets with their sizes, or what the labels mean where there is nothing else."""
    sets = {cell.problem: cell for cell in record.cells if cell.problem != "random"}
    if len(sets) == len({cell.problem for cell in record.cells}):
        return "; ".join(f"{name}: {cell.task}" for name, cell in sets.items()) or "Nothing was measured"
    return words.listed(["Random data", *(f"{name} ({cell.m:,} x {cell.n:,})" for name, cell in sets.items())])


def _kinds(record: Record) -> str:
    """Say how X is stored and computed on, as far as that is the same in all rows."""
    kinds = [cell.kind.split(", ") for cell in record.cells]
    # The number of models comes last, and only where it is not 1.
    shared = [parts[0] for parts in zip(*kinds, strict=False) if len(set(parts)) == 1]
    return ", ".join(shared)


def _verdict(found: Findings, auto: Auto | None) -> Iterator[Text]:
    for number, sentence in enumerate(verdict.sentences(found, auto)):
        yield Text(sentence, style="" if number else "bold")
