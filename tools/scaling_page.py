"""Writes scaling.html, which asv cannot draw: all kernels on log-log axes, and every row over the history."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import plotly
import plotly.graph_objects as go
from asv.config import Config
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gradstep.compare.judge import statistics
from gradstep.compare.show.styles import styles, transparent
from gradstep.registry import KERNELS
from tools.scaling_data import AXES, MEASURES, Axis, History, Measure, Point, Points, Row, read_histories

NAME = "scaling.html"

# An exponent uses the largest sizes only: the overhead of a call flattens the slope at small ones.
SIZES_PER_SLOPE = 3

_TEMPLATE = "scaling.html.jinja"
# Plotly's names for Matplotlib's filled markers; every other marker is drawn as a circle.
_PLOTLY_MARKERS = {
    "o": "circle",
    "s": "square",
    "D": "diamond",
    "d": "diamond-tall",
    "P": "cross",
    "X": "x",
    "*": "star",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
    "p": "pentagon",
    "h": "hexagon",
    "H": "hexagon2",
    "8": "octagon",
    ".": "circle",
}
# The height of a name, as a share of the chart.
_NAME_HEIGHT = 0.055
_INK, _GRID = "#333333", "#E3E3E3"


class Scale(NamedTuple):
    """The map from values to heights on an axis, and back."""

    type: str
    height: Callable[[float], float]
    value: Callable[[float], float]


LOG = Scale("log", math.log10, lambda height: 10.0**height)
LINEAR = Scale("linear", float, float)


def write(conf: Config) -> Path:
    """Write the page into asv's published folder and return its path."""
    page = Path(conf.html_dir, NAME)
    page.write_text(render(conf.project, read_histories(conf)), encoding="utf-8")
    return page


def render(project: str, histories: Sequence[History]) -> str:
    """Return the page."""
    panels = [panel for measure in MEASURES for axis in AXES for panel in _panels(measure, axis, histories)]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(_TEMPLATE).render(
        project=project,
        kernels=list(KERNELS),
        measures=MEASURES,
        panels=panels,
        data=json.dumps(_data(histories, panels), allow_nan=False).replace("<", "\\u003c"),
        plotly=plotly.offline.get_plotlyjs(),
    )


class Panel(NamedTuple):
    """One chart: a measure along an axis at a fixed number."""

    measure: Measure
    axis: Axis
    fixed: int
    link: str
    layout: dict[str, Any]
    y_range: tuple[float, float]

    @property
    def benchmark(self) -> str:
        """Its name in asv."""
        return f"{self.axis.suite}.{self.measure.benchmark}"

    @property
    def title(self) -> str:
        """The fixed number, in words."""
        return f"{self.axis.fixed} = {self.fixed:,}"


def _panels(measure: Measure, axis: Axis, histories: Sequence[History]) -> Iterator[Panel]:
    """Yield the charts of a measure; all commits share the axes, so that they can be compared."""
    name = f"{axis.suite}.{measure.benchmark}"
    everything = [
        (row, point)
        for history in histories
        for _, points in history.commits
        for row, point in points.items()
        if row.benchmark == name
    ]
    if not everything:
        return
    x_range = _log_range([row.size for row, _ in everything], below=0.03, above=0.22)
    bounds = [bound for _, point in everything for bound in (point.lower, point.upper, point.value) if bound]
    y_range = _log_range([*bounds, *([measure.reference] if measure.reference else [])], below=0.04, above=0.04)
    for fixed in sorted({row.fixed for row, _ in everything}):
        query = {"x-axis": axis.size, f"p-{axis.fixed}": repr(fixed), "y-axis-scale": "log"}
        link = f"index.html#{name}?" + "&".join(f"{key}={quote(value)}" for key, value in query.items())
        yield Panel(measure, axis, fixed, link, _layout(measure, axis, x_range, y_range), y_range)


def _log_range(values: Iterable[float], below: float, above: float) -> tuple[float, float]:
    logs = [math.log10(value) for value in values]
    low, high = min(logs), max(logs)
    span = max(high - low, 0.3)
    return low - below * span, high + above * span


def _layout(measure: Measure, axis: Axis, x_range: tuple[float, float], y_range: tuple[float, float]) -> dict[str, Any]:
    layout = go.Layout(
        height=320,
        margin={"l": 58, "r": 12, "t": 8, "b": 44},
        showlegend=False,
        hovermode="closest",
        paper_bgcolor="white",
        plot_bgcolor="white",
        font={"color": _INK, "size": 12},
        xaxis={
            **_log_axis(f"{axis.symbol}, number of {axis.counts}", x_range),
            "tickvals": [10**power for power in range(math.ceil(x_range[0]), math.floor(x_range[1]) + 1)],
        },
        yaxis={
            **_log_axis(measure.y_title, y_range),
            "ticksuffix": measure.tick_suffix,
            "tickformat": "~s" if measure.tick_suffix else "~g",
        },
        shapes=_reference_line(measure),
    )
    return dict(layout.to_plotly_json())


