"""What a difference is held against: the noise, from a commit that was measured twice, and the read limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tools.dashboard.results import AXES, BANDWIDTH, RATIO, TIME, Axis, Measured, Point, Points, Row

BYTES_OF_AN_ELEMENT = 8

# The slope of a line uses its largest sizes only: the overhead of a call flattens it at small ones.
SIZES_PER_SLOPE = 3

BASELINE = "numpy"


class Line(NamedTuple):
    """A line of a chart: a benchmark of a kernel at a fixed number."""

    benchmark: str
    kernel: str
    fixed: int


# The largest ratio between two measurements of the same commit on each line.
Noise = dict[Line, float]


def line_of(row: Row) -> Line:
    """Return the line on which a point lies."""
    return Line(row.benchmark, row.kernel, row.fixed)


def noise(measured: Measured) -> Noise:
    """Return how far the two measurements of a commit lie apart, at most, on each line.

    Examples
    --------
    >>> from tools.dashboard.results import Commit
    >>> first, second = ({Row("f", "numpy", 2, 10): Point(value, None, None, ())} for value in (1.0, 1.25))
    >>> noise(Measured(Commit(1, "", "", ""), first, second))
    {Line(benchmark='f', kernel='numpy', fixed=2): 1.25}
    """
    found: dict[Line, float] = defaultdict(lambda: 1.0)
    for row, second in measured.again.items():
        first = measured.points.get(row)
        if first and first.value > 0 and second.value > 0:
            apart = max(first.value / second.value, second.value / first.value)
            found[line_of(row)] = max(found[line_of(row)], apart)
    return dict(found)


def noises(commits: Sequence[Measured]) -> list[Noise]:
    """Return the noise of each commit; one that was measured once has that of the newest that was measured twice."""
    newest = next((measured for measured in reversed(commits) if measured.again), None)
    fallback = noise(newest) if newest else {}
    return [{**fallback, **noise(measured)} for measured in commits]


def around(point: Point, factor: float) -> tuple[float, float]:
    """Return the band of a point: from what is smaller by the factor to what is larger by it."""
    return point.value / factor, point.value * factor


def read_limits(points: Points, benchmark: str, fixed: int) -> dict[int, float]:
    """Return the read limit at each size, in the unit of a benchmark.

    asv does not keep it as a time, but what follows from it: how many times longer a step takes, and how many bytes of
    X that step reads in a second.
    """
    axis = next(axis for axis in AXES if benchmark in axis.benchmarks)
    if benchmark == axis.exponent:
        times = _times(points, axis, fixed)
        return {0: _slope(times)} if len(times) >= SIZES_PER_SLOPE else {}
    kind = benchmark.rpartition(".")[2]
    if kind == TIME:
        return _times(points, axis, fixed)
    ratios = _of_kind(points, axis, RATIO, fixed)
    if kind == RATIO:
        return {row.size: 1.0 for row in ratios}
    return {row.size: point.value for row, point in ratios.items() if row.kernel == BASELINE}


def _times(points: Points, axis: Axis, fixed: int) -> dict[int, float]:
    """Return the read limit at each size in seconds."""
    speeds = _of_kind(points, axis, BANDWIDTH, fixed)
    found = {}
    for row, ratio in _of_kind(points, axis, RATIO, fixed).items():
        speed = speeds.get(row._replace(benchmark=f"{axis.suite}.{BANDWIDTH}"))
        if speed:
            found[row.size] = BYTES_OF_AN_ELEMENT * row.size * fixed / (speed.value * 1e9 * ratio.value)
    return dict(sorted(found.items()))


def _of_kind(points: Points, axis: Axis, kind: str, fixed: int) -> Points:
    name = f"{axis.suite}.{kind}"
    return {row: point for row, point in points.items() if row.benchmark == name and row.fixed == fixed}


def _slope(times: dict[int, float]) -> float:
    """Return the slope of log time over the largest sizes, by least squares."""
    largest = sorted(times)[-SIZES_PER_SLOPE:]
    slope, _ = np.polyfit(np.log(largest), np.log([times[size] for size in largest]), 1)
    return float(slope)
