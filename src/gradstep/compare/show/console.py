"""Lines and tables on a console: text from data as it is, cut to the width of a terminal, whole in a file or a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TextIO

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from gradstep.text import printable_lines

# What stands for our own signs where the output lacks them, such as one in ASCII.
_IN_ASCII = {"×": "x", "µ": "u"}


# In characters, as rich takes it where nothing says how wide the terminal is.
_USUAL_WIDTH = 80


class PlainConsole(Console):
    """A console on which text is text: no markup, no emoji, and no character that a terminal obeys."""

    def __init__(self, file: TextIO | None = None) -> None:
        # In a notebook rich would hand its output to the front end, and write none to the stream.
        super().__init__(file=file, markup=False, emoji=False, highlight=False, force_jupyter=False)
        if self.width < 1:
            # COLUMNS is 0, as where a program does not know the size of its terminal: rich would show nothing.
            self.width = _USUAL_WIDTH

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Spell out the control characters of everything that is shown, but for rich's own."""
        lacking = str.maketrans({sign: other for sign, other in _IN_ASCII.items() if not self._has(sign)})
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable_lines(segment.text).translate(lacking), segment.style)

    def _has(self, sign: str) -> bool:
        """Return whether the output can hold a character."""
        try:
            sign.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True


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
