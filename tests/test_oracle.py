"""The oracle itself, on cases worked out by hand, and against the textbook form with many digits."""

from __future__ import annotations

import mpmath
import numpy as np
import oracle
import problems
import pytest


def solve(X, y, w, b, sample_weight=None, l2=0.0) -> oracle.Reference:
    X, y, w = (np.array(values, np.float64) for values in (X, y, w))
    weight = None if sample_weight is None else np.array(sample_weight, np.float64)
    return oracle.reference(oracle.rows(X, y, w, b, weight), w, l2)


def test_z_of_zero_costs_log_2():
    result = solve([[3.0, -5.0]], [0.0], [0.0, 0.0], 0.0)
    with mpmath.workdps(80):
        assert abs(result.J - mpmath.log(2)) < mpmath.mpf(10) ** -75
    assert (result.dw, result.db) == ([1.5, -2.5], 0.5)


@pytest.mark.parametrize(("z", "y"), [(800.0, 0.0), (-800.0, 1.0)])
def test_a_badly_classified_row_costs_z(z, y):
    result = solve([[z]], [y], [1.0], 0.0)
    with mpmath.workdps(80):
        # exp(-800) is about 1e-348: below the last of the oracle's digits.
        assert abs(result.J - 800) < mpmath.mpf("1e-80")
        assert abs(result.db - (1 if y == 0 else -1)) < mpmath.mpf("1e-80")
        assert abs(result.dw[0] - 800) < mpmath.mpf("1e-76")


def test_a_well_classified_row_costs_exp_of_minus_z():
    result = solve([[800.0]], [1.0], [1.0], 0.0)
    with mpmath.workdps(80):
        assert abs(result.J / mpmath.exp(-800) - 1) < mpmath.mpf("1e-80")
        assert abs(result.db / -mpmath.exp(-800) - 1) < mpmath.mpf("1e-80")


def test_the_largest_numbers():
    result = solve([[1e308], [-1e308]], [0.0, 1.0], [1.0], 0.0)
    with mpmath.workdps(80):
        assert result.J == mpmath.mpf(1e308)
        assert result.db == 0
        assert result.dw == [mpmath.mpf(1e308)]


def test_weights_and_penalty():
    # z = 0 in both rows: loss log 2 each, dz = 1/2 and -1/2; the weights are 1 and 3.
    result = solve([[1.0], [2.0]], [0.0, 1.0], [0.0], 0.0, sample_weight=[1.0, 3.0])
    assert result.dw == [(0.5 * 1.0 - 0.5 * 2.0 * 3.0) / 4.0]
    assert result.db == (0.5 - 1.5) / 4.0
    # The penalty alone: (l2/2) ||w||^2 = 0.5/2 * 25, and its gradient 0.5 w; X = 0 leaves z = 0.
    penalized = solve([[0.0, 0.0]], [0.5], [3.0, -4.0], 0.0, l2=0.5)
    with mpmath.workdps(80):
        assert abs(penalized.J - mpmath.log(2) - mpmath.mpf(6.25)) < mpmath.mpf("1e-75")
    assert penalized.dw == [1.5, -2.0]
    assert penalized.db == 0


def test_a_fractional_label_mixes_the_two_classes():
    zero, half, one = (solve([[0.7]], [y], [1.3], -0.2) for y in (0.0, 0.5, 1.0))
    with mpmath.workdps(80):
        assert abs(half.J - (zero.J + one.J) / 2) < mpmath.mpf("1e-75")
        assert abs(half.db - (zero.db + one.db) / 2) < mpmath.mpf("1e-75")


