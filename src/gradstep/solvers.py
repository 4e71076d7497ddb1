"""The solvers of the estimator: each looks for the minimum of J for two classes, and says how far it came."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from gradstep import advice, coordinates
from gradstep.contract import Fit, Gradient
from gradstep.coordinates import Standard, Vector
from gradstep.cost import Objective
from gradstep.path import AutomaticSteps, GivenSteps, Path
from gradstep.validate import Data


class Problem(NamedTuple):
    """Two classes of examples, and where to start."""

    examples: Data
    l2: float
    w: NDArray[Any]
    b: float


class Limits(NamedTuple):
    """When a solver stops, how long a step of gradient descent is (None: as long as is good), and the threads."""

    alpha: float | None
    tol: float
    max_iter: int
    threads: int | None


Solver = Callable[[Problem, Limits], Fit]
"""Returns where it stopped. A `Fit` whose `advice` is `advice.SEPARABLE` is at no minimum, because there is none."""


def descend(problem: Problem, limits: Limits) -> Fit:
    """Repeat the step of gradient descent, as `gradstep.fit` does."""
    examples, l2, w, b = problem
    cost = _cost(examples, l2, limits.threads)
    if limits.alpha is None:
        path: Path = AutomaticSteps(examples, cost, w, b)
    else:
        path = GivenSteps(examples, cost, w, b, limits.alpha)
    while not path.largest <= limits.tol and path.n_iter < limits.max_iter:
        path.advance()
    return path.result(limits.tol)


def lbfgs(problem: Problem, limits: Limits) -> Fit:
    """Follow SciPy's L-BFGS-B in the coordinates in which each column of X has mean 0 and scale 1."""
    shifted = _Shifted(problem, limits.threads)
    start = np.zeros(shifted.n + 1)
    J, slope = shifted(start)
    history = [J]
    if limits.max_iter == 0 or np.abs(slope).max() <= limits.tol:
        return shifted.reached(start, history, limits.tol)

    def keep(intermediate_result: Any) -> None:
        history.append(float(intermediate_result.fun))

    # SciPy also stops where J falls by less than ftol; what counts here is the gradient.
    options = {"maxiter": limits.max_iter, "maxfun": sys.maxsize, "maxls": 50, "gtol": limits.tol, "ftol": 0.0}
    found = minimize(shifted, start, jac=True, method="L-BFGS-B", options=options, callback=keep)
    return shifted.reached(found.x, history, limits.tol)


def stalled(fit: Fit) -> bool:
    """Whether the cost had stopped falling, but for rounding, when the solver stopped."""
    history = fit.history
    if len(history) < 3:
        return False
    rounding = 256.0 * float(np.finfo(fit.w.dtype).eps) * (1.0 + abs(fit.J))
    return bool(history[len(history) // 2] - history[-1] <= rounding)


def _cost(examples: Data, l2: float, threads: int | None) -> Objective:
    """Return J as a function."""
    X, y, sample_weight, _ = examples
    return Objective(X, y, sample_weight=sample_weight, l2=l2, threads=threads)


class _Shifted:
    """J as a function of how far (v, c), the model in standard coordinates, is from the start.

    So a start keeps its bits, and the rounding of a large mean does not add up.
    """

    def __init__(self, problem: Problem, threads: int | None) -> None:
        self._examples, self._w, self._b = problem.examples, problem.w.astype(np.float64), problem.b
        self._dtype = problem.w.dtype
        self._cost = _cost(problem.examples, problem.l2, threads)
        self.n = self._cost.n
        # Before the columns are measured: this pass finds the values that are wrong.
        self._cost.gradient(self._w, self._b)
        self._coordinates: Standard = coordinates.standard(problem.examples, problem.l2)

    def __call__(self, change: Vector) -> tuple[float, Vector]:
        gradient = self._cost.gradient(*self._at(change))
        return gradient.J, self._slope(gradient)

    def _at(self, change: Vector) -> tuple[Vector, float]:
        return self._coordinates.moved(self._w, self._b, change, -1.0)

    @np.errstate(all="ignore")
    def _slope(self, gradient: Gradient) -> Vector:
        return self._coordinates.slope(gradient)

    def reached(self, change: Vector, history: list[float], tol: float) -> Fit:
        """Return the model there as a result."""
        w, b = self._at(change)
        gradient = self._cost.gradient(w, b)
        largest = float(np.abs(self._slope(gradient)).max())
        without_minimum = advice.separable(self._cost, self._examples, w, b, gradient.J)
        to_change = advice.SEPARABLE if without_minimum else None if largest <= tol else advice.SLOW
        return Fit(
            w.astype(self._dtype),
            b,
            gradient.J,
            len(history) - 1,
            to_change is None,
            np.array(history),
            largest=float(max(np.abs(gradient.dw).max(), abs(gradient.db))),
            largest_scaled=largest,
            advice=to_change,
        )


SOLVERS: dict[str, Solver] = {"gd": descend, "lbfgs": lbfgs}
"""How each solver is called, by its name."""
