"""What the start page of the dashboard says: the fastest kernel, the noise, the read limit, and what is missing."""

import pytest

from gradstep.registry import KERNELS
from tools.dashboard import charts, fastest, noise, tables
from tools.dashboard.results import (
    AXES,
    BANDWIDTH,
    RATIO,
    SPEEDUP,
    TIME,
    Benchmark,
    Commit,
    Entry,
    History,
    Measured,
    Point,
    Row,
)

IN_M, IN_N = AXES
SIZES = (100, 1_000, 10_000)
READ_LIMIT_OF_ELEMENT = 1e-9
# Seconds for an element of X.
COSTS = {"python": 100e-9, "numba": 3e-9, "cython": 2e-9, "numpy": 4e-9}


def point(value, *samples):
    return Point(value, None, None, samples)


def points(factor=1.0, fixed=16, costs=COSTS, kinds=(TIME, RATIO, SPEEDUP, BANDWIDTH)):
    """Return made results along m: all times are multiplied by the factor, the read limit is not."""
    found = {}
    for kernel, cost in costs.items():
        for size in SIZES:
            seconds, limit = factor * cost * size * fixed, READ_LIMIT_OF_ELEMENT * size * fixed
            values = {
                TIME: point(seconds, 0.99 * seconds, seconds, 1.01 * seconds),
                RATIO: point(seconds / limit),
                SPEEDUP: point(costs["numpy"] / cost),
                BANDWIDTH: point(8 * size * fixed / seconds / 1e9),
            }
            found.update({Row(f"{IN_M.suite}.{kind}", kernel, fixed, size): values[kind] for kind in kinds})
    return found


def measured(found, again=None, others=None, number=1):
    return Measured(Commit(number, f"{number:08d}abc", f"{number:08d}", ""), found, again or {}, others or {})


def time_of(kernel):
    return noise.Line(f"{IN_M.suite}.{TIME}", kernel, 16)


# The noise


def test_noise_is_the_largest_difference_along_a_line():
    first, second = points(), points()
    place = Row(f"{IN_M.suite}.{TIME}", "numba", 16, 1_000)
    second[place] = point(first[place].value / 1.5)
    found = noise.noise(measured(first, second))
    assert found[time_of("numba")] == pytest.approx(1.5)
    assert found[time_of("cython")] == 1.0
    # A benchmark that the second measurement lacks has no noise.
    assert noise.noise(measured(first, points(kinds=(TIME,)))).keys() == {time_of(kernel) for kernel in COSTS}


def test_commit_that_was_measured_once_has_the_noise_of_the_newest_that_was_measured_twice():
    twice = measured(points(), points(1.2))
    later = measured(points(), points(1.4))
    before, *_, last = noise.noises([measured(points()), twice, later, measured(points())])
    assert before[time_of("numpy")] == last[time_of("numpy")] == pytest.approx(1.4)
    assert noise.noises([twice, later])[0][time_of("numpy")] == pytest.approx(1.2)
    assert noise.noises([measured(points())]) == [{}]


def panel_of(each, kind):
    history = History("a machine", [each])
    return next(panel for panel in charts.panels([history]) if panel.measure.benchmark == kind)


@pytest.mark.parametrize("kind", [TIME, RATIO, SPEEDUP])
def test_every_chart_has_the_band_of_the_noise_and_the_read_limit(kind):
    each = measured(points(), points(1.25))
    drawn = charts.traces(panel_of(each, kind), each, noise.noise(each))
    assert {trace["meta"]["band"] for trace in drawn if "band" in trace["meta"]} == set(COSTS)
    (limit,) = [trace for trace in drawn if trace.get("name") == charts.READ_LIMIT]
    assert limit["x"] == list(SIZES)
    line = next(trace for trace in drawn if trace.get("name") == "cython")
    band = next(trace for trace in drawn if trace["meta"].get("band") == "cython")
    factor = 1.0 if kind == SPEEDUP else 1.25
    assert band["y"][: len(SIZES)] == pytest.approx([value * factor for value in line["y"]])
    assert band["y"][: len(SIZES) - 1 : -1] == pytest.approx([value / factor for value in line["y"]])


def test_without_a_second_measurement_there_is_no_band():
    each = measured(points())
    drawn = charts.traces(panel_of(each, TIME), each, noise.noise(each))
    assert {trace["name"] for trace in drawn} == {*COSTS, charts.READ_LIMIT}


# The read limit