def test_agrees_with_the_textbook_form_in_many_digits():
    problem = problems.random_weighted_problem(9, 3)
    with mpmath.workdps(300):
        total = mpmath.mpf(0)
        for i in range(problem.m):
            z = sum((mpmath.mpf(problem.w[j]) * mpmath.mpf(problem.X[i, j]) for j in range(3)), mpmath.mpf(problem.b))
            a, y = 1 / (1 + mpmath.exp(-z)), mpmath.mpf(problem.y[i])
            total -= mpmath.mpf(problem.sample_weight[i]) * (y * mpmath.log(a) + (1 - y) * mpmath.log(1 - a))
        penalty = mpmath.mpf(problem.l2) / 2 * sum(mpmath.mpf(value) ** 2 for value in problem.w)
        textbook = total / sum(mpmath.mpf(value) for value in problem.sample_weight) + penalty
        assert abs(problem.reference.J - textbook) < mpmath.mpf("1e-80")


def test_the_gradient_is_the_derivative_of_the_cost():
    problem = problems.random_weighted_problem(7, 2)
    with mpmath.workdps(60):
        step = mpmath.mpf(2) ** -60

        def cost(b):
            z = [mpmath.fdot(x, oracle.exact(problem.w)) + b for x in oracle.exact(problem.X)]
            losses = [oracle._row(z_i, y_i)[1] for z_i, y_i in zip(z, oracle.exact(problem.y), strict=True)]
            weights = oracle.exact(problem.sample_weight)
            return mpmath.fdot(weights, losses) / mpmath.fsum(weights)

        slope = (cost(problem.b + step) - cost(problem.b - step)) / (2 * step)
        assert abs(slope - problem.reference.db) < mpmath.mpf("1e-30")


def test_the_curvature_of_a_row_by_hand():
    """At z = 0 it is 1/4, and u = 2 * 3 - 0.5 * 4 + 1 = 5."""
    rows = oracle.rows(np.array([[3.0, 4.0]]), np.zeros(1), np.zeros(2), 0.0, np.array([2.0]))
    curved = oracle.curved_rows(rows, np.array([2.0, -0.5, 1.0]))
    assert curved.sums(0, 1) == [2 * 5 / 4 * 3, 2 * 5 / 4 * 4, 2 * 5 / 4, 2 * 25 / 4]


@pytest.mark.parametrize("z", [800.0, -800.0])
def test_the_curvature_of_a_saturated_row_is_exp_of_minus_z(z):
    rows = oracle.rows(np.array([[z]]), np.zeros(1), np.ones(1), 0.0)
    with mpmath.workdps(80):
        assert abs(oracle.curved_rows(rows, np.array([0.0, 1.0])).s[0] / mpmath.exp(-800) - 1) < mpmath.mpf("1e-80")


def test_the_product_is_the_derivative_of_the_gradient():
    problem = problems.random_weighted_problem(7, 2)
    with mpmath.workdps(60):
        step = mpmath.mpf(2) ** -60
        X, v = oracle.exact(problem.X), oracle.exact(problem.direction)
        u = [mpmath.fdot(x, v[:-1]) + v[-1] for x in X]

        def gradient(t):
            scores = (z_i + t * u_i for z_i, u_i in zip(problem.rows.z, u, strict=True))
            slopes = [oracle._row(z_i, y_i)[0] for z_i, y_i in zip(scores, oracle.exact(problem.y), strict=True)]
            weighted = [c_i * slope for c_i, slope in zip(problem.rows.c, slopes, strict=True)]
            return [*(mpmath.fdot(weighted, column) for column in zip(*X, strict=True)), mpmath.fsum(weighted)]

        differences = [
            (above - below) / (2 * step) for above, below in zip(gradient(step), gradient(-step), strict=True)
        ]
        *product, square = problem.curved_rows.sums(0, 7)
        assert all(abs(a - b) < mpmath.mpf("1e-30") for a, b in zip(differences, product, strict=True))
        assert abs(mpmath.fdot(product, v) - square) < mpmath.mpf("1e-55")


def test_inputs_are_taken_exactly():
    smallest = np.float32(1e-45)
    assert oracle.exact(np.array([0.1, smallest]))[0] == mpmath.mpf(0.1)
    assert oracle.exact(np.array([[smallest]]))[0][0] == mpmath.mpf(2) ** -149
