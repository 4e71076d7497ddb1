"""A comparison of several models at once: its problems, checks and peers, its plan, and what is recorded and shown."""

from __future__ import annotations

import json

import made_records
import numpy as np
import pytest
from command_line import UNHURRIED, assert_one_line
from comparisons import run_quickly, shown, shown_in_short

import gradstep
from gradstep.compare.judge import differences, series
from gradstep.compare.judge.findings import findings
from gradstep.compare.measure import budget, peers, problems
from gradstep.compare.measure.contenders import kernel_contender
from gradstep.compare.measure.problems import ALPHA, Examples, GivenX, Problem, RealProblem
from gradstep.compare.measure.reference import Reference, tolerance
from gradstep.compare.record import exports, records
from gradstep.compare.record.records import Conditions, changed
from gradstep.compare.show.places import Places
from gradstep.contract import Step
from gradstep.extras import MissingExtra

K = 3


def real(dtype: str = "float64", order: str = "C") -> RealProblem:
    """Data of one's own, whose models share the labels."""
    generator = np.random.default_rng(0)
    X, labels = generator.standard_normal((301, 7)), generator.integers(0, 2, 301).astype(np.float64)
    return RealProblem("mine.csv", "is it?", X, labels, dtype, order, models=K)


# Problems


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_models_of_a_random_problem_have_weights_and_labels_of_their_own(dtype):
    X, y, w, b = Problem(5000, 4, dtype, models=K).make()
    assert (X.shape, y.shape, w.shape, b.shape) == ((5000, 4), (5000, K), (4, K), (K,))
    assert {X.dtype, y.dtype, w.dtype} == {np.dtype(dtype)}
    assert len(set(b)) == K
    z = X @ w + b
    for j in range(K):
        # sigmoid(1) is 0.73.
        assert y[z[:, j] > 1, j].mean() > 0.73
        assert y[z[:, j] < -1, j].mean() < 0.27
    assert not np.array_equal(y[:, 0], y[:, 1])


def test_one_model_is_the_problem_without_the_number():
    for one, plain in zip(Problem(30, 4, models=1).make(), Problem(30, 4).make(), strict=True):
        np.testing.assert_array_equal(one, plain)
    assert problems.task(Problem(30, 4)) == Problem.task


def test_models_on_data_share_its_labels():
    _, y, w, b = real().make()
    assert (y.shape, w.shape, b.shape) == ((301,), (7, K), (K,))
    assert problems.task(real()) == "is it? Each model has the same labels"
    assert problems.task(Problem(9, 2, models=K)).endswith(". Each model has labels of its own")


def test_models_on_a_given_x_have_labels_of_their_own():
    X = np.random.default_rng(0).integers(0, 9, (9000, 4)).astype(np.uint8)
    examples = GivenX("given", X, models=K).make()
    assert (examples.y.shape, examples.w.shape, examples.b.shape) == ((9000, K), (4, K), (K,))
    assert all(0.2 < share < 0.8 for share in examples.y.mean(axis=0))


@pytest.mark.parametrize("problem", [Problem(40, 3, models=K), real()], ids=["random", "real"])
def test_examples_one_by_one_are_those_of_each_model(problem):
    examples = problem.make()
    together = Reference.of(examples)
    for j, alone in enumerate(examples.one_by_one()):
        assert alone.models == 1
        assert alone.X is examples.X
        assert all(array.flags.c_contiguous for array in alone[1:3])
        reference = Reference.of(alone)
        np.testing.assert_allclose(together.w[:, j], reference.w, rtol=1e-12)
        np.testing.assert_allclose((together.b[j], together.J[j]), (reference.b, reference.J), rtol=1e-12)


# The check


