"""The bounds are tight enough to separate right kernels from wrong ones."""

from __future__ import annotations

import bounds
import numpy as np
import problems
import pytest


def test_gamma():
    assert bounds.gamma(1, 0.25) == 0.25 / 0.75
    assert bounds.gamma(0, 0.1) == 0.0
    with pytest.raises(ValueError, match="4 roundings of 0.25 have no bound"):
        bounds.gamma(4, 0.25)


@pytest.mark.parametrize(("dtype", "u"), [("float64", 2.0**-53), ("float32", 2.0**-24)])
@pytest.mark.parametrize("z", [1e-9, 1.0, 18.0, 33.3, 37.0, 80.0])
def test_a_row_that_is_classified_well_has_to_be_right_to_a_few_roundings(dtype, u, z):
    """Counted by hand: 8 + 5 roundings in the loss, 2 for division and penalty; 8 + 2 + 1 in dz; 1 for slack."""
    problem = problems.one_row(z, 1.0, dtype)
    assert problem.errors.J <= 16 * u * float(problem.reference.J)
    assert problem.errors.db <= 12 * u * abs(float(problem.reference.db))


@pytest.mark.parametrize(("dtype", "u"), [("float64", 2.0**-53), ("float32", 2.0**-24)])
@pytest.mark.parametrize("z", [0.0, 1e-9, 1.0, 18.0, 33.3, 37.0, 80.0])
def test_a_curvature_has_to_be_right_to_a_few_roundings_however_small(dtype, u, z):
    """Counted by hand, with z and u exact: 10 in s, 3 for the products with c, u and x; 1 for slack."""
    rows = problems.one_row(z, 1.0, dtype)
    s, slack = float(rows.curved_rows.s[0]), 4 * rows.curvature_errors.u
    # u is 1, but its bound does not know that no sum rounds: n + 2 = 3 more in s u, and twice that in s u^2.
    slope, square = rows.curvature_errors.sums(0, 1, 1)[-2:]
    assert slope <= (14 + 3 + slack) * u * s
    assert square <= (14 + 6 + slack) * u * s


@pytest.mark.parametrize("m", [2, 64, 513])
@pytest.mark.parametrize("n", [1, 17, 100])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_bounds_of_the_curvature_are_far_below_what_one_row_contributes(m, n, dtype):
    problem = problems.random_problem(m, n, dtype)
    rows = problem.curvature_errors
    bound = rows.sums(0, m, m)
    # Twice what the gradient is allowed: both z and u are rounded, and u is squared.
    assert (bound[:-2] < 0.5 * np.median(rows.slope[:, None] * np.abs(rows.X), axis=0)).all()
    assert bound[-2] < 0.5 * np.median(rows.slope)
    assert bound[-1] < 0.5 * np.median(rows.square)


@pytest.mark.parametrize("m", [2, 64, 513])
@pytest.mark.parametrize("n", [1, 17, 100])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_bounds_are_far_below_what_one_row_contributes(m, n, dtype):
    problem = problems.random_problem(m, n, dtype)
    rows = problem.row_errors
    contribution = np.median(rows.dz[:, None] * np.abs(rows.X), axis=0) / m
    assert (problem.errors.dw < 0.2 * contribution).all()
    assert problem.errors.db < 0.2 * np.median(rows.dz) / m
    assert problem.errors.J < 0.2 * np.median(rows.loss) / m


def test_float64_bounds_are_below_what_float32_could_reach():
    problem = problems.random_problem(513, 17)
    assert problem.errors.J < 1e-12
    assert problem.errors.dw.max() < 1e-12
