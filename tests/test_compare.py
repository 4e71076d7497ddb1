"""The comparison run: problems, checks, forecasts, records and tables."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import json
import time

import made_records
import numpy as np
import pytest
from rich.console import Console

import gradstep
from gradstep.cli.progress import RunProgress
from gradstep.compare.measure import budget, problems, timing
from gradstep.compare.measure import run as compare
from gradstep.compare.measure.problems import ALPHA, Examples, Problem
from gradstep.compare.measure.timing import Call, Contender, Forecast, Reference
from gradstep.compare.record import records
from gradstep.compare.record.records import READ_LIMIT, Check, Result, Settings
from gradstep.compare.show import tables
from gradstep.contract import KernelUnavailable, Step

QUICK = Settings(["numpy"], rounds=3)


def run_quickly(*contenders: Contender, grid: list[problems.AnyProblem] | None = None, **changes: object):
    settings = records.changed(QUICK, contenders=[each.name for each in contenders], **changes)
    return compare.run(lambda threads: contenders, grid or [Problem(50, 3)], settings)


def planted(name: str, change) -> Contender:
    """Return a contender that computes the step rightly and then changes it."""
    right = compare.kernel_contender("numpy").prepare

    def prepare(examples: Examples) -> Call:
        call = right(examples)
        return lambda: change(call())

    return Contender(name, prepare)


def shown(record: records.Record, **options: object) -> str:
    stream = io.StringIO()
    tables.show(record, Console(file=stream, highlight=False, **options))
    return stream.getvalue()


# Problems


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_problem_has_the_shape_dtype_and_order_asked_for(dtype, order):
    X, y, w, _ = Problem(200, 5, dtype, order).make()
    assert X.shape == (200, 5)
    assert X.flags[f"{order}_CONTIGUOUS"]
    assert {X.dtype, y.dtype, w.dtype} == {np.dtype(dtype)}
    assert set(y) == {0.0, 1.0}


def test_problem_is_the_same_each_time_and_in_both_orders():
    first, again, other_order = Problem(30, 4).make(), Problem(30, 4).make(), Problem(30, 4, order="F").make()
    other_seed = Problem(30, 4, seed=1).make()
    for one, two, three in zip(first[:3], again[:3], other_order[:3], strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
    assert not np.array_equal(first.X, other_seed.X)


def test_labels_follow_the_model():
    X, y, w, b = Problem(5000, 3).make()
    z = X @ w + b
    # sigmoid(1) is 0.73.
    assert y[z > 1].mean() > 0.73
    assert y[z < -1].mean() < 0.27


def test_bundled_data_set_is_standardized():
    problem = problems.bundled("breast_cancer")
    X, y, _, _ = problem.make()
    assert (problem.m, problem.n) == X.shape == (569, 30)
    np.testing.assert_allclose(X.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(X.std(axis=0), 1.0)
    # 212 of the 569 tumours are malignant (Wolberg and Street 1995).
    assert y.sum() == 212


@pytest.mark.parametrize(("name", "positive"), [("digits", 891), ("iris", 50), ("wine", 59)])
def test_bundled_tasks_are_binary(name, positive):
    X, y, _, _ = problems.bundled(name).make()
    assert y.sum() == positive
    assert np.isfinite(X).all()


# The check


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_kernel_passes_the_check(dtype, order):
    examples = Problem(3000, 7, dtype, order).make()
    reference = Reference.of(examples)
    for name, problem in gradstep.available().items():
        if problem is None:
            call = compare.kernel_contender(name).prepare(examples)
            assert reference.check(call(), timing.TOLERANCES[dtype]).passed, name


def test_reference_agrees_with_the_formula_in_pure_python():
    from math import exp, log

    X, y, w, b = Problem(9, 2).make()
    reference = Reference.of(Examples(X, y, w, b))
    a = [1 / (1 + exp(-(w[0] * x[0] + w[1] * x[1] + b))) for x in X]
    J = -sum(log(a_i) if y_i else log(1 - a_i) for a_i, y_i in zip(a, y, strict=True)) / 9
    db = sum(a_i - y_i for a_i, y_i in zip(a, y, strict=True)) / 9
    dw = [sum((a_i - y_i) * x[j] for a_i, y_i, x in zip(a, y, X, strict=True)) / 9 for j in range(2)]
    assert reference.J == pytest.approx(J, rel=1e-13)
    assert reference.b == pytest.approx(b - ALPHA * db, rel=1e-13)
    np.testing.assert_allclose(reference.w, [w[j] - ALPHA * dw[j] for j in range(2)], rtol=1e-13)


def test_dropped_last_row_is_wrong():
    examples = Problem(1000, 4).make()
    X, y, w, b = examples
    step = gradstep.step(X[:-1], y[:-1], w, b, ALPHA, kernel="numpy")
    check = Reference.of(examples).check(step, timing.TOLERANCES["float64"])
    assert not check.passed


@pytest.mark.parametrize(
    "change",
    [
        lambda step: step._replace(w=step.w * (1 + 1e-9)),
        lambda step: step._replace(b=step.b + 1e-9),
        lambda step: step._replace(J=step.J * (1 - 1e-9)),
        lambda step: step._replace(J=float("nan")),
        lambda step: step._replace(w=step.w[:1]),
        lambda step: step._replace(w=np.full_like(step.w, np.inf)),
    ],
    ids=["w", "b", "J", "nan", "shape", "infinite"],
)
def test_wrong_contender_is_shown_as_wrong_and_not_timed(change, tmp_path):
    record = run_quickly(compare.kernel_contender("numpy"), planted("culprit", change))
    good, bad = record.cells[0].results
    assert good.status == "timed"
    assert (bad.status, bad.samples, bad.median) == ("wrong", [], None)
    assert [result.contender for _, result in record.wrong()] == ["culprit"]
    text = shown(record)
    assert "wrong     culprit, 50 x 3" in text
    records.save(record, tmp_path / "record.json")
    assert records.load(tmp_path / "record.json") == record


# Skipping


def test_forecast_takes_the_nearest_n_then_the_nearest_size():
    forecast = Forecast()
    assert forecast.seconds("a", 10, 10) == 0.0
    forecast.learn("a", 100, 2, 200 * 5e-9)
    forecast.learn("a", 100, 100, 10_000 * 1e-9)
    forecast.learn("a", 1000, 100, 100_000 * 2e-9)
    assert forecast.seconds("a", 1000, 3) == pytest.approx(3000 * 5e-9)
    assert forecast.seconds("a", 10_000, 80) == pytest.approx(800_000 * 2e-9)
    assert forecast.seconds("b", 10_000, 80) == 0.0


def test_forecast_does_not_let_the_fixed_cost_grow():
    forecast = Forecast()
    forecast.learn_fixed("a", 10e-6)
    forecast.learn("a", 100, 10, 12e-6)
    assert forecast.seconds("a", 10_000, 10) == pytest.approx(10e-6 + 100 * 2e-6)
    # A smallest call that was disturbed may have taken longer than a larger one.
    forecast.learn_fixed("a", 50e-6)
    assert forecast.seconds("a", 10_000, 10) == pytest.approx(12e-6)


def never(name: str, calls: list[object]) -> Contender:
    """Return a contender that notes it if it is prepared for a call."""

    def prepare(examples: Examples) -> Call:
        calls.append(examples.X.shape)
        return compare.kernel_contender("numpy").prepare(examples)

    return Contender(name, prepare)


def test_slow_contender_is_skipped_with_its_expected_time_and_never_called():
    calls: list[object] = []
    forecast, problem = Forecast(), Problem(50, 3)
    who = timing.identity("slow", problem, 1)
    forecast.learn(who, 10, 3, 2.0)
    forecast.learn_wait(who, 1.0)
    cell = timing.measure([never("slow", calls)], problem, 1, QUICK, forecast)
    (result,) = cell.results
    assert result.status == "skipped"
    # The call that is checked, and three rounds with a second of waiting before each; calls so long need no warm-up.
    assert result.expected == pytest.approx(10.0 + 3 * (10.0 + 1.0))
    assert calls == []
    assert cell.read_limit is None


def test_problem_beyond_the_free_memory_is_left_out_with_the_reason():
    huge = Problem(10**11, 10**4)
    record = run_quickly(compare.kernel_contender("numpy"), grid=[Problem(50, 3), huge], limit=1e99)
    assert [(cell.m, cell.results[0].status) for cell in record.cells] == [(50, "timed")]
    (left,) = record.left_out
    assert (left.m, left.n, left.contender, left.cause) == (10**11, 10**4, None, "memory")
    assert "GiB" in left.reason
    assert "memory    random 100,000,000,000 x 10,000 (float64 C 1) is left out: " in shown(record)


def test_memory_that_is_needed_counts_copies_and_vectors():
    def contender(copies: dict[str, int]) -> Contender:
        return Contender("x", compare.kernel_contender("numpy").prepare, copies=copies)

    X_bytes, vectors = 8 * 1000 * 100, 64 * 1000
    copying = [contender({"C": 1, "F": 2}), contender({"F": 1})]
    for order, copies in (("C", 1), ("F", 3)):
        assert budget.needed_bytes(Problem(1000, 100, order=order), copying) == X_bytes * (1 + copies) + vectors
    # An array in Fortran order is made from one in C order.
    assert budget.needed_bytes(Problem(1000, 100, order="F"), []) == 2 * X_bytes + vectors
    needed = budget.needed_bytes(Problem(1000, 100), [])
    assert budget.shortage(Problem(1000, 100), [], 2 * needed) is None
    assert "GiB" in str(budget.shortage(Problem(1000, 100), [], needed))


def test_budget_affords_as_many_as_it_can_and_pays_what_is_shared_once():
    costs = {"a": 1.0, "b": 2.0, "c": 3.0}
    shared = {"a": ("X", 4.0), "b": ("X", 4.0), "c": ("Z", 4.0)}
    assert budget.affordable(costs, shared, 20.0) == {"a", "b", "c"}
    assert budget.affordable(costs, shared, 7.0) == {"a", "b"}
    assert budget.affordable(costs, shared, 6.9) == {"a"}
    assert budget.affordable(costs, shared, -1.0) == set()


def test_budget_leaves_out_the_dearest_and_says_so(monkeypatch):
    calls: list[object] = []
    monkeypatch.setattr(
        timing, "expected_seconds", lambda name, *rest: {"numpy": 0.001, "slow": 50.0, READ_LIMIT: 0.0}[name]
    )
    monkeypatch.setattr(timing, "first_call", lambda each, problem, threads, forecast: first_call_of(each.name))
    both = (compare.kernel_contender("numpy"), never("slow", calls))
    record = run_quickly(*both, limit=99.0, budget=40.0)
    fast, slow = record.cells[0].results
    assert (fast.status, slow.status, calls) == ("timed", "skipped", [])
    (left,) = record.left_out
    assert (left.contender, left.cause) == ("slow", "budget")
    assert "50 s expected" in left.reason
    assert slow.reason == left.reason
    assert "budget    40 s (--budget) did not suffice for\n          slow: random 50 x 3 (float64 C 1)" in shown(record)
    none = run_quickly(*both, limit=99.0, budget=1e-9)
    assert none.cells == []
    assert [(each.contender, each.cause) for each in none.left_out] == [(None, "budget")]
    nobody = run_quickly(*both, limit=10.0, budget=1e-9)
    assert (nobody.cells, [each.contender for each in nobody.left_out]) == ([], [None])
    assert run_quickly(both[0], limit=99.0).left_out == []


def test_budget_is_planned_with_the_pace_so_far(monkeypatch):
    monkeypatch.setattr(timing, "expected_seconds", lambda name, *rest: {"numpy": 1e4, READ_LIMIT: 0.0}[name])
    settings = records.changed(QUICK, limit=1e9, budget=2.5e4)
    numpy = compare.kernel_contender("numpy")
    run = compare._Run(lambda threads: [numpy], [Problem(50, 3), Problem(60, 3)], settings, {}, [], compare.Silent())
    assert set(run._plan(run._places)) == {(0, "numpy"), (1, "numpy")}
    run._hoped, run._spent = 1.0, 2.0
    assert len(run._plan(run._places)) == 1
    # A run that was faster than expected is not trusted to stay so.
    run._hoped, run._spent = 2.0, 1.0
    assert len(run._plan(run._places)) == 2


def first_call_of(name: str) -> records.FirstCall:
    return records.FirstCall(name, "float64", "C", 1, 0.0, None, 0.0, 0.0)


def test_skipped_python_leaves_numpy_as_the_baseline():
    whole = made_records.cell(100, 2, {"cython": 1e-3, "numpy": 2e-3})
    python = Result("python", "skipped", "about 12 s", expected=12.3)
    cell = records.changed(whole, results=[python, *whole.results])
    record = made_records.record(cell, records.changed(cell, m=200))
    row = next(line for line in shown(record).splitlines() if line.startswith("100 "))
    assert row.split("  ") == ["100", "2", "skipped: ~12 s", "1.00 ms", "2.00x", "2.00 ms", " base"]


# Timing


def test_samples_are_taken_in_shuffled_rounds(monkeypatch):
    order: list[str] = []

    def recording(name: str) -> Contender:
        def prepare(examples: Examples) -> Call:
            step = compare.kernel_contender("numpy").prepare(examples)()

            def call() -> Step:
                order.append(name)
                return step

            return call

        return Contender(name, prepare)

    # Then each call is one sample.
    monkeypatch.setattr(timing, "_SAMPLE_SECONDS", 0.0)
    settings = records.changed(QUICK, rounds=12)
    cell = timing.measure([recording(name) for name in "abc"], Problem(50, 3), 1, settings, Forecast())
    rounds = ["".join(order[start : start + 3]) for start in range(len(order) - 36, len(order), 3)]
    assert [sorted(each) for each in rounds] == [["a", "b", "c"]] * 12
    assert len(set(rounds)) > 1
    assert [result.contender for result in cell.results] == ["a", "b", "c"]
    assert all(len(result.samples) == 12 for result in cell.results)


@pytest.mark.parametrize(
    ("seconds", "warm_up"),
    [
        ([1.0, 0.5, 0.49], [1.0, 0.5, 0.49]),
        ([1.0, 1.1], [1.0, 1.1]),
        ([2.0 ** (9 - k) for k in range(99)], [2.0 ** (9 - k) for k in range(15)]),
    ],
    ids=["settles", "is steady", "never settles"],
)
def test_contender_warms_up_until_its_times_no_longer_fall(monkeypatch, seconds, warm_up):
    times = iter(seconds)
    monkeypatch.setattr(timing, "_seconds_for", lambda call, calls: next(times))
    runner = timing._Runner("x", lambda: None, Check(True, 0.0, 1.0), 0.0, 0.0, contextlib.nullcontext)
    timing._warm_up([runner], lambda runners: None)
    assert (runner.warm_up, runner.samples) == (warm_up, [])


def test_samples_are_lengthened_until_the_clock_does_not_matter(monkeypatch):
    monkeypatch.setattr(timing, "_seconds_for", lambda call, calls: calls * 1e-6)
    runner = timing._Runner("x", lambda: None, Check(True, 0.0, 1.0), 0.0, 0.0, contextlib.nullcontext)
    timing._warm_up([runner], lambda runners: None)
    assert 1.0 <= runner.calls * 1e-6 / timing._SAMPLE_SECONDS <= 1.3
    assert runner.warm_up == pytest.approx([1e-6] * len(runner.warm_up))


def test_long_call_needs_no_warm_up(monkeypatch):
    monkeypatch.setattr(timing, "_seconds_for", lambda call, calls: pytest.fail("it was called"))
    runner = timing._Runner("x", lambda: None, Check(True, 0.0, 1.0), 1.0, 0.0, contextlib.nullcontext)
    timing._warm_up([runner], lambda runners: None)
    assert (runner.warm_up, runner.calls) == ([], 1)


def test_one_slow_call_alone_does_not_count_as_long():
    slow = [True]

    def prepare(examples: Examples) -> Call:
        call = compare.kernel_contender("numpy").prepare(examples)

        def disturbed() -> Step:
            if slow:
                time.sleep(slow.pop() * 0.1)
            return call()

        return disturbed

    cell = timing.measure([Contender("x", prepare)], Problem(50, 3), 1, QUICK, Forecast())
    assert cell.results[0].calls_per_sample > 1


class FakeClock:
    """A clock that only sleeping moves; the process is busy until a given time."""

    def __init__(self, busy_until: float) -> None:
        self.now = 0.0
        self._busy_until = busy_until

    def perf_counter(self) -> float:
        return self.now

    def process_time(self) -> float:
        return min(self.now, self._busy_until)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("busy_until", "waited"), [(0.0, 1e-3), (0.1, 0.101), (99.0, 0.5)])
def test_sample_waits_for_threads_that_still_work_but_not_for_ever(monkeypatch, busy_until, waited):
    clock = FakeClock(busy_until)
    monkeypatch.setattr(timing, "time", clock)
    timing.wait_until_idle()
    assert clock.now == pytest.approx(waited, abs=1.5e-3)


def test_sample_of_a_short_call_repeats_it():
    record = run_quickly(compare.kernel_contender("numpy"))
    (result,) = record.cells[0].results
    assert result.calls_per_sample is not None
    assert result.calls_per_sample > 1
    assert len(result.samples) == 3
    assert result.median == sorted(result.samples)[1]


def test_first_calls_are_reported_apart():
    numpy = compare.kernel_contender("numpy")
    compiling = dataclasses.replace(numpy, name="compiling", compiles=True, load=lambda: 0.25)
    kinds = [Problem(50, 3), Problem(50, 3, "float32")]
    record = run_quickly(numpy, compiling, grid=kinds, threads=[1, 2])
    assert [(each.contender, each.dtype, each.threads) for each in record.first_calls] == [
        (name, dtype, threads)
        for dtype in ("float64", "float32")
        for threads in (1, 2)
        for name in ("numpy", "compiling")
    ]
    compiled = [each for each in record.first_calls if each.contender == "compiling"]
    assert [each.imported for each in compiled] == [0.25, None, None, None]
    assert all(0.0 <= each.compiled <= each.first for each in compiled)
    assert all(each.compiled is None for each in record.first_calls if each.contender == "numpy")
    assert all(0.0 < each.smallest for each in record.first_calls)
    text = shown(record)
    assert "Before the first sample" in text
    row = next(line.split() for line in text.splitlines() if line.startswith("compiling") and "float64 C 1" in line)
    assert row[1:3] == ["250", "ms"]


def test_every_dtype_order_and_number_of_threads_has_its_cell():
    kinds = [Problem(50, 3, dtype, order) for dtype in ("float64", "float32") for order in "CF"]
    record = run_quickly(compare.kernel_contender("numpy"), grid=kinds, threads=[1, None])
    assert [(cell.dtype, cell.order, cell.threads, cell.X_bytes) for cell in record.cells] == [
        (dtype, order, threads, 150 * size)
        for dtype, size in (("float64", 8), ("float32", 4))
        for order in "CF"
        for threads in (1, None)
    ]
    assert (record.settings.dtypes, record.settings.orders) == (["float64", "float32"], ["C", "F"])
    assert "float32, F order, threads by size" in shown(record)


def test_run_that_is_interrupted_keeps_what_it_has():
    numpy = compare.kernel_contender("numpy")

    def prepare(examples: Examples) -> Call:
        if examples.X.shape == (60, 3):
            raise KeyboardInterrupt
        return numpy.prepare(examples)

    with pytest.raises(compare.RunInterrupted) as caught:
        run_quickly(dataclasses.replace(numpy, prepare=prepare), grid=[Problem(60, 3), Problem(50, 3)])
    record = caught.value.record
    assert not record.complete
    assert [(cell.m, cell.results[0].status) for cell in record.cells] == [(50, "timed")]
    assert "Interrupted" in shown(record)
    assert run_quickly(numpy).complete


def test_floor_is_watched_through_the_run():
    record = run_quickly(compare.kernel_contender("numpy"), grid=[Problem(50, 3), Problem(60, 3)])
    assert record.noise is not None
    moments = [at for at, _ in record.noise.samples]
    # Before each problem and at the end.
    assert len(moments) == 3 * 3
    assert moments == sorted(moments)
    assert 0.0 <= moments[0] < moments[-1] <= record.seconds
    assert all(seconds > 0.0 for _, seconds in record.noise.samples)


def test_unavailable_kernel_is_left_out_with_its_reason_or_raised():
    def prepare(examples: Examples) -> Call:
        raise KernelUnavailable("the gone kernel is not available: no compiler. Cure: install one")

    gone = Contender("gone", prepare)
    numpy = compare.kernel_contender("numpy")
    record = run_quickly(gone, numpy)
    assert record.settings.contenders == ["numpy"]
    assert "left out  the gone kernel is not available: no compiler. Cure: install one" in shown(record)
    with pytest.raises(KernelUnavailable, match="Cure"):
        compare.run(lambda threads: [gone, numpy], [Problem(50, 3)], QUICK, skip_unavailable=False)


def test_bar_grows_by_what_is_planned_anew():
    with RunProgress() as progress:
        progress.plan(10.0)
        progress.advance(4.0)
        progress.plan(3.0)
        (task,) = progress._bar.tasks
        assert (task.completed, task.total) == (4.0, 7.0)


# Records and tables


def test_record_survives_json(tmp_path):
    record = run_quickly(compare.kernel_contender("python"), grid=[Problem(20, 2), Problem(10, 2)])
    path = tmp_path / "record.json"
    records.save(record, path)
    assert records.load(path) == record
    content = json.loads(path.read_text())
    assert content["schema"] == records.SCHEMA
    assert [cell["m"] for cell in content["cells"]] == [20, 10]
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


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
    assert tables.duration(seconds) == text


def extreme_record() -> records.Record:
    """Return a record of the widest numbers and names."""
    factors = {"numpy-formula": 12.34, "scikit-learn": 98_765.0, "cython": 0.999, "numba-loop": 9_999.0}
    cells = []
    for m, n in itertools.product((100, 10_000_000), (2, 10_000)):
        floor = 8 * m * n / 99.9e9
        results = [made_records.result(name, min(factor * floor, 999.0), 1.9) for name, factor in factors.items()]
        cells.append(made_records.cell(m, n, {}, floor, results=results))
    return made_records.record(*cells, settings=Settings(list(factors), base="numpy-formula"))


def test_tables_fit_80_columns():
    lines = shown(extreme_record()).splitlines()
    # The foot names the machine and the versions, in lines that may be long.
    table = lines[: next(k for k, line in enumerate(lines) if line.startswith("read limit    one"))]
    assert sum(line.startswith("m = ") for line in table) == 4
    assert [line for line in table if len(line) > 80] == []


def test_tables_are_the_same_on_a_terminal_of_80_columns():
    record = extreme_record()
    on_terminal = shown(record, force_terminal=True, color_system=None, width=80).splitlines()
    block = [line for line in shown(record).splitlines() if line.startswith(("m = ", "numpy-formula ", "cython "))]
    assert len(block) > 12
    assert set(block) <= {line.rstrip() for line in on_terminal}
    assert max(map(len, on_terminal)) <= 80


def test_overview_is_left_out_where_it_is_too_wide():
    few, many = ({"python": 1.0} | {f"name-{k}": 1e-3 for k in range(count)} for count in (3, 5))
    for seconds, is_there in ((few, True), (many, False)):
        cells = [made_records.cell(m, 2, seconds) for m in (100, 1000)]
        assert ("Times, and how many times as fast" in shown(made_records.record(*cells))) is is_there


def test_block_shows_the_numbers_of_each_contender():
    cell = made_records.cell(10_000, 100, {"python": 1.0, "cython": 2e-3, "numpy": 4.0}, read_limit=1e-3)
    cell = records.changed(cell, results=[*cell.results, Result("culprit", "wrong", "off by 1e-3")])
    lines = shown(made_records.record(cell)).splitlines()
    block = lines[: lines.index("Before the first sample, and part of no time above")]
    rows = {line.split()[0]: line.split()[1:] for line in block if line.startswith(("python", "cython", "numpy"))}
    assert rows["python"] == ["1.00", "s", "1.00-1.00", "s", "100", "us", "0.01", "1000", "base"]
    assert rows["cython"][:8] == ["2.00", "ms", "2.00-2.00", "ms", "200", "ns", "4.00", "2.00"]
    assert rows["cython"][8:] == ["500x", "500-500"]
    assert rows["numpy"][-2:] == ["0.25x", "0.25-0.25"]
    assert "culprit       wrong: off by 1e-3" in lines
    assert "wrong     culprit, 10,000 x 100: off by 1e-3; not timed" in lines


def test_scaling_is_shown_with_what_bounds_it():
    cells = [
        made_records.cell(m, 100, {"cython": seconds}, floor)
        for m, seconds, floor in ((100, 1.5e-6, 1e-7), (10_000, 1e-4, 2e-5), (1_000_000, 2e-2, 1.5e-2))
    ]
    text = shown(made_records.record(*cells))
    assert "m from 100 to 1,000,000, n = 100, float64, C order, 1 thread" in text
    lines = text.splitlines()
    (first,) = [k for k, line in enumerate(lines) if line.startswith("  cython")]
    words = " ".join(lines[first : first + 2]).split()
    assert words[:5] == ["cython", "1.03", "1.03", "to", "1.03"]
    assert " ".join(words[5:]) == "call overhead, arithmetic from 10,000, memory from 1,000,000"


def test_foot_tells_of_noise_machine_and_commit():
    quiet = made_records.record(made_records.cell(100, 2, {"numpy": 1.0}))
    text = shown(quiet)
    assert "noise     reading the same 64.0 MiB 9 times varied by 0%: the machine was quiet" in text
    assert "machine   Test processor, 2 of 2 cores usable, L1d 32.0 KiB, L2 1.00 MiB, L3 32.0 MiB" in text
    assert "governor performance" in text
    assert "commit 0123456789\n" in text
    noisy = records.changed(quiet, noise=records.Noise(1 << 20, [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]))
    assert "the machine was noisy" in shown(noisy)


def test_fastest_of_a_row_is_highlighted_on_a_terminal_only():
    record = run_quickly(compare.kernel_contender("numpy"))
    on_terminal = shown(record, force_terminal=True, color_system="standard", width=80)
    assert "\x1b[1;32m" in on_terminal
    assert "\x1b" not in shown(record)
