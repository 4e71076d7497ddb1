"""What a run can afford: forecasts, the limit, the budget and the memory."""

from __future__ import annotations

import made_records
import pytest
from comparisons import QUICK, never, run_quickly, shown

from gradstep.compare.measure import budget, timing
from gradstep.compare.measure import forecast as forecasts
from gradstep.compare.measure.budget import Place, Planner
from gradstep.compare.measure.contenders import Contender, kernel_contender
from gradstep.compare.measure.forecast import Forecast, Kind, Who
from gradstep.compare.measure.problems import Problem
from gradstep.compare.record import records
from gradstep.compare.record.records import READ_LIMIT, Result


def test_forecast_takes_the_nearest_n_then_the_nearest_size():
    forecast, one, other = Forecast(), Who("a", Kind("float64", "C", 1)), Who("b", Kind("float64", "C", 1))
    assert forecast.seconds(one, 10, 10) == 0.0
    forecast.learn(one, 100, 2, 200 * 5e-9)
    forecast.learn(one, 100, 100, 10_000 * 1e-9)
    forecast.learn(one, 1000, 100, 100_000 * 2e-9)
    assert forecast.seconds(one, 1000, 3) == pytest.approx(3000 * 5e-9)
    assert forecast.seconds(one, 10_000, 80) == pytest.approx(800_000 * 2e-9)
    assert forecast.seconds(other, 10_000, 80) == 0.0
    # Until it is called on another kind of problem, this one stands in.
    elsewhere = Who("a", Kind("float32", "F", 2))
    assert forecast.seconds(elsewhere, 1000, 3) == pytest.approx(3000 * 5e-9)
    forecast.learn(elsewhere, 1000, 3, 3000 * 7e-9)
    assert forecast.seconds(elsewhere, 1000, 3) == pytest.approx(3000 * 7e-9)


def test_forecast_does_not_let_the_fixed_cost_grow():
    forecast, who = Forecast(), Who("a", Kind("float64", "C", 1))
    forecast.learn_fixed(who, 10e-6)
    forecast.learn(who, 100, 10, 12e-6)
    assert forecast.seconds(who, 10_000, 10) == pytest.approx(10e-6 + 100 * 2e-6)
    # A smallest call that was disturbed may have taken longer than a larger one.
    forecast.learn_fixed(who, 50e-6)
    assert forecast.seconds(who, 10_000, 10) == pytest.approx(12e-6)


def test_slow_contender_is_skipped_with_its_expected_time_and_never_called():
    calls: list[object] = []
    forecast, problem = Forecast(), Problem(50, 3)
    who = Who("slow", Kind.of(problem, 1))
    forecast.learn(who, 10, 3, 2.0)
    forecast.learn_wait(who, 1.0)
    cell = timing.measure([never("slow", calls)], problem, 1, QUICK, forecast)
    (result,) = cell.results
    assert result.status == "skipped"
    # The call that is checked, and three rounds with a second of waiting before each; long calls need no warm-up.
    assert result.expected == pytest.approx(10.0 + 3 * (10.0 + 1.0))
    assert calls == []
    assert cell.read_limit is None


def test_problem_beyond_the_free_memory_is_left_out_with_the_reason():
    huge = Problem(10**11, 10**4)
    record = run_quickly(kernel_contender("numpy"), grid=[Problem(50, 3), huge], limit=1e99)
    assert [(cell.m, cell.results[0].status) for cell in record.cells] == [(50, "timed")]
    (left,) = record.left_out
    assert (left.m, left.n, left.contender, left.cause) == (10**11, 10**4, None, "memory")
    assert "GiB" in left.reason
    assert "memory    random 100,000,000,000 x 10,000 (float64 C 1) is left out: " in shown(record)


def test_memory_that_is_needed_counts_copies_and_vectors():
    def contender(copies: dict[str, int]) -> Contender:
        return Contender("x", kernel_contender("numpy").prepare, copies=copies)

    X_bytes, vectors = 8 * 1000 * 100, 64 * (1000 + 100)
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
    needs = {"a": {"X": 4.0}, "b": {"X": 4.0}, "c": {"Z": 3.0, "z": 1.0}}
    assert budget.affordable(costs, needs, 20.0) == {"a", "b", "c"}
    assert budget.affordable(costs, needs, 7.0) == {"a", "b"}
    assert budget.affordable(costs, needs, 6.9) == {"a"}
    assert budget.affordable(costs, needs, -1.0) == set()


def test_budget_takes_what_costs_about_the_same_in_its_order_and_the_dear_last():
    costs = {"dear": 50.0, "a": 0.03, "b": 0.01, "c": 0.02}
    assert budget.affordable(costs, {}, 0.05) == {"a", "b"}
    assert budget.affordable(costs, {}, 50.05) == {"a", "b", "c"}
    # What must be done beforehand makes an item dear, unless many share it.
    assert budget.affordable(costs, {"a": {"compiled": 9.0}}, 9.04) == {"b", "c"}
    assert budget.affordable(costs, {name: {"made": 0.2} for name in "abc"}, 0.245) == {"a", "b"}


def test_budget_leaves_out_the_dearest_and_says_so(monkeypatch):
    calls: list[object] = []
    monkeypatch.setattr(
        forecasts, "expected_seconds", lambda name, *rest: {"numpy": 0.001, "slow": 50.0, READ_LIMIT: 0.0}[name]
    )
    monkeypatch.setattr(timing, "first_call", lambda each, problem, threads, forecast: first_call_of(each.name))
    both = (kernel_contender("numpy"), never("slow", calls))
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
    neither = run_quickly(*both, limit=10.0, budget=1e-9)
    assert (neither.cells, [each.contender for each in neither.left_out]) == ([], [None])
    assert run_quickly(both[0], limit=99.0).left_out == []


def test_budget_is_planned_with_the_pace_so_far(monkeypatch):
    monkeypatch.setattr(forecasts, "expected_seconds", lambda name, *rest: {"numpy": 1e4, READ_LIMIT: 0.0}[name])
    settings = records.changed(QUICK, limit=1e9, budget=2.5e4)
    places = [Place(0, Problem(50, 3), 1), Place(1, Problem(60, 3), 1)]
    contenders = {1: [kernel_contender("numpy")]}

    def planned(*so_far: tuple[float, float]) -> set[tuple[int, str]]:
        planner = Planner(settings, Forecast())
        for expected, spent in so_far:
            planner.note(expected, spent)
        return set(planner.plan(places, contenders))

    assert planned() == {(0, "numpy"), (1, "numpy")}
    assert len(planned((1.0, 2.0))) == 1
    # A run that was faster than expected is not trusted to stay so.
    assert len(planned((2.0, 1.0))) == 2


def first_call_of(name: str) -> records.FirstCall:
    return records.FirstCall(name, "float64", "C", 1, 0.0, None, 0.0, 0.0)


def test_skipped_python_leaves_numpy_as_the_baseline():
    whole = made_records.cell(100, 2, {"cython": 1e-3, "numpy": 2e-3})
    python = Result("python", "skipped", "about 12 s", expected=12.3)
    cell = records.changed(whole, results=[python, *whole.results])
    record = made_records.record(cell, records.changed(cell, m=200))
    row = next(line for line in shown(record).splitlines() if line.startswith("100 "))
    assert row.split("  ") == ["100", "2", "skipped", "1.00 ms 2.0×", "2.00 ms"]
