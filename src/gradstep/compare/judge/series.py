"""What of a record can be drawn: lines, bars, points below a roof, and a map, without a word on how they look."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from gradstep.compare.judge import findings, statistics
from gradstep.compare.measure.floor import NAME as FLOOR
from gradstep.compare.record.records import Cell, Record, Result
from gradstep.compare.show.words import counted

Axis = Literal["m", "n"]

# Operations of a row beside the 4 n of its two passes: sigmoid and loss (docs/performance.md, section 1).
OPERATIONS_OF_A_ROW = 60


class CannotDraw(ValueError):
    """The record does not hold what a picture needs; the message tells what is lacking."""


class Conditions(NamedTuple):
    """What two cells must have in common to stand in one picture."""

    problem: str
    dtype: str
    order: str
    threads: int | None

    @classmethod
    def of(cls, cell: Cell) -> Conditions:
        """Return those of a cell."""
        return cls(cell.problem, cell.dtype, cell.order, cell.threads)

    @property
    def words(self) -> str:
        """In words.

        Examples
        --------
        >>> Conditions("random", "float64", "C", 2).words
        'random data, float64, C order, 2 threads'
        """
        threads = "threads chosen by size" if self.threads is None else counted(self.threads, "thread")
        problem = "random data" if self.problem == "random" else self.problem
        return f"{problem}, {self.dtype}, {self.order} order, {threads}"

    @property
    def slug(self) -> str:
        """As part of a file's name; that of a data set has no other characters than letters, digits and ``-``.

        Examples
        --------
        >>> Conditions("../a file.csv", "float64", "C", None).slug
        'a-file-csv-float64-C-auto'
        """
        letters = (letter if letter.isascii() and letter.isalnum() else " " for letter in self.problem)
        problem = "-".join("".join(letters).split())
        return f"{problem}-{self.dtype}-{self.order}-{'auto' if self.threads is None else self.threads}"


class Point(NamedTuple):
    """A time in seconds with its interval, at one size."""

    size: int
    seconds: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Line:
    """The times of one contender, or of the floor, in order of the size."""

    name: str
    points: list[Point]


@dataclass(frozen=True)
class Lines:
    """The times of all contenders along m or along n.

    Attributes
    ----------
    conditions : Conditions
        What all cells have in common.
    along : str
        "m" or "n": the size that varies.
    fixed : int
        The other size.
    lines : list of Line
        Those of the contenders, the slowest first at the largest size.
    floor : Line or None
        Only reading X.
    """

    conditions: Conditions
    along: Axis
    fixed: int
    lines: list[Line]
    floor: Line | None

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
    """How many times as fast as the base one contender is on a problem."""

    name: str
    speed_up: statistics.Interval
    verdict: statistics.Verdict


@dataclass(frozen=True)
class Bars:
    """The speed-ups on one problem, the fastest first."""

    cell: Cell
    base: str
    bars: list[Bar]


@dataclass(frozen=True)
class RoofPoint:
    """What one contender reached on one problem, if it reads X once and computes what the formula asks for."""

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

    Attributes
    ----------
    conditions : Conditions
        What all cells have in common.
    points : list of RoofPoint
        For each n, those of the largest m.
    bandwidths : dict
        Where X lies ("memory", "cache") -> bytes a second: the fastest floor there.
    best : RoofPoint
        The most operations a second that any contender reached in the run under these conditions. It is the highest
        that was seen, not what the processor could do.
    """

    conditions: Conditions
    points: list[RoofPoint]
    bandwidths: dict[str, float]
    best: RoofPoint


@dataclass(frozen=True)
class Fastest:
    """Who is the fastest on one problem.

    Attributes
    ----------
    m, n : int
        The problem.
    name : str
        The contender with the smallest median.
    runner_up : str or None
        The next one; None where nobody else was timed.
    margin : Interval or None
        How many times as long the runner-up takes, taken round by round.
    alike : list of str
        Those of which it cannot be told whether they are slower; empty where the fastest one is sure.
    """

    m: int
    n: int
    name: str
    runner_up: str | None
    margin: statistics.Interval | None
    alike: list[str]


