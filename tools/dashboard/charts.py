"""The charts of the start page: all kernels against a size on log-log axes, and each row over the history."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from gradstep.compare.show import words
from gradstep.compare.show.html import theme
from gradstep.compare.show.styles import styles
from gradstep.registry import KERNELS
from tools.dashboard.noise import Line, Noise, around, line_of, read_limits
from tools.dashboard.results import AXES, MEASURES, Axis, History, Measure, Measured, Point, Row

READ_LIMIT = "read limit"

_SLOPE = Measure("", "Exponent", "", "slope of log time", "", None)

# The heights in pixels: of a chart against a size, and of one over the commits.
HEIGHT, COURSE_HEIGHT = 320, 380


class Panel(NamedTuple):
    """One chart: a measure along an axis at a fixed number."""

    measure: Measure
    axis: Axis
    fixed: int
    link: str
    layout: dict[str, Any]

    @property
    def benchmark(self) -> str:
        """Its name in asv."""
        return f"{self.axis.suite}.{self.measure.benchmark}"

    @property
    def title(self) -> str:
        """The fixed number, in words."""
        return f"{self.axis.fixed} = {self.fixed:,}"


def panels(histories: Sequence[History]) -> list[Panel]:
    """Return the charts of all measures that have a result."""
    return [panel for measure in MEASURES for axis in AXES for panel in _panels(measure, axis, histories)]


def _panels(measure: Measure, axis: Axis, histories: Sequence[History]) -> Iterator[Panel]:
    """Yield the charts of a measure; all commits share the axes, so that they can be compared."""
    name = f"{axis.suite}.{measure.benchmark}"
    commits = [measured for history in histories for measured in history.commits]
    everything = [(row, point) for each in commits for row, point in each.points.items() if row.benchmark == name]
    if not everything:
        return
    fixed_numbers = sorted({row.fixed for row, _ in everything})
    limits = [
        limit for each in commits for fixed in fixed_numbers for limit in read_limits(each.points, name, fixed).values()
    ]
    sizes = sorted({row.size for row, _ in everything})
    # On the right there is room for the names.
    x_range = _log_range(sizes, below=0.03, above=0.26)
    reference = [measure.reference] if measure.reference else []
    y_range = _log_range([*(point.value for _, point in everything), *limits, *reference], below=0.06, above=0.06)
    for fixed in fixed_numbers:
        query = {"x-axis": axis.size, f"p-{axis.fixed}": repr(fixed), "y-axis-scale": "log"}
        link = f"#{name}?" + "&".join(f"{key}={quote(value)}" for key, value in query.items())
        yield Panel(measure, axis, fixed, link, _layout(measure, axis, sizes, x_range, y_range))


def _log_range(values: Iterable[float], below: float, above: float) -> tuple[float, float]:
    logs = [math.log10(value) for value in values]
    low, high = min(logs), max(logs)
    span = max(high - low, 0.3)
    return low - below * span, high + above * span


def _layout(
    measure: Measure, axis: Axis, sizes: Sequence[int], x_range: tuple[float, float], y_range: tuple[float, float]
) -> dict[str, Any]:
    return theme.layout(
        height=HEIGHT,
        margin={"l": 66, "r": 12, "t": 8, "b": 44},
        xaxis={**_log_axis(f"{axis.symbol}, number of {axis.counts}", x_range), "tickvals": sizes},
        yaxis={**_log_axis(measure.y_title, y_range), **_ticks(measure)},
    )


def _ticks(measure: Measure) -> dict[str, str]:
    return {"ticksuffix": measure.tick_suffix, "tickformat": "~s" if measure.tick_suffix else "~g"}


def _log_axis(title: str, log_range: tuple[float, float]) -> dict[str, Any]:
    # A tick at each power of ten, and also at 2 and 5 where these are few.
    step = 1 if log_range[1] - log_range[0] > 2 else "D2"
    own = {"type": "log", "range": list(log_range), "dtick": step, "tickformat": "~s", "fixedrange": True}
    return theme.axis(title, **own)


def traces(panel: Panel, measured: Measured, noise: Noise) -> list[dict[str, Any]]:
    """Return the bands and lines of all kernels in one chart, and the read limit."""
    bands, lines = [], []
    for kernel in KERNELS:
        line = Line(panel.benchmark, kernel, panel.fixed)
        series = sorted((row.size, row, point) for row, point in measured.points.items() if line_of(row) == line)
        if not series:
            continue
        bands += _band(kernel, [(size, point) for size, _, point in series], [noise.get(line)] * len(series))
        hovers = [_hover(point, measured.again.get(row), panel.measure) for _, row, point in series]
        lines.append(_line(kernel, [size for size, *_ in series], [each.value for *_, each in series], hovers))
    limits = read_limits(measured.points, panel.benchmark, panel.fixed)
    return [*bands, *_limit_line(limits, panel.measure), *lines]


def _band(kernel: str, series: Sequence[tuple[Any, Point]], factors: Sequence[float | None]) -> list[dict[str, Any]]:
    """Return the band of the noise around a line."""
    within = [(x, *around(point, factor)) for (x, point), factor in zip(series, factors, strict=True) if factor]
    if len(within) < 2:
        return []
    x, lower, upper = zip(*within, strict=True)
    band = {
        "x": [*x, *reversed(x)],
        "y": [*upper, *reversed(lower)],
        "fill": "toself",
        "mode": "lines",
        "line": {"width": 0},
        "fillcolor": theme.band_colour(styles([kernel])[kernel]),
        "hoverinfo": "skip",
        "meta": {"band": kernel},
    }
    return [band]


def _line(kernel: str, x: Sequence[Any], values: Sequence[float], hovers: Sequence[str]) -> dict[str, Any]:
    style = styles([kernel])[kernel]
    colour = theme.line_colour(style)
    return {
        **_named(kernel, x, values, hovers),
        "mode": "lines+markers",
        "line": {"color": colour, "width": 2},
        "marker": {"symbol": theme.symbol(style), "size": 8, "color": colour},
        "meta": {"ink": theme.text_colour(style)},
    }


def _limit_line(limits: dict[Any, float], measure: Measure) -> list[dict[str, Any]]:
    """Return the line of the read limit, if there is one."""
    if not limits:
        return []
    values = list(limits.values())
    line = {
        **_named(READ_LIMIT, list(limits), values, [_number(value, measure) for value in values]),
        "mode": "lines",
        "line": {"color": theme.INK, "width": 1.5, "dash": "dash"},
        "meta": {"ink": theme.INK},
    }
    return [line]


def _named(name: str, x: Sequence[Any], values: Sequence[float], hovers: Sequence[str]) -> dict[str, Any]:
    template = f"<b>{name}</b>, %{{x}}<br>%{{customdata}}<extra></extra>"
    return {"name": name, "x": list(x), "y": list(values), "customdata": list(hovers), "hovertemplate": template}


def _hover(point: Point, second: Point | None, measure: Measure) -> str:
    """Return what the mouse shows at a point: its value, asv's interval and the second measurement."""
    lines = [_number(point.value, measure)]
    if point.lower is not None and point.upper is not None:
        lines.append(f"{_number(point.lower, measure)} to {_number(point.upper, measure)} within this measurement")
    if second is not None:
        lines.append(f"{_number(second.value, measure)} measured again")
    return "<br>".join(lines)


