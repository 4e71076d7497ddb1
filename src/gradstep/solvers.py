"""The solvers of the estimator: each looks for the minima of J, one for each class, and says how far it came."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from gradstep import advice, coordinates
from gradstep.contract import Fit, FloatArray, Gradient
from gradstep.coordinates import Standard, Vector
from gradstep.cost import Cost, parameters
from gradstep.lockstep import Lockstep
from gradstep.models import Model, gradients
from gradstep.outcomes import FitDiverged
from gradstep.path import AutomaticSteps, Diverged, GivenSteps, Path

# Each refused step makes the trust region a quarter as wide: after this many, no step is too long.
_REFUSALS = 20


class Start(NamedTuple):
    """Where the model of a class begins: its weights, its intercept, and the cost and gradient there."""

    model: Model
    w: FloatArray
    b: float
    gradient: Gradient


class Limits(NamedTuple):
    """When a solver stops, and how long a step of gradient descent is (None: as long as is good)."""

    alpha: float | None
    tol: float
    max_iter: int


Solver = Callable[[Cost, list[Start], Limits], list[Fit]]
"""Returns where each model stopped; ``advice.SEPARABLE`` is the advice for one that has no minimum."""


def starts(cost: Cost, w: FloatArray, b: FloatArray) -> list[Start]:
    """Return the starts of all models, at the rows of w and the numbers of b; the pass checks the values of X."""
    points = {j: (row.astype(np.float64), b.item(j)) for j, row in enumerate(w)}
    at_start = gradients(cost, points)
    return [Start(Model(cost, j), w[j], b.item(j), at_start[j]) for j in points]


def descend(cost: Cost, starts: list[Start], limits: Limits) -> list[Fit]:
    """Repeat the step of gradient descent as `gradstep.fit` does, each pass over X for all models."""
    if limits.alpha is None:
        standard = _standard(cost, starts)
        paths: list[Path] = [AutomaticSteps(*start, standard) for start in starts]
    else:
        paths = [GivenSteps(*start, limits.alpha) for start in starts]
    descents = Lockstep(cost, paths)
    try:
        descents.run(limits.tol, limits.max_iter, None, lambda state: None)
    except Diverged as error:
        raise FitDiverged(str(error), descents.reached(limits.tol)) from None
    return [path.result(limits.tol) for path in paths]


def lbfgs(cost: Cost, starts: list[Start], limits: Limits) -> list[Fit]:
    """Follow SciPy's L-BFGS-B, for one model after another."""
    # SciPy also stops where J falls by less than ftol; what counts here is the gradient.
    options = {"maxiter": limits.max_iter, "maxfun": sys.maxsize, "maxls": 50, "gtol": 0.0, "ftol": 0.0}
    return _one_by_one(cost, starts, limits, "L-BFGS-B", options)


def newton_cg(cost: Cost, starts: list[Start], limits: Limits) -> list[Fit]:
    """Follow SciPy's trust-ncg, for one model after another: conjugate gradients find each step of Newton's method."""
    return _one_by_one(cost, starts, limits, "trust-ncg", {"maxiter": limits.max_iter, "gtol": 0.0})


SOLVERS: dict[str, Solver] = {"gd": descend, "lbfgs": lbfgs, "newton-cg": newton_cg}
"""How each solver is called, by its name."""


