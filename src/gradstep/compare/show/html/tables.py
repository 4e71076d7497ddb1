"""The tables of the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gradstep.compare.judge.findings import CellFindings, Findings, Line, Scaling
from gradstep.compare.judge.series import by_setup
from gradstep.compare.judge.statistics import Interval
from gradstep.compare.record.records import READ_LIMIT, Cell, Conditions, FirstCall, LeftOut, Record, Setup
from gradstep.compare.show import words
from gradstep.compare.show.words import micro


class Entry(NamedTuple):
    """What stands in a cell of a table; it is sorted by the value, or by the words where there is none."""

    words: str
    value: float | None = None
    detail: str = ""


class Head(NamedTuple):
    """The head of a column."""

    words: str
    numeric: bool


@dataclass(frozen=True)
class Row:
    """A row; its kind is made of "fastest" or "wrong", and of "other" on every other problem."""

    entries: list[Entry]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its caption, and a note on what it holds."""

    caption: str
    note: str
    heads: list[Head]
    rows: list[Row]


# Columns of words; all others hold numbers.
_WORDS = {"data", "dtype", "order", "contender", "bound by", "along", "sizes", "version", "reason"}

_NOTHING = Entry("")

# Columns that often hold the same in every row.
_OFTEN_THE_SAME = {"data", "dtype", "order", "threads", "models"}

_SETUP = ("dtype", "order", "threads", "models")
_CONDITIONS = ("data", "m", "n", *_SETUP)

# Not shown, because it is the usual case.
_ONE_MODEL = ("models", "1")


class Place(NamedTuple):
    """The times of a problem in a grid, by contender, and the contenders with the smallest median."""

    cell: Cell
    times: dict[str, Entry]
    fastest: set[str]


@dataclass(frozen=True)
class Grid:
    """The time of each contender on each problem of a setup, and its speed-up over the base."""

    setup: Setup
    contenders: list[str]
    places: list[Place]


def grids(found: Findings) -> list[Grid]:
    """Return the times at a glance: a grid for each setup, with a row for each problem."""
    made = []
    for setup, cells in by_setup(found).items():
        places = [_place(each) for each in cells]
        timed = {name for place in places for name in place.times}
        made.append(Grid(setup, [name for name in found.record.settings.contenders if name in timed], places))
    return made


def _place(found: CellFindings) -> Place:
    times = {
        line.name: Entry(micro(line.time.value), detail=_speed_up(line).words)
        for line in found.lines
        if line.time is not None
    }
    return Place(found.cell, times, {line.name for line in found.lines if line.is_fastest})


def speed(ratio: float) -> str:
    """Return how many times faster something is than the base, such as 1.85×, or how many times slower."""
    # A ratio that rounds to 1.00 is neither faster nor slower.
    return words.times(ratio) if ratio >= 0.995 else f"{words.times(1.0 / ratio)} slower"


def tables(found: Findings) -> list[Table]:
    """Return all tables of a judged record that have a row."""
    record = found.record
    made = [
        _table(
            "All times",
            f"Green: the smallest median of its problem. The {READ_LIMIT} is the time just to read X once with the "
            "same threads. Speed-up: over the base of each problem. Small: the 95 % intervals.",
            ("contender", "time", "speed-up", *_CONDITIONS, "a row", "GB/s", f"× {READ_LIMIT}", "bound by"),
            [_time(line, number % 2) for number, each in enumerate(found.cells) for line in each.lines],
        ),
        _table(
            "Exponents",
            "Times grow like the size to the power of the exponent. Bound by: from the smallest size to the largest.",
            ("contender", "along", "sizes", "at", *_SETUP, "exponent", "bound by"),
            [Row(_scaling(each)) for each in found.scalings],
        ),
        _table(
            "One-time costs",
            "They are part of no time above.",
            ("contender", *_SETUP, "import", "compile", "first call", "smallest call", "version"),
            [Row(_first_call(record, each)) for each in record.first_calls],
        ),
        _table(
            "Left out",
            "What the memory or the budget did not allow for.",
            (*_CONDITIONS, "contender", "reason"),
            [Row(_left_out(each)) for each in record.left_out],
        ),
    ]
    return [table for table in made if table.rows]


