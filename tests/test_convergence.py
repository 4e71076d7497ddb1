"""Descents on data as it is: they converge, to the published optimum; who stops without one is told what to change."""

from __future__ import annotations

import numpy as np
import pytest
import spector

from gradstep import fit, gradient

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