def wrong_steps(examples: Examples) -> dict[str, gradstep.Steps]:
    X, y, w, b = examples
    right = gradstep.step(X, y, w, b, ALPHA, kernel="numpy")
    neighbour = gradstep.step(X, y, w, np.roll(b, 1), ALPHA, kernel="numpy")
    labels = gradstep.step(X, np.roll(y, 1, axis=1), w, b, ALPHA, kernel="numpy")
    last = right.w.copy()
    last[-1, -1] = w[-1, -1]
    return {
        "the b of a neighbour": neighbour._replace(b=right.b),
        "the labels of a neighbour": labels,
        "one weight of the last model kept": right._replace(w=last),
        "the cost of the last model": right._replace(J=right.J * np.array([1.0, 1.0, 1.0 + 1e-9])),
        "a model less": type(right)(right.w[:, 1:], right.b[1:], right.J[1:]),
        "one model for all": Step(right.w[:, 0], float(right.b[0]), float(right.J[0])),
        "one cost for all": right._replace(J=right.J.mean()),
        "models as rows": right._replace(w=right.w.T),
        "NaN in the last model": right._replace(b=np.array([*right.b[:-1], np.nan])),
    }


def test_step_that_is_wrong_for_any_model_fails_the_check():
    examples = Problem(500, 4, models=K).make()
    reference = Reference.of(examples)
    assert reference.check(gradstep.step(*examples, ALPHA, kernel="numpy"), tolerance("float64")).passed
    for what, step in wrong_steps(examples).items():
        assert not reference.check(step, tolerance("float64")).passed, what


