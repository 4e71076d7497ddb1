"""The tables of a comparison run, for a terminal of 80 columns."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from gradstep.compare.judge import findings
from gradstep.compare.judge.findings import Line, Scaling
from gradstep.compare.judge.statistics import Interval
from gradstep.compare.measure.floor import NAME as FLOOR
from gradstep.compare.record.records import Cell, FirstCall, LeftOut, Record, Result

# What a terminal has at least.
_WIDTH = 80

# The widths of the columns of a line: 79 in all.
_COLUMNS = "{:<13}{:>9}{:>13}{:>9}{:>6}{:>8}{:>9}{:>12}"
_HEADS = ("", "time", "95 %", "per row", "GB/s", FLOOR, "speed-up", "95 %")

_UNITS = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0))


def show(record: Record, console: Console) -> None:
    """Print what a record says: an overview, each cell, how times grow, and what one has to know of the measurement."""
    _print(console, _head(record))
    for (problem, task), cells in itertools.groupby(record.cells, key=lambda cell: (cell.problem, cell.task)):
        _print(console, [Text(), Text.assemble((problem, "bold"), f": {task}")])
        for kind, alike in itertools.groupby(cells, key=_kind):
            _show_cells(record, kind, list(alike), console)
    _print(console, _scalings(record))
    _print(console, _first_calls(record))
    _print(console, _foot(record))


def _print(console: Console, lines: Iterator[Text] | Sequence[Text]) -> None:
    for line in lines:
        console.print(line, soft_wrap=not console.is_terminal, highlight=False)


def _show_cells(record: Record, kind: str, cells: list[Cell], console: Console) -> None:
    overview = _overview(record, cells)
    # Only a few contenders fit beside one another; the blocks below have them all.
    if len(cells) > 1 and _width(overview, console) <= _WIDTH:
        _print(console, [Text(), Text(f"Times, and how many times as fast as the base ({kind})")])
        print_whole(overview, console)
    for cell in cells:
        _print(console, _block(record, cell))


def print_whole(table: Table, console: Console) -> None:
    """Print a table; as wide as it is where nobody looks at a screen of limited width."""
    if console.is_terminal:
        console.print(table)
        return
    lines = console.render_lines(table, console.options.update(max_width=_width(table, console)), pad=False)
    for line in lines:
        console.print(Text("".join(segment.text for segment in line).rstrip()), soft_wrap=True)


def _width(table: Table, console: Console) -> int:
    """Return how wide a table is where nothing limits it; the console's own width would cut the measure off."""
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum


def _head(record: Record) -> Iterator[Text]:
    yield Text("One gradient-descent step of logistic regression", style="bold")
    rounds = _count(record.settings.rounds, "round")
    yield Text(f"Median time of {record.timed.partition(':')[0]}, {rounds}")
    if not record.complete:
        yield Text("Interrupted: only what had been measured until then is shown", style="bold yellow")


# The overview: a row for each cell, a column for each contender.


