"""The interactive charts of the report: Plotly's figures as plain data, which the page's script draws."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from gradstep import extras
from gradstep.compare.judge import series
from gradstep.compare.judge.findings import AXES, Axis, Findings
from gradstep.compare.judge.series import AllSeries, Bar, Bars, CannotDraw, Point, Roof, RoofPoint, Series
from gradstep.compare.record.records import READ_LIMIT
from gradstep.compare.show import styles, words
from gradstep.compare.show.styles import BLACK, GREY, READ_LIMIT_STYLE, Style
from gradstep.compare.show.words import micro

P = ParamSpec("P")
T = TypeVar("T")

# Matplotlib's markers as Plotly names them.
_SYMBOLS = {
    "s": "square", "^": "triangle-up", "v": "triangle-down", "<": "triangle-left", ">": "triangle-right",
    "D": "diamond", "d": "diamond-tall", "o": "circle", "P": "cross", "X": "x", "p": "pentagon", "*": "star",
    "h": "hexagon", "8": "octagon",
}  # fmt: skip

_AXIS = {"gridcolor": "#E4E4E4", "linecolor": "#B0B0B0", "zeroline": False, "ticks": "outside", "tickcolor": "#B0B0B0"}
_LAYOUT = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#303030"},
    "margin": {"l": 64, "r": 12, "t": 12, "b": 48},
    "hoverlabel": {
        "bgcolor": "#FFFFFF",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#202020"},
        "align": "left",
    },
    "modebar": {"bgcolor": "rgba(255,255,255,0.9)", "color": "#707070", "activecolor": "#0060A0"},
    "hovermode": "closest",
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
}


plotly = partial(extras.require, "plotly.graph_objects", "report", "--html")
"""Returns what makes figures; raises `MissingExtra` if it is not installed."""


def charts(found: Findings) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of a judged record as data for JSON.

    There are lists of "times", "speed-ups" and "rates", empty where the record does not support them. Each entry has a
    ``label``, by which a reader chooses, ``along`` ("m", "n" or None) and ``figure`` (``data`` and ``layout``).
    """
    look = styles.styles(found.record.settings.contenders)
    # The largest problem first: where a step takes long is where it matters.
    bars = reversed(drawable(series.speed_ups, found, len(found.cells)))
    roofs = drawable(series.roofs, found)
    return {
        "times": [_times(shown, look) for along in AXES for shown in drawable(series.lines_along, found, along)],
        "speed-ups": [_speed_ups(each, look) for each in bars],
        "rates": [_rates(roof, quantity, look) for roof in roofs for quantity in ("operations", "bytes")],
    }


def drawable(series_of: Callable[P, list[T]], *args: P.args, **kwargs: P.kwargs) -> list[T]:
    """Return what can be drawn; nothing where the record does not hold what it takes."""
    try:
        return series_of(*args, **kwargs)
    except CannotDraw:
        return []


def _entry(label: str, data: list[Any], layout: dict[str, Any], along: Axis | None = None) -> dict[str, Any]:
    # An empty template: Plotly's own would put 7 kB into every figure.
    graph_objects = plotly()
    figure = graph_objects.Figure(data, {**_LAYOUT, "template": graph_objects.layout.Template(), **layout})
    return {"label": label, "along": along, "figure": figure.to_plotly_json()}


def _plain(text: str) -> str:
    """Return words that Plotly shows letter by letter, although it knows some tags."""
    return html.escape(text, quote=False)


def _line(name: str, line: dict[str, Any], x: list[Any], y: list[float], hovers: list[str], **options: Any) -> Any:
    """Return a line, with words for those who point at a place on it."""
    return plotly().Scatter(
        x=x, y=y, name=name, line=line, text=hovers, hovertemplate="%{text}<extra></extra>", **options
    )


def _marked(name: str, style: Style, x: list[Any], y: list[float], hovers: list[str], **options: Any) -> Any:
    """Return the line of a contender, with its marks."""
    dash = "dot" if style is READ_LIMIT_STYLE else "dash" if style.dashed else "solid"
    line = {"color": style.colour, "width": 2, "dash": dash}
    marker = {"symbol": _SYMBOLS.get(style.marker, "circle"), "size": 8, "color": style.colour}
    mode = "lines+markers" if style.marker else "lines"
    return _line(name, line, x, y, hovers, marker=marker, mode=mode, **options)


# Times


def _times(shown: AllSeries, look: dict[str, Style]) -> dict[str, Any]:
    limits = {} if shown.read_limit is None else {point.size: point.seconds for point in shown.read_limit.points}
    data = [trace for line in shown.lines for trace in _traces(shown, line, look[line.name], limits)]
    if shown.read_limit is not None:
        data += _traces(shown, shown.read_limit, READ_LIMIT_STYLE, {})
    times = [seconds for line in shown.lines for point in line.points for seconds in (point.lower, point.upper)]
    layout = {
        "xaxis": {
            **_AXIS,
            "title": {"text": f"{shown.along}, number of {words.NOUNS[shown.along]}"},
            "type": "log",
            "tickformat": ",",
        },
        "yaxis": {**_AXIS, "type": "log", "exponentformat": "SI", "ticksuffix": "s", **_powers(times)},
    }
    label = f"{shown.across} = {shown.fixed:,} · {shown.setup.words}"
    return _entry(label, data, layout, shown.along)


def _powers(times: list[float]) -> dict[str, Any]:
    """Return ticks at the powers of ten; Plotly would call the smaller ones 0.001 and the like."""
    exponents = range(math.floor(math.log10(min(times))) - 2, math.ceil(math.log10(max(times))) + 1)
    values = [10.0**exponent for exponent in exponents]
    return {"tickmode": "array", "tickvals": values, "ticktext": [words.duration_of_tick(value) for value in values]}


