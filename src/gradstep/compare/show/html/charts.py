"""The interactive charts of the report: Plotly's figures as plain data, which the page's script draws."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, ParamSpec, TypeVar

from gradstep import extras
from gradstep.compare.judge import series
from gradstep.compare.judge.findings import AXES, Axis, Findings
from gradstep.compare.judge.series import AllSeries, Bar, Bars, CannotDraw, Point, Roof, RoofPoint, Series
from gradstep.compare.record.records import READ_LIMIT, Setup
from gradstep.compare.show import styles, words
from gradstep.compare.show.html import theme
from gradstep.compare.show.html.tables import speed
from gradstep.compare.show.styles import READ_LIMIT_STYLE, Style
from gradstep.compare.show.words import micro

P = ParamSpec("P")
T = TypeVar("T")

# A name beside the end of a line has at most this many letters, and a letter is about this many pixels wide.
_LONGEST_NAME, _LETTER = 14, 7

# Up to this factor from the smallest to the largest value, an axis has ticks between the powers of ten.
_TWO_DECADES = 100.0


plotly = partial(extras.require, "plotly.graph_objects", "report", "--html")
"""Returns what makes figures; raises `MissingExtra` if it is not installed."""


def charts(found: Findings) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of a judged record as data for JSON.

    There are lists of "times", "speed-ups" and "rates", empty where the record does not support them. Each entry has a
    ``label``, by which a reader chooses, the ``setup`` in words, ``along`` ("m", "n" or None), a ``title``, ``main``,
    which is true of the most telling times of a setup, and ``figure`` (``data`` and ``layout``). Those with the same
    label and ``along`` stand beside one another, on the same axes.

    The ``meta`` of each trace has the ``name`` of its contender, by which a reader hides it, or None for a ceiling.
    Where it has ``ink``, the name stands beside the end of the line in this colour.
    """
    look = {**styles.styles(found.record.settings.contenders), READ_LIMIT: READ_LIMIT_STYLE}
    # The largest problem first: where a step takes long, its time matters.
    bars = reversed(drawable(series.speed_ups, found, len(found.cells)))
    roofs = drawable(series.roofs, found)
    made = {
        "times": _all_times(found, look),
        "speed-ups": [_speed_ups(each, look) for each in bars],
        "rates": [_rates(roof, quantity, look) for roof in roofs for quantity in ("operations", "bytes")],
    }
    common = common_words(found)
    return {chart: [_for_json(entry, common) for entry in entries] for chart, entries in made.items()}


@dataclass(frozen=True)
class Entry:
    """A figure, and what it shows; a label leaves out the conditions that all setups have in common."""

    setup: Setup
    figure: dict[str, Any]
    place: str = ""
    title: str = ""
    along: Axis | None = None
    main: bool = False


def _for_json(entry: Entry, common: set[str]) -> dict[str, Any]:
    own = [part for part in parts(entry.setup) if part not in common]
    # A place names its data.
    label = [entry.place, *own[own[:1] == [entry.setup.data] :]] if entry.place else own
    return {
        "label": ", ".join(label) or entry.setup.words,
        "setup": entry.setup.words,
        "along": entry.along,
        "title": entry.title,
        "main": entry.main,
        "figure": entry.figure,
    }


def parts(setup: Setup) -> list[str]:
    """Return the conditions of a setup, each in words."""
    return [setup.data, *setup.kind.split(", ")]


def common_words(found: Findings) -> set[str]:
    """Return the conditions that all setups of a record share."""
    of_each = [set(parts(setup)) for setup in series.by_setup(found)]
    return set.intersection(*of_each) if of_each else set()


def drawable(series_of: Callable[P, list[T]], *args: P.args, **kwargs: P.kwargs) -> list[T]:
    """Return what can be drawn; nothing where the record does not hold what it takes."""
    try:
        return series_of(*args, **kwargs)
    except CannotDraw:
        return []


def _figure(data: list[Any], **layout: Any) -> dict[str, Any]:
    graph_objects = plotly()
    # An empty template: Plotly's own would put 7 kB into every figure.
    figure = graph_objects.Figure(data, theme.layout(template=graph_objects.layout.Template(), **layout))
    return dict(figure.to_plotly_json())


def _plain(text: str) -> str:
    """Return words that Plotly shows letter by letter, although it knows some tags."""
    return html.escape(text, quote=False)