def _number(value: float, measure: Measure) -> str:
    if measure is _SLOPE:
        return f"{value:.2f}"
    return words.micro(value) if measure.tick_suffix else words.times(value)


def courses(history: History, noises: Sequence[Noise]) -> Iterator[dict[str, Any]]:
    """Yield the chart of each row of the suite over the commits, with one line per kernel."""
    measures = {f"{axis.suite}.{measure.benchmark}": (axis, measure) for axis in AXES for measure in MEASURES}
    measures.update({axis.exponent: (axis, _SLOPE) for axis in AXES})
    rows = {(row.benchmark, row.fixed, row.size) for measured in history.commits for row in measured.points}
    for benchmark, (axis, measure) in measures.items():
        for _, fixed, size in sorted(row for row in rows if row[0] == benchmark):
            yield {
                "group": f"{measure.title} in {axis.symbol}",
                "title": f"{axis.fixed} = {fixed:,}" + (f", {axis.symbol} = {size:,}" if size else ""),
                **_course(history, noises, [Row(benchmark, kernel, fixed, size) for kernel in KERNELS], measure),
                "link": f"#{benchmark}?p-{axis.fixed}={fixed}",
            }


def _course(history: History, noises: Sequence[Noise], rows: Sequence[Row], measure: Measure) -> dict[str, Any]:
    """Return one chart over the commits, which stand at 0, 1, 2 and so on."""
    bands, lines = [], []
    for row in rows:
        x = [k for k, measured in enumerate(history.commits) if row in measured.points]
        if not x:
            continue
        points = [history.commits[k].points[row] for k in x]
        bands += _band(row.kernel, list(zip(x, points, strict=True)), [noises[k].get(line_of(row)) for k in x])
        seconds = [history.commits[k].again.get(row) for k in x]
        hovers = [_hover(point, second, measure) for point, second in zip(points, seconds, strict=True)]
        lines.append(_line(row.kernel, x, [point.value for point in points], hovers))
    drawn = [*bands, *_limit_line(_limits_over(history, rows[0]), measure), *lines]
    values = [value for trace in drawn for value in trace["y"]]
    layout = theme.layout(
        height=COURSE_HEIGHT,
        margin={"l": 66, "r": 84, "t": 8, "b": 84},
        xaxis=_commit_axis(history),
        yaxis={**_course_axis(measure, values), **_ticks(measure)},
    )
    return {"traces": drawn, "layout": layout}


def _commit_axis(history: History) -> dict[str, Any]:
    count = len(history.commits)
    # More labels than this would overlap.
    labelled = range(0, count, math.ceil(count / 16))
    labels = [history.commits[k].commit.commit_hash[:8] for k in labelled]
    return theme.axis("", tickvals=list(labelled), ticktext=labels, range=[-0.3, count - 0.7], fixedrange=True)


def _course_axis(measure: Measure, values: Sequence[float]) -> dict[str, Any]:
    # An exponent may be 0 or negative.
    if measure is not _SLOPE:
        return _log_axis(measure.y_title, _log_range(values, below=0.08, above=0.08))
    margin = 0.08 * max(max(values) - min(values), 0.3)
    return theme.axis(measure.y_title, range=[min(values) - margin, max(values) + margin], fixedrange=True)


def _limits_over(history: History, row: Row) -> dict[int, float]:
    """Return the read limit of a row at each commit that has it."""
    found = [read_limits(each.points, row.benchmark, row.fixed).get(row.size) for each in history.commits]
    return {k: limit for k, limit in enumerate(found) if limit is not None}