@dataclass(frozen=True)
class Map:
    """The fastest contender over m and n."""

    conditions: Conditions
    places: dict[tuple[int, int], Fastest]

    @property
    def m_list(self) -> list[int]:
        """The numbers of examples, ascending."""
        return sorted({m for m, _ in self.places})

    @property
    def n_list(self) -> list[int]:
        """The numbers of features, ascending."""
        return sorted({n for _, n in self.places})


def by_conditions(record: Record) -> dict[Conditions, list[Cell]]:
    """Return the cells in which anything was timed, those that can be compared together."""
    groups: dict[Conditions, list[Cell]] = {}
    for cell in record.cells:
        if timed(cell):
            groups.setdefault(Conditions.of(cell), []).append(cell)
    return groups


def timed(cell: Cell) -> list[Result]:
    """Return the results of a cell that have a time."""
    return [result for result in cell.results if result.median is not None]


def lines_along(record: Record, along: Axis) -> list[Lines]:
    """Return the times along m or n, for all that stays the same; those with the most sizes first.

    Raises
    ------
    CannotDraw
        If no problem was measured at two values of that size.
    """
    found = []
    for conditions, cells in by_conditions(record).items():
        by_fixed: dict[int, list[Cell]] = collections.defaultdict(list)
        for cell in cells:
            by_fixed[cell.n if along == "m" else cell.m].append(cell)
        for fixed, group in by_fixed.items():
            if len({getattr(cell, along) for cell in group}) > 1:
                found.append(_lines(conditions, along, fixed, group))
    if not found:
        kind, other = ("examples", "features") if along == "m" else ("features", "examples")
        raise CannotDraw(f"times against {along} need two numbers of {kind} with the same number of {other}")
    return sorted(found, key=lambda each: (-len(each.sizes), -each.fixed))


def _lines(conditions: Conditions, along: Axis, fixed: int, cells: list[Cell]) -> Lines:
    points: dict[str, list[Point]] = {}
    floor: list[Point] = []
    for cell in sorted(cells, key=lambda each: int(getattr(each, along))):
        size = getattr(cell, along)
        for result in timed(cell):
            points.setdefault(result.contender, []).append(_point(size, result))
        if cell.read_limit is not None and cell.read_limit.samples:
            floor.append(_point(size, cell.read_limit))
    lines = [Line(name, found) for name, found in points.items()]
    lines.sort(key=lambda line: (line.points[-1].size, -line.points[-1].seconds))
    return Lines(conditions, along, fixed, lines, Line(FLOOR, floor) if floor else None)


def _point(size: int, result: Result) -> Point:
    return Point(size, *statistics.median_interval(result.samples))


def speed_ups(record: Record, most: int) -> list[Bars]:
    """Return speed-ups over the base on at most so many problems, evenly chosen from the smallest X to the largest.

    Raises
    ------
    CannotDraw
        If the base was nowhere timed beside another contender.
    """
    found = []
    for cell in sorted(record.cells, key=lambda each: each.m * each.n):
        base = findings.baseline(cell, record.settings.base)
        others = timed(cell)
        if base is None or len(others) < 2:
            continue
        bars = [
            Bar(result.contender, ratio.speed_up, ratio.verdict)
            for result in others
            if result is not base
            for ratio in [statistics.paired_ratio(result.samples, base.samples)]
        ]
        bars.sort(key=lambda bar: -bar.speed_up.value)
        found.append(Bars(cell, base.contender, bars))
    if not found:
        raise CannotDraw("speed-ups need a problem on which the base and another contender were timed")
    return evenly(found, most)


Item = TypeVar("Item")


