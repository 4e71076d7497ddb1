"""The interactive charts of the report: Plotly's figures as plain data, which the page's script draws."""

from __future__ import annotations

import html
import math
from typing import Any

from gradstep import extras
from gradstep.compare.judge import series
from gradstep.compare.judge.series import Axis, Bars, CannotDraw, Line, Lines, Roof
from gradstep.compare.record.records import Record
from gradstep.compare.show import styles, summary
from gradstep.compare.show.styles import BLACK, GREY, Style
from gradstep.compare.show.words import duration_of_tick, micro, times_as_fast

# Matplotlib's markers as Plotly names them.
_SYMBOLS = {
    "s": "square",
    "^": "triangle-up",
    "v": "triangle-down",
    "D": "diamond",
    "d": "diamond-tall",
    "o": "circle",
    "P": "cross",
    "X": "x",
    "p": "pentagon",
    "*": "star",
    "h": "hexagon",
    "<": "triangle-left",
    ">": "triangle-right",
    "8": "octagon",
}

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


def require() -> None:
    """Raise `MissingExtra` if Plotly is not installed."""
    _plotly()


def _plotly() -> Any:
    return extras.require("plotly.graph_objects", "report", "--html")


def script() -> str:
    """Return Plotly's own script, which is embedded into the report."""
    source: str = extras.require("plotly.offline", "report", "--html").get_plotlyjs()
    return source


def charts(record: Record) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of a record as data for JSON.

    Parameters
    ----------
    record : Record
        The measurements.

    Returns
    -------
    dict
        "times", "speed-ups" and "rates" -> a list of dicts with ``label``, by which a reader chooses, ``along`` ("m",
        "n" or None) and ``figure`` (``data`` and ``layout``). A list is empty where the record does not support it.

    Raises
    ------
    MissingExtra
        If Plotly is not installed.
    """
    return {"times": _times(record), "speed-ups": _speed_ups(record), "rates": _rates(record)}


def _entry(label: str, data: list[Any], layout: dict[str, Any], along: Axis | None = None) -> dict[str, Any]:
    # An empty template: Plotly's own would put 7 kB into every figure.
    graph_objects = _plotly()
    figure = graph_objects.Figure(data, {**_LAYOUT, "template": graph_objects.layout.Template(), **layout})
    return {"label": label, "along": along, "figure": figure.to_plotly_json()}


def _plain(words: str) -> str:
    """Return words as Plotly shows them letter by letter; it would take some tags in them for its own."""
    return html.escape(words, quote=False)


# Times


def _times(record: Record) -> list[dict[str, Any]]:
    found = []
    for along in ("m", "n"):
        try:
            found += [_times_chart(record, lines) for lines in series.lines_along(record, along)]
        except CannotDraw:
            continue
    return found


def _times_chart(record: Record, lines: Lines) -> dict[str, Any]:
    look = styles.styles(record.settings.contenders)
    floor = {} if lines.floor is None else {point.size: point.seconds for point in lines.floor.points}
    data = []
    for line in lines.lines:
        data += _traces(lines, line, look[line.name], floor)
    if lines.floor is not None:
        data += _traces(lines, lines.floor, styles.FLOOR_STYLE, {})
    noun = "examples" if lines.along == "m" else "features"
    times = [seconds for line in lines.lines for point in line.points for seconds in (point.lower, point.upper)]
    layout = {
        "xaxis": {**_AXIS, "title": {"text": f"{lines.along}, number of {noun}"}, "type": "log", "tickformat": ","},
        "yaxis": {**_AXIS, "type": "log", "exponentformat": "SI", "ticksuffix": "s", **_powers(times)},
    }
    label = f"{lines.across} = {lines.fixed:,} · {lines.conditions.words}"
    return _entry(label, data, layout, lines.along)


def _powers(times: list[float]) -> dict[str, Any]:
    """Return ticks at the powers of ten; Plotly would call the smaller ones 0.001 and the like."""
    exponents = range(math.floor(math.log10(min(times))) - 2, math.ceil(math.log10(max(times))) + 1)
    values = [10.0**exponent for exponent in exponents]
    return {"tickmode": "array", "tickvals": values, "ticktext": [duration_of_tick(value) for value in values]}


def _one_two_five(suffix: str) -> dict[str, Any]:
    """Return ticks at 1, 2 and 5 times the powers of ten; Plotly's own run into one another on a narrow screen."""
    values = [step * 10.0**exponent for exponent in range(-3, 6) for step in (1, 2, 5)]
    return {"tickmode": "array", "tickvals": values, "ticktext": [f"{value:g}{suffix}" for value in values]}