def _log_axis(title: str, log_range: tuple[float, float]) -> dict[str, Any]:
    # A tick at each power of ten, and also at 2 and 5 where these are few.
    step: Any = 1 if log_range[1] - log_range[0] > 2 else "D2"
    return {
        "type": "log",
        "range": list(log_range),
        "dtick": step,
        "title": {"text": title, "standoff": 6},
        "tickformat": "~s",
        "gridcolor": _GRID,
        "linecolor": _INK,
        "zeroline": False,
        "fixedrange": True,
    }


def _reference_line(measure: Measure) -> list[dict[str, Any]]:
    if measure.reference is None:
        return []
    y = measure.reference
    line = {"color": _INK, "dash": "dot", "width": 1}
    return [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line}]


def _data(histories: Sequence[History], panels: Sequence[Panel]) -> dict[str, Any]:
    """Return all data of the page's script."""
    return {
        "layouts": [panel.layout for panel in panels],
        "histories": [
            {
                "name": history.name,
                "commits": [
                    {
                        "label": commit.label,
                        "link": commit.link,
                        "charts": [_traces(panel, points) for panel in panels],
                        "exponents": _exponents(points),
                    }
                    for commit, points in history.commits
                ],
                "courses": list(_courses(history)),
            }
            for history in histories
        ],
    }


def _traces(panel: Panel, points: Points) -> list[dict[str, Any]]:
    """Return the bands, lines and names of all kernels in one chart."""
    bands, lines, ends = [], [], []
    for kernel in KERNELS:
        series = sorted(
            (row.size, point)
            for row, point in points.items()
            if (row.benchmark, row.kernel, row.fixed) == (panel.benchmark, kernel, panel.fixed)
        )
        if not series:
            continue
        bands += _band(kernel, series)
        lines.append(_line(kernel, [size for size, _ in series], [point for _, point in series], panel.measure))
        ends.append((kernel, series[-1][0], series[-1][1].value))
    if not ends:
        return []
    heights = _moved_apart(ends, panel.y_range[1] - panel.y_range[0], LOG)
    return [*bands, *lines, _names(ends, heights, LOG)]


def _band(kernel: str, series: Sequence[tuple[Any, Point]]) -> list[dict[str, Any]]:
    within = [(x, point.lower, point.upper) for x, point in series if point.lower and point.upper]
    if len(within) < 2:
        return []
    x, lower, upper = zip(*within, strict=True)
    band = go.Scatter(
        x=[*x, *reversed(x)],
        y=[*upper, *reversed(lower)],
        fill="toself",
        mode="lines",
        line={"width": 0},
        fillcolor=transparent(styles([kernel])[kernel].colour, 0.18),
        hoverinfo="skip",
    )
    return [dict(band.to_plotly_json())]


def _line(kernel: str, x: Sequence[Any], points: Sequence[Point], measure: Measure) -> dict[str, Any]:
    style = styles([kernel])[kernel]
    unit = f"%{{y:.3~s}}{measure.tick_suffix}" if measure.tick_suffix else "%{y:.3~g}"
    line = go.Scatter(
        x=list(x),
        y=[point.value for point in points],
        customdata=[_enclosed(point, measure.tick_suffix) for point in points],
        name=kernel,
        mode="lines+markers",
        line={"color": style.colour, "width": 2},
        marker={"symbol": _PLOTLY_MARKERS.get(style.marker, "circle"), "size": 8, "color": style.colour},
        hovertemplate=f"<b>{kernel}</b><br>%{{x}}: {unit}%{{customdata}}<extra></extra>",
    )
    return dict(line.to_plotly_json())


def _enclosed(point: Point, suffix: str) -> str:
    if point.lower is None or point.upper is None:
        return ""
    return f"<br>{point.lower:.3g}{suffix} to {point.upper:.3g}{suffix}"


def _names(ends: Sequence[tuple[str, Any, float]], heights: Sequence[float], scale: Scale) -> dict[str, Any]:
    """Return the kernels' names at these heights, beside the ends of their lines."""
    names = go.Scatter(
        x=[x for _, x, _ in ends],
        y=[scale.value(height) for height in heights],
        # Two no-break spaces keep the name off the marker.
        text=[f"\u00a0\u00a0{kernel}" for kernel, _, _ in ends],
        mode="text",
        textposition="middle right",
        textfont={"color": [styles([kernel])[kernel].ink for kernel, _, _ in ends]},
        cliponaxis=False,
        hoverinfo="skip",
    )
    return dict(names.to_plotly_json())


