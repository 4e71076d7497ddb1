"""Descents on data as it is converge to the published optimum; one that stops without it says what to change."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import spector

import gradstep
from gradstep import ConvergenceWarning, FitDiverged, fit, gradient, step
from gradstep.coordinates import measured, standard
from gradstep.validate import data

SEPARABLE = ([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1])


def overlapping(m=300, n=4, seed=0):
    """Return a problem whose columns have different means, sizes and a common part."""
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((m, n)) + generator.standard_normal((m, 1))
    y = (X @ generator.standard_normal(n) + 2.0 * generator.standard_normal(m) > 0).astype(np.float64)
    return X * 10.0 ** np.arange(-1, n - 1) + 30.0 * np.arange(n), y


def optimum(X, y, l2=0.0, weight=None):
    """Return w and b as Newton's method finds them on standardized columns."""
    mean, scale = X.mean(axis=0), X.std(axis=0)
    z = np.column_stack([(X - mean) / scale, np.ones(len(y))])
    c = np.full(len(y), 1 / len(y)) if weight is None else weight / weight.sum()
    penalty = l2 * np.append(1 / scale**2, 0.0)
    theta = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-(z @ theta)))
        slope = z.T @ (c * (p - y)) + penalty * theta
        theta -= np.linalg.solve((z.T * (c * p * (1 - p))) @ z + np.diag(penalty), slope)
    w = theta[:-1] / scale
    return w, theta[-1] - w @ mean


def test_spector_to_its_published_estimates(kernel):
    result = fit(spector.X, spector.y, tol=1e-11, kernel=kernel)
    assert result.converged
    assert result.n_iter < 100
    assert np.round(result.w, 6).tolist() == spector.COEFFICIENTS
    assert round(result.b, 6) == spector.INTERCEPT


def test_spector_with_the_defaults_is_near_the_optimum(kernel):
    result = fit(spector.X, spector.y, kernel=kernel)
    assert result.converged
    exact = gradient(spector.X, spector.y, *optimum(spector.X, spector.y), kernel=kernel)
    assert result.J - exact.J < 1e-9


@pytest.mark.parametrize("l2", [0.0, 1e-3, 1.0, 1e4])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_optimum_for_the_data_as_it_is(kernel, l2, weighted):
    X, y = overlapping()
    weight = np.random.default_rng(1).random(len(y)) if weighted else None
    result = fit(X, y, l2=l2, sample_weight=weight, tol=1e-10, kernel=kernel)
    assert result.converged
    assert result.n_iter < 300
    w, b = optimum(X, y, l2, weight)
    assert result.w == pytest.approx(w, rel=1e-6, abs=1e-12)
    assert result.b == pytest.approx(b, rel=1e-6)


@pytest.mark.parametrize("scales", [[1e-8, 1.0, 1e8], [1e-140, 1.0, 1e140], [1e-200, 1e200, 1e300]], ids=str)
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_columns_of_every_size(kernel, scales, shift):
    X, y = overlapping(n=3)
    plain = fit(X, y, tol=1e-9, kernel=kernel)
    result = fit((X + shift) * scales, y, tol=1e-9, kernel=kernel)
    assert result.converged
    assert pytest.approx(plain.J, rel=1e-10) == result.J
    assert result.w * scales == pytest.approx(plain.w, rel=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "bool", ">f8", "longdouble"])
def test_columns_of_every_dtype(kernel, dtype):
    generator = np.random.default_rng(0)
    X = generator.integers(0, 2 if dtype == "bool" else 20, (400, 3)).astype(dtype)
    y = (generator.random(400) < 1 / (1 + np.exp(1.0 - 0.1 * X.astype(float).sum(axis=1)))).astype(float)
    result = fit(X, y, tol=1e-5, kernel=kernel)
    assert result.converged
    w, b = optimum(X.astype(float), y)
    assert np.append(result.w, result.b) == pytest.approx(np.append(w, b), abs=1e-3)


def test_every_layout_has_the_same_bits(tmp_path):
    X, y = overlapping(m=40_000)
    on_disk = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float64, X.shape)
    on_disk[:] = X
    wide = np.repeat(X, 2, axis=1)
    layouts = [X, np.asfortranarray(X), wide[:, ::2], X[::-1].copy()[::-1], on_disk]
    means = {tuple(field.tobytes() for field in measured(data(layout, y), centred=True)) for layout in layouts}
    assert len(means) == 1
    fits = {(result.n_iter, result.w.tobytes()) for result in (fit(X, y, threads=threads) for threads in (1, 2, 3))}
    assert len(fits) == 1


def test_mean_and_scale_of_a_column_far_from_zero():
    generator = np.random.default_rng(0)
    deviations = generator.standard_normal(10_000)
    weight = generator.random(10_000)
    column = 1e9 + deviations
    given = data(column[:, np.newaxis], np.zeros(10_000), weight)
    mean, scale = standard(measured(given, centred=True), 0.0)
    exact = np.average(deviations, weights=weight)
    assert mean[0] - 1e9 == pytest.approx(exact, abs=1e-6)
    assert scale[0] == pytest.approx(np.sqrt(np.average((deviations - exact) ** 2, weights=weight)), rel=1e-6)


@pytest.mark.parametrize("weights", [[0.0, 1.0, 1.0, 1.0, 1.0], [1e-300, 1.0, 1.0, 1.0, 1.0]])
def test_an_example_of_no_weight_does_not_spoil_the_scale(weights):
    column = np.array([[1e20], [1.0], [2.0], [3.0], [4.0]])
    mean, scale = standard(measured(data(column, np.zeros(5), weights), centred=True), 0.0)
    assert (mean[0], scale[0]) == (pytest.approx(2.5), pytest.approx(np.sqrt(1.25)))


def test_a_constant_column_keeps_its_weight(kernel):
    X, y = overlapping(n=2)
    constant = np.full((len(y), 1), 1e7)
    plain = fit(X, y, kernel=kernel)
    result = fit(np.hstack([X, constant, constant / 3e7]), y, kernel=kernel)
    assert result.converged
    assert result.w[2:].tolist() == [0.0, 0.0]
    assert pytest.approx(plain.J, rel=1e-9) == result.J


def test_a_penalized_constant_column_goes_to_zero(kernel):
    X, y = overlapping(n=2)
    result = fit(np.hstack([X, np.full((len(y), 1), 5.0)]), y, l2=0.1, w0=[0.0, 0.0, 3.0], tol=1e-9, kernel=kernel)
    assert result.converged
    assert result.w[2] == pytest.approx(0.0, abs=1e-6)


def test_a_column_that_is_constant_but_for_rounding(kernel):
    X, y = overlapping(n=2)
    noisy = np.where(np.arange(len(y)) % 2, 0.3, 0.1 * 3)[:, np.newaxis]
    assert len(np.unique(noisy)) == 2
    result = fit(np.hstack([X, noisy]), y, kernel=kernel)
    assert result.converged
    assert result.w[2] == 0.0


@pytest.mark.filterwarnings("ignore::gradstep.ConvergenceWarning")
def test_a_column_whose_range_overflows():
    with pytest.raises(ValueError) as raised:
        fit([[1.0, -1e308], [2.0, 1e308], [3.0, 0.0]], [0, 1, 0])
    message = "column 1 of X is too wide for alpha='auto': the difference of its values overflows"
    assert str(raised.value) == message


def test_one_hot_columns_that_add_up_to_one(kernel):
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 4, 1000)
    rates = np.array([0.1, 0.3, 0.5, 0.9])
    y = (generator.random(1000) < rates[groups]).astype(float)
    X = np.eye(4)[groups]
    result = fit(X, y, tol=1e-8, kernel=kernel)
    assert result.converged
    predicted = 1 / (1 + np.exp(-(result.w + result.b)))
    assert predicted == pytest.approx([y[groups == group].mean() for group in range(4)], abs=1e-6)


# A number for alpha


def test_a_number_for_alpha_is_a_repeated_step(kernel):
    w, b = np.zeros(3), 0.0
    for _ in range(20):
        w, b, _ = step(spector.X, spector.y, w, b, 1e-3, l2=0.01, kernel=kernel)
    with pytest.warns(ConvergenceWarning):
        result = fit(spector.X, spector.y, alpha=1e-3, l2=0.01, max_iter=20, kernel=kernel)
    assert (result.w.tobytes(), result.b) == (w.tobytes(), b)
    assert result.largest == result.largest_scaled


# What a descent says that stops too soon


def warned(*arguments, **options):
    """Return the result of a fit, and the one warning that it gave."""
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        result = fit(*arguments, **options)
    (warning,) = given
    assert warning.filename == __file__
    assert warning.message.fit is result
    assert str(warning.message).endswith(f" {result.advice}")
    assert not result.converged
    return result, str(warning.message)


def test_who_stops_at_max_iter_is_told_once_what_to_change():
    X, y = overlapping()
    result, message = warned(X, y, max_iter=3)
    assert message.startswith(
        "fit stopped after 3 steps without converging: the largest gradient component is "
        f"{result.largest_scaled:.3g}, tol is 1e-06. Raise max_iter, "
    )


def test_a_given_alpha_is_told_of_auto():
    result, _ = warned(*overlapping(), alpha=1e-3, max_iter=3)
    assert result.advice.startswith("Take alpha='auto', ")


@pytest.mark.parametrize(("dtype", "way_out"), [("float64", "Raise tol."), ("float32", "or pass X as float64.")])
def test_a_tol_below_the_rounding(dtype, way_out):
    X, y = overlapping(n=2)
    result, _ = warned(X.astype(dtype), y, tol=1e-30, max_iter=500)
    assert result.advice.startswith("J no longer falls, because tol is too small for the rounding of " + dtype)
    assert result.advice.endswith(way_out)


@pytest.mark.parametrize("options", [{"max_iter": 20}, {}, {"alpha": 0.5, "max_iter": 20}], ids=str)
@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 1.0, 1e-9]], ids=str)
def test_separable_classes_are_named(kernel, options, weight):
    result, _ = warned(*SEPARABLE, sample_weight=weight, kernel=kernel, **options)
    assert result.advice.startswith("The classes can be separated, so J has no minimum")
    assert fit(*SEPARABLE, l2=0.1, kernel=kernel).converged


def test_probabilities_are_not_separable(kernel):
    result = fit(SEPARABLE[0], [0.05, 0.05, 0.95, 0.95], kernel=kernel)
    assert result.converged


def test_a_warning_as_an_error_holds_the_result():
    X, y = overlapping()
    with pytest.raises(ConvergenceWarning) as raised:
        fit(X, y, max_iter=3)
    result = raised.value.fit
    assert (result.n_iter, result.converged) == (3, False)
    assert pickle.loads(pickle.dumps(raised.value)).fit.largest_scaled == result.largest_scaled


def test_a_warning_is_silenced_as_usual():
    X, y = overlapping()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gradstep.ConvergenceWarning)
        fit(X, y, max_iter=3)


def test_who_wants_to_stop_is_not_warned():
    result = fit(*overlapping(), callback=lambda iterate: iterate.n_iter == 2)
    assert (result.n_iter, result.converged, result.advice) == (2, False, None)


def test_divergence_says_what_to_change():
    with pytest.raises(FitDiverged, match="is too large: take a smaller one, or alpha='auto'$"):
        fit(spector.X, spector.y, alpha=1e3, l2=100.0)


def test_examples_that_change_during_a_descent_end_it(kernel):
    X = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5], [0.0, 1.0]])

    def change(iterate):
        X[:] *= -10.0

    with pytest.raises(FitDiverged, match="^J at the point after .* X, y or sample_weight has changed meanwhile"):
        fit(X, [0, 1, 1, 0], callback=change, kernel=kernel)


@pytest.mark.parametrize("smallest", ["1e-4000", "1e-320"])
def test_weights_below_the_range_of_float64_are_measured_as_well(smallest):
    if np.longdouble(smallest) == 0.0:
        pytest.skip("longdouble has the range of float64 here")
    X = np.random.default_rng(0).standard_normal((100, 3)) * [1.0, 1e3, 1e-3]
    y, weight = np.arange(100) % 2, np.arange(100) % 3 + 1
    expected = fit(X, y, sample_weight=weight)
    found = fit(X, y, sample_weight=weight * np.longdouble(smallest))
    assert (found.n_iter, found.J) == (expected.n_iter, pytest.approx(expected.J, rel=1e-12))