def _shortened(name: str) -> str:
    return _plain(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…")


def _margin_for(names: Sequence[str]) -> dict[str, int]:
    """Return the margins of a chart whose lines have these names at their right ends."""
    return {"l": 58, "r": 14 + _LETTER * max(map(len, names)), "t": 24, "b": 44}


def _ticks(values: Sequence[float], form: Callable[[float], str]) -> dict[str, Any]:
    """Return the ticks of a logarithmic axis: at the powers of ten, and at 2 and 5 times these where they are few."""
    low, high = min(values), max(values)
    steps = (1, 2, 5) if high / low < _TWO_DECADES else (1,)
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
    shown = [tick for tick in ticks if low / 2 <= tick <= high * 2]
    return {"tickmode": "array", "tickvals": shown, "ticktext": [form(tick) for tick in shown]}


def _count(value: float) -> str:
    """Return a size at a tick, such as 10k."""
    unit, length = next((each for each in (("M", 1e6), ("k", 1e3)) if value >= each[1]), ("", 1.0))
    return f"{value / length:,g}{unit}"


def _line(name: str, style: Style, x: list[Any], y: list[float], hovers: list[str]) -> Any:
    """Return the line of a contender with its marks, its name, and words for those who point at a place on it."""
    dash = "dot" if style is READ_LIMIT_STYLE else "dash" if style.dashed else "solid"
    colour = theme.line_colour(style)
    return plotly().Scatter(
        x=x,
        y=y,
        name=_plain(name),
        meta={"name": name, "short": _shortened(name), "ink": theme.text_colour(style)},
        line={"color": colour, "width": 2, "dash": dash},
        marker={"symbol": theme.symbol(style), "size": 7, "color": colour},
        mode="lines+markers" if style.marker else "lines",
        text=hovers,
        hovertemplate="%{text}<extra></extra>",
    )


# Times


def _all_times(found: Findings, look: dict[str, Style]) -> list[Entry]:
    """Return the times of each setup along m and along n, in order of the fixed size."""
    drawn = [shown for along in AXES for shown in drawable(series.lines_along, found, along)]
    # The most useful one comes first.
    main = {shown.setup: shown for shown in reversed(drawn)}
    setups = list(series.by_setup(found))
    drawn.sort(key=lambda shown: (setups.index(shown.setup), AXES.index(shown.along), shown.fixed))
    return [_times(shown, look, is_main=shown is main[shown.setup]) for shown in drawn]


def _times(shown: AllSeries, look: dict[str, Style], *, is_main: bool) -> Entry:
    limits = {} if shown.read_limit is None else {point.size: point.seconds for point in shown.read_limit.points}
    lines = [*shown.lines, *([] if shown.read_limit is None else [shown.read_limit])]
    data = [_band(line, look[line.name]) for line in lines]
    for line in lines:
        hovers = [_hover(shown, line.name, point, limits.get(point.size)) for point in line.points]
        sizes, seconds = [point.size for point in line.points], [point.seconds for point in line.points]
        data.append(_line(line.name, look[line.name], sizes, seconds, hovers))
    times = [seconds for line in lines for point in line.points for seconds in (point.lower, point.upper)]
    noun = words.NOUNS[shown.along]
    layout = {
        "xaxis": theme.axis(f"{shown.along}, number of {noun}", type="log", **_ticks(shown.sizes, _count)),
        "yaxis": theme.axis(
            "", type="log", exponentformat="SI", ticksuffix="s", **_ticks(times, words.duration_of_tick)
        ),
        "margin": _margin_for([_shortened(line.name) for line in lines]),
    }
    title = f"{shown.across} = {shown.fixed:,}"
    return Entry(shown.setup, _figure(data, **layout), title=title, along=shown.along, main=is_main)


def _band(line: Series, style: Style) -> Any:
    """Return the band of the intervals around a line."""
    sizes = [point.size for point in line.points]
    upper, lower = [point.upper for point in line.points], [point.lower for point in line.points]
    return plotly().Scatter(
        x=[*sizes, *reversed(sizes)],
        y=[*upper, *reversed(lower)],
        meta={"name": line.name},
        fill="toself",
        fillcolor=theme.band_colour(style),
        line={"width": 0},
        hoverinfo="skip",
        mode="lines",
    )


def _hover(shown: AllSeries, name: str, point: Point, limit: float | None) -> str:
    lines = [
        f"<b>{_plain(name)}</b>",
        f"{shown.along} = {point.size:,}, {shown.across} = {shown.fixed:,}",
        f"{micro(point.seconds)} ({micro(point.lower)} to {micro(point.upper)})",
    ]
    if limit and name != READ_LIMIT:
        lines.append(f"{point.seconds / limit:.2f}× the {READ_LIMIT}")
    return "<br>".join(lines)


# Speed-ups


def _speed_ups(bars: Bars, look: dict[str, Style]) -> Entry:
    # Plotly draws from the bottom to the top.
    shown = list(reversed(bars.bars))
    ends = [end for bar in shown for end in (bar.speed_up.lower, bar.speed_up.upper, 1.0)]
    low, high = math.log10(min(ends)), math.log10(max(ends))
    span = max(high - low, 0.3)
    base = _plain(bars.base)
    layout = {
        "xaxis": theme.axis(
            f"←\u2002slower than {base}\u2002·\u2002faster\u2002→",
            type="log",
            # Room on the right for the numbers.
            range=[low - 0.05 * span, high + 0.3 * span],
            **_ticks(ends, lambda tick: f"{max(tick, 1.0 / tick):g}×"),
        ),
        "yaxis": {"automargin": True, "fixedrange": True, "ticks": "", "ticklabelstandoff": 6},
        "shapes": [
            {
                "type": "line",
                "x0": 1,
                "x1": 1,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"color": theme.INK, "width": 1},
            }
        ],
        "margin": {"l": 8, "r": 12, "t": 24, "b": 48},
        "height": 80 + 30 * len(shown),
        "bargap": 0.35,
        "barmode": "overlay",
    }
    data = [trace for bar in shown for trace in (_bar(bars, bar, look[bar.name]), _number(bar, look[bar.name]))]
    return Entry(bars.cell.setup, _figure(data, **layout), place=words.place(bars.cell))


