"""The details of a comparison run as tables, for a terminal of 80 columns."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from gradstep.compare.judge.findings import CellFindings, Findings, Line, Scaling
from gradstep.compare.judge.statistics import Interval
from gradstep.compare.record.records import READ_LIMIT, Record
from gradstep.compare.show import words
from gradstep.compare.show.circumstances import circumstances
from gradstep.compare.show.console import print_lines
from gradstep.compare.show.words import duration, ratio, three_digits

# What a terminal has at least.
_WIDTH = 80

# The widths of the columns of a line: 79 in all.
_COLUMNS = "{:<13}{:>8}{:>13}{:>8}{:>5}{:>11}{:>9}{:>12}"
_HEADS = ("", "time", "95 %", "per row", "GB/s", READ_LIMIT, "speed-up", "95 %")


def show(found: Findings, console: Console) -> None:
    """Print the details of a judged record: each cell, how times grow, one-time costs, and the circumstances."""
    record = found.record
    for (problem, task), cells in itertools.groupby(found.cells, key=lambda each: (each.cell.problem, each.cell.task)):
        print_lines(console, [Text(), Text.assemble((problem, "bold"), f": {task}")])
        for each in cells:
            print_lines(console, _block(each))
    print_lines(console, [*_scalings(found.scalings), *_one_time_costs(record), *_foot(found)])


# The blocks: a line for each contender of a cell.


def _block(found: CellFindings) -> Iterator[Text]:
    cell = found.cell
    size = words.sizes(cell.m, cell.n)
    yield Text()
    yield Text.assemble((size, "bold"), f", {cell.kind}, X: {words.size(cell.X_bytes)}")
    yield Text(_COLUMNS.format(*_HEADS).rstrip(), style="dim")
    yield from map(_line, found.lines)
    if found.read_limit is not None:
        yield _line(found.read_limit)
    yield from _variants(found)


def _line(line: Line) -> Text:
    if line.time is None or line.per_row is None or line.gigabytes_per_second is None:
        style = "bold red" if line.result.status == "wrong" else "dim"
        return Text(f"{line.name:<14}{line.result.status}: {line.result.reason}", style=style)
    row = _COLUMNS.format(
        line.name,
        duration(line.time.value),
        _range(line.time),
        duration(line.per_row),
        three_digits(line.gigabytes_per_second),
        "" if line.over_read_limit is None else three_digits(line.over_read_limit.value),
        *_speed_up(line),
    )
    return Text(row.rstrip(), style="bold green" if line.is_fastest else "")


def _variants(found: CellFindings) -> Iterator[Text]:
    """Name the variant that each kernel used, where it has several with the same bits."""
    used = [f"{line.name} {line.result.variant}" for line in found.lines if line.result.variant is not None]
    if used:
        yield Text(f"{'variants':<14}{', '.join(used)}", style="dim")


def _speed_up(line: Line) -> tuple[str, str]:
    """Return the speed-up over the base, and its interval unless it is too close to call."""
    if line.is_base:
        return "base", ""
    if line.over_base is None:
        return "", ""
    speed_up = line.over_base.speed_up
    if line.over_base.verdict == "too close to call":
        return ratio(speed_up.value), "too close"
    return ratio(speed_up.value), f"{three_digits(speed_up.lower)}-{three_digits(speed_up.upper)}"


def _range(time: Interval) -> str:
    """Return the ends of an interval in the unit of its value."""
    unit, length = words.unit(time.value)
    return f"{three_digits(time.lower / length)}-{three_digits(time.upper / length)} {unit}"


# How times grow, and one-time costs.


def _scalings(scalings: Sequence[Scaling]) -> Iterator[Text]:
    if not scalings:
        return
    yield Text()
    yield Text("How times grow: like size ** p, p with its 95 % interval, and what bounds them", style="bold")
    for place, alike in itertools.groupby(scalings, key=_place):
        yield Text(place)
        for scaling in alike:
            p = scaling.exponent
            start = f"  {scaling.contender:<14}{p.value:5.2f}  {f'{p.lower:.2f} to {p.upper:.2f}':<16}"
            wrapped = textwrap.wrap(start + _bounds(scaling), _WIDTH, subsequent_indent=" " * len(start))
            yield from map(Text, wrapped)


def _place(scaling: Scaling) -> str:
    sizes = f"{scaling.axis} from {scaling.sizes[0]:,} to {scaling.sizes[-1]:,}"
    across = "n" if scaling.axis == "m" else "m"
    return f"{sizes}, {across} = {scaling.fixed:,}, {scaling.setup.kind}"


def _bounds(scaling: Scaling) -> str:
    """Name the bound at the smallest size, and each change with the size where it first shows."""
    changes = itertools.pairwise(zip(scaling.sizes, scaling.bounds, strict=True))
    later = [f"{now.kind} from {size:,}" for (_, before), (size, now) in changes if now.kind != before.kind]
    return ", ".join([scaling.bounds[0].kind, *later])


def _one_time_costs(record: Record) -> Iterator[Text]:
    if not record.first_calls:
        return
    columns = "{:<13}{:>10}{:>10}{:>12}{:>15}  {}"
    several = len({(call.dtype, call.order, call.threads, call.models) for call in record.first_calls}) > 1
    yield Text()
    yield Text("One-time costs, part of no time above", style="bold")
    yield Text(columns.format("", "import", "compile", "first call", "smallest call", "").rstrip(), style="dim")
    for call in record.first_calls:
        seconds = (call.imported, call.compiled, call.first, call.smallest)
        times = ("-" if each is None else duration(each) for each in seconds)
        models = "" if call.models == 1 else f", {words.counted(call.models, 'model')}"
        kind = f"{call.dtype} {call.order} {call.threads or 'auto'}{models}" if several else ""
        yield Text(columns.format(call.contender, *times, kind).rstrip())


# The foot.


def _foot(found: Findings) -> Iterator[Text]:
    yield Text()
    yield from _read_limits(found)
    yield from circumstances(found)


def _read_limits(found: Findings) -> Iterator[Text]:
    if any(each.read_limit is not None and each.read_limit.time is not None for each in found.cells):
        yield Text(
            f"limit     the {READ_LIMIT} is one pass over X with the same threads that only sums it up: "
            "from memory no step is faster"
        )
    results = [each.cell.read_limit for each in found.cells if each.cell.read_limit is not None]
    for reason in dict.fromkeys(str(result.reason) for result in results if result.status != "timed"):
        yield Text(f"limit     the {READ_LIMIT} was not measured: {reason}")
