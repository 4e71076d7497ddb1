"""What a record says: rates, ratios, bases, bounds and how times grow."""

from __future__ import annotations

import pytest
from made_records import cell, record, result

from gradstep.compare.judge import findings
from gradstep.compare.record import records
from gradstep.compare.record.records import Noise, Result, Settings


def test_line_has_the_rates_and_ratios_that_follow_from_the_times():
    one = cell(10_000, 100, {"python": 1.0, "cython": 2e-3}, read_limit=1e-3)
    python, cython = findings.lines(record(one), one)
    assert cython.time == (2e-3, 2e-3, 2e-3)
    assert cython.per_row == pytest.approx(2e-7)
    assert cython.gigabytes_per_second == pytest.approx(8 * 10_000 * 100 / 2e-3 / 1e9)
    assert cython.over_floor is not None
    assert (cython.over_floor.value, cython.over_floor.verdict) == (2.0, "slower")
    assert cython.over_base is not None
    assert cython.over_base.verdict == "faster"
    assert cython.over_base.speed_up.value == pytest.approx(500.0)
    assert (python.is_base, cython.is_base) == (True, False)
    assert (python.is_fastest, cython.is_fastest) == (False, True)
    assert python.over_base is None


def test_ratios_are_those_of_the_rounds():
    drifting = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    base = records.changed(result("numpy", 1.0), samples=drifting)
    twice = records.changed(result("cython", 1.0), samples=[2 * each for each in drifting])
    one = cell(100, 2, {}, results=[base, twice])
    _, line = findings.lines(record(one), one)
    assert line.over_base is not None
    assert line.over_base[:3] == (2.0, 2.0, 2.0)


def test_line_without_time_says_nothing_more():
    one = cell(100, 2, {"numpy": 1e-3}, read_limit=1e-6)
    wrong = Result("culprit", "wrong", "off by 1")
    one = records.changed(one, results=[*one.results, wrong])
    _, line = findings.lines(record(one), one)
    assert line == findings.Line(one, wrong)


def test_base_is_python_or_numpy_or_the_one_that_is_named():
    one = cell(100, 2, {"python": 3.0, "numpy": 2.0, "cython": 1.0})
    skipped = records.changed(one, results=[Result("python", "skipped", "too long"), *one.results[1:]])
    names = [found.contender for each in (one, skipped) if (found := findings.baseline(each)) is not None]
    assert names == ["python", "numpy"]
    assert findings.baseline(one, "cython") is one.results[2]
    assert findings.baseline(skipped, "python") is None
    assert findings.baseline(cell(1, 1, {"cython": 1.0})) is None
    lines = findings.lines(record(one, settings=Settings(["python", "numpy", "cython"], base="cython")), one)
    assert [line.is_base for line in lines] == [False, False, True]


def test_bound_uses_the_smallest_call_of_the_same_kind():
    one = cell(100, 2, {"cython": 10e-6}, read_limit=1e-6)
    found = record(one, smallest=8e-6)
    assert findings.bound_of(found, one, one.results[0]).kind == "call overhead"
    other = records.changed(found.first_calls[0], threads=2)
    assert findings.bound_of(records.changed(found, first_calls=[other]), one, one.results[0]).kind == "arithmetic"


def test_bound_uses_the_growth_with_m_at_the_same_n():
    # Ten times the rows take twenty times as long, and X no longer fits into the cache.
    small, large = (
        cell(10_000, 100, {"numpy": 1e-3}, read_limit=1e-4),
        cell(100_000, 100, {"numpy": 20e-3}, read_limit=4e-3),
    )
    found = findings.bound_of(record(small, large), large, large.results[0])
    assert found.kind == "memory"
    assert "1.30" in found.reason
    elsewhere = records.changed(small, threads=2)
    assert findings.bound_of(record(elsewhere, large), large, large.results[0]).kind == "arithmetic"


def test_scalings_follow_m_at_each_n_and_n_at_each_m():
    cells = [cell(m, n, {"numpy": m * 1e-6, "cython": n * 1e-6}) for m in (100, 1000, 10_000) for n in (2, 20)]
    found = findings.scalings(record(*cells))
    assert [(each.contender, each.axis, each.fixed, each.sizes) for each in found] == [
        *(("numpy", "m", 2, [100, 1000, 10_000]), ("cython", "m", 2, [100, 1000, 10_000])),
        *(("numpy", "m", 20, [100, 1000, 10_000]), ("cython", "m", 20, [100, 1000, 10_000])),
        *((name, "n", m, [2, 20]) for m in (100, 1000, 10_000) for name in ("numpy", "cython")),
    ]
    assert found[0].exponent.value == pytest.approx(1.0)
    assert found[1].exponent.value == pytest.approx(0.0)
    assert all(len(each.bounds) == len(each.sizes) for each in found)


def test_scalings_leave_out_what_is_alone_or_differs_in_more_than_its_size():
    assert findings.scalings(record(cell(100, 2, {"numpy": 1.0}))) == []
    apart = [cell(100, 2, {"numpy": 1.0}), cell(1000, 2, {"numpy": 1.0}, dtype="float32")]
    assert findings.scalings(record(*apart)) == []
    data = [cell(m, 2, {"numpy": 1.0}, problem="iris") for m in (100, 1000)]
    assert findings.scalings(record(*data)) == []


def test_noise_is_warned_of_beyond_its_bound():
    quiet = record(cell(100, 2, {"numpy": 1.0}))
    assert findings.unrest(quiet) == 0.0
    assert findings.noise_warning(quiet) is None
    noisy = records.changed(quiet, noise=Noise(1 << 20, [(float(k), 1e-3 * (1 + k % 2)) for k in range(9)]))
    assert "noisy" in str(findings.noise_warning(noisy))
    unknown = records.changed(quiet, noise=None)
    assert findings.unrest(unknown) is None
    assert findings.noise_warning(unknown) is None