def stalled(fit: Fit) -> bool:
    """Whether the cost had stopped falling, but for rounding, when the solver stopped."""
    history = fit.history
    if len(history) < 3:
        return False
    rounding = 256.0 * float(np.finfo(fit.w.dtype).eps) * (1.0 + abs(fit.J))
    return bool(history[len(history) // 2] - history[-1] <= rounding)


def _standard(cost: Cost, starts: list[Start]) -> Standard:
    """Return the coordinates in which each column of X has mean 0 and scale 1; all models weigh the examples alike."""
    columns = coordinates.measured(starts[0].model.examples, cost.fit_intercept)
    return coordinates.standard(columns, starts[0].model.l2)


def _one_by_one(cost: Cost, starts: list[Start], limits: Limits, method: str, options: dict[str, float]) -> list[Fit]:
    standard = _standard(cost, starts)
    return [_minimized(_Shifted(start, standard), limits, method, options) for start in starts]


def _minimized(shifted: _Shifted, limits: Limits, method: str, options: dict[str, float]) -> Fit:
    """Let a method of SciPy's look for the minimum, in standard coordinates."""
    history = [shifted.J]
    refusals = 0

    def look(intermediate_result: Any) -> None:
        nonlocal refusals
        history.append(float(intermediate_result.fun))
        is_new = np.array_equal(intermediate_result.x, shifted.change)
        refusals = 0 if is_new else refusals + 1
        if (is_new and shifted.largest <= limits.tol) or refusals == _REFUSALS:
            raise StopIteration

    change = shifted.change
    # A NaN is not at most tol either.
    if limits.max_iter > 0 and not shifted.largest <= limits.tol:
        named = {"hessp": shifted.hessp} if method == "trust-ncg" else {}
        try:
            shifted.require_finite(shifted.largest)
            found = minimize(shifted, change, jac=True, method=method, options=options, callback=look, **named)
        except Diverged as error:
            raise FitDiverged(str(error), shifted.reached(shifted.change, history, limits.tol)) from None
        change = found.x
    return shifted.reached(change, history, limits.tol)


class _Shifted:
    """J of a model as a function of how far (v, c), its parameters in standard coordinates, are from their start.

    So a start keeps its bits, and the rounding of a large mean does not add up.

    Attributes
    ----------
    change : ndarray of shape (n + 1,)
        Where the function was called last.
    J, largest : float
        The cost there, and the largest component of its gradient.
    """

    def __init__(self, start: Start, standard: Standard) -> None:
        self._model, w, self._b, gradient = start
        self._w, self._dtype = w.astype(np.float64), w.dtype
        self._standard = standard
        self._note(np.zeros(len(w) + 1), gradient)

    def __call__(self, change: Vector) -> tuple[float, Vector]:
        return self._note(change.copy(), self._model.gradient(*self._at(change)))

    def _note(self, change: Vector, gradient: Gradient) -> tuple[float, Vector]:
        slope = self._slope(gradient)
        self.change, self.J, self.largest = change, gradient.J, _largest(slope)
        return self.J, slope

    def require_finite(self, largest: float) -> None:
        """Raise Diverged if the largest component of a derivative is not finite: SciPy would go on for ever with it."""
        if not math.isfinite(largest):
            raise Diverged(
                f"{self._model.name}a derivative is not finite, where J is {self.J:.6g}: scale the columns of X, or "
                "set a larger C"
            )

    def hessp(self, change: Vector, v: Vector) -> Vector:
        """Return the product of the Hessian with a vector."""
        direction = self._held(*self._standard.moved(np.zeros_like(self._w), 0.0, v, -1.0))
        cost, j = self._model
        models = None if cost.examples.k is None else np.array([j])
        products, _ = cost.curvature(parameters(*self._at(change)), parameters(*direction), models)
        product = self._slope(Gradient(self.J, products[0, :-1], products.item(0, -1)))
        self.require_finite(_largest(product))
        return product

    @np.errstate(all="ignore")
    def _at(self, change: Vector) -> tuple[Vector, float]:
        return self._held(*self._standard.moved(self._w, self._b, change, -1.0))

    @np.errstate(all="ignore")
    def _held(self, w: Vector, b: float) -> tuple[Vector, float]:
        """Return w and b if the dtype of the computation holds them; raise Diverged where it does not."""
        dtype = self._model.dtype
        if not (np.isfinite(w.astype(dtype)).all() and np.isfinite(dtype.type(b))):
            raise Diverged(
                f"{self._model.name}the next step leads beyond {dtype}; the last good J was {self.J:.6g}. Scale the "
                "columns of X, or set C, for example C=100"
            )
        return w, b

    @np.errstate(all="ignore")
    def _slope(self, gradient: Gradient) -> Vector:
        return self._standard.slope(gradient)

    def reached(self, change: Vector, history: list[float], tol: float) -> Fit:
        """Return the model there as a result."""
        w, b = self._at(change)
        gradient = self._model.gradient(w, b)
        largest = _largest(self._slope(gradient))
        without_minimum = advice.separable(self._model, w, b, gradient.J)
        to_change = advice.SEPARABLE if without_minimum else None if largest <= tol else advice.SLOW
        return Fit(
            w.astype(self._dtype),
            b,
            gradient.J,
            len(history) - 1,
            to_change is None,
            np.array(history),
            largest=max(_largest(gradient.dw), abs(gradient.db)),
            largest_scaled=largest,
            advice=to_change,
        )


@np.errstate(all="ignore")
def _largest(slope: FloatArray) -> float:
    """Return the largest absolute component; NaN if there is one."""
    return float(np.abs(slope).max())