def _bar(bars: Bars, bar: Bar, style: Style) -> Any:
    value, lower, upper = bar.speed_up
    return plotly().Bar(
        orientation="h",
        name=_plain(bar.name),
        meta={"name": bar.name},
        y=[_shortened(bar.name)],
        x=[value - 1.0],
        base=[1.0],
        marker={
            "color": theme.line_colour(style),
            "pattern": {"shape": "/" if bar.verdict == "too close to call" else ""},
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [upper - value],
            "arrayminus": [value - lower],
            "color": theme.INK,
            "thickness": 1.2,
            "width": 3,
        },
        customdata=[_bar_words(bars, bar)],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _number(bar: Bar, style: Style) -> Any:
    """Return the number at the end of a bar."""
    return plotly().Scatter(
        x=[max(bar.speed_up.upper, 1.0)],
        y=[_shortened(bar.name)],
        # Two no-break spaces keep the number off the interval.
        text=[f"\u00a0\u00a0{speed(bar.speed_up.value)}"],
        mode="text",
        meta={"name": bar.name},
        textposition="middle right",
        textfont={"color": theme.text_colour(style)},
        cliponaxis=False,
        hoverinfo="skip",
    )


def _bar_words(bars: Bars, bar: Bar) -> str:
    value, lower, upper = map(speed, bar.speed_up)
    verdict = "<br>too close to call" if bar.verdict == "too close to call" else ""
    return f"<b>{_plain(bar.name)}</b><br>{value} ({lower} to {upper}), beside {_plain(bars.base)}{verdict}"


# Rates


def _rates(roof: Roof, quantity: str, look: dict[str, Style]) -> Entry:
    of_all = roof.by_contender()
    data = [_ceiling(each) for each in _ceilings(roof, quantity)]
    for name, points in of_all.items():
        intensities, rates = [point.intensity for point in points], [getattr(point, quantity) for point in points]
        data.append(_line(name, look[name], intensities, rates, list(map(_rate_words, points))))
    suffix = {"ticksuffix": "/s"} if quantity == "operations" else {"ticksuffix": "B/s"}
    layout = {
        "xaxis": theme.axis("operations per byte of X and y", type="log", **_ticks(roof.span, "{:g}".format)),
        "yaxis": theme.axis("", type="log", dtick=1, exponentformat="SI", **suffix),
        "margin": _margin_for([trace.meta["short"] for trace in data]),
    }
    title = "Operations a second" if quantity == "operations" else "Bytes a second"
    return Entry(roof.setup, _figure(data, **layout), title=title)


class Ceiling(NamedTuple):
    """What a rate can reach between two intensities, in a few words and in many."""

    short: str
    words: str
    dash: str
    intensities: list[float]
    rates: list[float]


def _ceilings(roof: Roof, quantity: str) -> list[Ceiling]:
    intensities = sorted(point.intensity for point in roof.points)
    ends = [intensities[0], intensities[-1]]
    drawn = []
    for place, bandwidth in roof.bandwidths.items():
        rates = [bandwidth * each if quantity == "operations" else bandwidth for each in ends]
        speed_of_it = f"{place} {bandwidth / 1e9:.3g} GB/s"
        dash = "dot" if place == "memory" else "dashdot"
        drawn.append(Ceiling(speed_of_it, f"X read from {speed_of_it}", dash, ends, rates))
    most = roof.best.operations
    rates = [most if quantity == "operations" else most / each for each in ends]
    reached = f"most {most / 1e9:.3g} · 10⁹/s"
    reached_by = f"{reached}, reached by {_plain(roof.best.name)}"
    return [*drawn, Ceiling(reached, reached_by, "longdash", ends, rates)]


def _ceiling(ceiling: Ceiling) -> Any:
    return plotly().Scatter(
        x=ceiling.intensities,
        y=ceiling.rates,
        name=ceiling.words,
        meta={"name": None, "short": ceiling.short, "ink": theme.SOFT},
        line={"color": theme.SOFT, "width": 1.6, "dash": ceiling.dash},
        mode="lines",
        text=[ceiling.words] * 2,
        hovertemplate="%{text}<extra></extra>",
    )


def _rate_words(point: RoofPoint) -> str:
    lines = [
        f"<b>{_plain(point.name)}</b>",
        f"m = {point.m:,}, n = {point.n:,}: {micro(point.seconds)}",
        f"{point.operations / 1e9:.3g} · 10⁹ operations a second",
        f"{point.bytes / 1e9:.3g} GB/s",
    ]
    return "<br>".join(lines)