def _table(caption: str, note: str, heads: Sequence[str], rows: list[Row]) -> Table:
    """Return a table; what all rows have in common stands in its note instead of in a column."""
    kept, common = [], []
    for column, head in enumerate(heads):
        entries = {row.entries[column].words for row in rows}
        if head in _OFTEN_THE_SAME and len(entries) == 1:
            common += [f"{head} {value}" for value in entries if (head, value) != _ONE_MODEL]
        else:
            kept.append(column)
    return Table(
        caption,
        f"{note} All: {', '.join(common)}." if common else note,
        [Head(heads[column], heads[column] not in _WORDS) for column in kept],
        [Row([row.entries[column] for column in kept], row.kind) for row in rows],
    )


def _number(value: float | None, form: Callable[[float], str] = "{:,}".format) -> Entry:
    return _NOTHING if value is None else Entry(form(value), value)


def _interval(value: Interval, form: Callable[[float], str], verdict: str = "") -> Entry:
    return Entry(form(value.value), value.value, f"{verdict}{form(value.lower)} – {form(value.upper)}")


def _setup(setup: Setup | Cell | LeftOut | FirstCall) -> list[Entry]:
    threads = Entry("auto") if setup.threads is None else _number(setup.threads)
    return [Entry(setup.dtype), Entry(setup.order), threads, _number(setup.models)]


def _conditions(conditions: Conditions) -> list[Entry]:
    return [Entry(conditions.problem), _number(conditions.m), _number(conditions.n), *_setup(conditions)]


def _time(line: Line, parity: int) -> Row:
    kind = "wrong" if line.result.status == "wrong" else "fastest" if line.is_fastest else ""
    return Row(_measured(line), " ".join(filter(None, (kind, "other" if parity else ""))))


def _measured(line: Line) -> list[Entry]:
    if line.time is None:
        status = line.result.status.upper() if line.result.status == "wrong" else line.result.status
        reason = Entry(line.result.reason or "")
        return [Entry(line.name), Entry(status), _NOTHING, *_conditions(line.cell), *[_NOTHING] * 3, reason]
    over_limit = line.over_read_limit
    return [
        Entry(line.name, detail=line.result.variant or ""),
        _interval(line.time, micro),
        _speed_up(line),
        *_conditions(line.cell),
        _number(line.per_row, micro),
        _number(line.gigabytes_per_second, "{:.3g}".format),
        _NOTHING if over_limit is None else _interval(Interval(*over_limit[:3]), words.three_digits),
        _NOTHING if line.bound is None else Entry(line.bound.kind, detail=line.bound.reason),
    ]


def _speed_up(line: Line) -> Entry:
    if line.is_base:
        return Entry("base", 1.0)
    if line.over_base is None:
        return _NOTHING
    close = line.over_base.verdict == "too close to call"
    return _interval(line.over_base.speed_up, speed, "too close to call, " if close else "")


def _scaling(scaling: Scaling) -> list[Entry]:
    across = "n" if scaling.axis == "m" else "m"
    return [
        Entry(scaling.contender),
        Entry(scaling.axis),
        Entry(f"{scaling.sizes[0]:,} to {scaling.sizes[-1]:,}"),
        _number(scaling.fixed, f"{across} = {{:,}}".format),
        *_setup(scaling.setup),
        _interval(scaling.exponent, "{:.2f}".format),
        Entry(", ".join(dict.fromkeys(bound.kind for bound in scaling.bounds))),
    ]


def _first_call(record: Record, call: FirstCall) -> list[Entry]:
    own = f"gradstep {record.versions.get('gradstep') or 'unknown'}"
    times = [_number(seconds, micro) for seconds in (call.imported, call.compiled, call.first, call.smallest)]
    return [Entry(call.contender), *_setup(call), *times, Entry(record.peers.get(call.contender, own))]


def _left_out(left: LeftOut) -> list[Entry]:
    return [*_conditions(left), Entry(left.contender or "all"), Entry(left.reason)]
