"""The look that our pages share: one style sheet, one script, and Plotly's axes and colours in their terms.

A figure names its colours as ``var(--name)``. The script puts in what the style sheet gives them: on a light screen, on
a dark one, or on paper.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable
from typing import Any

from gradstep.compare.show import styles
from gradstep.compare.show.styles import Style

PAPER, INK, SOFT, GRID, LINE = (f"var(--{name})" for name in ("paper", "ink", "soft", "grid", "line"))

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif'

# Matplotlib's markers as Plotly names them.
_SYMBOLS = {
    "s": "square", "^": "triangle-up", "v": "triangle-down", "<": "triangle-left", ">": "triangle-right",
    "D": "diamond", "d": "diamond-tall", "o": "circle", "P": "cross", "X": "x", "p": "pentagon", "*": "star",
    "h": "hexagon", "H": "hexagon2", "8": "octagon",
}  # fmt: skip

# The --paper of style.css on a dark screen.
_DARK_PAPER = "#14171A"


def resource(name: str) -> str:
    """Return a file of the assets."""
    return importlib.resources.files("gradstep.compare.show.html").joinpath("assets", name).read_text(encoding="utf-8")


def stylesheet(look: Iterable[Style]) -> str:
    """Return the style sheet of our pages, with the colours of these contenders."""
    each_once = {style.colour: style for style in look}.values()
    light = "".join(_variables(style, style.colour, style.ink) for style in each_once)
    dark = "".join(_variables(style, *[_on_dark(style.colour)] * 2) for style in each_once)
    return (
        f"{resource('style.css')}:root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
    )


def script() -> str:
    """Return the script of our pages: functions that make figures ready to be drawn."""
    return resource("theme.js")


def line_colour(style: Style) -> str:
    """Return the colour of a contender's lines, marks and bars."""
    return f"var(--c-{style.colour[1:]})"


def text_colour(style: Style) -> str:
    """Return the colour of a contender's name, which can be read on the page (WCAG 2.2, contrast 4.5)."""
    return f"var(--t-{style.colour[1:]})"


def band_colour(style: Style) -> str:
    """Return the colour of the band around a contender's line."""
    return f"var(--b-{style.colour[1:]})"


def symbol(style: Style) -> str:
    """Return a contender's marker as Plotly names it."""
    return _SYMBOLS.get(style.marker, "circle")


def layout(**own: Any) -> dict[str, Any]:
    """Return the layout of a figure: what all have in common, and its own."""
    font = {"family": FONT, "size": 12, "color": INK}
    common = {
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "font": font,
        "margin": {"l": 58, "r": 12, "t": 8, "b": 44},
        "hoverlabel": {"bgcolor": PAPER, "bordercolor": LINE, "font": font, "align": "left"},
        "modebar": {"bgcolor": PAPER, "color": SOFT, "activecolor": INK},
        "hovermode": "closest",
        "showlegend": False,
    }
    return {**common, **own}


def axis(title: str, **own: Any) -> dict[str, Any]:
    """Return an axis with a title."""
    common = {
        "title": {"text": title, "standoff": 6},
        "gridcolor": GRID,
        "linecolor": SOFT,
        "tickcolor": SOFT,
        "ticks": "outside",
        "zeroline": False,
    }
    return {**common, **own}


def _variables(style: Style, line: str, text: str) -> str:
    name = style.colour[1:]
    return f"--c-{name}:{line};--t-{name}:{text};--b-{name}:{styles.transparent(line, 0.18)};"


def _on_dark(colour: str) -> str:
    """Return a colour that can be read on dark paper."""
    return styles.WHITE if colour == styles.BLACK else styles.readable(colour, _DARK_PAPER)
