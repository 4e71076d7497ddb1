"""What a record means, read off once: for each time its interval, rates, ratios and bound, and how times grow."""

from __future__ import annotations

import collections
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gradstep.compare.judge import bounds, statistics
from gradstep.compare.judge.bounds import Bound
from gradstep.compare.judge.decision import Decision, decision
from gradstep.compare.judge.statistics import Interval, Ratio, Rounds
from gradstep.compare.record.records import READ_LIMIT, Cell, Record, Result, Setup

Axis = Literal["m", "n"]

_DEFAULT_BASES = ("python", "numpy")

# A slope needs this many sizes, and an interval no wider than this.
_FEWEST_SIZES = 3
_WIDEST = 0.3


class Line(NamedTuple):
    """The findings about one contender in one cell. Where it was not timed, all but the first two are None.

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
        The size of X divided by the median, in 1e9 bytes per second.
    over_read_limit : Ratio or None
        The time over the read limit; None if that was not measured.
    over_base : Ratio or None
        The time over that of the base, whose `Ratio.speed_up` is the speed-up; None if there is no base, or this is it.
    is_base : bool
        Whether this is the base.
    is_fastest : bool
        Whether no contender of the cell has a smaller median.
    bound : Bound or None
        What the time is bound by.
    """

    cell: Cell
    result: Result
    time: Interval | None = None
    per_row: float | None = None
    gigabytes_per_second: float | None = None
    over_read_limit: Ratio | None = None
    over_base: Ratio | None = None
    is_base: bool = False
    is_fastest: bool = False
    bound: Bound | None = None

    @property
    def name(self) -> str:
        """The name of the contender."""
        return self.result.contender


class Fastest(NamedTuple):
    """The fastest contender on one problem.

    Attributes
    ----------
    m, n : int
        The problem.
    name : str
        The contender with the smallest median.
    margin : Interval or None
        The time of the next one over its time; None where nothing else was timed.
    alike : list of str
        The others that are too close to call; empty where the fastest one is decided.
    verdict : str
        "decided": every other one is slower, or nothing else was timed. "tie": it is not decided, and each of those
        alike is within 5 %, by the interval of its ratio. "open": neither, so more rounds may decide.
    """

    m: int
    n: int
    name: str
    margin: Interval | None
    alike: list[str]
    verdict: Decision


@dataclass(frozen=True)
class CellFindings:
    """The findings about one cell of a record.

    Attributes
    ----------
    cell : Cell
        The cell.
    lines : tuple of Line
        One for each result, in their order.
    read_limit : Line or None
        Reading X; None if it was not timed.
    base : Line or None
        What the others are compared with, the same contender in all cells of a record; None if it was not timed here.
    fastest : Fastest or None
        The fastest contender; None if none was timed.
    rounds : Rounds
        The times of all that was timed, the read limit included.
    """

    cell: Cell
    lines: tuple[Line, ...]
    read_limit: Line | None
    base: Line | None
    fastest: Fastest | None
    rounds: Rounds

    @property
    def timed(self) -> list[Line]:
        """The lines that have a time."""
        return [line for line in self.lines if line.time is not None]

    @property
    def times(self) -> dict[str, Interval]:
        """The time of each contender that has one."""
        return {line.name: line.time for line in self.lines if line.time is not None}


class Scaling(NamedTuple):
    """How the times of one contender grow along one axis, m or n, while the other one is fixed: like size ** exponent.

    `sizes` are the values along the axis, rising, and `bounds` what the time is bound by at each of them.
    """

    contender: str
    setup: Setup
    axis: Axis
    fixed: int
    sizes: list[int]
    exponent: Interval
    bounds: list[Bound]


@dataclass(frozen=True)
class Findings:
    """All that a record says. Made once by `findings`, and handed to whatever shows it.

    Attributes
    ----------
    record : Record
        What was measured.
    cells : tuple of CellFindings
        One for each cell, in their order.
    """

    record: Record
    cells: tuple[CellFindings, ...]

    @functools.cached_property
    def scalings(self) -> list[Scaling]:
        """How times grow with m and with n, wherever a contender was timed at three sizes or more.

        Only random problems count: data sets differ in more than their size. An exponent whose interval is wider than
        0.3 says next to nothing and is left out.
        """
        return [
            scaling
            for axis in AXES
            for row in rows_along([each for each in self.cells if each.cell.problem == "random"], axis)
            for contender in self.record.settings.contenders
            for scaling in _scaling(row, axis, contender)
        ]

    @functools.cached_property
    def spread(self) -> float | None:
        """How far the times of the same reading spread through the run, relative to their median; None if unknown."""
        if self.record.noise is None:
            return None
        return statistics.spread([seconds for _, seconds in self.record.noise.samples])

    @property
    def noise_warning(self) -> str | None:
        """A sentence that says the machine was noisy; None if it was not, or if that is not known."""
        if self.spread is None or self.spread <= statistics.NOISY:
            return None
        return (
            f"the machine was noisy: the time to read the same array varied by {self.spread:.0%} through the run, "
            "so small differences mean little"
        )


AXES: tuple[Axis, ...] = ("m", "n")


def findings(record: Record) -> Findings:
    """Return what a record says.

    The base is the one of the record's settings; without one there it is python, or numpy if python was timed in fewer
    than half of the cells. It is the same in all cells: one in which it was not timed has none.
    """
    context = _Context(record)
    return Findings(record, tuple(_of_cell(context, stream, cell) for stream, cell in enumerate(record.cells)))