def _overview(record: Record, cells: list[Cell]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for name in ("m", "n", *record.settings.contenders):
        table.add_column(name, justify="right")
    for cell in cells:
        shown = [_in_overview(line) for line in findings.lines(record, cell)]
        table.add_row(f"{cell.m:,}", f"{cell.n:,}", *shown)
    return table


def _in_overview(line: Line) -> Text:
    result = line.result
    if result.status == "wrong":
        return Text("wrong", style="bold red")
    if result.expected is not None:
        return Text(f"skipped: ~{_whole_duration(result.expected)}", style="dim")
    if result.median is None:
        return Text("skipped", style="dim")
    shown = Text(duration(result.median))
    if line.is_base:
        shown.append("   base")
    elif line.over_base is not None:
        shown.append(f" {ratio(line.over_base.speed_up.value):>6}")
    shown.stylize("bold green" if line.is_fastest else "")
    return shown


# The blocks: a line for each contender of a cell.


def _block(record: Record, cell: Cell) -> Iterator[Text]:
    yield Text()
    yield Text.assemble((f"m = {cell.m:,}, n = {cell.n:,}", "bold"), f", {_kind(cell)}, X: {_size(cell.X_bytes)}")
    yield Text(_COLUMNS.format(*_HEADS).rstrip(), style="dim")
    for line in findings.lines(record, cell):
        yield _line(line)
    if cell.read_limit is not None and cell.read_limit.median is not None:
        yield _line(findings.floor_line(cell, cell.read_limit))


def _line(line: Line) -> Text:
    result = line.result
    if line.time is None or line.per_row is None or line.gigabytes_per_second is None:
        style = "bold red" if result.status == "wrong" else "dim"
        return Text(f"{result.contender:<14}{result.status}: {result.reason}", style=style)
    speed_up, interval = _speed_up(line)
    return Text(
        _COLUMNS.format(
            result.contender,
            duration(line.time.value),
            _range(line.time),
            duration(line.per_row),
            _three_digits(line.gigabytes_per_second),
            "" if line.over_floor is None else _three_digits(line.over_floor.value),
            speed_up,
            interval,
        ).rstrip(),
        style="bold green" if line.is_fastest else "",
    )


def _speed_up(line: Line) -> tuple[str, str]:
    """Return how many times as fast as the base a contender is, and the interval of that or that one cannot tell."""
    if line.is_base:
        return "base", ""
    if line.over_base is None:
        return "", ""
    speed_up = line.over_base.speed_up
    if line.over_base.verdict == "cannot tell":
        return ratio(speed_up.value), "cannot tell"
    return ratio(speed_up.value), f"{_three_digits(speed_up.lower)}-{_three_digits(speed_up.upper)}"


def _range(time: Interval) -> str:
    """Return the ends of an interval in the unit of its value."""
    unit, size = _unit(time.value)
    return f"{_three_digits(time.lower / size)}-{_three_digits(time.upper / size)} {unit}"


def _kind(cell: Cell) -> str:
    return conditions(cell.dtype, cell.order, cell.threads)


def conditions(dtype: str, order: str, threads: int | None) -> str:
    """Return under which conditions was measured.

    Examples
    --------
    >>> conditions("float64", "C", 2), conditions("float32", "F", None)
    ('float64, C order, 2 threads', 'float32, F order, threads by size')
    """
    return f"{dtype}, {order} order, {'threads by size' if threads is None else _count(threads, 'thread')}"


# How times grow, and what comes before the first sample.


def _scalings(record: Record) -> Iterator[Text]:
    found = findings.scalings(record)
    if not found:
        return
    yield Text()
    yield Text("How times grow: like size ** p, p with its 95 % interval, and what bounds them", style="bold")
    for place, scalings in itertools.groupby(found, key=_place):
        yield Text(place)
        for scaling in scalings:
            p = scaling.exponent
            start = f"  {scaling.contender:<14}{p.value:5.2f}  {f'{p.lower:.2f} to {p.upper:.2f}':<16}"
            wrapped = textwrap.wrap(start + _bounds(scaling), _WIDTH, subsequent_indent=" " * len(start))
            yield from map(Text, wrapped)


def _place(scaling: Scaling) -> str:
    sizes = f"{scaling.axis} from {scaling.sizes[0]:,} to {scaling.sizes[-1]:,}"
    other = "n" if scaling.axis == "m" else "m"
    return f"{sizes}, {other} = {scaling.fixed:,}, {conditions(scaling.dtype, scaling.order, scaling.threads)}"


def _bounds(scaling: Scaling) -> str:
    """Name what bounds the time at the smallest size, and each change with the size where it was first seen."""
    changes = itertools.pairwise(zip(scaling.sizes, scaling.bounds, strict=True))
    words = [f"{now.kind} from {size:,}" for (_, before), (size, now) in changes if now.kind != before.kind]
    return ", ".join([scaling.bounds[0].kind, *words])


def _first_calls(record: Record) -> Iterator[Text]:
    if not record.first_calls:
        return
    columns = "{:<13}{:>10}{:>10}{:>12}{:>15}  {}"
    several = len({(call.dtype, call.order, call.threads) for call in record.first_calls}) > 1
    yield Text()
    yield Text("Before the first sample, and part of no time above", style="bold")
    yield Text(columns.format("", "import", "compile", "first call", "smallest call", "").rstrip(), style="dim")
    for call in record.first_calls:
        times = (_or_dash(call.imported), _or_dash(call.compiled), duration(call.first), duration(call.smallest))
        yield Text(columns.format(call.contender, *times, _kind_of_call(call) if several else "").rstrip())


def _kind_of_call(call: FirstCall) -> str:
    return f"{call.dtype} {call.order} {'auto' if call.threads is None else call.threads}"


def _or_dash(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)


# Numbers.


def duration(seconds: float) -> str:
    """Return a time in three digits with a unit.

    Examples
    --------
    >>> duration(0.0123456), duration(0.00099996), duration(75.0)
    ('12.3 ms', '1.00 ms', '75.0 s')
    """
    unit, size = _unit(seconds)
    return f"{_three_digits(seconds / size)} {unit}"


def _unit(seconds: float) -> tuple[str, float]:
    # What would be rounded up to 1000 is one of the next unit.
    return next(((unit, size) for unit, size in _UNITS if seconds < 999.5 * size), _UNITS[-1])


def _whole_duration(seconds: float) -> str:
    """Return a rough time without digits after the point, so that a forecast looks like one."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2.0 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1.0 else duration(seconds)


def ratio(value: float) -> str:
    """Return a ratio in three digits.

    Examples
    --------
    >>> ratio(0.5), ratio(123.4), ratio(12345.6)
    ('0.50x', '123x', '12346x')
    """
    return f"{value:.2f}x" if value < 0.995 else f"{_three_digits(value)}x"


def _three_digits(value: float) -> str:
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def _size(count: float) -> str:
    """Return a number of bytes in three digits with a unit."""
    for unit in ("B", "KiB", "MiB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" else f"{_three_digits(count)} {unit}"
        count /= 1024
    return f"{_three_digits(count)} GiB"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# The foot.


def _foot(record: Record) -> Iterator[Text]:
    yield Text()
    bases = {line.result.contender for cell in record.cells for line in findings.lines(record, cell) if line.is_base}
    if len(bases) > 1:
        yield Text("base      python; numpy where python has no time")
    yield from _floors(record)
    yield from circumstances(record)


def _floors(record: Record) -> Iterator[Text]:
    floors = [cell.read_limit for cell in record.cells if cell.read_limit is not None]
    if any(floor.median is not None for floor in floors):
        yield Text(
            f"{FLOOR}    one pass over X with the same threads that only sums it up: from memory no step is faster"
        )
    for reason in dict.fromkeys(str(floor.reason) for floor in floors if floor.median is None):
        yield Text(f"{FLOOR}    not measured: {reason}")


def circumstances(record: Record) -> Iterator[Text]:
    """Tell how quiet the machine was, what was left out and why, the machine and the versions."""
    yield from _noise(record)
    yield from _left_out(record)
    yield Text(f"machine   {_machine(record)}")
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items() if version is not None)
    commit = "" if record.commit is None else f", commit {record.commit}"
    yield Text(f"versions  {versions}{commit}")
    if record.peers:
        yield Text(f"peers     {', '.join(f'{name} ({version})' for name, version in record.peers.items())}")


def _noise(record: Record) -> Iterator[Text]:
    spread = findings.unrest(record)
    if record.noise is None or spread is None:
        return
    warning = findings.noise_warning(record)
    words = f"reading the same {_size(record.noise.X_bytes)} {len(record.noise.samples)} times varied by {spread:.0%}"
    if warning is None:
        yield Text(f"noise     {words}: the machine was quiet")
    else:
        yield Text(f"noise     {words}: {warning}", style="bold yellow")


def _machine(record: Record) -> str:
    machine = record.machine
    caches = [f"{name} {_size(size)}" for name, size in machine.caches.items()]
    facts = [
        f"{machine.processor}{' (virtual)' if machine.virtual else ''}",
        f"{machine.usable_cores} of {_count(machine.cores, 'core')} usable",
        *caches,
        f"{_size(machine.memory)} of memory",
        *([] if machine.governor is None else [f"governor {machine.governor}"]),
        machine.system,
    ]
    return ", ".join(facts)


def _left_out(record: Record) -> Iterator[Text]:
    for cell, result in record.wrong():
        place = f"{result.contender}, {cell.m:,} x {cell.n:,}"
        yield Text(f"wrong     {place}: {result.reason}; not timed", style="bold red")
    if any(result.expected is not None for cell in record.cells for result in cell.results):
        limit = f"{record.settings.limit:g} s (--limit)"
        yield Text(f"skipped   its calls would take longer than the limit of {limit}")
    for left in record.left_out:
        if left.cause == "memory":
            yield Text(f"memory    {_place_left_out(left)} is left out: {left.reason}")
    yield from _beyond_budget(record)
    for cell in record.cells:
        yield from _out_of_memory(cell)
    for reason in record.unavailable.values():
        yield Text(f"left out  {reason}")
    for note in record.notes:
        yield Text(f"note      {note}")


def _beyond_budget(record: Record) -> Iterator[Text]:
    left_out = [left for left in record.left_out if left.cause == "budget"]
    if left_out and record.settings.budget is not None:
        yield Text(f"budget    {record.settings.budget:g} s (--budget) did not suffice for", style="yellow")
    for contender in dict.fromkeys(left.contender for left in left_out):
        places = ", ".join(_place_left_out(left) for left in left_out if left.contender == contender)
        yield Text(f"          {contender or 'any contender'}: {places}")


def _place_left_out(left: LeftOut) -> str:
    return f"{left.problem} {left.m:,} x {left.n:,} ({left.dtype} {left.order} {left.threads or 'auto'})"


def _out_of_memory(cell: Cell) -> Iterator[Text]:
    def lacked(result: Result) -> bool:
        return result.status == "skipped" and "not enough memory" in str(result.reason)

    for result in itertools.islice(filter(lacked, cell.results), 1):
        yield Text(f"memory    {cell.m:,} x {cell.n:,}: {result.reason}")
