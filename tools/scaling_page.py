"""Writes scaling.html, which asv cannot draw: the kernels side by side on log-log axes, over the history."""

from __future__ import annotations

import ast
import datetime
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import plotly
import plotly.graph_objects as go
from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.repo import Repo, get_repo
from asv.results import Results, iter_results
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gradstep.compare.judge import statistics
from gradstep.compare.show.styles import styles, transparent
from gradstep.registry import KERNELS

NAME = "scaling.html"

# Below this number of sizes there is no slope; above, what a call costs at any size would flatten it.
SIZES_PER_SLOPE = 3

_TEMPLATE = "scaling.html.jinja"
_PLOTLY_MARKERS = {"s": "square", "^": "triangle-up", "D": "diamond", "o": "circle"}
# Of a name, as a share of the chart.
_NAME_HEIGHT = 0.055
_INK, _GRID = "#333333", "#E3E3E3"


class Axis(NamedTuple):
    """Along what the suite measures: the class of its benchmarks, and the names of their parameters."""

    symbol: str
    counts: str
    suite: str
    exponent: str
    fixed: str
    size: str


class Measure(NamedTuple):
    """One of the benchmarks that exist along both axes, and how it is shown."""

    benchmark: str
    title: str
    explanation: str
    y_title: str
    tick_suffix: str
    # A horizontal line at the value that means "the same".
    reference: float | None


class Point(NamedTuple):
    """One result of asv; `lower` and `upper` enclose it where asv has an interval, else both are None."""

    value: float
    lower: float | None
    upper: float | None
    samples: tuple[float, ...]


class Row(NamedTuple):
    """What a point belongs to: a benchmark, a kernel, the fixed number and the size."""

    benchmark: str
    kernel: str
    fixed: int
    size: int


class Scale(NamedTuple):
    """How values become heights on an axis, and back."""

    type: str
    height: Callable[[float], float]
    value: Callable[[float], float]


LOG = Scale("log", math.log10, lambda height: 10.0**height)
LINEAR = Scale("linear", float, float)

Points = dict[Row, Point]

AXES = (
    Axis("m", "examples", "scaling.InM", "scaling.ExponentInM.track_exponent_in_m", "n", "log10_m"),
    Axis("n", "features", "scaling.InN", "scaling.ExponentInN.track_exponent_in_n", "m", "log10_n"),
)

MEASURES = (
    Measure(
        "time_step",
        "Time of a step",
        "The whole call on one thread. The bands are asv's 99 % intervals of the median, or the quartiles where it "
        "took too few samples for one.",
        "seconds",
        "s",
        None,
    ),
    Measure(
        "track_floor_ratio",
        "How near the floor",
        "The time of a step over that of only reading X, measured in turns: 1 is the floor.",
        "times reading X",
        "",
        1.0,
    ),
    Measure(
        "track_speedup_over_numpy",
        "Speed-up over NumPy",
        "How many times as fast as the NumPy kernel, measured in turns.",
        "times as fast",
        "",
        1.0,
    ),
)


@dataclass(frozen=True)
class Commit:
    """A commit of the history.

    Attributes
    ----------
    revision : int
        Its place among all commits, as asv counts them.
    commit_hash, label, link : str
        The hash; what the page calls it; where it can be read, or "".
    """

    revision: int
    commit_hash: str
    label: str
    link: str


@dataclass(frozen=True)
class History:
    """What one machine measured in one environment: the points of each commit, oldest first."""

    name: str
    commits: list[tuple[Commit, Points]]


def read_histories(conf: Config) -> list[History]:
    """Return the results of the commits that asv publishes, by machine and environment.

    Raises
    ------
    ValueError
        If there is none for a benchmark of this page.
    """
    repo = get_repo(conf)
    benchmarks = Benchmarks.load(conf)
    published = {commit for branch in conf.branches for commit in repo.get_branch_commits(branch)}
    by_name: dict[str, list[tuple[Commit, Points]]] = {}
    found = [results for results in iter_results(conf.results_dir) if results.commit_hash in published]
    revisions = repo.get_revisions({results.commit_hash for results in found})
    for results in found:
        points = dict(_points(results, benchmarks))
        if points:
            commit = _commit(conf, repo, revisions, results)
            by_name.setdefault(_environment(results), []).append((commit, points))
    if not by_name:
        raise ValueError(
            f"{conf.results_dir} has no result of {', '.join(axis.suite for axis in AXES)} in this history"
        )
    return [
        History(name, sorted(commits, key=lambda entry: entry[0].revision)) for name, commits in sorted(by_name.items())
    ]


def write(conf: Config) -> Path:
    """Write the page into the folder that asv published and return its path."""
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


def _environment(results: Results) -> str:
    """Return the machine and the versions that the configuration asks for; those that it leaves open have no value."""
    versions = [f"{name} {version}" for name, version in sorted(results.params.items()) if _is_version(name, version)]
    return ", ".join([results.params["machine"], f"Python {results.params['python']}", *versions])


def _is_version(name: str, value: str | None) -> bool:
    return bool(value) and name not in {"arch", "cpu", "machine", "num_cpu", "os", "ram", "python"}


