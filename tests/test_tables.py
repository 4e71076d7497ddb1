"""The details of a record, as tables."""

from __future__ import annotations

import itertools

import made_records
import pytest
from comparisons import run_quickly, shown

from gradstep.compare.measure.contenders import kernel_contender
from gradstep.compare.record import records
from gradstep.compare.record.records import Result, Settings
from gradstep.compare.show import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (9.994e-9, "9.99 ns"),
        (9.996e-9, "10.0 ns"),
        (99.96e-6, "100 us"),
        (999.4e-6, "999 us"),
        (999.6e-6, "1.00 ms"),
        (0.9996, "1.00 s"),
        (123.4, "123 s"),
    ],
)
def test_duration_has_three_digits(seconds, text):
    assert words.duration(seconds) == text


def extreme_record() -> records.Record:
    """Return a record of the widest numbers and names."""
    factors = {"numpy-formula": 12.34, "scikit-learn": 98_765.0, "cython": 0.999, "numba-loop": 9_999.0}
    cells = []
    for m, n in itertools.product((100, 10_000_000), (2, 10_000)):
        limit = 8 * m * n / 99.9e9
        results = [made_records.result(name, min(factor * limit, 999.0), 1.9) for name, factor in factors.items()]
        cells.append(made_records.cell(m, n, {}, limit, results=results))
    return made_records.record(*cells, settings=Settings(list(factors), base="numpy-formula"))


def test_tables_fit_80_columns():
    lines = shown(extreme_record()).splitlines()
    # The foot names the machine and the versions, in lines that may be long.
    table = lines[: next(k for k, line in enumerate(lines) if line.startswith("limit     "))]
    assert sum(line.startswith("m = ") for line in table) == 4
    assert [line for line in table if len(line) > 80] == []


def test_tables_are_the_same_on_a_terminal_of_80_columns():
    record = extreme_record()
    on_terminal = shown(record, force_terminal=True, color_system=None, width=80).splitlines()
    block = [line for line in shown(record).splitlines() if line.startswith(("m = ", "numpy-formula ", "cython "))]
    assert len(block) > 12
    assert set(block) <= {line.rstrip() for line in on_terminal}
    assert max(map(len, on_terminal)) <= 80


def test_block_shows_the_numbers_of_each_contender():
    cell = made_records.cell(10_000, 100, {"python": 1.0, "cython": 2e-3, "numpy": 4.0}, read_limit=1e-3)
    cell = records.changed(cell, results=[*cell.results, Result("culprit", "wrong", "off by 1e-3")])
    lines = shown(made_records.record(cell)).splitlines()
    block = lines[: lines.index("One-time costs, part of no time above")]
    rows = {line.split()[0]: line.split()[1:] for line in block if line.startswith(("python", "cython", "numpy"))}
    assert rows["python"] == ["1.00", "s", "1.00-1.00", "s", "100", "us", "0.01", "1000", "base"]
    assert rows["cython"][:8] == ["2.00", "ms", "2.00-2.00", "ms", "200", "ns", "4.00", "2.00"]
    assert rows["cython"][8:] == ["500x", "500-500"]
    assert rows["numpy"][-2:] == ["0.25x", "0.25-0.25"]
    assert "culprit       wrong: off by 1e-3" in lines
    assert "wrong     culprit, 10,000 x 100: off by 1e-3; not timed" in lines


def test_scaling_is_shown_with_what_bounds_it():
    cells = [
        made_records.cell(m, 100, {"cython": seconds}, limit)
        for m, seconds, limit in ((100, 1.5e-6, 1e-7), (10_000, 1e-4, 2e-5), (1_000_000, 2e-2, 1.5e-2))
    ]
    text = shown(made_records.record(*cells))
    assert "m from 100 to 1,000,000, n = 100, float64, C order, 1 thread" in text
    lines = text.splitlines()
    (first,) = [k for k, line in enumerate(lines) if line.startswith("  cython")]
    words = " ".join(lines[first : first + 2]).split()
    assert words[:5] == ["cython", "1.03", "1.03", "to", "1.03"]
    assert " ".join(words[5:]) == "call overhead, arithmetic from 10,000, memory from 1,000,000"


def test_foot_shows_noise_machine_and_commit():
    quiet = made_records.record(made_records.cell(100, 2, {"numpy": 1.0}))
    text = shown(quiet)
    assert "noise     reading the same 64.0 MiB 9 times varied by 0%: the machine was quiet" in text
    assert "machine   Test processor, 2 of 2 cores usable, L1d 32.0 KiB, L2 1.00 MiB, L3 32.0 MiB" in text
    assert "governor performance" in text
    assert "commit 0123456789" in text
    noisy = records.changed(quiet, noise=records.Noise(1 << 20, [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]))
    assert "the machine was noisy" in shown(noisy)


def test_fastest_of_a_row_is_highlighted_on_a_terminal_only():
    record = run_quickly(kernel_contender("numpy"))
    on_terminal = shown(record, force_terminal=True, color_system="standard", width=80)
    assert "\x1b[1;32m" in on_terminal
    assert "\x1b" not in shown(record)
