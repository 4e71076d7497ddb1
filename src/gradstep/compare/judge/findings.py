"""What a record says: for each time the rates, ratios and bounds that follow from it, and how times grow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from gradstep.compare.judge import statistics
from gradstep.compare.judge.statistics import Bound, Exponent, Interval, Ratio
from gradstep.compare.record.records import Cell, Record, Result

Axis = Literal["m", "n"]

_DEFAULT_BASES = ("python", "numpy")


class Line(NamedTuple):
    """What is to be said of one contender in one cell. Where it was not timed all but the first two are None.

    Attributes
    ----------
    cell : Cell
        Where it was measured.
    result : Result
        What was measured.
    time : Interval or None
        The median, in seconds.
    per_row : float or None
        The median divided by m, in seconds.
    gigabytes_per_second : float or None
        The size of X by the median, in 1e9 bytes per second.
    over_floor : Ratio or None
        The time over that of only reading X; None if there is no floor.
    over_base : Ratio or None
        The time over that of the base, whose `Ratio.speed_up` is the speed-up; None if there is no base, or this is it.
    is_base : bool
        Whether this is the base.
    is_fastest : bool
        Whether no contender of the cell has a smaller median.
    bound : Bound or None
        What bounds the time.
    """

    cell: Cell
    result: Result
    time: Interval | None = None
    per_row: float | None = None
    gigabytes_per_second: float | None = None
    over_floor: Ratio | None = None
    over_base: Ratio | None = None
    is_base: bool = False
    is_fastest: bool = False
    bound: Bound | None = None


class Scaling(NamedTuple):
    """How the times of one contender grow along one axis, while all else stays the same.

    Attributes
    ----------
    contender, dtype, order, threads
        Who, and under which conditions.
    axis : str
        "m" or "n": what grows.
    fixed : int
        The other one.
    sizes : list of int
        The values along the axis, rising.
    exponent : Exponent
        The time grows like size ** exponent.
    bounds : list of Bound
        What bounds the time at each size.
    """

    contender: str
    dtype: str
    order: str
    threads: int | None
    axis: Axis
    fixed: int
    sizes: list[int]
    exponent: Exponent
    bounds: list[Bound]


def lines(record: Record, cell: Cell) -> list[Line]:
    """Return what is to be said of each contender in a cell of a record, in the order of the results.

    The base is the one of the record's settings; without one there it is python, or numpy where python was not timed.
    """
    base = baseline(cell, record.settings.base)
    fastest = min((result.median for result in cell.results if result.median is not None), default=None)
    return [_line(record, cell, result, base, fastest) for result in cell.results]


def _line(record: Record, cell: Cell, result: Result, base: Result | None, fastest: float | None) -> Line:
    if result.median is None:
        return Line(cell, result)
    floor = cell.read_limit if cell.read_limit is not None and cell.read_limit.status == "timed" else None
    return Line(
        cell,
        result,
        time=statistics.median_interval(result.samples),
        per_row=result.median / cell.m,
        gigabytes_per_second=cell.X_bytes / result.median / 1e9,
        over_floor=None if floor is None else statistics.paired_ratio(result.samples, floor.samples),
        over_base=None if base is None or result is base else statistics.paired_ratio(result.samples, base.samples),
        is_base=result is base,
        is_fastest=result.median == fastest,
        bound=bound_of(record, cell, result),
    )


def floor_line(cell: Cell, floor: Result) -> Line:
    """Return what is to be said of the floor of a cell, which was timed."""
    median = statistics.median_interval(floor.samples)
    return Line(cell, floor, median, median.value / cell.m, cell.X_bytes / median.value / 1e9)


def baseline(cell: Cell, name: str | None = None) -> Result | None:
    """Return the result that the others of a cell are compared with.

    The one of this name; without a name pure Python where it was timed, else vectorized NumPy; None where none was.
    """
    timed = {result.contender: result for result in cell.results if result.status == "timed"}
    names = _DEFAULT_BASES if name is None else (name,)
    return next((timed[each] for each in names if each in timed), None)


def bound_of(record: Record, cell: Cell, result: Result) -> Bound | None:
    """Return what bounds the time of a contender in a cell; None if it was not timed."""
    if result.median is None:
        return None
    return statistics.bound(
        result.median,
        X_bytes=cell.X_bytes,
        caches=record.machine.caches,
        floor=None if cell.read_limit is None else cell.read_limit.median,
        fixed=_smallest_call(record, cell, result.contender),
        slope=_slope_from_below(record, cell, result.contender),
    )


def _smallest_call(record: Record, cell: Cell, contender: str) -> float | None:
    kind = (contender, cell.dtype, cell.order, cell.threads)
    for first in record.first_calls:
        if (first.contender, first.dtype, first.order, first.threads) == kind:
            return first.smallest
    return None


def _slope_from_below(record: Record, cell: Cell, contender: str) -> float | None:
    """Return the exponent between the next smaller m and this one, all else being the same; None if there is none."""
    alike = [other for other in record.cells if (*_kind(other), other.n) == (*_kind(cell), cell.n)]
    smaller = [other for other in alike if other.m < cell.m and _result_of(other, contender) is not None]
    this = _result_of(cell, contender)
    if not smaller or this is None:
        return None
    below = max(smaller, key=lambda other: other.m)
    there = _result_of(below, contender)
    if there is None or there.median is None or this.median is None:
        return None
    return math.log(this.median / there.median) / math.log(cell.m / below.m)


def _kind(cell: Cell) -> tuple[object, ...]:
    return cell.problem, cell.dtype, cell.order, cell.threads


def _result_of(cell: Cell, contender: str) -> Result | None:
    """Return the times of a contender in a cell; None if it was not timed there."""
    timed = (each for each in cell.results if each.contender == contender and each.median is not None)
    return next(timed, None)


def scalings(record: Record) -> list[Scaling]:
    """Return how the times of each contender grow with m and with n, wherever it was timed at two sizes or more.

    Only random problems are looked at: data sets differ in more than their size.
    """
    cells = [cell for cell in record.cells if cell.problem == "random"]
    found: list[Scaling] = []
    axes: tuple[Axis, ...] = ("m", "n")
    for axis in axes:
        for row in _rows(cells, axis):
            for contender in record.settings.contenders:
                found += _scaling(record, row, axis, contender)
    return found


def _rows(cells: Sequence[Cell], axis: Axis) -> Iterator[list[Cell]]:
    """Group cells that differ in nothing but m, or but n, in rising order of that."""
    rows: dict[tuple[object, ...], dict[int, Cell]] = {}
    for cell in cells:
        size, fixed = (cell.m, cell.n) if axis == "m" else (cell.n, cell.m)
        rows.setdefault((*_kind(cell), fixed), {})[size] = cell
    for row in rows.values():
        yield [row[size] for size in sorted(row)]


def _scaling(record: Record, row: Sequence[Cell], axis: Axis, contender: str) -> list[Scaling]:
    timed = [(cell, result) for cell in row if (result := _result_of(cell, contender)) is not None]
    if len(timed) < 2:
        return []
    first = timed[0][0]
    sizes = [cell.m if axis == "m" else cell.n for cell, _ in timed]
    bounds = [found for cell, result in timed if (found := bound_of(record, cell, result)) is not None]
    fixed = first.n if axis == "m" else first.m
    exponent = statistics.exponent(sizes, [result.samples for _, result in timed])
    return [Scaling(contender, first.dtype, first.order, first.threads, axis, fixed, sizes, exponent, bounds)]


def unrest(record: Record) -> float | None:
    """Return how far the floor's times spread through the run, relative to their median; None if it has none."""
    if record.noise is None:
        return None
    return statistics.spread([seconds for _, seconds in record.noise.samples])


def noise_warning(record: Record) -> str | None:
    """Return in words that the machine was noisy; None if it was not, or if that is not known."""
    spread = unrest(record)
    if spread is None or spread <= statistics.NOISY:
        return None
    return (
        f"the machine was noisy: the time to read the same array varied by {spread:.0%} through the run, "
        "so that small differences mean little"
    )
