"""What a record says: rates, ratios, bases, bounds, the fastest kernel and how times grow."""

from __future__ import annotations

import pytest
from made_records import cell, record, result, samples

from gradstep.compare.judge import findings
from gradstep.compare.record.records import Noise, Result, Settings, changed


def only_cell(one, **changes):
    return findings.findings(record(one, **changes)).cells[0]


def test_line_has_the_rates_and_ratios_that_follow_from_the_times():
    python, cython = only_cell(cell(10_000, 100, {"python": 1.0, "cython": 2e-3}, read_limit=1e-3)).lines
    assert cython.time == (2e-3, 2e-3, 2e-3)
    assert cython.per_row == pytest.approx(2e-7)
    assert cython.gigabytes_per_second == pytest.approx(8 * 10_000 * 100 / 2e-3 / 1e9)
    assert cython.over_read_limit is not None
    assert (cython.over_read_limit.value, cython.over_read_limit.verdict) == (2.0, "slower")
    assert cython.over_base is not None
    assert cython.over_base.verdict == "faster"
    assert cython.over_base.speed_up.value == pytest.approx(500.0)
    assert (python.is_base, cython.is_base) == (True, False)
    assert (python.is_fastest, cython.is_fastest) == (False, True)
    assert python.over_base is None


def test_read_limit_has_a_line_of_its_own():
    found = only_cell(cell(1000, 10, {"numpy": 2e-3}, read_limit=1e-3))
    assert found.read_limit is not None
    assert found.read_limit.time == (1e-3, 1e-3, 1e-3)
    assert found.read_limit.gigabytes_per_second == pytest.approx(8 * 1000 * 10 / 1e-3 / 1e9)
    assert only_cell(cell(1000, 10, {"numpy": 2e-3})).read_limit is None


def test_rounds_are_drawn_together():
    drifting = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    base = changed(result("numpy", 1.0), samples=drifting)
    twice = changed(result("cython", 1.0), samples=[2 * each for each in drifting])
    _, line = only_cell(cell(100, 2, {}, results=[base, twice])).lines
    assert line.over_base is not None
    assert line.over_base[:3] == (2.0, 2.0, 2.0)


def test_line_without_time_says_nothing_more():
    one = cell(100, 2, {"numpy": 1e-3}, read_limit=1e-6)
    wrong = Result(contender="culprit", status="wrong", reason="off by 1")
    one = changed(one, results=[*one.results, wrong])
    found = only_cell(one)
    assert found.lines[1] == findings.Line(one, wrong)
    assert [line.name for line in found.timed] == ["numpy"]


def bases(*cells, name=None):
    """Return the base in each of the cells, and whether any other contender has a ratio to it."""
    whole = record(*cells, settings=Settings(contenders=["python", "numpy", "cython"], base=name))
    found = findings.findings(whole).cells
    assert all(bool(each.base) == any(line.over_base for line in each.lines) for each in found)
    return [None if each.base is None else each.base.name for each in found]


def test_base_is_python_or_numpy_or_the_one_that_is_named():
    one = cell(100, 2, {"python": 3.0, "numpy": 2.0, "cython": 1.0})
    skipped = without_python(one)
    assert (bases(one), bases(skipped)) == (["python"], ["numpy"])
    assert bases(one, name="cython") == ["cython"]
    assert bases(skipped, name="python") == [None]
    assert bases(cell(1, 1, {"cython": 1.0})) == [None]


def test_base_is_the_same_in_all_cells():
    small = cell(100, 2, {"python": 3.0, "numpy": 2.0, "cython": 1.0})
    middle, large = (without_python(changed(small, m=m)) for m in (1000, 10_000))
    assert bases(small, middle) == ["python", None]
    # Where most cells lack python, numpy says more.
    assert bases(small, middle, large) == ["numpy"] * 3
    # A cell without any time counts for nothing.
    empty = changed(large, results=[Result(each.contender, "skipped", "too long") for each in large.results])
    assert bases(small, middle, empty) == ["python", None, None]


def without_python(cell):
    return changed(cell, results=[Result("python", "skipped", "too long"), *cell.results[1:]])


def test_fastest_is_named_with_what_is_too_close_to_call():
    results = [result("numpy", 2.0, 0.1), result("numba", 1.01, 0.1), result("cython", 1.0, 0.1)]
    found = only_cell(cell(100, 2, {}, results=results)).fastest
    assert found is not None
    assert (found.name, found.margin.value) == ("cython", 1.01)
    # All samples grow alike in made records, so their ratio is sure; here the rounds cross.
    assert found.alike == []
    crossing = changed(results[1], samples=results[1].samples[::-1])
    found = only_cell(cell(100, 2, {}, results=[results[0], crossing, results[2]])).fastest
    assert found.alike == ["numba"]


@pytest.mark.parametrize(
    ("spread", "rounds", "verdict"), [(0.02, 7, "tie"), (0.2, 7, "open"), (0.02, 5, "open"), (0.0, 7, "decided")]
)
def test_fastest_is_decided_or_tied_within_5_percent_or_open(spread, rounds, verdict):
    # The rounds cross, so the ratio varies by twice the spread around 1.01; without a spread it is 1.01 in every round.
    rising, falling = samples(1.0, spread)[:rounds], samples(1.01, spread)[::-1][:rounds]
    results = [
        result("numpy", 2.0),
        changed(result("numba", 1.0), samples=falling),
        changed(result("cython", 1.0), samples=rising),
    ]
    found = only_cell(cell(100, 2, {}, results=[changed(each, samples=each.samples[:rounds]) for each in results]))
    assert found.fastest is not None
    assert (found.fastest.name, found.fastest.verdict) == ("cython", verdict)