def test_read_limit_is_in_the_unit_of_each_benchmark():
    found = points()
    seconds = {size: READ_LIMIT_OF_ELEMENT * 16 * size for size in SIZES}
    assert noise.read_limits(found, f"{IN_M.suite}.{TIME}", 16) == pytest.approx(seconds)
    assert noise.read_limits(found, f"{IN_M.suite}.{RATIO}", 16) == dict.fromkeys(SIZES, 1.0)
    # A kernel as fast as that would be four times faster than NumPy.
    assert noise.read_limits(found, f"{IN_M.suite}.{SPEEDUP}", 16) == pytest.approx(dict.fromkeys(SIZES, 4.0))
    assert noise.read_limits(found, IN_M.exponent, 16) == pytest.approx({0: 1.0})
    assert noise.read_limits(found, f"{IN_N.suite}.{TIME}", 16) == {}
    assert noise.read_limits(points(kinds=(TIME,)), f"{IN_M.suite}.{TIME}", 16) == {}


# The fastest kernel


def test_fastest_kernel_in_words_and_on_the_map():
    each = measured(points())
    assert fastest.sentences(each, {}) == [
        "The fastest kernel is cython at all 3 sizes.",
        "The fastest one is 2.00× faster than NumPy and 50.0× faster than Python loops.",
    ]
    (shown,) = fastest.maps(each, {})
    assert shown["head"] == ["m =", "100", "1k", "10k"]
    (row,) = shown["rows"]
    assert row["head"] == "n = 16"
    assert all(cell["names"] == ["cython"] and cell["gain"] == "2.00×" and cell["colour"] for cell in row["cells"])


@pytest.mark.parametrize(("apart", "second"), [(1.0, 2.09e-9), (1.6, 3e-9)], ids=["within 5 %", "within the noise"])
def test_kernels_that_are_too_close_to_call_are_both_named(apart, second):
    each = measured(points(costs={**COSTS, "numba": second}))
    width = {noise.Line(f"{IN_M.suite}.{SPEEDUP}", "cython", 16): apart}
    assert fastest.sentences(each, width)[0] == "At all 3 sizes the first ones are too close to call."
    (shown,) = fastest.maps(each, width)
    assert all(cell["names"] == ["numba", "cython"] and not cell["colour"] for cell in shown["rows"][0]["cells"])


def test_times_decide_where_no_speed_up_was_measured():
    each = measured(points(kinds=(TIME,)))
    assert fastest.sentences(each, {})[0] == "The fastest kernel is cython at all 3 sizes."
    assert fastest.sentences(measured({}), {}) == fastest.maps(measured({}), {}) == []


# The tables


def test_exponents_that_are_uncertain_or_of_two_sizes_are_left_out():
    found = points()
    for size in SIZES:
        place = Row(f"{IN_M.suite}.{TIME}", "numba", 16, size)
        found[place] = point(found[place].value, *(found[place].value * factor for factor in (0.1, 1.0, 10.0)))
    del found[Row(f"{IN_M.suite}.{TIME}", "python", 16, SIZES[-1])]
    (table,) = tables.exponents(measured(found))
    (row,) = table["rows"]
    cells = dict(zip(table["head"], row, strict=True))
    assert cells["numba"] == cells["python"] == tables.NOTHING
    assert cells["cython"].startswith("1.00 (")


def test_exponent_without_samples_is_the_tracked_one():
    found = {row: each._replace(samples=()) for row, each in points().items()}
    found[Row(IN_M.exponent, "numpy", 16, 0)] = point(0.9)
    (table,) = tables.exponents(measured(found))
    assert table["rows"] == [["in m, n = 16", *("0.90" if kernel == "numpy" else "–" for kernel in KERNELS)]]


def test_table_of_another_benchmark_has_a_column_for_each_kernel():
    benchmark = Benchmark("f.g", "Threads", "seconds")
    entries = [
        Entry({"kernel": kernel, "threads": threads, "log10_m": 3}, value)
        for kernel, threads, value in (("numba", "1", 1e-3), ("numba", "auto", None), ("numpy", "1", 2e-6))
    ]
    (table,) = tables.others(measured({}, others={"f.g": entries}), [benchmark])
    assert table["head"] == ["threads", "m", "numba", "numpy"]
    assert table["rows"] == [["1", "1,000", "1.00 ms", "2.00 µs"], ["auto", "1,000", "failed", "–"]]
    assert table["names"] == 2


def test_what_was_not_measured_is_named_with_the_command_that_measures_it():
    suite = [Benchmark(name, name, "seconds") for name in ("a.A.x", "a.A.y", "b.B.x", "b.B.y")]
    old = measured({}, others={"a.A.x": [], "b.B.x": [], "b.B.y": []}, number=1)
    new = measured({}, others={"a.A.x": [], "a.A.y": []}, number=2)
    history = History("a machine", [old, new], suite)
    assert tables.missing(new, history) == (
        "Not measured at this commit: b. `make dashboard` measures what is missing."
    )
    assert tables.missing(old, history) == (
        "Not measured at this commit: a.A.y. `make dashboard RANGE='00000001^!'` measures what is missing."
    )
    assert tables.missing(measured({}, others=dict.fromkeys(each.name for each in suite)), history) == ""
