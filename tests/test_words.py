"""Numbers, sizes, problems and colours as the tables, the pictures and the report write them."""

from __future__ import annotations

import made_records
import pytest

from gradstep.compare.judge.findings import Fastest, Interval
from gradstep.compare.record import records
from gradstep.compare.show import styles, words


def kind(dtype: str, order: str, threads: int | None) -> str:
    """Return how a problem is stored and computed on, as a record says it."""
    return records.Setup(problem="random", dtype=dtype, order=order, threads=threads).kind


CASES = [
    (words.three_digits, (0.0123,), "0.01"),
    (words.three_digits, (9.994,), "9.99"),
    (words.three_digits, (9.996,), "10.0"),
    (words.three_digits, (99.96,), "100"),
    (words.three_digits, (1234.5,), "1234"),
    (words.three_digits, (1234.5, ","), "1,234"),
    (words.ratio, (0.5,), "0.50x"),
    (words.ratio, (123.4,), "123x"),
    (words.ratio, (12345.6,), "12346x"),
    (words.times, (0.5,), "0.50×"),
    (words.times, (12.34,), "12.3×"),
    (words.times, (1234.5,), "1,234×"),
    (words.unit, (0.0123,), ("ms", 1e-3)),
    (words.unit, (0.00099996,), ("ms", 1e-3)),
    (words.duration, (0.0123456,), "12.3 ms"),
    (words.duration, (0.00099996,), "1.00 ms"),
    (words.duration, (75.0,), "75.0 s"),
    (words.micro, (1.234e-5,), "12.3 µs"),
    (words.duration_of_tick, (1e-10,), "0.1 ns"),
    (words.duration_of_tick, (1e-5,), "10 µs"),
    (words.duration_of_tick, (1.0,), "1 s"),
    (words.duration_of_tick, (1000.0,), "1,000 s"),
    (words.rough_duration, (7200.0,), "2 h"),
    (words.rough_duration, (7100.0,), "118 min"),
    (words.rough_duration, (12.3,), "12 s"),
    (words.rough_duration, (0.5,), "500 ms"),
    (words.size, (800,), "800 B"),
    (words.size, (32 << 10,), "32.0 KiB"),
    (words.size, (5 << 30,), "5.00 GiB"),
    (words.size, (5 << 40,), "5120 GiB"),
    (words.counted, (1, "thread"), "1 thread"),
    (words.counted, (1000, "row"), "1,000 rows"),
    (words.sizes, (1000, 10), "m = 1,000, n = 10"),
    (kind, ("float64", "C", 2), "float64, C order, 2 threads"),
    (kind, ("float32", "F", None), "float32, F order, threads by size"),
    (styles.contrast, ("#000000", "#FFFFFF"), 21.0),
    (styles.tint, ("#000000", 0.2), "#CCCCCC"),
    (styles.transparent, ("#0072B2", 0.2), "rgba(0, 114, 178, 0.2)"),
]


@pytest.mark.parametrize(
    ("function", "arguments", "expected"), CASES, ids=[f"{each.__name__}-{given[0]}" for each, given, _ in CASES]
)
def test_words(function, arguments, expected):
    assert function(*arguments) == expected


def test_place_names_the_data_unless_it_is_random():
    cell = made_records.cell(1000, 10, {})
    assert words.place(cell) == "m = 1,000, n = 10"
    assert words.place(records.changed(cell, problem="wine")) == "wine (m = 1,000, n = 10)"


@pytest.mark.parametrize(
    ("margin", "alike", "expected"),
    [
        (Interval(2.0, 1.9, 2.1), [], "2.00×"),
        (Interval(1.0, 0.9, 1.1), ["numpy"], "or numpy"),
        (Interval(1.0, 0.9, 1.1), ["numpy", "numba"], "or 2 others"),
        (None, [], ""),
    ],
)
def test_lead_is_the_margin_or_what_is_too_close_to_call(margin, alike, expected):
    assert words.lead(Fastest(100, 2, "cython", margin, alike, "open")) == expected
