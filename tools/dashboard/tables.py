"""The tables of the start page: the times of each benchmark, the exponents, and what was not measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gradstep.compare.judge import statistics
from gradstep.compare.show import words
from gradstep.registry import KERNELS
from tools.dashboard.noise import SIZES_PER_SLOPE, read_limits
from tools.dashboard.results import AXES, TIME, Axis, Benchmark, Entry, History, Measured, Points, Row

NOTHING = "–"

# An exponent that is less certain than this says nothing.
WIDEST_INTERVAL = 0.3

Table = dict[str, Any]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> Table:
    """Return a table as the page's script reads it; its first columns hold names and the others numbers."""
    return {"title": title, "head": head, "rows": rows, "names": names}


def times(measured: Measured) -> list[Table]:
    """Return the times of a step, one table for each axis and fixed number."""
    return [_times(measured.points, axis, fixed) for axis in AXES for fixed in _fixed_numbers(measured.points, axis)]


def _times(points: Points, axis: Axis, fixed: int) -> Table:
    name = f"{axis.suite}.{TIME}"
    limits = read_limits(points, name, fixed)
    sizes = sorted({row.size for row in points if row.benchmark == name and row.fixed == fixed})
    rows = []
    for size in sizes:
        found = [points.get(Row(name, kernel, fixed, size)) for kernel in KERNELS]
        seconds = [point and point.value for point in found]
        rows.append([f"{size:,}", *(_seconds(value) for value in [*seconds, limits.get(size)])])
    return table(f"{axis.fixed} = {fixed:,}", [axis.symbol, *KERNELS, "read limit"], rows)


def _seconds(value: float | None) -> str:
    return words.micro(value) if value else NOTHING


def _fixed_numbers(points: Points, axis: Axis) -> list[int]:
    return sorted({row.fixed for row in points if row.benchmark == f"{axis.suite}.{TIME}"})


def exponents(measured: Measured) -> list[Table]:
    """Return the table of exponents, from the samples or else as asv tracked them."""
    points = measured.points
    rows = [
        [f"in {axis.symbol}, {axis.fixed} = {fixed:,}", *(_exponent(points, axis, kernel, fixed) for kernel in KERNELS)]
        for axis in AXES
        for fixed in _fixed_numbers(points, axis)
    ]
    return [table("", ["", *KERNELS], rows)] if rows else []


def _exponent(points: Points, axis: Axis, kernel: str, fixed: int) -> str:
    place = (f"{axis.suite}.{TIME}", kernel, fixed)
    series = sorted((row.size, point.samples) for row, point in points.items() if row[:3] == place)[-SIZES_PER_SLOPE:]
    if len(series) < SIZES_PER_SLOPE:
        return NOTHING
    if all(samples for _, samples in series):
        medians = [statistics.Median.of(samples, stream) for stream, (_, samples) in enumerate(series)]
        found = statistics.exponent([size for size, _ in series], medians)
        certain = found.upper - found.lower <= WIDEST_INTERVAL
        return f"{found.value:.2f} ({found.lower:.2f} to {found.upper:.2f})" if certain else NOTHING
    tracked = points.get(Row(axis.exponent, kernel, fixed, 0))
    return f"{tracked.value:.2f}" if tracked else NOTHING


def others(measured: Measured, suite: Iterable[Benchmark]) -> list[Table]:
    """Return a table for each benchmark that is not drawn."""
    return [_other(each, measured.others[each.name]) for each in suite if measured.others.get(each.name)]


def _other(benchmark: Benchmark, entries: Sequence[Entry]) -> Table:
    """Return one table: the kernels are its columns, and the other parameters name its rows."""
    names = [name for name in entries[0].at if name != "kernel"]
    measured = {entry.at.get("kernel") for entry in entries}
    kernels = [kernel for kernel in KERNELS if kernel in measured] or [None]
    by_row: dict[tuple[str, ...], dict[str | None, str]] = {}
    for entry in entries:
        row = tuple(_value_of(name, entry.at[name]) for name in names)
        by_row.setdefault(row, {})[entry.at.get("kernel")] = _quantity(entry.value, benchmark.unit)
    head = [*map(_heading, names), *(kernel or "" for kernel in kernels)]
    rows = [[*row, *(cells.get(kernel, NOTHING) for kernel in kernels)] for row, cells in by_row.items()]
    return table(benchmark.title, head, rows, len(names))


def _heading(name: str) -> str:
    return name.removeprefix("log10_").replace("_", " ")


def _value_of(name: str, value: Any) -> str:
    if name.startswith("log10_"):
        value = 10**value
    return f"{value:,}" if isinstance(value, int) else str(value)


def _quantity(value: float | None, unit: str) -> str:
    if value is None:
        return "failed"
    if unit == "seconds":
        return words.micro(value)
    return words.size(value) if unit == "bytes" else f"{value:.3g} {unit}"


def missing(measured: Measured, history: History) -> str:
    """Return which benchmarks have no result at a commit, and what measures them; "" if none is missing."""
    absent = [each.name for each in history.suite if each.name not in measured.names]
    if not absent:
        return ""
    files = {name.partition(".")[0] for name in measured.names}
    # A file of the suite of which nothing was measured is named once.
    named = dict.fromkeys(name if name.partition(".")[0] in files else name.partition(".")[0] for name in absent)
    newest = measured is history.commits[-1]
    command = "make dashboard" if newest else f"make dashboard RANGE='{measured.commit.commit_hash[:8]}^!'"
    return f"Not measured at this commit: {', '.join(named)}. `{command}` measures what is missing."
