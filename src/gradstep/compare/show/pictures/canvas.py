"""The frame of every picture: its size, its words, its axes and its lines."""

from __future__ import annotations

import io
import itertools
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from gradstep import extras
from gradstep.compare.judge.series import AllSeries, Map, Roof
from gradstep.compare.record.records import Record
from gradstep.compare.show.styles import GRID, INK, READ_LIMIT_STYLE, SOFT, Style
from gradstep.compare.show.words import counted
from gradstep.text import printable_lines

Of = TypeVar("Of", AllSeries, Map, Roof)

# 1280 pixels wide, as a page on most screens; at half of that the letters are still readable.
_WIDTH, _DOTS = 8.0, 160

# The same record gives the same bytes: the names of elements are fixed, and letters are outlines, which also keeps the
# labels apart whatever fonts a reader has.
_SETTINGS = {
    "svg.hashsalt": "gradstep",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "hatch.linewidth": 0.7,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.labelcolor": INK,
}


def matplotlib(module: str) -> Any:
    """Return a module of Matplotlib; raise `MissingExtra` where that is not installed."""
    return extras.require(f"matplotlib.{module}", "report", "--plot")


def _settings() -> Any:
    """Return the context in which pictures are made."""
    return extras.require("matplotlib", "report", "--plot").rc_context(_SETTINGS)


def encoded(figure: Any, suffix: str) -> bytes:
    """Return a figure as the content of a file, ``.png`` or ``.svg``: the same bytes for the same record."""
    metadata = (
        {"Software": None}
        if suffix == ".png"
        else {"Date": None, "Creator": None, "Title": printable_lines(figure.get_label())}
    )
    content = io.BytesIO()
    _take_text_as_it_is(figure)
    with _settings(), warnings.catch_warnings():
        # A name in letters that the font lacks is drawn as boxes.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from ", UserWarning)
        figure.savefig(content, format=suffix[1:], dpi=_DOTS, facecolor="white", metadata=metadata)
    return content.getvalue()


def _take_text_as_it_is(figure: Any) -> None:
    """Draw names letter by letter: no mathematics between dollar signs, no control characters, which break an SVG."""
    for text in figure.findobj(matplotlib("text").Text):
        text.set_parse_math(False)
        if (lines := printable_lines(text.get_text())) != text.get_text():
            text.set_text(lines)


def figure(record: Record, height: float, title: str, conditions: str, note: str) -> Any:
    """Return an empty figure with its words: what it shows, under which conditions, how to read it, which machine."""
    with _settings():
        made = matplotlib("figure").Figure(figsize=(_WIDTH, height), label=title)
    left = inches(made, 0.25, 0)[0]
    made.text(left, 1 - inches(made, 0, 0.22)[1], title, size=13, weight="bold", va="top", color=INK)
    made.text(left, 1 - inches(made, 0, 0.50)[1], conditions, size=9.5, va="top", color=SOFT)
    made.text(left, 1 - inches(made, 0, 0.70)[1], note, size=9.5, va="top", color=SOFT)
    made.text(left, inches(made, 0, 0.12)[1], _machine(record), size=7.5, va="bottom", color=SOFT)
    return made


def _machine(record: Record) -> str:
    machine = record.machine
    cores = counted(machine.usable_cores, "core")
    versions = ", ".join(
        f"{name} {record.versions[name]}" for name in ("gradstep", "numpy", "numba") if record.versions.get(name)
    )
    return f"{machine.processor}, {cores}, {machine.system}; {versions}; {record.created[:10]}"


def inches(figure: Any, across: float, up: float) -> tuple[float, float]:
    """Turn a length in inches into a part of the figure's width and height."""
    width, height = figure.get_size_inches()
    return across / width, up / height


def axes(figure: Any, left: float, bottom: float, right: float, top: float) -> Any:
    """Return axes at these distances from the figure's edges, in inches."""
    width, height = figure.get_size_inches()
    with _settings():
        made = figure.add_axes(
            (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height)
        )
    made.spines[["top", "right"]].set_visible(False)
    made.set_axisbelow(True)
    return made


def logarithmic(axes: Any) -> None:
    """Make both axes logarithmic."""
    axes.set_xscale("log")
    axes.set_yscale("log")


def label_powers_of_ten(axis: Any, words: Callable[[float], str]) -> None:
    """Put ticks at the powers of ten, with these words, and grid lines."""
    ticker = matplotlib("ticker")
    axis.set_major_locator(ticker.LogLocator(base=10, numticks=12))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: words(value)))
    axis.set_minor_formatter(ticker.NullFormatter())
    axis.axes.grid(visible=True, which="major", color=GRID, linewidth=0.8)
    axis.axes.tick_params(which="minor", length=0)


def line(axes: Any, x: Sequence[float], y: Sequence[float], style: Style, width: float) -> None:
    """Draw the line of a contender, or of the read limit, which is dotted."""
    dash: Any = (0, (1, 1.5)) if style is READ_LIMIT_STYLE else (0, (4, 1.6)) if style.dashed else "-"
    axes.plot(
        x,
        y,
        color=style.colour,
        marker=style.marker,
        markersize=4 if style.dashed else 5.5,
        linestyle=dash,
        linewidth=width,
    )


def of_each_setup(shown: Collection[Of], figure: Callable[[Of], Any]) -> dict[str, Any]:
    """Return a figure for each setup, by what distinguishes the files of several; nothing where there is one."""
    figures: dict[str, Any] = {}
    for each in shown:
        ending = "" if len(shown) == 1 else f"-{each.setup.slug}"
        # Names of problems may differ in signs that a slug leaves out.
        again = itertools.count(2)
        while ending in figures:
            ending = f"-{each.setup.slug}-{next(again)}"
        figures[ending] = figure(each)
    return figures


def renderer(figure: Any) -> Any:
    """Return what measures the size of text in a figure."""
    _take_text_as_it_is(figure)
    return matplotlib("backends.backend_agg").FigureCanvasAgg(figure).get_renderer()
