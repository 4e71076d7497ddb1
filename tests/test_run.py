"""One comparison run: what it measures, what it leaves out, and what it keeps when it is interrupted."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from comparisons import QUICK, planted, run_quickly, shown

from gradstep.compare.measure import run
from gradstep.compare.measure.contenders import Call, Contender, kernel_contender
from gradstep.compare.measure.problems import Examples, Problem
from gradstep.compare.record import records
from gradstep.contract import KernelUnavailable


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
    record = run_quickly(kernel_contender("numpy"), planted("culprit", change))
    good, bad = record.cells[0].results
    assert good.status == "timed"
    assert (bad.status, bad.samples, bad.median) == ("wrong", [], None)
    assert [result.contender for _, result in record.wrong()] == ["culprit"]
    text = shown(record)
    assert "wrong     culprit, 50 x 3" in text
    records.save(record, tmp_path / "record.json")
    assert records.load(tmp_path / "record.json") == record


def test_first_calls_are_reported_apart():
    numpy = kernel_contender("numpy")
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
    assert "One-time costs" in text
    row = next(line.split() for line in text.splitlines() if line.startswith("compiling") and "float64 C 1" in line)
    assert row[1:3] == ["250", "ms"]


def test_every_dtype_order_and_number_of_threads_has_its_cell():
    kinds = [Problem(50, 3, dtype, order) for dtype in ("float64", "float32") for order in "CF"]
    record = run_quickly(kernel_contender("numpy"), grid=kinds, threads=[1, None])
    assert [(cell.dtype, cell.order, cell.threads, cell.X_bytes) for cell in record.cells] == [
        (dtype, order, threads, 150 * size)
        for dtype, size in (("float64", 8), ("float32", 4))
        for order in "CF"
        for threads in (1, None)
    ]
    assert (record.settings.dtypes, record.settings.orders) == (["float64", "float32"], ["C", "F"])
    assert "float32, F order, threads by size" in shown(record)


def test_run_that_is_interrupted_keeps_what_it_has():
    numpy = kernel_contender("numpy")

    def prepare(examples: Examples) -> Call:
        if examples.X.shape == (60, 3):
            raise KeyboardInterrupt
        return numpy.prepare(examples)

    with pytest.raises(run.RunInterrupted) as caught:
        run_quickly(dataclasses.replace(numpy, prepare=prepare), grid=[Problem(60, 3), Problem(50, 3)])
    record = caught.value.record
    assert not record.complete
    assert [(cell.m, cell.results[0].status) for cell in record.cells] == [(50, "timed")]
    assert "Interrupted" in shown(record)
    assert run_quickly(numpy).complete


def test_noise_is_watched_through_the_run():
    record = run_quickly(kernel_contender("numpy"), grid=[Problem(50, 3), Problem(60, 3)])
    assert record.noise is not None
    moments = [at for at, _ in record.noise.samples]
    # Before each problem and at the end.
    assert len(moments) == 3 * 3
    assert moments == sorted(moments)
    assert 0.0 <= moments[0] < moments[-1] <= record.seconds
    assert all(seconds > 0.0 for _, seconds in record.noise.samples)


def test_unavailable_kernel_is_left_out_with_its_reason_or_raised():
    def prepare(examples: Examples) -> Call:
        raise KernelUnavailable("the gone kernel is not available: no compiler. Fix: install one")

    gone = Contender("gone", prepare)
    numpy = kernel_contender("numpy")
    record = run_quickly(gone, numpy)
    assert record.settings.contenders == ["numpy"]
    assert "left out  the gone kernel is not available: no compiler. Fix: install one" in shown(record)
    with pytest.raises(KernelUnavailable, match="Fix"):
        run.run(lambda threads: [gone, numpy], [Problem(50, 3)], QUICK, skip_unavailable=False)


def test_record_survives_json(tmp_path):
    record = run_quickly(kernel_contender("python"), grid=[Problem(20, 2), Problem(10, 2)])
    path = tmp_path / "record.json"
    records.save(record, path)
    assert records.load(path) == record
    content = json.loads(path.read_text())
    assert content["schema"] == records.SCHEMA
    assert [cell["m"] for cell in content["cells"]] == [20, 10]
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]