def _commit(conf: Config, repo: Repo, revisions: dict[str, int], results: Results) -> Commit:
    day = datetime.datetime.fromtimestamp(results.date / 1000, datetime.UTC).date().isoformat()
    name = repo.get_name_from_hash(results.commit_hash) or ""
    # Git names what no tag or branch points at after its distance from one: that tells nothing here.
    tag = f" {name}" if name and not set(name) & set("~^") else ""
    link = "" if conf.show_commit_url == "#" else conf.show_commit_url + results.commit_hash
    return Commit(revisions[results.commit_hash], results.commit_hash, f"{results.commit_hash[:8]} {day}{tag}", link)


def _points(results: Results, benchmarks: Benchmarks) -> Iterator[tuple[Row, Point]]:
    """Yield what a file of results has of the benchmarks on this page; what was skipped or failed has no point."""
    known = results.get_result_keys(benchmarks)
    for axis in AXES:
        for measure in MEASURES:
            name = f"{axis.suite}.{measure.benchmark}"
            if name in known:
                yield from _points_of(results, benchmarks[name], axis.fixed, axis.size)
        if axis.exponent in known:
            yield from _points_of(results, benchmarks[axis.exponent], axis.fixed, None)


def _points_of(
    results: Results, benchmark: dict[str, Any], fixed: str, size: str | None
) -> Iterator[tuple[Row, Point]]:
    name, params, names = benchmark["name"], benchmark["params"], benchmark["param_names"]
    for values, value, stats, samples in zip(
        product(*params),
        results.get_result_value(name, params),
        results.get_result_stats(name, params),
        results.get_result_samples(name, params),
        strict=True,
    ):
        if value is None or math.isnan(value):
            continue
        # asv keeps parameters as Python would print them.
        at = {key: ast.literal_eval(text) for key, text in zip(names, values, strict=True)}
        row = Row(name, at["kernel"], at[fixed], 10 ** at[size] if size else 0)
        yield row, Point(value, *interval(stats), tuple(samples or ()))


def interval(stats: dict[str, float] | None) -> tuple[float | None, float | None]:
    """Return asv's interval; the quartiles take its place where it is infinite or, from a few samples, includes 0."""
    for low, high in (("ci_99_a", "ci_99_b"), ("q_25", "q_75")):
        if stats and low in stats and 0.0 < stats[low] <= stats[high] < math.inf:
            return stats[low], stats[high]
    return None, None


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
        """The name that asv has for it."""
        return f"{self.axis.suite}.{self.measure.benchmark}"

    @property
    def title(self) -> str:
        """What is fixed."""
        return f"{self.axis.fixed} = {self.fixed:,}"


def _panels(measure: Measure, axis: Axis, histories: Sequence[History]) -> Iterator[Panel]:
    """Yield the charts of a measure; the axes are the same for all commits, so that these can be compared."""
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
    # A tick at each power of ten, and at 2 and 5 where there are few of those.
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
    """Return everything that the page's script chooses from."""
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
    """Return the bands, the lines and the names of the kernels in one chart."""
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
        marker={"symbol": _PLOTLY_MARKERS[style.marker], "size": 8, "color": style.colour},
        hovertemplate=f"<b>{kernel}</b><br>%{{x}}: {unit}%{{customdata}}<extra></extra>",
    )
    return dict(line.to_plotly_json())


def _enclosed(point: Point, suffix: str) -> str:
    if point.lower is None or point.upper is None:
        return ""
    return f"<br>{point.lower:.3g}{suffix} to {point.upper:.3g}{suffix}"


def _names(ends: Sequence[tuple[str, Any, float]], heights: Sequence[float], scale: Scale) -> dict[str, Any]:
    """Return the kernels' names beside the ends of their lines, at these heights."""
    names = go.Scatter(
        x=[x for _, x, _ in ends],
        y=[scale.value(height) for height in heights],
        # Two spaces that do not collapse keep the name off the marker.
        text=[f"\u00a0\u00a0{kernel}" for kernel, _, _ in ends],
        mode="text",
        textposition="middle right",
        textfont={"color": [styles([kernel])[kernel].ink for kernel, _, _ in ends]},
        cliponaxis=False,
        hoverinfo="skip",
    )
    return dict(names.to_plotly_json())


def _moved_apart(ends: Sequence[tuple[str, Any, float]], span: float, scale: Scale) -> list[float]:
    """Return the heights of names on the axis: those at the same x that would lie on each other are moved up."""
    heights = [scale.height(value) for _, _, value in ends]
    highest: dict[Any, float] = {}
    for k in sorted(range(len(ends)), key=heights.__getitem__):
        x = ends[k][1]
        heights[k] = highest[x] = max(heights[k], highest.get(x, -math.inf) + _NAME_HEIGHT * span)
    return heights


def _exponents(points: Points) -> list[dict[str, Any]]:
    """Return, for each axis and fixed number, the exponents: from the samples, or as tracked."""
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
        found = statistics.exponent([size for size, _ in series], [samples for _, samples in series])
        return f"{found.value:.2f} ({found.lower:.2f} to {found.upper:.2f})"
    tracked = points.get(Row(axis.exponent, kernel, fixed, 0))
    return f"{tracked.value:.2f}" if tracked else "-"


def _courses(history: History) -> Iterator[dict[str, Any]]:
    """Yield each row of the suite over the commits, with one line per kernel."""
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
    """Return the lines of one chart over the commits, and its axis."""
    # Exponents may be 0 or less.
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
