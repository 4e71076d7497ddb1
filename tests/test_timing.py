"""How samples are taken: interleaved, warm, long enough, and in an idle process."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
from comparisons import QUICK, run_quickly

from gradstep.compare.measure import sampling, timing
from gradstep.compare.measure.contenders import Call, Contender, kernel_contender
from gradstep.compare.measure.forecast import Forecast
from gradstep.compare.measure.problems import Examples, GivenX, Problem
from gradstep.compare.measure.sampling import Sampler
from gradstep.compare.record import records
from gradstep.compare.record.records import Check
from gradstep.contract import Step


def test_samples_are_taken_in_shuffled_rounds(monkeypatch):
    order: list[str] = []

    def recording(name: str) -> Contender:
        def prepare(examples: Examples) -> Call:
            step = kernel_contender("numpy").prepare(examples)()

            def call() -> Step:
                order.append(name)
                return step

            return call

        return Contender(name, prepare)

    # Then each call is one sample.
    monkeypatch.setattr(sampling, "SAMPLE_SECONDS", 0.0)
    settings = records.changed(QUICK, rounds=12)
    cell = timing.measure([recording(name) for name in "abc"], Problem(50, 3), 1, settings, Forecast())
    rounds = ["".join(order[start : start + 3]) for start in range(len(order) - 36, len(order), 3)]
    assert [sorted(each) for each in rounds] == [["a", "b", "c"]] * 12
    assert len(set(rounds)) > 1
    assert [result.contender for result in cell.results] == ["a", "b", "c"]
    assert all(len(result.samples) == 12 for result in cell.results)


def sampler(clock, call_seconds: float = 0.0) -> Sampler:
    """Return a sampler whose calls take what the clock says."""
    return Sampler("x", lambda: None, Check(True, 0.0, 1.0), call_seconds, 0.0, contextlib.nullcontext, clock)


@pytest.mark.parametrize(
    ("seconds", "warm_up"),
    [
        ([1.0, 0.5, 0.49], [1.0, 0.5, 0.49]),
        ([1.0, 1.1], [1.0, 1.1]),
        ([2.0 ** (9 - k) for k in range(99)], [2.0 ** (9 - k) for k in range(15)]),
    ],
    ids=["settles", "is steady", "never settles"],
)
def test_contender_warms_up_until_its_times_no_longer_fall(seconds, warm_up):
    times = iter(seconds)
    one = sampler(lambda call, calls: next(times))
    sampling.warm_up([one], lambda samplers: None)
    assert (one.warm_up, one.samples) == (warm_up, [])


def test_samples_are_lengthened_until_the_clock_does_not_matter():
    one = sampler(lambda call, calls: calls * 1e-6)
    sampling.warm_up([one], lambda samplers: None)
    assert 1.0 <= one.calls * 1e-6 / sampling.SAMPLE_SECONDS <= 1.3
    assert one.warm_up == pytest.approx([1e-6] * len(one.warm_up))


def test_long_call_needs_no_warm_up():
    one = sampler(lambda call, calls: pytest.fail("it was called"), call_seconds=1.0)
    sampling.warm_up([one], lambda samplers: None)
    assert (one.warm_up, one.calls) == ([], 1)


def test_one_slow_call_alone_does_not_count_as_long():
    slow = [True]

    def prepare(examples: Examples) -> Call:
        call = kernel_contender("numpy").prepare(examples)

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


@pytest.mark.parametrize(("busy_until", "waited"), [(0.0, 6e-3), (0.1, 0.106), (99.0, 0.5)])
def test_sample_waits_for_threads_that_still_work_but_not_for_ever(monkeypatch, busy_until, waited):
    clock = FakeClock(busy_until)
    monkeypatch.setattr(sampling, "time", clock)
    sampling.wait_until_idle()
    assert clock.now == pytest.approx(waited, abs=6e-3)


def test_sample_of_a_short_call_repeats_it():
    record = run_quickly(kernel_contender("numpy"))
    (result,) = record.cells[0].results
    assert result.calls_per_sample is not None
    assert result.calls_per_sample > 1
    assert len(result.samples) == 3
    assert result.median == sorted(result.samples)[1]


def test_cell_has_the_dtype_of_x_beside_its_bytes():
    X = np.random.default_rng(0).integers(0, 256, (60, 4), np.uint8)
    cell = timing.measure([kernel_contender("numpy")], GivenX("bytes", X), 1, QUICK, Forecast())
    assert (cell.dtype, cell.X_bytes, cell.results[0].status) == ("uint8", 240, "timed")