class _Context:
    """What the bound of a time depends on outside its own cell."""

    def __init__(self, record: Record) -> None:
        self.base = record.settings.base or _default_base(record)
        self.caches: Mapping[str, int] = record.machine.caches
        self._smallest_calls = {
            (each.contender, each.dtype, each.order, each.threads, each.models): each.smallest
            for each in record.first_calls
        }
        self._medians: dict[tuple[str, Setup, int], dict[int, float]] = collections.defaultdict(dict)
        for cell in record.cells:
            for result in cell.results:
                if result.median is not None:
                    self._medians[result.contender, cell.setup, cell.n][cell.m] = result.median

    def smallest_call(self, cell: Cell, contender: str) -> float | None:
        """Return the time of the smallest call, which no time of the contender falls below."""
        return self._smallest_calls.get((contender, cell.dtype, cell.order, cell.threads, cell.models))

    def slope_from_below(self, cell: Cell, contender: str) -> float | None:
        """Return the exponent between the next smaller m and this one, all else being the same."""
        medians = self._medians[contender, cell.setup, cell.n]
        smaller = [m for m in medians if m < cell.m]
        if not smaller:
            return None
        below = max(smaller)
        return math.log(medians[cell.m] / medians[below]) / math.log(cell.m / below)


def _of_cell(context: _Context, stream: int, cell: Cell) -> CellFindings:
    timed = [result for result in cell.results if result.median is not None]
    limit = cell.read_limit if cell.read_limit is not None and cell.read_limit.median is not None else None
    rounds = Rounds({each.contender: each.samples for each in (*timed, *([limit] if limit else []))}, stream)
    base = context.base
    fastest = _fastest(cell, rounds, timed)
    lines = tuple(_line(context, cell, rounds, result, base, fastest) for result in cell.results)
    return CellFindings(
        cell,
        lines,
        read_limit=None if limit is None else _timed_line(cell, limit, rounds.time(limit.contender)),
        base=next((line for line in lines if line.is_base), None),
        fastest=fastest,
        rounds=rounds,
    )


def _default_base(record: Record) -> str | None:
    """Return the first default that was timed in half of the cells that have a time, else the one timed most often."""
    timed = [{result.contender for result in cell.results if result.median is not None} for cell in record.cells]
    counts = {name: sum(name in names for names in timed) for name in _DEFAULT_BASES}
    half = sum(map(bool, timed)) / 2
    often = [name for name, count in counts.items() if count and count >= half]
    return next(iter(often), None) or max(
        (name for name in counts if counts[name]), key=counts.__getitem__, default=None
    )


def _timed_line(cell: Cell, result: Result, time: Interval) -> Line:
    return Line(cell, result, time, time.value / cell.m, cell.X_bytes / time.value / 1e9)


def _line(
    context: _Context, cell: Cell, rounds: Rounds, result: Result, base: str | None, fastest: Fastest | None
) -> Line:
    name = result.contender
    if result.median is None:
        return Line(cell, result)
    return _timed_line(cell, result, rounds.time(name))._replace(
        over_read_limit=rounds.ratio(name, READ_LIMIT) if READ_LIMIT in rounds else None,
        over_base=None if base is None or base not in rounds or name == base else rounds.ratio(name, base),
        is_base=name == base,
        is_fastest=fastest is not None and result.median == rounds.median(fastest.name).value,
        bound=bounds.bound(
            result.median,
            X_bytes=cell.X_bytes,
            caches=context.caches,
            read_limit=rounds.median(READ_LIMIT).value if READ_LIMIT in rounds else None,
            fixed=context.smallest_call(cell, name),
            slope=context.slope_from_below(cell, name),
        ),
    )


def _fastest(cell: Cell, rounds: Rounds, timed: Sequence[Result]) -> Fastest | None:
    if not timed:
        return None
    first, *others = rounds.ranked([result.contender for result in timed])
    ratios = {name: rounds.ratio(name, first) for name in others}
    alike = [name for name, ratio in ratios.items() if ratio.verdict != "slower"]
    margin = Interval(*ratios[others[0]][:3]) if others else None
    verdict = decision([ratios[name] for name in alike], min(len(result.samples) for result in timed))
    return Fastest(cell.m, cell.n, first, margin, alike, verdict)


def rows_along(cells: Sequence[CellFindings], axis: Axis) -> Iterator[list[CellFindings]]:
    """Group cells that differ in nothing but m, or nothing but n, in rising order of that."""
    rows: dict[tuple[Setup, int], list[CellFindings]] = collections.defaultdict(list)
    for each in cells:
        rows[each.cell.setup, each.cell.n if axis == "m" else each.cell.m].append(each)
    for row in rows.values():
        yield sorted(row, key=lambda each: size_along(each.cell, axis))


def size_along(cell: Cell, axis: Axis) -> int:
    """Return m or n of a cell."""
    return cell.m if axis == "m" else cell.n


def _scaling(row: Sequence[CellFindings], axis: Axis, contender: str) -> Iterator[Scaling]:
    timed = [(each, line) for each in row for line in each.timed if line.name == contender]
    if len(timed) < _FEWEST_SIZES:
        return
    first = timed[0][0].cell
    sizes = [size_along(each.cell, axis) for each, _ in timed]
    exponent = statistics.exponent(sizes, [each.rounds.median(contender) for each, _ in timed])
    if exponent.upper - exponent.lower > _WIDEST:
        return
    yield Scaling(
        contender,
        first.setup,
        axis,
        fixed=first.n if axis == "m" else first.m,
        sizes=sizes,
        exponent=exponent,
        bounds=[line.bound for _, line in timed if line.bound is not None],
    )
