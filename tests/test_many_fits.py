"""Descents of several models in the same passes over X: each goes its own way, as if it were alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import gradstep
from gradstep import ConvergenceWarning, FitDiverged, Fits, OneAgainstRest, fit, gradient, step


@pytest.fixture(scope="module")
def problem():
    """Return X, four columns of labels that overlap, and four columns of weights."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((300, 5)) * [1.0, 10.0, 0.1, 3.0, 1.0] + [0.0, 50.0, 1.0, 0.0, -2.0]
    scores = (X - X.mean(axis=0)) / X.std(axis=0) @ generator.standard_normal((5, 4))
    return X, (scores + 2.0 * generator.standard_normal((300, 4)) > 0).astype(float), generator.random((300, 4))


def assert_as_alone(fits, alone):
    assert isinstance(fits, Fits)
    for j, each in enumerate(alone):
        assert fits.w[:, j].tobytes() == each.w.tobytes()
        assert (fits.b[j], fits.J[j], fits.n_iter[j]) == (each.b, each.J, each.n_iter)
        assert (fits.converged[j], fits.largest[j]) == (each.converged, each.largest)
        assert fits.largest_scaled[j] == each.largest_scaled
        assert fits.history[j].tobytes() == each.history.tobytes()


@pytest.mark.parametrize("weighted", ["not", "alike", "each"])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
def test_each_model_goes_as_it_does_alone(kernel, problem, weighted, layout):
    X, y, c = problem
    y = layout(y)
    l2 = [0.001, 0.01, 0.1, 1.0]
    weights = {"not": [None] * 4, "alike": [c[:, 0]] * 4, "each": list(c.T)}[weighted]
    given = {"not": None, "alike": c[:, 0], "each": layout(c)}[weighted]
    fits = fit(X, y, l2=l2, sample_weight=given, kernel=kernel)
    assert len(set(fits.n_iter.tolist())) > 1, "no model left the pass before the others"
    alone = [fit(X, y[:, j], l2=l2[j], sample_weight=weights[j], kernel=kernel) for j in range(4)]
    assert_as_alone(fits, alone)


def test_one_column_of_labels_and_many_penalties(problem):
    X, y, _ = problem
    l2 = np.logspace(-3, 1, 7)
    assert_as_alone(fit(X, y[:, 0], l2=l2), [fit(X, y[:, 0], l2=each) for each in l2])


def test_given_rates_and_starts(problem):
    X, y, _ = problem
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    w0, b0, alpha = np.linspace(-1.0, 1.0, 20).reshape(5, 4), [0.0, 0.5, -0.5, 1.0], [0.1, 0.5, 1.0, 2.0]
    fits = fit(X, y, alpha=alpha, w0=w0, b0=b0, l2=0.1)
    alone = [fit(X, y[:, j], alpha=alpha[j], w0=w0[:, j], b0=b0[j], l2=0.1) for j in range(4)]
    assert_as_alone(fits, alone)


def test_one_against_the_rest(kernel, problem):
    X, y, _ = problem
    names = np.array(["red", "green", "blue"])[(y[:, 0] + y[:, 1]).astype(int)]
    labels = OneAgainstRest(names)
    assert labels.classes.tolist() == ["blue", "green", "red"]
    fits = fit(X, labels, l2=0.01, kernel=kernel)
    assert_as_alone(fits, [fit(X, names == name, l2=0.01, kernel=kernel) for name in labels.classes])


def test_a_step_of_many_models(kernel, problem):
    X, y, c = problem
    w, b, alpha = np.linspace(-1.0, 1.0, 20).reshape(5, 4) / 50.0, np.zeros(4), np.array([0.1, 0.2, 0.3, 0.4])
    together = step(X, y, w, b, alpha, sample_weight=c, l2=0.1, kernel=kernel)
    for j in range(4):
        alone = step(X, y[:, j], w[:, j], b[j], alpha[j], sample_weight=c[:, j], l2=0.1, kernel=kernel)
        assert together.w[:, j].tobytes() == alone.w.tobytes()
        assert (together.b[j], together.J[j]) == (alone.b, alone.J)


def test_a_callback_sees_all_models(problem):
    X, y, _ = problem
    seen = []
    fits = fit(X, y, l2=0.1, callback=seen.append)
    assert seen[0].n_iter.tolist() == [0, 0, 0, 0]
    assert seen[0].w.shape == (5, 4)
    assert all((now.n_iter <= then.n_iter).all() for now, then in itertools.pairwise(seen))
    assert fits.n_iter.max() == seen[-1].n_iter.max() + 1
    stopped = fit(X, y, l2=0.1, callback=lambda state: state.n_iter.max() >= 2)
    assert stopped.n_iter.max() == 2
    assert not stopped.converged.any()


def test_the_warning_names_the_models_that_have_not_converged(problem):
    X, y, _ = problem
    with pytest.warns(ConvergenceWarning, match=r"^1 of 4 models stopped without converging: 0\. ") as caught:
        fits = fit(X, y, l2=[0.0, 1e3, 1e3, 1e3], max_iter=3)
    assert fits.converged.tolist() == [False, True, True, True]
    assert caught[0].message.fit is fits
    assert fits.advice[0] is not None
    assert fits.advice[1:] == (None, None, None)


def test_a_model_that_diverges_is_named(problem):
    X, y, _ = problem
    with pytest.raises(FitDiverged, match=r"^model 2: J is no longer finite") as caught:
        fit(X, y, alpha=[1e-4, 1e-4, 1e200, 1e-4], l2=1.0, max_iter=50)
    assert caught.value.fit.w.shape == (5, 4)
    assert np.isfinite(caught.value.fit.J).all()


def test_without_an_intercept_b_stays(problem):
    X, y, _ = problem
    found = gradient(X, y, np.zeros((5, 4)), np.ones(4), fit_intercept=False)
    assert found.db.tolist() == [0.0] * 4
    assert (found.dw == gradient(X, y, np.zeros((5, 4)), np.ones(4)).dw).all()
    assert fit(X, y, l2=0.1, b0=0.25, fit_intercept=False).b.tolist() == [0.25] * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"l2": [0.1, 0.2]}, r"^l2 has shape \(2,\); it should have shape \(4,\), one number per model$"),
        (
            {"sample_weight": np.ones((300, 3))},
            r"^sample_weight has shape \(300, 3\); it should have shape \(300,\) or",
        ),
        ({"w0": np.zeros((5, 3))}, r"^y has shape \(300, 4\); it should have shape \(300,\) or \(300, 3\), one label"),
        ({"l2": [0.1, -1.0, 0.1, 0.1]}, r"^l2\[1\] is -1\.0; it should be at least 0 and finite$"),
        ({"b0": [0.0, np.inf, 0.0, 0.0]}, r"^b0\[1\] is inf; it should be finite$"),
    ],
)
def test_what_does_not_fit_the_number_of_models(problem, arguments, message):
    X, y, _ = problem
    with pytest.raises(ValueError, match=message):
        fit(X, y, **arguments)


def test_a_wrong_value_is_named_by_row_and_model(kernel, problem):
    X, y, c = problem
    y, c = y.copy(), c.copy()
    y[7, 2] = 2.0
    with pytest.raises(ValueError, match=r"^y has 2\.0 at index \(7, 2\); labels should lie in \[0, 1\]$"):
        gradient(X, y, np.zeros((5, 4)), np.zeros(4), kernel=kernel)
    y[7, 2] = 1.0
    c[11, 3] = -1.0
    with pytest.raises(ValueError, match=r"^sample_weight has -1\.0 at index \(11, 3\)"):
        gradient(X, y, np.zeros((5, 4)), np.zeros(4), sample_weight=c, kernel=kernel)
    c[:, 3] = 0.0
    with pytest.raises(ValueError, match="^sample_weight of model 3 is 0 everywhere"):
        gradient(X, y, np.zeros((5, 4)), np.zeros(4), sample_weight=c, kernel=kernel)


@pytest.mark.parametrize("labels", [[1, 1, 1], [[0, 1], [1, 0]]])
def test_labels_that_are_not_of_several_classes(labels):
    with pytest.raises(ValueError, match="^labels h"):
        gradstep.OneAgainstRest(labels)
