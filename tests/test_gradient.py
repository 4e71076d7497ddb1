"""The gradient against central differences of the cost."""

from __future__ import annotations

import numpy as np
import problems
import pytest

from gradstep import gradient, objective, step

# The third derivative of log(1 + exp(z)) with respect to z is at most 1 / (6 sqrt(3)).
THIRD_DERIVATIVE = 1 / (6 * 3**0.5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (9, 3), (65, 8), (513, 17)])
def test_central_differences(kernel, m, n, weighted):
    """(J(t + h) - J(t - h)) / 2h differs from J' by at most h^2/6 max|J'''| and by the error of the two J over h.

    With J''' at most the mean of |x_j|^3 / (6 sqrt 3), h is chosen so that the two parts are alike.
    """
    problem = problems.random_weighted_problem(m, n) if weighted else problems.random_problem(m, n)
    X, c, w, b = problem.X, problem.row_errors.c, problem.w, problem.b
    extended = np.column_stack([X, np.ones(m)])
    theta = np.append(w, b)
    exact = problem.gradient(kernel)
    grad = np.append(exact.dw, exact.db)
    for j in range(n + 1):
        third = THIRD_DERIVATIVE * float(c @ np.abs(extended[:, j]) ** 3) / c.sum()
        error_of_J = 2 * problem.errors.J
        h = (3 * error_of_J / third) ** (1 / 3)
        shifted = [theta + sign * h * (np.arange(n + 1) == j) for sign in (1, -1)]
        J = [_cost(problem, kernel, t) for t in shifted]
        # What was really added to theta_j, after rounding.
        width = float(shifted[0][j] - shifted[1][j])
        tolerance = width**2 / 24 * third + 2 * error_of_J / width
        assert abs((J[0] - J[1]) / width - grad[j]) <= 2 * tolerance, f"component {j}"
        assert tolerance < 1e-7 * (1 + np.abs(grad).max())


def _cost(problem, kernel, theta) -> float:
    weight, l2 = problem.sample_weight, problem.l2
    return gradient(problem.X, problem.y, theta[:-1], theta[-1], sample_weight=weight, l2=l2, kernel=kernel).J


def test_types_of_the_result(kernel):
    result = gradient([[1.0, 2.0]], [1], [0, 0], 0, kernel=kernel)
    assert type(result.J) is float and type(result.db) is float
    assert result.dw.dtype == np.float64 and result.dw.shape == (2,)
    assert gradient(np.ones((1, 2), np.float32), [1], [0, 0], 0, kernel=kernel).dw.dtype == np.float32
    assert gradient(np.ones((1, 2)), [1], np.zeros(2, np.float32), 0, kernel=kernel).dw.dtype == np.float32


@pytest.mark.parametrize("w", [[1, 2], np.array([1, 2], np.int8), np.array([1.0, 2.0], np.float16)], ids=repr)
def test_objective_takes_any_numbers_as_weights(kernel, w):
    X, y = np.ones((3, 2), np.float32), [0, 1, 1]
    expected = gradient(X, y, w, 1, kernel=kernel)
    actual = objective(X, y, kernel=kernel).gradient(w, 1)
    assert (actual.J, actual.dw.tolist(), actual.db) == (expected.J, expected.dw.tolist(), expected.db)
    assert actual.dw.dtype == expected.dw.dtype == np.float32


def test_step_leaves_its_arguments_alone(kernel):
    X, y, w = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0]), np.array([0.1, -0.2])
    before = X.tobytes() + y.tobytes() + w.tobytes()
    result = step(X, y, w, 0.05, 0.5, kernel=kernel)
    assert X.tobytes() + y.tobytes() + w.tobytes() == before
    assert not np.shares_memory(result.w, w)
    assert type(result.b) is float


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_step_keeps_the_dtype_of_w(kernel, dtype):
    assert step(np.ones((3, 2)), [0, 1, 1], np.zeros(2, dtype), 0.0, 0.1, kernel=kernel).w.dtype == dtype
    assert step(np.ones((3, 2)), [0, 1, 1], [0, 0], 0.0, 0.1, kernel=kernel).w.dtype == np.float64


def test_step_lowers_the_cost(kernel):
    problem = problems.random_problem(65, 8)
    w, b, costs = problem.w, problem.b, []
    for _ in range(20):
        w, b, J = step(problem.X, problem.y, w, b, 0.2, kernel=kernel)
        costs.append(J)
    assert (np.diff(costs) < 0).all()


class OutOfUfuncs:
    """Converts to an array, but refuses NumPy's ufuncs, as the arrays of some libraries do."""

    __array_ufunc__ = None

    def __init__(self, values):
        self._values = np.array(values)

    def __array__(self, dtype=None, copy=None):
        return np.array(self._values, dtype)


def test_step_from_an_array_of_another_library():
    X, y = [[1.0, 2.0], [3.0, 4.0]], [0, 1]
    expected = step(X, y, [0.5, -0.5], 0.0, 0.1)
    actual = step(X, y, OutOfUfuncs([0.5, -0.5]), 0.0, 0.1)
    assert actual.w.tolist() == expected.w.tolist()
    assert (actual.b, actual.J) == (expected.b, expected.J)
