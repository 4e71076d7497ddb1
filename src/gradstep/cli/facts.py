"""A list of facts on the screen: a name in bold, and what it is."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from gradstep.compare.show.console import PlainConsole
from gradstep.compare.show.words import printable


def show(facts: Iterable[tuple[str, str]]) -> None:
    """Print facts in two columns; only a terminal wraps them."""
    listed = list(facts)
    console = PlainConsole()
    if console.is_terminal:
        console.print(_table(listed))
        return
    width = max(len(name) for name, _ in listed)
    for name, fact in listed:
        console.print(Text(printable(f"{name:<{width}}  {fact}").rstrip()), soft_wrap=True)


def _table(facts: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, fact in facts:
        # Text, because a name from a data file may look like markup.
        table.add_row(name, Text(printable(fact)))
    return table
