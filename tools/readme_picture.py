"""Draws the picture of the README: how many times faster than Python loops each kernel is, and what the limit is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from gradstep import registry
from gradstep.compare.judge.findings import CellFindings, Findings
from gradstep.compare.record.records import READ_LIMIT
from gradstep.compare.show import styles, words
from gradstep.compare.show.pictures import canvas
from gradstep.compare.show.pictures.labels import apart
from gradstep.compare.show.styles import BLACK, GRID, INK, READ_LIMIT_STYLE, SOFT, WHITE, Style

BASE = "python"

# What the names at the ends of the lines say below them.
_IDEAS = {
    "python": "two explicit loops",
    "numpy": "vectorized, block by block",
    "numba": "loops, compiled by Numba; one pass over X",
    "cython": "loops, compiled by Cython; one pass over X",
    READ_LIMIT: "the time just to read X once",
}

_PEER_STYLE = Style("#44AA99", "", dashed=True)

# The page of GitHub in the dark, and what becomes of the colours of paper, words, axes and grid there.
_DARK = "#0D1117"
_IN_THE_DARK = {
    WHITE: _DARK,
    BLACK: "#F0F6FC",
    INK: "#F0F6FC",
    SOFT: "#9198A1",
    GRID: "#272D35",
}


class Line(NamedTuple):
    """How many times faster than the base something is at each size, and what is written at its end."""

    name: str
    idea: str
    style: Style
    points: list[tuple[int, float]]

    @property
    def ink(self) -> str:
        """The colour of its name on white. Matplotlib does not write black, so that it could not be changed."""
        return INK if self.style.colour == BLACK else self.style.ink


def row(found: Findings) -> list[CellFindings]:
    """Return the cells of the picture: random data of one n, at the numbers of examples at which the base was timed.

    Of several dtypes, orders and numbers of threads the first counts; of several n that with the most sizes, and of
    those the largest.

    Raises
    ------
    ValueError
        If the base was not timed at two numbers of examples.
    """
    settings = found.record.settings
    first = settings.dtypes[0], settings.orders[0], settings.threads[0]
    rows: dict[int, list[CellFindings]] = {}
    for each in sorted(found.cells, key=lambda each: each.cell.m):
        cell = each.cell
        if cell.problem == "random" and (cell.dtype, cell.order, cell.threads) == first and BASE in each.times:
            rows.setdefault(cell.n, []).append(each)
    longest = max(rows.values(), key=lambda cells: (len(cells), cells[0].cell.n), default=[])
    if len(longest) < 2:
        raise ValueError(f"the record should have the kernel {BASE!r} at two numbers of examples with the same n")
    return longest


def lines(found: Findings) -> list[Line]:
    """Return a line for each kernel, for the read limit, and one for the fastest peer at each size."""
    cells = row(found)
    peers = list(found.record.peers)
    drawn = []
    for name, entry in registry.KERNELS.items():
        style = Style(entry.colour, entry.marker, dashed=False)
        points = [(each.cell.m, _times_faster(each, [name])) for each in cells if name in each.times]
        drawn.append(Line(name, _IDEAS.get(name, entry.summary), style, points))
    at_peers = [
        (each.cell.m, _times_faster(each, peers)) for each in cells if any(name in each.times for name in peers)
    ]
    drawn.append(Line(f"fastest of {words.counted(len(peers), 'peer')}", _named(peers), _PEER_STYLE, at_peers))
    limits = [
        (each.cell.m, each.times[BASE].value / each.read_limit.time.value)
        for each in cells
        if each.read_limit is not None and each.read_limit.time is not None
    ]
    drawn.append(Line(READ_LIMIT, _IDEAS[READ_LIMIT], READ_LIMIT_STYLE, limits))
    return [line for line in drawn if line.points]


def _times_faster(each: CellFindings, names: Sequence[str]) -> float:
    """Return how many times faster than the base the fastest of these is."""
    return each.times[BASE].value / min(each.times[name].value for name in names if name in each.times)


def _named(peers: Sequence[str]) -> str:
    """Name the last peers, which are the larger libraries, and count the others."""
    named, others = ", ".join(peers[-3:]), len(peers[:-3])
    return named if not others else f"{named} and {words.counted(others, 'other')}"


def figure(found: Findings) -> Any:
    """Return the figure."""
    cells = row(found)
    cell = cells[0].cell
    made = canvas.figure(
        found.record,
        4.6,
        "One step of gradient descent: how many times faster than Python loops",
        f"n = {cell.n:,} features; {cell.setup.words}; logarithmic axes",
        "",
    )
    axes = canvas.axes(made, 0.8, 0.95, 3.2, 0.85)
    canvas.logarithmic(axes)
    drawn = lines(found)
    for line in drawn:
        at, values = zip(*line.points, strict=True)
        canvas.line(axes, at, values, line.style, 1.6 if line.style.dashed else 2.2)
    sizes = [each.cell.m for each in cells]
    axes.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.15)
    axes.set_ylim(0.7, 1.4 * max(value for line in drawn for _, value in line.points))
    canvas.label_powers_of_ten(axes.yaxis, lambda value: f"{value:,g}×")
    canvas.label_powers_of_ten(axes.xaxis, "{:,.0f}".format)
    axes.set_xticks(sizes, [f"{each.cell.m:,}\n{_bytes(each.cell.X_bytes)}" for each in cells])
    axes.tick_params(which="major", length=3)
    axes.set_xlabel("m, number of examples, and size of X", labelpad=4)
    _label(axes, drawn)
    return made


def _bytes(count: int) -> str:
    """Return the size of X in decimal units, such as 80 kB."""
    unit, length = next(((unit, length) for unit, length in (("MB", 1e6), ("kB", 1e3)) if count >= length), ("B", 1))
    return f"{count / length:,.3g} {unit}"


def _label(axes: Any, drawn: Sequence[Line]) -> None:
    """Write at the end of each line its name and value, and below them the idea behind it."""
    to_points = 72 / axes.figure.dpi
    bottom, top = (edge * to_points for edge in (axes.bbox.y0, axes.bbox.y1))
    ends = [line.points[-1] for line in drawn]
    heights = [axes.transData.transform(end)[1] * to_points for end in ends]
    for line, end, place in zip(drawn, ends, apart(heights, 28.0, bottom, top), strict=True):
        height = (place - bottom) / (top - bottom)
        tie = {"arrowstyle": "-", "color": line.style.colour, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4}
        axes.annotate("", end, xytext=(1.06, height), textcoords="axes fraction", arrowprops=tie, annotation_clip=False)
        beside = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
        name = f"{line.name}  {three_digits(end[1])}"
        axes.annotate(name, (1.07, height), (0, 1), color=line.ink, weight="bold", size=10.5, **beside)
        axes.annotate(line.idea, (1.07, height), (0, -1.5), color=SOFT, size=8, va="top", **beside)


def three_digits(value: float) -> str:
    """Return how many times faster something is, without digits that noise would change."""
    return f"{value:,.0f}×" if value >= 9.5 else f"{value:.1f}×" if value > 1.05 else "1×"


def drawn(found: Findings, *, dark: bool) -> bytes:
    """Return the picture as SVG, for light or for dark pages."""
    svg = canvas.encoded(figure(found), ".svg")
    return in_the_dark(svg, lines(found)) if dark else svg


def in_the_dark(svg: bytes, drawn: Sequence[Line]) -> bytes:
    """Return a picture for dark pages: other paper, words and grid, and lines that can be seen there."""
    names = {line.ink: styles.readable(line.style.colour, _DARK) for line in drawn if line.ink not in _IN_THE_DARK}

    def recoloured(colour: re.Match[str]) -> str:
        known = colour[0].upper()
        return _IN_THE_DARK.get(known) or names.get(known) or styles.readable(known, _DARK)

    return re.sub(r"#[0-9a-fA-F]{6}\b", recoloured, svg.decode()).encode()
