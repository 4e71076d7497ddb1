"""Lines and tables on a console: text from data as it is, cut to the width of a terminal, whole in a file or a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from gradstep.compare.show.words import printable


class PlainConsole(Console):
    """A console on which text is text: no markup, no emoji, and no character that a terminal obeys."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Spell out the control characters of everything that is shown, but for rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_printable(segment.text), segment.style)


def _printable(text: str) -> str:
    # Rich ends lines within segments, and only there.
    return "\n".join(map(printable, text.split("\n")))


def print_lines(console: Console, lines: Iterable[Text]) -> None:
    """Print lines; only a terminal wraps them."""
    for line in lines:
        console.print(line, soft_wrap=not console.is_terminal, highlight=False)


def table(*heads: str) -> Table:
    """Return an empty table without a frame: the columns hold numbers."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for head in heads:
        made.add_column(head, justify="right")
    return made


def print_whole(table: Table, console: Console) -> None:
    """Print a table; at its full width unless the console is a terminal."""
    if console.is_terminal:
        console.print(table)
        return
    lines = console.render_lines(table, console.options.update(max_width=width(table, console)), pad=False)
    for line in lines:
        console.print(Text("".join(segment.text for segment in line).rstrip()), soft_wrap=True)


def width(table: Table, console: Console) -> int:
    """Return the full width of a table; measured against the console's own width it would be cut off."""
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum
