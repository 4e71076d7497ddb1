"""The problems of a comparison: random, given and real data."""

from __future__ import annotations

import numpy as np
import pytest

from gradstep.compare.measure import problems
from gradstep.compare.measure.problems import GivenX, Problem


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
    problem = problems.bundled(name)
    X, y, _, _ = problem.make()
    # The shape is known before scikit-learn is imported.
    assert (problem.m, problem.n) == X.shape
    assert problem.load_seconds == 0.0
    assert y.sum() == positive
    assert np.isfinite(X).all()


@pytest.mark.parametrize(("dtype", "computed"), [("uint8", "float64"), ("float16", "float32"), ("float32", "float32")])
def test_given_x_keeps_its_own_dtype_and_is_computed_in_that_of_a_step(dtype, computed):
    X = np.random.default_rng(0).integers(0, 9, (60, 4)).astype(dtype)
    problem = GivenX("given", X)
    assert (problem.dtype, problem.X_bytes) == (dtype, X.nbytes)
    examples = problem.make()
    assert examples.X is X
    assert {examples.y.dtype, examples.w.dtype} == {np.dtype(computed)}
    assert set(examples.y) == {0.0, 1.0}
