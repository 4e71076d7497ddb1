"""The tables of a comparison run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from gradstep.compare.floor import NAME as FLOOR
from gradstep.compare.records import Cell, Record, Result

# A median whose interquartile range is larger than this part of it is marked.
_WIDE_SPREAD = 0.1


def show(record: Record, console: Console) -> None:
    """Print the tables of a record, one for each data set and one for the grid, and what one has to know of them."""
    for line in _head(record):
        console.print(line, soft_wrap=not console.is_terminal, highlight=False)
    for (problem, task), cells in itertools.groupby(record.cells, key=lambda cell: (cell.problem, cell.task)):
        console.print()
        console.print(Text.assemble((problem, "bold"), f": {task}"), soft_wrap=not console.is_terminal)
        _show_cells(record, list(cells), console)
    for line in _foot(record):
        console.print(line, soft_wrap=not console.is_terminal, highlight=False)


def _show_cells(record: Record, cells: list[Cell], console: Console) -> None:
    """Print a column for each kernel, or where peers take part, too many for that, a line for each contender."""
    if record.peers:
        print_whole(_table_of_lines(record, cells), console)
        return
    print_whole(_table(record, cells), console)
    if any(cell.floor is not None and cell.floor.median is not None for cell in cells):
        console.print()
        console.print(f"Time / time only to read X ({FLOOR})")
        print_whole(_table_of_floors(record, cells), console)


def print_whole(table: Table, console: Console) -> None:
    """Print a table; as wide as it is where nobody looks at a screen of limited width."""
    if console.is_terminal:
        console.print(table)
        return
    # Measured on an endless line: the console's own width would cut the measure off.
    natural = Measurement.get(console, console.options.update(max_width=10_000), table).maximum
    lines = console.render_lines(table, console.options.update(max_width=natural), pad=False)
    for line in lines:
        console.print(Text("".join(segment.text for segment in line).rstrip()), soft_wrap=True)


def _head(record: Record) -> Iterator[Text]:
    settings = record.settings
    threads = ", ".join(
        "threads chosen by size" if threads is None else _count(threads, "thread") for threads in settings.threads
    )
    yield Text("One gradient-descent step of logistic regression", style="bold")
    yield Text(f"Median time of {record.timed.partition(':')[0]}")
    kinds = f"{', '.join(settings.dtypes)}, {', '.join(settings.orders)} order"
    yield Text(f"{kinds}, {threads}, {_count(settings.rounds, 'round')}")


def _empty_table() -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("m", justify="right")
    table.add_column("n", justify="right")
    return table


def _table_of_floors(record: Record, cells: list[Cell]) -> Table:
    table = _empty_table()
    for name in [*record.settings.contenders, FLOOR]:
        table.add_column(name, justify="right")
    for cell in cells:
        floor = None if cell.floor is None else cell.floor.median
        times = "-" if floor is None else duration(floor)
        table.add_row(f"{cell.m:,}", f"{cell.n:,}", *(_over_floor(result, floor) for result in cell.results), times)
    return table


def _over_floor(result: Result, floor: float | None) -> str:
    return "-" if result.median is None or floor is None else _three_digits(result.median / floor)


def _table_of_lines(record: Record, cells: list[Cell]) -> Table:
    table = _empty_table()
    for name in ("", "version"):
        table.add_column(name)
    for name in ("time", "vs base", f"/ {FLOOR}", "error"):
        table.add_column(name, justify="right")
    for cell in cells:
        for line in _lines_of(record, cell):
            table.add_row(*line)
        table.add_section()
    return table


def _lines_of(record: Record, cell: Cell) -> Iterator[list[str | Text]]:
    """Give a line for each contender of a cell; m and n stand in the first one."""
    base = baseline(cell)
    fastest = min((result.median for result in cell.results if result.median is not None), default=None)
    floor = None if cell.floor is None else cell.floor.median
    place: list[str | Text] = [f"{cell.m:,}", f"{cell.n:,}"]
    for result in cell.results:
        version = record.peers.get(result.contender, "")
        shown = _result(result, None, fastest)
        faster = ""
        if result is base:
            faster = "base"
        elif base is not None and base.median is not None and result.median is not None:
            faster = ratio(base.median / result.median)
        error = "" if result.check is None or result.check.error is None else f"{result.check.error:.0e}"
        yield [*place, result.contender, version, shown, faster, _over_floor(result, floor), error]
        place = ["", ""]
    if floor is not None:
        yield ["", "", FLOOR, "", duration(floor), "", "", ""]


def _table(record: Record, cells: list[Cell]) -> Table:
    table = _empty_table()
    for name in record.settings.contenders:
        table.add_column(name, justify="right")
    for cell in cells:
        base = baseline(cell)
        fastest = min(
            (result.median for result in cell.results if result.median is not None),
            default=None,
        )
        shown = [_result(result, base, fastest) for result in cell.results]
        table.add_row(f"{cell.m:,}", f"{cell.n:,}", *shown)
    return table


def baseline(cell: Cell) -> Result | None:
    """Return the result that the others of a row are compared with.

    Pure Python where it was timed, else vectorized NumPy; None where neither was.
    """
    timed = {result.contender: result for result in cell.results if result.status == "timed"}
    return timed.get("python") or timed.get("numpy")


def _result(result: Result, base: Result | None, fastest: float | None) -> Text:
    if result.status == "wrong":
        return Text("wrong", style="bold red")
    if result.expected is not None:
        return Text(f"skipped: ~{_whole_duration(result.expected)}", style="dim")
    if result.median is None:
        return Text("skipped: memory", style="dim")
    shown = Text(f"{'~' if _spread(result) > _WIDE_SPREAD else ''}{duration(result.median)}")
    if result is base:
        shown.append("   base")
    elif base is not None and base.median is not None:
        shown.append(f" {ratio(base.median / result.median):>6}")
    shown.stylize("bold green" if result.median == fastest else "")
    return shown


def duration(seconds: float) -> str:
    """Return a time in three digits with a unit.

    Examples
    --------
    >>> duration(0.0123456), duration(0.00099996), duration(75.0)
    ('12.3 ms', '1.00 ms', '75.0 s')
    """
    for unit, size in (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3)):
        # What would be rounded up to 1000 is one of the next unit.
        if seconds < 999.5 * size:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds)} s"


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


def _spread(result: Result) -> float:
    if not result.median or result.interquartile_range is None:
        return 0.0
    return result.interquartile_range / result.median


def _foot(record: Record) -> Iterator[Text]:
    timed = [(cell, result) for cell in record.cells for result in cell.results if result.status == "timed"]
    yield Text()
    if timed:
        yield from _legend(record, [result for _, result in timed])
        cell, widest = max(timed, key=lambda entry: _spread(entry[1]))
        yield Text(
            f"spread    interquartile range of the samples at most {_spread(widest):.0%} of the median "
            f"({widest.contender}, {cell.m:,} x {cell.n:,})"
        )
    first_calls = ", ".join(f"{call.contender} {duration(call.first)}" for call in record.first_calls)
    yield from _floors_left_out(record)
    yield Text(f"compile   first call, part of no time above (import, compilation or its cache): {first_calls}")
    yield from circumstances(record)


def circumstances(record: Record) -> Iterator[Text]:
    """Tell what was left out and why, the machine and the versions."""
    yield from _left_out(record)
    machine = record.machine
    usable = f"{machine.usable_cores} of {_count(machine.cores, 'core')} usable"
    yield Text(f"machine   {machine.processor}, {usable}, {machine.system}")
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items() if version is not None)
    yield Text(f"versions  {versions}")
    if record.peers:
        yield Text(f"peers     {', '.join(f'{name} ({version})' for name, version in record.peers.items())}")


def _legend(record: Record, timed: list[Result]) -> Iterator[Text]:
    bases = {base.contender for cell in record.cells if (base := baseline(cell)) is not None}
    if bases:
        yield Text("12.3x     times as fast as the one marked base in the same row")
    if {"python", "numpy"} <= bases:
        yield Text("base      python; numpy in rows where python has no time")
    if any(_spread(result) > _WIDE_SPREAD for result in timed):
        yield Text(f"~         spread above {_WIDE_SPREAD:.0%} of the median: the machine was not quiet")


def _floors_left_out(record: Record) -> Iterator[Text]:
    if not any(cell.floor is not None for cell in record.cells):
        return
    yield Text(
        f"{FLOOR}    one pass over X with the same threads that only sums it up: no step can be faster in memory"
    )
    reasons = [str(cell.floor.reason) for cell in record.cells if cell.floor is not None and cell.floor.median is None]
    for reason in dict.fromkeys(reasons):
        yield Text(f"{FLOOR}    not measured: {reason}")


def _left_out(record: Record) -> Iterator[Text]:
    for cell in record.cells:
        for result in cell.results:
            if result.status == "wrong":
                place = f"{result.contender}, {cell.m:,} x {cell.n:,}"
                yield Text(f"wrong     {place}: {result.reason}; not timed", style="bold red")
        if lacking := next((each.reason for each in cell.results if _lacked_memory(each)), None):
            yield Text(f"memory    {lacking}")
    if any(result.expected is not None for cell in record.cells for result in cell.results):
        yield Text(
            f"skipped   its calls would take about that long; the limit is {record.settings.limit:g} s (--limit)"
        )
    for reason in record.unavailable.values():
        yield Text(f"left out  {reason}")
    for note in record.notes:
        yield Text(f"note      {note}")


def _lacked_memory(result: Result) -> bool:
    return result.status == "skipped" and result.expected is None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