def evenly(items: list[Item], most: int) -> list[Item]:
    """Return at most so many items, the first and the last among them.

    Examples
    --------
    >>> evenly([1, 2, 3, 4, 5, 6, 7], 3)
    [1, 4, 7]
    """
    if len(items) <= most:
        return items
    return [items[round(k * (len(items) - 1) / (most - 1))] for k in range(most)]


def roofs(record: Record) -> list[Roof]:
    """Return rates against arithmetic intensity, for all that stays the same.

    A row of n features in a dtype of s bytes costs 4 n + 60 operations and s (n + 1) bytes (docs/performance.md,
    section 1), whoever computes it. Who reads X twice, or computes more, gets no credit for it.

    Raises
    ------
    CannotDraw
        If there are not two numbers of features, or if the floor, which is the ceiling of the bandwidth, was measured
        nowhere.
    """
    groups = {each: cells for each, cells in by_conditions(record).items() if len({cell.n for cell in cells}) > 1}
    if not groups:
        raise CannotDraw("a roofline needs two numbers of features")
    found = []
    for conditions, cells in groups.items():
        bandwidths = _bandwidths(cells, record.machine.caches)
        if not bandwidths:
            continue
        largest: dict[int, Cell] = {}
        for cell in sorted(cells, key=lambda each: each.m):
            largest[cell.n] = cell
        points = [point for _, cell in sorted(largest.items()) for point in _roof_points(cell)]
        best = max((point for cell in cells for point in _roof_points(cell)), key=lambda point: point.operations)
        found.append(Roof(conditions, points, bandwidths, best))
    if not found:
        raise CannotDraw("a roofline needs the time only to read X, which was measured nowhere")
    return found


def _bandwidths(cells: list[Cell], caches: dict[str, int]) -> dict[str, float]:
    """Return the fastest floor of the cells whose X lies in memory, and of those whose X lies in a cache."""
    last_level = max(caches.values(), default=0)
    found: dict[str, float] = {}
    for cell in cells:
        if cell.read_limit is not None and cell.read_limit.median is not None:
            place = "memory" if cell.X_bytes > last_level else "cache"
            found[place] = max(found.get(place, 0.0), cell.X_bytes / cell.read_limit.median)
    return found


def operations(m: int, n: int) -> int:
    """Return how many operations the formula asks for."""
    return m * (4 * n + OPERATIONS_OF_A_ROW)


def _roof_points(cell: Cell) -> Iterator[RoofPoint]:
    computed = operations(cell.m, cell.n)
    read = cell.X_bytes + cell.X_bytes // cell.n
    for result in timed(cell):
        seconds = result.median or math.nan
        yield RoofPoint(result.contender, cell.m, cell.n, seconds, computed / read, computed / seconds, read / seconds)


def maps(record: Record) -> list[Map]:
    """Return who is the fastest over (m, n), for all that stays the same.

    Raises
    ------
    CannotDraw
        If there are not two numbers of examples and two of features.
    """
    found = []
    for conditions, cells in by_conditions(record).items():
        places = {(cell.m, cell.n): fastest(cell) for cell in cells}
        each = Map(conditions, places)
        if len(each.m_list) > 1 and len(each.n_list) > 1:
            found.append(each)
    if not found:
        raise CannotDraw("a map of the fastest needs two numbers of examples and two of features")
    return found


def fastest(cell: Cell) -> Fastest:
    """Return who is the fastest on a problem on which anybody was timed."""
    first, *others = sorted(timed(cell), key=lambda result: result.median or math.nan)
    if not others:
        return Fastest(cell.m, cell.n, first.contender, None, None, [])
    ratios = [(other.contender, statistics.paired_ratio(other.samples, first.samples)) for other in others]
    alike = [name for name, ratio in ratios if ratio.verdict != "slower"]
    runner_up, margin = ratios[0]
    interval = statistics.Interval(margin.value, margin.lower, margin.upper)
    return Fastest(cell.m, cell.n, first.contender, runner_up, interval, alike)