def _traces(lines: Lines, line: Line, style: Style, floor: dict[int, float]) -> list[Any]:
    """Return the band and the line of a contender."""
    sizes = [point.size for point in line.points]
    upper, lower = [point.upper for point in line.points], [point.lower for point in line.points]
    name = _plain("only reading X" if style is styles.FLOOR_STYLE else line.name)
    scatter = _plotly().Scatter
    band = scatter(
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
    dash = "dot" if style is styles.FLOOR_STYLE else "dash" if style.dashed else "solid"
    drawn = scatter(
        x=sizes,
        y=[point.seconds for point in line.points],
        name=name,
        legendgroup=name,
        mode="lines" if not style.marker else "lines+markers",
        line={"color": style.colour, "width": 2, "dash": dash},
        marker={"symbol": _SYMBOLS.get(style.marker, "circle"), "size": 8, "color": style.colour},
        text=[_hover(lines, name, point, floor.get(point.size)) for point in line.points],
        hovertemplate="%{text}<extra></extra>",
    )
    return [band, drawn]


def _hover(lines: Lines, name: str, point: series.Point, floor: float | None) -> str:
    said = [
        f"<b>{name}</b>",
        f"{lines.along} = {point.size:,}, {lines.across} = {lines.fixed:,}",
        f"{micro(point.seconds)} ({micro(point.lower)} to {micro(point.upper)})",
    ]
    if floor:
        said.append(f"{point.seconds / floor:.2f} times only reading X")
    return "<br>".join(said)


# Speed-ups


def _speed_ups(record: Record) -> list[dict[str, Any]]:
    try:
        problems = series.speed_ups(record, len(record.cells))
    except CannotDraw:
        return []
    look = styles.styles(record.settings.contenders)
    # The largest problem first: where a step takes long is where it matters.
    return [_speed_ups_chart(bars, look) for bars in reversed(problems)]


def _speed_ups_chart(bars: Bars, look: dict[str, Style]) -> dict[str, Any]:
    shown = list(reversed(bars.bars))
    values = [bar.speed_up.value for bar in shown]
    trace = _plotly().Bar(
        orientation="h",
        y=[f"{_plain(bar.name)}  <b>{times_as_fast(bar.speed_up.value)}</b>" for bar in shown],
        x=[value - 1.0 for value in values],
        base=[1.0] * len(shown),
        marker={
            "color": [look[bar.name].colour for bar in shown],
            "pattern": {"shape": ["/" if bar.verdict == "cannot tell" else "" for bar in shown]},
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
            "title": {"text": f"times as fast as {_plain(bars.base)}"},
            **_one_two_five("×"),
        },
        "yaxis": {"automargin": True, "fixedrange": True},
        "margin": {"l": 8, "r": 24, "t": 12, "b": 48},
        "height": 80 + 34 * len(shown),
        "bargap": 0.35,
    }
    where = f"{summary.place(bars.cell)} · {series.Conditions.of(bars.cell).words}"
    return _entry(where, [trace], layout)


def _bar_words(bars: Bars, bar: series.Bar) -> str:
    value, lower, upper = map(times_as_fast, bar.speed_up)
    verdict = "<br>whether it is faster cannot be told" if bar.verdict == "cannot tell" else ""
    words = f"{value} as fast as {_plain(bars.base)} ({lower} to {upper})"
    return f"<b>{_plain(bar.name)}</b><br>{words}{verdict}"


# Rates


def _rates(record: Record) -> list[dict[str, Any]]:
    try:
        roofs = series.roofs(record)
    except CannotDraw:
        return []
    return [_rates_chart(record, roof, quantity) for roof in roofs for quantity in ("operations", "bytes")]


def _rates_chart(record: Record, roof: Roof, quantity: str) -> dict[str, Any]:
    look = styles.styles(record.settings.contenders)
    scatter = _plotly().Scatter
    data = []
    for name in dict.fromkeys(point.name for point in roof.points):
        points = sorted((point for point in roof.points if point.name == name), key=lambda point: point.intensity)
        style = look[name]
        data.append(
            scatter(
                x=[point.intensity for point in points],
                y=[getattr(point, quantity) for point in points],
                name=_plain(name),
                mode="lines+markers",
                line={"color": style.colour, "width": 2, "dash": "dash" if style.dashed else "solid"},
                marker={"symbol": _SYMBOLS.get(style.marker, "circle"), "size": 8, "color": style.colour},
                text=[_rate_words(point) for point in points],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    intensities = [point.intensity for point in roof.points]
    span = [min(intensities) / 1.12, max(intensities) * 1.12]
    for place, bandwidth in roof.bandwidths.items():
        rates = [bandwidth * each if quantity == "operations" else bandwidth for each in span]
        words = f"X read from {place}: {bandwidth / 1e9:.3g} GB/s"
        data.append(_ceiling(span, rates, words, BLACK, "dot"))
    best = roof.best
    rates = [best.operations if quantity == "operations" else best.operations / each for each in span]
    words = f"most seen: {best.operations / 1e9:.3g} · 10⁹/s ({_plain(best.name)})"
    data.append(_ceiling(span, rates, words, GREY, "longdash"))
    suffix = {"ticksuffix": "/s"} if quantity == "operations" else {"ticksuffix": "B/s"}
    layout = {
        "xaxis": {
            **_AXIS,
            "type": "log",
            "title": {"text": "operations per byte of X and y"},
            **_one_two_five(""),
        },
        "yaxis": {**_AXIS, "type": "log", "dtick": 1, "exponentformat": "SI", **suffix},
    }
    label = "Operations a second" if quantity == "operations" else "Bytes a second"
    return _entry(f"{label} · {roof.conditions.words}", data, layout)


def _ceiling(span: list[float], rates: list[float], words: str, colour: str, dash: str) -> Any:
    return _plotly().Scatter(
        x=span,
        y=rates,
        name=words,
        mode="lines",
        line={"color": colour, "width": 1.6, "dash": dash},
        text=[words, words],
        hovertemplate="%{text}<extra></extra>",
    )


def _rate_words(point: series.RoofPoint) -> str:
    return "<br>".join(
        [
            f"<b>{_plain(point.name)}</b>",
            f"m = {point.m:,}, n = {point.n:,}: {micro(point.seconds)}",
            f"{point.operations / 1e9:.3g} · 10⁹ operations a second",
            f"{point.bytes / 1e9:.3g} GB/s",
        ]
    )