def test_tie_needs_everyone_alike_within_5_percent():
    close = changed(result("numba", 1.0), samples=samples(1.01, 0.02)[::-1])
    unsure = changed(result("numpy", 1.0), samples=samples(1.02, 0.3)[::-1])
    first = result("cython", 1.0, 0.02)

    def verdict(*others):
        return only_cell(cell(100, 2, {}, results=[*others, first])).fastest.verdict

    assert (verdict(close), verdict(unsure), verdict(close, unsure)) == ("tie", "open", "open")
    # The next one is slower for sure, and one that is slower still but noisy keeps the question open.
    assert verdict(result("numba", 1.05, 0.02), changed(unsure, samples=samples(1.1, 0.4)[::-1])) == "open"


def test_fastest_alone_has_no_margin_and_nothing_timed_has_no_fastest():
    alone = only_cell(cell(100, 2, {"numpy": 1.0})).fastest
    assert (alone.name, alone.margin, alone.alike, alone.verdict) == ("numpy", None, [], "decided")
    nothing = cell(100, 2, {}, results=[Result(contender="numpy", status="skipped", reason="too long")])
    assert only_cell(nothing).fastest is None


def test_bound_uses_the_smallest_call_of_the_same_kind():
    one = cell(100, 2, {"cython": 10e-6}, read_limit=1e-6)
    whole = record(one, smallest=8e-6)
    assert findings.findings(whole).cells[0].lines[0].bound.kind == "call overhead"
    other = changed(whole.first_calls[0], threads=2)
    elsewhere = findings.findings(changed(whole, first_calls=[other]))
    assert elsewhere.cells[0].lines[0].bound.kind == "arithmetic"


def test_bound_uses_the_growth_with_m_at_the_same_n():
    # Ten times the rows take twenty times as long, and X no longer fits into the cache.
    small, large = (
        cell(10_000, 100, {"numpy": 1e-3}, read_limit=1e-4),
        cell(100_000, 100, {"numpy": 20e-3}, read_limit=4e-3),
    )
    found = findings.findings(record(small, large)).cells[1].lines[0].bound
    assert found.kind == "memory"
    assert "1.30" in found.reason
    elsewhere = changed(small, threads=2)
    assert findings.findings(record(elsewhere, large)).cells[1].lines[0].bound.kind == "arithmetic"


def test_scalings_follow_m_at_each_n_and_n_at_each_m():
    sizes = (100, 1000, 10_000)
    cells = [cell(m, n, {"numpy": m * 1e-6, "cython": n * 1e-6}) for m in sizes for n in (2, 20, 200)]
    found = findings.findings(record(*cells)).scalings
    assert [(each.contender, each.axis, each.fixed, each.sizes) for each in found] == [
        *((name, "m", n, [*sizes]) for n in (2, 20, 200) for name in ("numpy", "cython")),
        *((name, "n", m, [2, 20, 200]) for m in sizes for name in ("numpy", "cython")),
    ]
    assert found[0].exponent.value == pytest.approx(1.0)
    assert found[1].exponent.value == pytest.approx(0.0)
    assert all(len(each.bounds) == len(each.sizes) for each in found)


def test_slope_needs_three_sizes_and_an_interval_no_wider_than_three_tenths():
    def contenders_with_a_slope(spread, *sizes):
        cells = [cell(m, 2, {}, results=[result("numpy", m * 1e-6), result("cython", m * 1e-6, spread)]) for m in sizes]
        return [each.contender for each in findings.findings(record(*cells)).scalings]

    assert contenders_with_a_slope(0.0, 100, 1000) == []
    assert contenders_with_a_slope(0.1, 100, 1000, 10_000) == ["numpy", "cython"]
    # The same noise says less where the sizes lie close together.
    assert contenders_with_a_slope(0.1, 100, 120, 140) == ["numpy"]


def test_scalings_leave_out_what_is_alone_or_differs_in_more_than_its_size():
    assert findings.findings(record(cell(100, 2, {"numpy": 1.0}))).scalings == []
    apart = [cell(m, 2, {"numpy": 1.0}, dtype=dtype) for m, dtype in ((1, "float64"), (2, "float64"), (3, "float32"))]
    assert findings.findings(record(*apart)).scalings == []
    data = [cell(m, 2, {"numpy": 1.0}, problem="iris") for m in (100, 1000, 10_000)]
    assert findings.findings(record(*data)).scalings == []


def test_noise_is_warned_of_beyond_its_bound():
    quiet = record(cell(100, 2, {"numpy": 1.0}))
    assert findings.findings(quiet).spread == 0.0
    assert findings.findings(quiet).noise_warning is None
    noise = Noise(X_bytes=1 << 20, samples=[(float(k), 1e-3 * (1 + k % 2)) for k in range(9)])
    assert "noisy" in str(findings.findings(changed(quiet, noise=noise)).noise_warning)
    unknown = findings.findings(changed(quiet, noise=None))
    assert unknown.spread is None
    assert unknown.noise_warning is None
