"""The short ways of small problems and of single models: the same numbers as on the long ones."""

from __future__ import annotations

import numpy as np
import problems
import pytest

from gradstep import ConvergenceWarning, FitDiverged, engine, fit, gradient, validate, variants


@pytest.mark.parametrize("size", [1.0, 1e160], ids=["usual", "squares that overflow"])
def test_a_penalty_is_the_same_alone_and_among_others(size):
    """One model has a short way to its penalty, several have one for all."""
    problem = problems.random_problem(7, 3)
    X, y, w, b = problem.X, problem.y, problem.w, problem.b
    several = size * np.stack([w, -w, w / 3], axis=1)
    l2, intercepts = np.array([0.1, 0.0, 2.0]) / size, np.array([b, 0.0, -b])
    together = gradient(X / size, y, several, intercepts, l2=l2)
    for j in range(3):
        alone = gradient(X / size, y, several[:, j].copy(), intercepts.item(j), l2=l2.item(j))
        assert (alone.J, alone.db) == (together.J[j], together.db[j])
        assert np.array_equal(alone.dw, together.dw[:, j])
        assert np.isfinite(alone.J)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("directed", [False, True])
def test_a_small_problem_is_summed_as_a_large_one(kernel, dtype, weighted, directed, monkeypatch):
    """A small one skips what shares out large ones."""
    problem = problems.random_problem(33, 5, dtype)
    data = validate.data(problem.X, problem.y, np.arange(1, 34, dtype=dtype) if weighted else None)
    theta = np.append(problem.w.astype(float), problem.b).reshape(1, -1)
    at = (theta, np.ones_like(theta)) if directed else (theta,)
    short = engine.Pass(kernel, data, None).means(*at)
    monkeypatch.setattr(variants, "LEAST_BYTES", 0)
    assert np.array_equal(engine.Pass(kernel, data, None).means(*at), short)


def test_float32_parameters_are_rounded_once():
    """In float32 they are handed on as they are, from float64 they are rounded: b in both."""
    problem = problems.random_problem(40, 3, "float32")
    given, widened = (gradient(problem.X, problem.y, w, 0.1, l2=0.1) for w in (problem.w, problem.w.astype(float)))
    assert (given.J, given.db) == (widened.J, widened.db)
    assert np.array_equal(given.dw, widened.dw.astype(np.float32))


@pytest.mark.parametrize(("alpha", "held"), [(4e41, True), (1e42, False)])
def test_a_step_to_the_largest_weights_of_float32(alpha, held):
    """The first w is representable although the square of it is far from that; the second is not."""
    X, y = np.array([[1e-3]], np.float32), np.array([1.0], np.float32)

    def descend():
        return fit(X, y, alpha=alpha, tol=1e-300, max_iter=1, fit_intercept=False)

    if not held:
        with pytest.raises(FitDiverged):
            descend()
        return
    with pytest.warns(ConvergenceWarning):
        assert descend().w == pytest.approx(2e38, rel=1e-6)