def _one_two_five(suffix: str) -> dict[str, Any]:
    """Return ticks at 1, 2 and 5 times the powers of ten; Plotly's own run into one another on a narrow screen."""
    values = [step * 10.0**exponent for exponent in range(-3, 6) for step in (1, 2, 5)]
    return {"tickmode": "array", "tickvals": values, "ticktext": [f"{value:g}{suffix}" for value in values]}


def _traces(shown: AllSeries, line: Series, style: Style, limits: dict[int, float]) -> list[Any]:
    """Return the band and the line of a contender."""
    sizes = [point.size for point in line.points]
    upper, lower = [point.upper for point in line.points], [point.lower for point in line.points]
    name = _plain(line.name)
    band = plotly().Scatter(
        x=[*sizes, *reversed(sizes)],
        y=[*upper, *reversed(lower)],
        fill="toself",
        fillcolor=styles.transparent(style.colour, 0.18),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
        mode="lines",
    )
    hovers = [_hover(shown, name, point, limits.get(point.size)) for point in line.points]
    seconds = [point.seconds for point in line.points]
    return [band, _marked(name, style, sizes, seconds, hovers, legendgroup=name)]


def _hover(shown: AllSeries, name: str, point: Point, limit: float | None) -> str:
    lines = [
        f"<b>{name}</b>",
        f"{shown.along} = {point.size:,}, {shown.across} = {shown.fixed:,}",
        f"{micro(point.seconds)} ({micro(point.lower)} to {micro(point.upper)})",
    ]
    if limit:
        lines.append(f"{point.seconds / limit:.2f}× the {READ_LIMIT}")
    return "<br>".join(lines)


# Speed-ups


def _speed_ups(bars: Bars, look: dict[str, Style]) -> dict[str, Any]:
    shown = list(reversed(bars.bars))
    values = [bar.speed_up.value for bar in shown]
    trace = plotly().Bar(
        orientation="h",
        y=[f"{_plain(bar.name)}  <b>{words.times(bar.speed_up.value)}</b>" for bar in shown],
        x=[value - 1.0 for value in values],
        base=[1.0] * len(shown),
        marker={
            "color": [look[bar.name].colour for bar in shown],
            "pattern": {"shape": ["/" if bar.verdict == "too close to call" else "" for bar in shown]},
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [bar.speed_up.upper - bar.speed_up.value for bar in shown],
            "arrayminus": [bar.speed_up.value - bar.speed_up.lower for bar in shown],
            "color": "#303030",
            "thickness": 1.2,
            "width": 3,
        },
        customdata=[_bar_words(bars, bar) for bar in shown],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )
    layout = {
        "xaxis": {
            **_AXIS,
            "type": "log",
            "title": {"text": f"speed-up over {_plain(bars.base)}"},
            **_one_two_five("×"),
        },
        "yaxis": {"automargin": True, "fixedrange": True},
        "margin": {"l": 8, "r": 24, "t": 12, "b": 48},
        "height": 80 + 34 * len(shown),
        "bargap": 0.35,
    }
    return _entry(f"{words.place(bars.cell)} · {bars.cell.setup.words}", [trace], layout)


def _bar_words(bars: Bars, bar: Bar) -> str:
    value, lower, upper = map(words.times, bar.speed_up)
    verdict = "<br>too close to call" if bar.verdict == "too close to call" else ""
    return f"<b>{_plain(bar.name)}</b><br>{value} over {_plain(bars.base)} ({lower} to {upper}){verdict}"


# Rates


def _rates(roof: Roof, quantity: str, look: dict[str, Style]) -> dict[str, Any]:
    data = []
    for name, points in roof.by_contender().items():
        intensities, rates = [point.intensity for point in points], [getattr(point, quantity) for point in points]
        data.append(_marked(_plain(name), look[name], intensities, rates, list(map(_rate_words, points))))
    for place, bandwidth in roof.bandwidths.items():
        rates = [bandwidth * each if quantity == "operations" else bandwidth for each in roof.span]
        data.append(_ceiling(roof, rates, f"X read from {place}: {bandwidth / 1e9:.3g} GB/s", BLACK, "dot"))
    best = roof.best
    rates = [best.operations if quantity == "operations" else best.operations / each for each in roof.span]
    name = f"most seen: {best.operations / 1e9:.3g} · 10⁹/s ({_plain(best.name)})"
    data.append(_ceiling(roof, rates, name, GREY, "longdash"))
    suffix = {"ticksuffix": "/s"} if quantity == "operations" else {"ticksuffix": "B/s"}
    title = {"text": "operations per byte of X and y"}
    layout = {
        "xaxis": {**_AXIS, "type": "log", "title": title, **_one_two_five("")},
        "yaxis": {**_AXIS, "type": "log", "dtick": 1, "exponentformat": "SI", **suffix},
    }
    label = "Operations a second" if quantity == "operations" else "Bytes a second"
    return _entry(f"{label} · {roof.setup.words}", data, layout)


def _ceiling(roof: Roof, rates: list[float], name: str, colour: str, dash: str) -> Any:
    line = {"color": colour, "width": 1.6, "dash": dash}
    return _line(name, line, list(roof.span), rates, [name, name], mode="lines")


def _rate_words(point: RoofPoint) -> str:
    lines = [
        f"<b>{_plain(point.name)}</b>",
        f"m = {point.m:,}, n = {point.n:,}: {micro(point.seconds)}",
        f"{point.operations / 1e9:.3g} · 10⁹ operations a second",
        f"{point.bytes / 1e9:.3g} GB/s",
    ]
    return "<br>".join(lines)
