"""The comparison run: problems, checks, forecasts, records and tables."""

from __future__ import annotations

import dataclasses
import io
import json
import threading
import time

import numpy as np
import pytest
from rich.console import Console

import gradstep
from gradstep import compare
from gradstep.compare import problems, records, report, timing
from gradstep.compare.problems import ALPHA, Examples, Problem
from gradstep.compare.records import Cell, Check, Result, Settings
from gradstep.compare.timing import Call, Contender, Forecast, Reference
from gradstep.contract import KernelUnavailable, Step

QUICK = Settings(["numpy"], rounds=3)


def run_quickly(*contenders: Contender, grid: list[problems.AnyProblem] | None = None, **changes: object):
    settings = dataclasses.replace(QUICK, contenders=[each.name for each in contenders], **changes)
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
    report.show(record, Console(file=stream, highlight=False, **options))
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


def test_problem_larger_than_the_memory_is_skipped_with_the_reason():
    record = run_quickly(compare.kernel_contender("numpy"), grid=[Problem(50, 3), Problem(10**11, 10**4)], limit=1e99)
    huge = record.cells[1].results[0]
    assert huge.status == "skipped"
    assert "GiB" in str(huge.reason)
    assert "skipped: memory" in shown(record)
    assert record.cells[0].results[0].status == "timed"


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


def test_slow_contender_is_skipped_with_its_expected_time_and_never_called():
    calls = []

    def prepare(examples: Examples) -> Call:
        calls.append(examples.X.shape)
        return compare.kernel_contender("numpy").prepare(examples)

    forecast = Forecast()
    forecast.learn("slow", 10, 3, 2.0)
    cell = timing.measure([Contender("slow", prepare)], Problem(50, 3), QUICK, forecast)
    (result,) = cell.results
    assert result.status == "skipped"
    assert result.expected == pytest.approx(4 * 10.0)
    assert calls == []


def test_skipped_python_leaves_numpy_as_the_baseline():
    python = Result("python", "skipped", "about 12 s", expected=12.3)
    numpy = records.timed("numpy", Check(True, 0.0, 1e-11), [2e-3, 2e-3, 2e-3], 1)
    cython = records.timed("cython", Check(True, 0.0, 1e-11), [1e-3, 1e-3, 1e-3], 1)
    cell = Cell("random", "task", 100, 2, [python, cython, numpy])
    assert report.baseline(cell) is numpy
    record = dataclasses.replace(
        run_quickly(compare.kernel_contender("numpy")),
        cells=[cell],
        settings=dataclasses.replace(QUICK, contenders=["python", "cython", "numpy"]),
    )
    (row,) = [line for line in shown(record).splitlines() if line.startswith("100")]
    assert row.split("  ") == ["100", "2", "skipped: ~12 s", "1.00 ms", "2.00x", "2.00 ms", " base"]


# Timing


def test_samples_are_taken_in_shuffled_rounds():
    order: list[str] = []

    def recording(name: str) -> Contender:
        def prepare(examples: Examples) -> Call:
            step = compare.kernel_contender("numpy").prepare(examples)()

            def call() -> Step:
                order.append(name)
                return step

            return call

        return Contender(name, prepare)

    forecast = Forecast()
    # Calls that are expected to be long are not repeated within a sample, so each call is one sample.
    for name in "abc":
        forecast.learn(name, 50, 3, 0.05)
    settings = dataclasses.replace(QUICK, rounds=12, limit=100.0)
    cell = timing.measure([recording(name) for name in "abc"], Problem(50, 3), settings, forecast)
    rounds = ["".join(order[start : start + 3]) for start in range(3, len(order), 3)]
    assert [sorted(each) for each in rounds] == [["a", "b", "c"]] * 12
    assert len(set(rounds)) > 1
    assert [result.contender for result in cell.results] == ["a", "b", "c"]
    assert all(len(result.samples) == 12 for result in cell.results)


def test_sample_waits_for_threads_that_still_work():
    stop = time.perf_counter() + 0.1

    def work() -> None:
        while time.perf_counter() < stop:
            pass

    worker = threading.Thread(target=work)
    worker.start()
    timing.wait_until_idle()
    assert time.perf_counter() >= stop
    worker.join()


def test_sample_of_a_short_call_repeats_it():
    record = run_quickly(compare.kernel_contender("numpy"))
    (result,) = record.cells[0].results
    assert result.calls_per_sample is not None
    assert result.calls_per_sample > 1
    assert len(result.samples) == 3
    assert result.median == sorted(result.samples)[1]


def test_first_calls_are_reported_apart():
    record = run_quickly(compare.kernel_contender("python"), compare.kernel_contender("numpy"))
    assert list(record.first_calls) == ["python", "numpy"]
    assert "compile   first call" in shown(record)


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


def test_record_of_another_schema_is_refused(tmp_path):
    path = tmp_path / "record.json"
    path.write_text('{"schema": 99}')
    with pytest.raises(ValueError, match="schema is 99"):
        records.load(path)


def test_interquartile_range():
    result = records.timed("x", Check(True, 0.0, 1.0), [1.0, 2.0, 3.0, 4.0, 5.0], 1)
    assert (result.median, result.interquartile_range) == (3.0, 2.0)
    assert records.timed("x", Check(True, 0.0, 1.0), [1.0], 1).interquartile_range == 0.0


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
    assert report.duration(seconds) == text


def test_table_of_four_kernels_fits_80_columns():
    def row(m: int) -> Cell:
        python = Result("python", "skipped", "too long", expected=59.0 * 60)
        results = [python, *(records.timed(name, Check(True, 0.0, 1.0), [0.123, 0.1], 1) for name in others)]
        return Cell("random", "task", m, 100, results)

    others = ["numba", "cython", "numpy"]
    record = dataclasses.replace(
        run_quickly(compare.kernel_contender("numpy")),
        cells=[row(100), row(100_000)],
        settings=dataclasses.replace(QUICK, contenders=["python", *others]),
    )
    lines = [line for line in shown(record).splitlines() if line.lstrip().startswith("100")]
    assert len(lines) == 2
    assert max(map(len, lines)) <= 80


def test_fastest_of_a_row_is_highlighted_on_a_terminal_only():
    record = run_quickly(compare.kernel_contender("numpy"))
    on_terminal = shown(record, force_terminal=True, color_system="standard", width=80)
    assert "\x1b[1;32m" in on_terminal
    assert "\x1b" not in shown(record)
