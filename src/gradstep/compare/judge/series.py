"""What of a record can be drawn: series, bars, points below a roofline, and a map, without a word on how they look."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from gradstep.compare.judge.findings import Axis, CellFindings, Fastest, Findings, rows_along, size_along
from gradstep.compare.judge.statistics import Interval, Verdict
from gradstep.compare.record.records import READ_LIMIT, Cell, Setup

# Operations of a row besides the 4 n of its two passes: sigmoid and loss (docs/performance.md, section 1).
OPERATIONS_OF_A_ROW = 60


class CannotDraw(ValueError):
    """The record does not hold what a picture needs; the message says what is missing."""


class Point(NamedTuple):
    """A time in seconds with its interval, at one size."""

    size: int
    seconds: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Series:
    """The times of one contender, or of the read limit, in order of the size."""

    name: str
    points: list[Point]


@dataclass(frozen=True)
class AllSeries:
    """The times of all contenders along m or n, the other size fixed; the slowest at the largest size comes first."""

    setup: Setup
    along: Axis
    fixed: int
    lines: list[Series]
    read_limit: Series | None

    @property
    def sizes(self) -> list[int]:
        """The sizes at which anything was timed."""
        return sorted({point.size for line in self.lines for point in line.points})

    @property
    def across(self) -> Axis:
        """The size that is fixed."""
        return "n" if self.along == "m" else "m"


@dataclass(frozen=True)
class Bar:
    """How many times faster than the base one contender is on a problem."""

    name: str
    speed_up: Interval
    verdict: Verdict


@dataclass(frozen=True)
class Bars:
    """The speed-ups on one problem, the fastest first."""

    cell: Cell
    base: str
    bars: list[Bar]


@dataclass(frozen=True)
class RoofPoint:
    """What one contender reached on one problem, if it reads X once and computes what the formula needs."""

    name: str
    m: int
    n: int
    seconds: float
    intensity: float
    operations: float
    bytes: float


@dataclass(frozen=True)
class Roof:
    """Rates against arithmetic intensity, and the ceilings that were measured in the same run.

    For each n, `points` has those of the largest m. `bandwidths` is the fastest reading, in bytes a second, of X in
    "memory" and in "cache". `best` reached the most operations a second under these conditions: the highest that was
    measured, not what the processor could do.
    """

    setup: Setup
    points: list[RoofPoint]
    bandwidths: dict[str, float]
    best: RoofPoint

    @property
    def span(self) -> tuple[float, float]:
        """The intensities between which the ceilings are drawn."""
        intensities = [point.intensity for point in self.points]
        return min(intensities) / 1.12, max(intensities) * 1.12

    def by_contender(self) -> dict[str, list[RoofPoint]]:
        """Return the points of each contender, in order of the intensity."""
        points: dict[str, list[RoofPoint]] = collections.defaultdict(list)
        for point in sorted(self.points, key=lambda point: point.intensity):
            points[point.name].append(point)
        return {name: points[name] for name in dict.fromkeys(point.name for point in self.points)}


@dataclass(frozen=True)
class Map:
    """The fastest contender over m and n."""

    setup: Setup
    places: dict[tuple[int, int], Fastest]

    @property
    def m_list(self) -> list[int]:
        """The numbers of examples, ascending."""
        return sorted({m for m, _ in self.places})

    @property
    def n_list(self) -> list[int]:
        """The numbers of features, ascending."""
        return sorted({n for _, n in self.places})


def by_setup(found: Findings) -> dict[Setup, list[CellFindings]]:
    """Return the cells in which anything was timed, grouped into those that one picture can show."""
    groups: dict[Setup, list[CellFindings]] = collections.defaultdict(list)
    for each in found.cells:
        if each.timed:
            groups[each.cell.setup].append(each)
    return groups


def lines_along(found: Findings, along: Axis) -> list[AllSeries]:
    """Return the times along m or n, for all that stays the same; those with the most sizes first.

    Raises
    ------
    CannotDraw
        If no problem was measured at two values of that size.
    """
    timed = [each for each in found.cells if each.timed]
    drawn = [
        _series(along, row)
        for row in rows_along(timed, along)
        if size_along(row[0].cell, along) < size_along(row[-1].cell, along)
    ]
    if not drawn:
        kind, other = ("examples", "features") if along == "m" else ("features", "examples")
        raise CannotDraw(f"times against {along} need two numbers of {kind} with the same number of {other}")
    return sorted(drawn, key=lambda each: (-len(each.sizes), -each.fixed))


def _series(along: Axis, row: Sequence[CellFindings]) -> AllSeries:
    points: dict[str, list[Point]] = collections.defaultdict(list)
    for each in row:
        size = size_along(each.cell, along)
        for name, time in each.times.items():
            points[name].append(Point(size, *time))
        if each.read_limit is not None:
            points[READ_LIMIT].append(Point(size, *each.rounds.time(READ_LIMIT)))
    read_limit = points.pop(READ_LIMIT, None)
    lines = [Series(name, of_name) for name, of_name in points.items()]
    lines.sort(key=lambda line: (line.points[-1].size, -line.points[-1].seconds))
    first = row[0].cell
    fixed = first.n if along == "m" else first.m
    return AllSeries(first.setup, along, fixed, lines, Series(READ_LIMIT, read_limit) if read_limit else None)


def speed_ups(found: Findings, most: int) -> list[Bars]:
    """Return speed-ups over the base on at most `most` problems, evenly chosen from the smallest X to the largest.

    Raises
    ------
    CannotDraw
        If the base was nowhere timed beside another contender.
    """
    drawn = []
    for each in sorted(found.cells, key=lambda each: each.cell.m * each.cell.n):
        bars = [
            Bar(line.name, line.over_base.speed_up, line.over_base.verdict)
            for line in each.lines
            if line.over_base is not None
        ]
        if each.base is not None and bars:
            bars.sort(key=lambda bar: -bar.speed_up.value)
            drawn.append(Bars(each.cell, each.base.name, bars))
    if not drawn:
        raise CannotDraw("speed-ups need a problem on which the base and another contender were timed")
    return evenly(drawn, most)


Item = TypeVar("Item")


def evenly(items: list[Item], most: int) -> list[Item]:
    """Return at most `most` items, the first and the last among them.

    Examples
    --------
    >>> evenly([1, 2, 3, 4, 5, 6, 7], 3)
    [1, 4, 7]
    """
    if len(items) <= most:
        return items
    return [items[round(k * (len(items) - 1) / (most - 1))] for k in range(most)]


def roofs(found: Findings) -> list[Roof]:
    """Return rates against arithmetic intensity, for all that stays the same.

    A row of n features in a dtype of s bytes costs 4 n + 60 operations and s (n + 1) bytes (docs/performance.md,
    section 1), whatever computes it; for k models it costs k (4 n + 60) operations and s (n + k) bytes. Reading X
    twice, or computing more, earns no credit.

    Raises
    ------
    CannotDraw
        If there are not two numbers of features, or if the read limit, which is the ceiling of the bandwidth, was
        measured nowhere.
    """
    groups = {setup: cells for setup, cells in by_setup(found).items() if len({each.cell.n for each in cells}) > 1}
    if not groups:
        raise CannotDraw("a roofline needs two numbers of features")
    drawn = []
    for setup, cells in groups.items():
        bandwidths = _bandwidths(cells, found.record.machine.caches)
        if not bandwidths:
            continue
        largest = {each.cell.n: each for each in sorted(cells, key=lambda each: each.cell.m)}
        points = [point for _, each in sorted(largest.items()) for point in _roof_points(each)]
        best = max((point for each in cells for point in _roof_points(each)), key=lambda point: point.operations)
        drawn.append(Roof(setup, points, bandwidths, best))
    if not drawn:
        raise CannotDraw("a roofline needs the read limit, which was measured nowhere")
    return drawn


def _bandwidths(cells: Sequence[CellFindings], caches: dict[str, int]) -> dict[str, float]:
    """Return the fastest reading of the cells whose X lies in memory, and of those whose X lies in a cache."""
    last_level = max(caches.values(), default=0)
    fastest: dict[str, float] = {}
    for each in cells:
        if each.read_limit is not None and each.read_limit.gigabytes_per_second is not None:
            place = "memory" if each.cell.X_bytes > last_level else "cache"
            fastest[place] = max(fastest.get(place, 0.0), 1e9 * each.read_limit.gigabytes_per_second)
    return fastest


def operations(m: int, n: int, models: int = 1) -> int:
    """Return how many operations the formula needs."""
    return models * m * (4 * n + OPERATIONS_OF_A_ROW)


def _roof_points(each: CellFindings) -> Iterator[RoofPoint]:
    cell = each.cell
    computed = operations(cell.m, cell.n, cell.models)
    # Each of several models has labels of its own; with those of a data set there is no roofline, which needs two n.
    read = cell.X_bytes + cell.models * (cell.X_bytes // cell.n)
    for name, (seconds, _, _) in each.times.items():
        yield RoofPoint(name, cell.m, cell.n, seconds, computed / read, computed / seconds, read / seconds)


def maps(found: Findings) -> list[Map]:
    """Return the fastest contender over (m, n), for all that stays the same.

    Raises
    ------
    CannotDraw
        If there are not two numbers of examples and two of features.
    """
    drawn = []
    for setup, cells in by_setup(found).items():
        places = {(each.cell.m, each.cell.n): each.fastest for each in cells if each.fastest is not None}
        each_map = Map(setup, places)
        if len(each_map.m_list) > 1 and len(each_map.n_list) > 1:
            drawn.append(each_map)
    if not drawn:
        raise CannotDraw("a map of the fastest kernel needs two numbers of examples and two of features")
    return drawn
