"""Numbers as the pictures and the report write them."""

from __future__ import annotations

from gradstep.compare.show.tables import duration


def micro(seconds: float) -> str:
    """Return a time in three digits with a unit.

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
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        if seconds >= 0.9999 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds / 1e-9:g} ns"


def times_as_fast(value: float) -> str:
    """Return a factor in at most three digits.

    Examples
    --------
    >>> times_as_fast(0.5), times_as_fast(12.34), times_as_fast(1234.5)
    ('0.50×', '12.3×', '1,234×')
    """
    return f"{three_digits(value)}×"


def three_digits(value: float) -> str:
    """Return a positive number in three digits, or with two after the point where it is below 1.

    Examples
    --------
    >>> three_digits(0.0123), three_digits(99.96)
    ('0.01', '100')
    """
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "thread"), counted(1000, "row")
    ('1 thread', '1,000 rows')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