def _moved_apart(ends: Sequence[tuple[str, Any, float]], span: float, scale: Scale) -> list[float]:
    """Return the heights of names on the axis; of names at the same x, those that would overlap move up."""
    heights = [scale.height(value) for _, _, value in ends]
    highest: dict[Any, float] = {}
    for k in sorted(range(len(ends)), key=heights.__getitem__):
        x = ends[k][1]
        heights[k] = highest[x] = max(heights[k], highest.get(x, -math.inf) + _NAME_HEIGHT * span)
    return heights


def _exponents(points: Points) -> list[dict[str, Any]]:
    """Return the exponents for each axis and fixed number, from the samples or else as tracked."""
    tables = []
    for axis in AXES:
        time_step = f"{axis.suite}.{MEASURES[0].benchmark}"
        for fixed in sorted({row.fixed for row in points if row.benchmark == time_step}):
            cells = {kernel: _exponent(points, axis, kernel, fixed) for kernel in KERNELS}
            tables.append({"title": f"in {axis.symbol}, {axis.fixed} = {fixed:,}", "cells": cells})
    return tables


def _exponent(points: Points, axis: Axis, kernel: str, fixed: int) -> str:
    time_step = f"{axis.suite}.{MEASURES[0].benchmark}"
    series = sorted(
        (row.size, point.samples)
        for row, point in points.items()
        if (row.benchmark, row.kernel, row.fixed) == (time_step, kernel, fixed)
    )[-SIZES_PER_SLOPE:]
    if len(series) > 1 and all(samples for _, samples in series):
        medians = [statistics.Median.of(samples, stream) for stream, (_, samples) in enumerate(series)]
        found = statistics.exponent([size for size, _ in series], medians)
        return f"{found.value:.2f} ({found.lower:.2f} to {found.upper:.2f})"
    tracked = points.get(Row(axis.exponent, kernel, fixed, 0))
    return f"{tracked.value:.2f}" if tracked else "-"


def _courses(history: History) -> Iterator[dict[str, Any]]:
    """Yield the chart of each row of the suite over the commits, with one line per kernel."""
    names = {f"{axis.suite}.{measure.benchmark}": (axis, measure) for axis in AXES for measure in MEASURES}
    for axis in AXES:
        slope = Measure("", "Exponent", "", "slope of log time", "", None)
        names[axis.exponent] = (axis, slope)
    rows = sorted(
        {(row.benchmark, row.fixed, row.size) for _, points in history.commits for row in points},
        key=lambda row: (list(names).index(row[0]), *row[1:]),
    )
    for benchmark, fixed, size in rows:
        axis, measure = names[benchmark]
        at = f"{axis.fixed} = {fixed:,}" + (f", {axis.symbol} = {size:,}" if size else "")
        yield {
            "group": f"{measure.title} in {axis.symbol}",
            "title": at,
            "y_title": measure.y_title,
            "tick_suffix": measure.tick_suffix,
            **_course(history, [Row(benchmark, kernel, fixed, size) for kernel in KERNELS], measure),
            "link": f"index.html#{benchmark}?" + f"p-{axis.fixed}={fixed}",
        }


def _course(history: History, rows: Sequence[Row], measure: Measure) -> dict[str, Any]:
    """Return the lines and the axis of one chart over the commits."""
    # An exponent has no size and may be 0 or negative.
    scale = LOG if rows[0].size else LINEAR
    bands, lines, ends, heights = [], [], [], []
    for row in rows:
        series = [(commit.commit_hash[:8], points[row]) for commit, points in history.commits if row in points]
        if not series:
            continue
        bands += _band(row.kernel, series)
        lines.append(_line(row.kernel, [x for x, _ in series], [point for _, point in series], measure))
        ends.append((row.kernel, series[-1][0], series[-1][1].value))
        bounds = [bound for _, point in series for bound in (point.lower, point.value, point.upper)]
        heights += [scale.height(bound) for bound in bounds if bound is not None]
    span = max(max(heights) - min(heights), 0.3)
    names = _moved_apart(ends, span, scale)
    y_range = [min(heights) - 0.08 * span, max(*heights, *names) + 0.08 * span]
    return {"traces": [*bands, *lines, _names(ends, names, scale)], "scale": scale.type, "y_range": y_range}
