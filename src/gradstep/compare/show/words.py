"""Numbers, sizes and problems in words, as the tables, the pictures and the report write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The commands that print a time in words need neither records nor what judges them.
    from gradstep.compare.judge.findings import Fastest
    from gradstep.compare.record.records import Cell

_UNITS = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0))


def three_digits(value: float, group: str = "") -> str:
    """Return a positive number in three digits; below 1 it has two after the point. `group` separates thousands.

    Examples
    --------
    >>> three_digits(0.0123), three_digits(99.96), three_digits(1234.5, ",")
    ('0.01', '100', '1,234')
    """
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:{group}.0f}"


def ratio(value: float) -> str:
    """Return a ratio in ASCII.

    Examples
    --------
    >>> ratio(0.5), ratio(123.4), ratio(12345.6)
    ('0.50x', '123x', '12346x')
    """
    return f"{three_digits(value)}x"


def times(value: float) -> str:
    """Return a ratio as pictures and pages show it.

    Examples
    --------
    >>> times(0.5), times(12.34), times(1234.5)
    ('0.50×', '12.3×', '1,234×')
    """
    return f"{three_digits(value, ',')}×"


def unit(seconds: float) -> tuple[str, float]:
    """Return the unit in which a time has one to three digits before the point, and its length in seconds.

    Examples
    --------
    >>> unit(0.0123), unit(0.00099996)
    (('ms', 0.001), ('ms', 0.001))
    """
    # What rounds up to 1000 belongs to the next unit.
    return next(((name, length) for name, length in _UNITS if seconds < 999.5 * length), _UNITS[-1])


def duration(seconds: float) -> str:
    """Return a time in three digits with a unit, in ASCII.

    Examples
    --------
    >>> duration(0.0123456), duration(0.00099996), duration(75.0)
    ('12.3 ms', '1.00 ms', '75.0 s')
    """
    name, length = unit(seconds)
    return f"{three_digits(seconds / length)} {name}"


def micro(seconds: float) -> str:
    """Return a time in three digits with a unit, as pictures and pages show it.

    Examples
    --------
    >>> micro(1.234e-5)
    '12.3 µs'
    """
    return duration(seconds).replace(" us", " µs")


def duration_of_tick(seconds: float) -> str:
    """Return a power of ten of a second in the largest unit that is not larger.

    Examples
    --------
    >>> duration_of_tick(1e-5), duration_of_tick(1.0)
    ('10 µs', '1 s')
    """
    # The smallest unit also takes what is smaller than itself.
    name, length = next((each for each in reversed(_UNITS) if seconds >= 0.9999 * each[1]), _UNITS[0])
    return f"{seconds / length:,.9g} {name}".replace(" us", " µs")


def rough_duration(seconds: float) -> str:
    """Return a forecast: without digits after the point, so that it looks like one.

    Examples
    --------
    >>> rough_duration(7200.0), rough_duration(12.3), rough_duration(0.5)
    ('2 h', '12 s', '500 ms')
    """
    for name, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2.0 * length:
            return f"{seconds / length:,.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 1.0 else duration(seconds)


def size(count: float) -> str:
    """Return a number of bytes in three digits with a unit.

    Examples
    --------
    >>> size(800), size(32 << 10), size(5 << 30)
    ('800 B', '32.0 KiB', '5.00 GiB')
    """
    name = "B"
    for larger in ("KiB", "MiB", "GiB"):
        if count < 999.5:
            break
        name, count = larger, count / 1024
    return f"{count:.0f} B" if name == "B" else f"{three_digits(count)} {name}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "thread"), counted(1000, "row")
    ('1 thread', '1,000 rows')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def sizes(m: int, n: int) -> str:
    """Return the size of a problem.

    Examples
    --------
    >>> sizes(1000, 10)
    'm = 1,000, n = 10'
    """
    return f"m = {m:,}, n = {n:,}"


def place(cell: Cell) -> str:
    """Return a problem in words: its size, and the name of its data unless that is random.

    Examples
    --------
    >>> from gradstep.compare.record.records import Cell
    >>> kind = {"dtype": "float64", "order": "C", "threads": 1}
    >>> place(Cell(problem="random", task="", m=1000, n=10, X_bytes=80_000, results=[], **kind))
    'm = 1,000, n = 10'
    """
    words = sizes(cell.m, cell.n)
    return words if cell.problem == "random" else f"{cell.problem} ({words})"


def kind(dtype: str, order: str, threads: int | None) -> str:
    """Return how a problem is stored and computed.

    Examples
    --------
    >>> kind("float64", "C", 2), kind("float32", "F", None)
    ('float64, C order, 2 threads', 'float32, F order, threads by size')
    """
    return f"{dtype}, {order} order, {'threads by size' if threads is None else counted(threads, 'thread')}"


def lead(fastest: Fastest) -> str:
    """Return how much faster the fastest contender is than the next one, or which others are too close to call.

    Examples
    --------
    >>> from gradstep.compare.judge.findings import Fastest, Interval
    >>> lead(Fastest(100, 2, "cython", Interval(2.0, 1.9, 2.1), []))
    '2.00×'
    >>> lead(Fastest(100, 2, "cython", Interval(1.0, 0.9, 1.1), ["numpy"]))
    'or numpy'
    """
    if fastest.alike:
        return f"or {fastest.alike[0] if len(fastest.alike) == 1 else counted(len(fastest.alike), 'other')}"
    return "" if fastest.margin is None else times(fastest.margin.value)