@pytest.mark.parametrize("make", [real, lambda dtype, order: Problem(301, 7, dtype, order, models=K)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_kernel_passes_the_check(dtype, order, make):
    examples = make(dtype, order).make()
    reference = Reference.of(examples)
    for name, problem in gradstep.available().items():
        if problem is None:
            assert reference.check(kernel_contender(name).prepare(examples)(), tolerance(dtype)).passed, name


# Peers


@pytest.fixture(params=peers.PEERS)
def peer(request: pytest.FixtureRequest) -> peers.Peer:
    """Each peer that is installed."""
    found = peers.PEERS[request.param]
    try:
        found.load()
    except MissingExtra as error:
        pytest.skip(str(error))
    return found


@pytest.mark.parametrize("make", [real, lambda dtype, order: Problem(301, 7, dtype, order, models=K)])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_peer_takes_the_same_steps(peer, dtype, order, threads, make):
    examples = make(dtype, order).make()
    before = [np.copy(array) for array in examples]
    contender = peer.contender(threads)
    call = contender.prepare(examples)
    with contender.setting(examples):
        first, again = call(), call()
    for step in (first, again):
        check = Reference.of(examples).check(step, tolerance(dtype))
        assert check.passed, check
    for array, old in zip(examples, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_peers_without_a_function_for_several_models_are_named():
    some = [peers.PEERS[name] for name in ("torch", "scikit-learn", "daal4py")]
    assert peers.one_after_another(some) == [
        "scikit-learn and daal4py take one model after another: they have no function for several at once."
    ]
    assert peers.one_after_another(some[:2]) == [
        "scikit-learn takes one model after another: it has no function for several at once."
    ]
    assert peers.one_after_another(some[:1]) == []


# The plan


def test_memory_of_a_plan_counts_the_models():
    one, many = (budget.needed_bytes(Problem(10_000, 2, models=models), []) for models in (1, 100))
    assert many > 50 * one


def test_expected_time_of_one_model_is_not_that_of_several():
    record = run_quickly(kernel_contender("numpy"), grid=[Problem(50, 3), Problem(50, 3, models=K)])
    assert [(call.contender, call.models) for call in record.first_calls] == [("numpy", 1), ("numpy", K)]


def test_number_of_models_that_fits_into_no_memory_is_left_out_in_words(command):
    done = command("compare", "--models", 10**10, "--m", "100", "--n", "2", "--kernels", "numpy")
    assert done.code == 1
    assert "Not timed for lack of memory: everything" in done.out
    assert "nothing was measured" in done.err


# The record


def test_record_says_how_many_models(tmp_path):
    record = run_quickly(kernel_contender("numpy"), grid=[Problem(50, 3, models=8)])
    assert record.cells[0].models == record.first_calls[0].models == 8
    assert record.timed.startswith("one call of gradstep.step(X, y, w, b, alpha) of 8 models: ")
    records.save(record, tmp_path / "x.json")
    assert records.load(tmp_path / "x.json") == record
    assert {row.models for row in exports.rows(record)} == {8}


def two_records() -> list[records.Record]:
    cell = made_records.cell(100, 10, {"numpy": 1e-3, "cython": 1e-4}, read_limit=1e-5)
    return [made_records.record(changed(cell, models=models)) for models in (1, 8)]


def test_times_of_other_numbers_of_models_are_not_compared():
    one, eight = two_records()
    with pytest.raises(ValueError, match="they have no time in common"):
        differences.between(one, eight)
    assert {change.key.models for change in differences.between(eight, eight).changes} == {8}


def test_smallest_call_is_that_of_as_many_models():
    # A call of 8 models is bound by its overhead only if that of 8 models takes as long.
    _, eight = two_records()
    calls = [changed(call, models=models, smallest=8e-5 if models == 8 else 1e-9)
             for call in eight.first_calls for models in (8, 1)]  # fmt: skip
    (line,) = (line for line in findings(changed(eight, first_calls=calls)).cells[0].lines if line.name == "cython")
    assert line.bound.kind == "call overhead"


def test_roofline_counts_the_work_of_all_models():
    assert series.operations(100, 10, 8) == 8 * series.operations(100, 10)
    cells = [changed(made_records.cell(100, n, {"numpy": 1e-3}, read_limit=1e-5), models=8) for n in (10, 20)]
    (roof,) = series.roofs(findings(made_records.record(*cells)))
    point = next(point for point in roof.points if point.n == 10)
    assert point.operations == pytest.approx(8 * 100 * 100 / 1e-3)
    # A row is 10 numbers of X and 8 labels.
    assert point.bytes == pytest.approx(100 * 18 * 8 / 1e-3)


# What is shown


def test_conditions_name_the_models_unless_there_is_one():
    given = {"problem": "random", "dtype": "float64", "order": "C", "threads": 1, "m": 100, "n": 10}
    one, eight = Conditions(**given), Conditions(**given, models=8)
    assert eight.words == f"{one.words}, 8 models"
    assert eight.slug == f"{one.slug}-8-models"
    assert Places([one, eight]).where([eight]) == "with 8 models"
    assert Places([one, eight]).where([one]) == "with 1 model"


def test_report_names_the_models_unless_there_is_one():
    one, eight = two_records()
    for show in (shown, shown_in_short):
        assert "8 models" in show(eight)
        assert "model" not in show(one).replace("drawn from a logistic model", "")


def test_grid_of_two_numbers_of_models_has_a_column_for_them():
    one, eight = two_records()
    lines = shown_in_short(changed(one, cells=[*one.cells, *eight.cells])).splitlines()
    (head,) = (line for line in lines if "numpy" in line and "models" in line)
    assert head.split()[:3] == ["m", "n", "models"]


def test_benchmarks_of_pyperf_name_the_models(tmp_path):
    pytest.importorskip("pyperf", reason="it is in the extra pyperf")
    for record, ending in zip(two_records(), ("threads=1", "threads=1, models=8"), strict=True):
        exports.save_pyperf(record, tmp_path / "x.json")
        names = [each["metadata"]["name"] for each in json.loads((tmp_path / "x.json").read_text())["benchmarks"]]
        assert f"numpy: random, m=100, n=10, float64, C, {ending}" in names


# The command


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "eight", "", "1e3"])
def test_number_of_models_that_is_none_is_refused(command, text):
    assert_one_line(command("compare", "--models", text), 2, "--models", "should be an integer, at least 1")


@pytest.mark.usefixtures("no_added_rounds")
def test_command_compares_so_many_models(command, tmp_path):
    path = tmp_path / "x.json"
    sizes = ("--m", "100", "--n", "2", "--rounds", "2", "--kernels", "numpy", "--peers", "numpy-formula", *UNHURRIED)
    done = command("compare", "--models", "8", *sizes, "--json", path)
    assert done.code == 0
    assert "float64, C order, 1 thread, 8 models" in done.out
    (cell,) = records.load(path).cells
    assert cell.models == 8
    assert [result.status for result in cell.results] == ["timed", "timed"]
