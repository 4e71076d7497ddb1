"""What checks of the input cost a small call: measured, recorded, and said where the fastest kernel is bound by it."""

from __future__ import annotations

import made_records
import pytest
from comparisons import run_quickly, shown, shown_in_short

from gradstep.compare.judge.findings import findings
from gradstep.compare.measure.contenders import kernel_contender
from gradstep.compare.measure.peers import PEERS
from gradstep.compare.measure.problems import Problem
from gradstep.compare.record.records import Record, changed
from gradstep.compare.show import summary

SENTENCE = (
    "With one example and one feature a call of cython takes 5.00 µs, and 2.00 µs by gradstep.objective, which checks "
    "X and y once for all calls."
)


def record(cython: float, **changes: object) -> Record:
    """Return a record in which the smallest call takes 5 µs, and 2 µs without the checks."""
    made = made_records.record(made_records.cell(100, 2, {"cython": cython, "numpy": 1e-3}), smallest=5e-6, **changes)
    calls = [changed(call, objective=2e-6 if call.contender == "cython" else 4e-6) for call in made.first_calls]
    return changed(made, first_calls=calls)


def said(made: Record) -> list[str]:
    return next(each.sentences for each in summary.paragraphs(findings(made)) if each.heading == "Bound by")


def test_report_says_what_a_call_takes_without_the_checks():
    made = record(cython=6e-6)
    assert SENTENCE in said(made)
    assert SENTENCE in " ".join(shown(made).split())
    assert "gradstep.objective" not in shown_in_short(made)


def test_report_says_nothing_of_checks_where_they_do_not_count():
    # The smallest call takes less than half of the time.
    assert not any("gradstep.objective" in sentence for sentence in said(record(cython=12e-6)))
    # A peer may be bound by call overhead as well, but it is not gradstep that checks its input.
    peers_only = record(cython=6e-6, peers={"cython": "1", "numpy": "1"})
    assert not any("gradstep.objective" in sentence for sentence in said(peers_only))


def test_report_says_nothing_of_checks_where_they_were_not_measured():
    made = record(cython=6e-6)
    old = changed(made, first_calls=[changed(call, objective=None) for call in made.first_calls])
    assert not any("gradstep.objective" in sentence for sentence in said(old))


def test_call_without_checks_is_measured_for_kernels():
    kernel, peer = kernel_contender("numpy"), PEERS["numpy-formula"].contender()
    first, second = run_quickly(kernel, peer).first_calls
    assert 0.0 < first.objective < first.first
    assert second.objective is None
    (several,) = run_quickly(kernel, grid=[Problem(50, 3, models=2)]).first_calls
    assert several.objective is None


def test_call_without_checks_computes_the_cost_and_the_gradient():
    examples = Problem(50, 3).make()
    contender = kernel_contender("numpy")
    J, grad = contender.objective(examples)()
    step = contender.prepare(examples)()
    assert pytest.approx(step.J) == J
    assert [*examples.w - step.w, examples.b - step.b] == pytest.approx(grad)
