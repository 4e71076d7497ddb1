"""Numbers, sizes and problems in words, as the tables, the pictures and the report write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The commands that print a time in words need neither records nor what judges them.
    from gradstep.compare.judge.findings import Fastest
    from gradstep.compare.record.records import Cell, Record

NOUNS = {"m": "examples", "n": "features"}
"""What each size counts."""

_UNITS = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0))


def three_digits(value: float, group: str = "") -> str:
    """Return a positive number in three digits, such as 12.3; below 1 it has two after the point.

    `group` separates thousands.
    """
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:{group}.0f}"


def ratio(value: float) -> str:
    """Return a ratio in ASCII, such as 0.50x."""
    return f"{three_digits(value)}x"


def times(value: float) -> str:
    """Return a ratio as pictures and pages show it, such as 0.50×."""
    return f"{three_digits(value, ',')}×"


def factor(value: float) -> str:
    """Return how many times faster something is in about two digits, such as 1.02×, 1.9× or 158×."""
    if value < 1.195:
        return f"{value:.2f}×"
    return f"{value:.1f}×" if value < 9.95 else f"{value:,.0f}×"


def speed_up(value: float) -> str:
    """Return a speed-up with a number above 1 where it is a slow-down as well, such as 158× or 1.3× slower."""
    return factor(value) if value >= 0.995 else f"{factor(1.0 / value)} slower"


def unit(seconds: float) -> tuple[str, float]:
    """Return the unit in which a time has one to three digits before the point, and its length in seconds."""
    # What rounds up to 1000 belongs to the next unit.
    return next(((name, length) for name, length in _UNITS if seconds < 999.5 * length), _UNITS[-1])


def duration(seconds: float) -> str:
    """Return a time in three digits with a unit, in ASCII, such as 12.3 us."""
    name, length = unit(seconds)
    return f"{three_digits(seconds / length)} {name}"


def micro(seconds: float) -> str:
    """Return a time as pictures and pages show it, such as 12.3 µs."""
    return duration(seconds).replace(" us", " µs")


def duration_of_tick(seconds: float) -> str:
    """Return a power of ten of a second in the largest unit that is not larger, such as 10 µs."""
    # The smallest unit also takes what is smaller than itself.
    name, length = next((each for each in reversed(_UNITS) if seconds >= 0.9999 * each[1]), _UNITS[0])
    return f"{seconds / length:,.9g} {name}".replace(" us", " µs")


def rough_duration(seconds: float) -> str:
    """Return a forecast, such as 2 h: without digits after the point, so that it looks like one."""
    for name, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2.0 * length:
            return f"{seconds / length:,.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 1.0 else duration(seconds)


def size(count: float) -> str:
    """Return a number of bytes in three digits with a unit, such as 32.0 KiB."""
    name = "B"
    for larger in ("KiB", "MiB", "GiB"):
        if count < 999.5:
            break
        name, count = larger, count / 1024
    return f"{count:.0f} B" if name == "B" else f"{three_digits(count)} {name}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as 1,000 rows."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: Sequence[str], last: str = "and") -> str:
    """Return names in one phrase, such as "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def sizes(m: int, n: int) -> str:
    """Return the size of a problem, such as m = 1,000, n = 10."""
    return f"m = {m:,}, n = {n:,}"


def place(cell: Cell) -> str:
    """Return a problem in words: its size, and the name of its data unless that is random."""
    words = sizes(cell.m, cell.n)
    return words if cell.problem == "random" else f"{cell.problem} ({words})"


def noun(record: Record) -> str:
    """Return what the fastest of all is one of: a kernel, or a contender where peers took part."""
    return "contender" if record.peers else "kernel"


def lead(fastest: Fastest) -> str:
    """Return how much faster the fastest contender is than the next one, or which others are too close to call."""
    if fastest.alike:
        return f"or {fastest.alike[0] if len(fastest.alike) == 1 else counted(len(fastest.alike), 'other')}"
    return "" if fastest.margin is None else times(fastest.margin.value)
