"""A budget is kept whatever the contenders turn out to take, and what it has left goes into rounds that decide."""

from __future__ import annotations

import dataclasses
import random
import statistics
import time
from collections.abc import Callable

import pytest

from gradstep.compare.judge.decision import still_open
from gradstep.compare.measure import run
from gradstep.compare.measure.contenders import Call, Contender, kernel_contender
from gradstep.compare.measure.problems import Examples, Problem
from gradstep.compare.record.records import FAR_SLOWER, Record, Settings
from gradstep.contract import Step

TOLERANCE = 1.2
"""No run lasts longer than its budget by more than this factor."""


class FakeClock:
    """A clock of this thread's work alone, as a busy machine takes its time; contenders put it forward by hours."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def perf_counter(self) -> float:
        return time.thread_time() + self._ahead

    def pass_by(self, seconds: float) -> None:
        self._ahead += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    fake = FakeClock()
    monkeypatch.setattr(time, "perf_counter", fake.perf_counter)
    return fake


def contender(name: str, clock: FakeClock, seconds: Callable[[int], float], **changes: object) -> Contender:
    """Return a contender whose calls take this many seconds, given m."""
    right = kernel_contender("numpy").prepare

    def prepare(examples: Examples) -> Call:
        step = right(examples)()

        def call() -> Step:
            clock.pass_by(seconds(examples.X.shape[0]))
            return step

        return call

    return dataclasses.replace(Contender(name, prepare), **changes)


def measured(budget: float | None, *contenders: Contender, sizes: tuple[int, ...] = (5000,), **options) -> Record:
    settings = Settings([each.name for each in contenders], rounds=7, limit=1e9, budget=budget)
    grid = [Problem(m, 3) for m in sizes]
    return run.run(lambda threads: contenders, grid, settings, still_open=options.pop("ask", still_open), **options)


def rounds_of(record: Record, name: str) -> list[int]:
    return [len(each.samples) for cell in record.cells for each in cell.results if each.contender == name]


def test_contender_that_is_far_slower_than_its_first_call_promised_leaves_the_budget_whole(clock):
    fast = contender("fast", clock, lambda m: 1.0)
    treacherous = contender("slow", clock, lambda m: 300.0 if m > 1000 else 1.0)
    record = measured(1000.0, fast, treacherous)
    assert record.seconds <= TOLERANCE * 1000.0
    assert (rounds_of(record, "fast")[0] >= 7, rounds_of(record, "slow")) == (True, [0])
    (left,) = record.left_out
    assert (left.contender, left.cause) == ("slow", "budget")
    assert left.reason == "a call took 300 s, and the budget has no time left for 7"
    assert record.cells[0].results[1].reason == left.reason


def test_last_contender_gets_as_many_rounds_as_there_is_time_for(clock):
    record = measured(1000.0, contender("only", clock, lambda m: 150.0 if m > 1000 else 1.0))
    assert record.seconds <= TOLERANCE * 1000.0
    assert 3 <= rounds_of(record, "only")[0] < 7
    assert record.left_out == []


def test_nothing_is_timed_where_a_single_call_takes_more_than_the_rest_of_the_budget(clock):
    record = measured(1000.0, contender("only", clock, lambda m: 600.0 if m > 1000 else 1.0))
    assert record.seconds <= TOLERANCE * 1000.0
    assert [each.contender for each in record.left_out] == [None]
    assert record.cells == []


def test_budget_is_kept_where_every_time_is_three_times_the_expected(clock):
    # Each problem takes three times as long as its predecessors promise.
    cost = {100: 1.0, 1000: 30.0, 2000: 180.0, 4000: 1080.0}
    record = measured(
        3000.0,
        *(contender(name, clock, lambda m: cost.get(m, 0.1)) for name in ("one", "other")),
        sizes=(1000, 2000, 4000),
    )
    assert record.seconds <= TOLERANCE * 3000.0
    assert rounds_of(record, "one")[0] >= 7


def test_time_before_the_run_counts(clock):
    started = clock.perf_counter()
    clock.pass_by(900.0)
    record = measured(1000.0, contender("only", clock, lambda m: 50.0), started=started)
    assert 900.0 <= record.seconds <= TOLERANCE * 1000.0
    assert rounds_of(record, "only") in ([], [1])


def test_what_takes_too_long_to_import_is_never_imported(clock):
    loaded: list[str] = []

    def load() -> float:
        loaded.append("dear")
        return 0.0

    quick = contender("quick", clock, lambda m: 1.0)
    dear = contender("dear", clock, lambda m: 1.0, load=load, one_time=lambda: 500.0)
    record = measured(100.0, quick, dear)
    assert (loaded, rounds_of(record, "dear")) == ([], [0])
    (left,) = record.left_out
    assert left.contender == "dear"
    assert "expected to import and compile it, more than the budget of 100 s has left" in left.reason
    assert record.settings.contenders == ["quick", "dear"]
    assert rounds_of(measured(1000.0, quick, dear), "dear") == [7]
    assert "dear" in loaded


def test_import_that_shows_that_compiling_takes_too_long_ends_it(clock):
    costs = iter([10.0] * 9)
    called: list[int] = []

    def load() -> float:
        nonlocal costs
        costs = iter([500.0] * 99)
        return 0.0

    def calls(m: int) -> float:
        called.append(m)
        return 1.0

    record = measured(
        100.0,
        contender("quick", clock, lambda m: 1.0),
        contender("x", clock, calls, load=load, one_time=lambda: next(costs)),
    )
    assert (called, rounds_of(record, "x")) == ([], [0])


def noisy(seconds: float) -> Callable[[int], float]:
    generator = random.Random(seconds)
    return lambda m: seconds * generator.uniform(0.7, 1.3)


def test_rounds_are_added_until_the_fastest_is_decided(clock):
    two = [contender("fast", clock, noisy(1.0)), contender("near", clock, noisy(1.15))]
    without = measured(None, *two)
    assert rounds_of(without, "fast") == rounds_of(without, "near") == [7]
    record = measured(1e5, *two)
    (fast,), (near,) = rounds_of(record, "fast"), rounds_of(record, "near")
    assert fast == near > 7
    assert not still_open(record.cells[0])
    assert record.seconds < 0.1 * 1e5
    assert record.cells[0].read_limit is not None
    assert len(record.cells[0].read_limit.samples) == fast


def test_rounds_are_added_in_turns_until_the_budget_is_spent(clock):
    record = measured(
        500.0, *(contender(name, clock, lambda m: 1.0) for name in "ab"), sizes=(50, 60), ask=lambda cell: True
    )
    one, other = rounds_of(record, "a")
    assert min(one, other) > 50
    assert max(one, other) <= 2 * min(one, other)
    assert 0.95 * 500.0 <= record.seconds <= 500.0
    assert record.complete


def test_added_rounds_leave_out_whoever_is_far_slower(clock):
    slow = contender("slow", clock, lambda m: 1.5 * FAR_SLOWER)
    record = measured(
        2000.0, contender("fast", clock, lambda m: 1.0), slow, ask=lambda cell: len(cell.results[0].samples) < 50
    )
    assert rounds_of(record, "slow") == [7]
    assert rounds_of(record, "fast")[0] >= 50


def test_interrupt_in_an_added_round_keeps_the_whole_rounds(clock):
    calls = 0

    def seconds(m: int) -> float:
        nonlocal calls
        calls += m > 1000
        if calls > 40:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(run.RunInterrupted) as caught:
        measured(1e4, contender("a", clock, lambda m: 1.0), contender("b", clock, seconds), ask=lambda cell: True)
    record = caught.value.record
    assert not record.complete
    assert 7 <= rounds_of(record, "a")[0] == rounds_of(record, "b")[0] < 40
    assert statistics.median(record.cells[0].results[1].samples) == pytest.approx(1.0, rel=1e-2)
