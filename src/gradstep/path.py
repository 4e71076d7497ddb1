"""The states that a descent passes through, and how far each step goes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from gradstep import advice
from gradstep.contract import Fit, FloatArray, Gradient
from gradstep.coordinates import Given, Standard, Vector
from gradstep.models import Model
from gradstep.outcomes import Iterate

# The longest step of alpha="auto", in steps that are safe everywhere.
_LONGEST = 1e6


# Numbers whose squares add up to no more than this fit into a float32 and a float64.
_SMALL_SQUARES = {4: 1e76, 8: 1e300}


class Diverged(ArithmeticError):
    """J or its gradient stopped being finite; the message says where and what to do."""


class _State(NamedTuple):
    n_iter: int
    w: Vector
    b: float
    gradient: Gradient
    slope: Vector
    """The derivative of J in the coordinates of the descent."""
    largest: float
    """Its largest absolute component; NaN if there is one."""


Trials = Generator[tuple[Vector, float], Gradient, None]
"""A step under way: it asks for the gradient at one point (w, b) after another, and goes on when it gets it."""

_Trial = Generator[tuple[Vector, float], Gradient, _State | None]


class Path(ABC):
    """The descent of one model: its state is replaced as a whole after each step, so an interrupt finds it intact."""

    alpha: float

    def __init__(
        self, model: Model, w: FloatArray, b: float, gradient: Gradient, coordinates: Given | Standard
    ) -> None:
        self._model = model
        self._dtype = w.dtype
        self._coordinates = coordinates
        self._small_squares = _SMALL_SQUARES[model.dtype.itemsize]
        # Updates far smaller than a rounding of w in float32 must still add up.
        self._state = self._state_at(0, w.astype(np.float64), b, gradient)
        self._history = [gradient.J]

    @abstractmethod
    def _next(self) -> _Trial:
        """Return the state after a step; None, or a state whose J is not finite, where the descent diverges."""

    @property
    def n_iter(self) -> int:
        """The number of steps taken."""
        return self._state.n_iter

    @property
    def J(self) -> float:
        """The cost."""
        return self._state.gradient.J

    @property
    def largest(self) -> float:
        """The largest component of the gradient in the coordinates of the descent."""
        return self._state.largest

    def ended(self, tol: float, max_iter: int) -> bool:
        """Whether there is no step to take."""
        state = self._state
        return state.largest <= tol or state.n_iter >= max_iter

    @np.errstate(all="ignore")
    def iterate(self) -> Iterate:
        """Return the state as a callback sees it."""
        n_iter, w, b, gradient, _, largest = self._state
        return Iterate(n_iter, w.astype(self._dtype), b, gradient.J, _largest(gradient), self.alpha, largest)

    def step(self) -> Trials:
        """Take a step."""
        if not math.isfinite(self.largest):
            raise Diverged(
                f"{self._model.name}the gradient is not finite after {self.n_iter} steps, where J is {self.J:.6g}: "
                "start nearer to zero, take a smaller l2, or scale the columns of X"
            )
        following = yield from self._next()
        if following is None or not math.isfinite(following.gradient.J):
            raise Diverged(
                f"{self._model.name}J is no longer finite after {self.n_iter + 1} steps; the last good J was "
                f"{self.J:.6g} after {self.n_iter} steps. {self._way_out()}"
            )
        self._history.append(following.gradient.J)
        self._state = following

    @abstractmethod
    def _way_out(self) -> str:
        """Return what to change where J is no longer finite."""

    @np.errstate(all="ignore")
    def reached(self, converged: bool = False, to_change: str | None = None) -> Fit:
        """Return the present state as a result."""
        n_iter, w, b, gradient, _, largest = self._state
        # An interrupt may have come between the two lines that end a step.
        history = np.array(self._history[: n_iter + 1])
        return Fit(
            w.astype(self._dtype),
            b,
            gradient.J,
            n_iter,
            converged,
            history,
            largest=_largest(gradient),
            largest_scaled=largest,
            advice=to_change,
        )

    def result(self, tol: float) -> Fit:
        """Return the result of a descent that reached `tol` or max_iter."""
        _, w, b, gradient, _, largest = self._state
        if advice.separable(self._model, w, b, gradient.J):
            return self.reached(to_change=advice.SEPARABLE)
        if largest <= tol:
            return self.reached(converged=True)
        return self.reached(to_change=self._to_go_on())

    @abstractmethod
    def _to_go_on(self) -> str:
        """Return what to change where max_iter came before the minimum."""

    def _state_at(self, n_iter: int, w: Vector, b: float, gradient: Gradient) -> _State:
        with np.errstate(all="ignore"):
            slope = self._coordinates.slope(gradient)
            return _State(n_iter, w, b, gradient, slope, float(np.maximum.reduce(np.abs(slope))))

    def _after(self, alpha: float) -> _Trial:
        """Return the state after a step with `alpha`; None where it cannot be represented."""
        n_iter, w, b, _, slope, _ = self._state
        # Not around the yield: what is ignored here is not ignored where the gradient is computed.
        with np.errstate(all="ignore"):
            new_w, new_b = self._coordinates.moved(w, b, slope, alpha)
            representable = self._holds(new_w)
        if not representable or not math.isfinite(new_b):
            return None
        gradient = yield new_w, new_b
        return self._state_at(n_iter + 1, new_w, new_b, gradient)

    def _holds(self, w: Vector) -> bool:
        """Whether the dtype of the computation holds w."""
        # The square of the largest is at most the sum of all. It takes a fifth of the time, a microsecond less.
        return float(w.dot(w)) <= self._small_squares or bool(np.isfinite(w.astype(self._model.dtype)).all())


class GivenSteps(Path):
    """Steps with the learning rate that the caller gave, in the coordinates of X: each is `gradstep.step`."""

    def __init__(self, model: Model, w: FloatArray, b: float, gradient: Gradient, alpha: float) -> None:
        self.alpha = alpha
        super().__init__(model, w, b, gradient, Given())

    def _next(self) -> _Trial:
        return self._after(self.alpha)

    def _way_out(self) -> str:
        return f"alpha = {self.alpha:g} is too large: take a smaller one, or alpha='auto'"

    def _to_go_on(self) -> str:
        return advice.FOR_A_GIVEN_ALPHA


class AutomaticSteps(Path):
    """Steps in standard coordinates, each as long as the last two gradients allow; J never rises but for rounding."""

    def __init__(self, model: Model, w: FloatArray, b: float, gradient: Gradient, coordinates: Standard) -> None:
        self.alpha = self._safe = 1.0 / coordinates.curvature
        super().__init__(model, w, b, gradient, coordinates)

    def direction(self) -> tuple[Vector, float] | None:
        """Return the direction of the first step, the largest component of which is 1; None where it has none."""
        with np.errstate(all="ignore"):
            slope = self._state.slope
            change_w, change_b = self._coordinates.moved(np.zeros(len(slope) - 1), 0.0, slope, 1.0)
            self._length = max(float(np.abs(change_w).max()), abs(change_b))
            if not 0.0 < self._length < math.inf:
                return None
            return change_w / self._length, change_b / self._length

    @np.errstate(all="ignore")
    def begin(self, curvature: float) -> None:
        """Make the first step as long as the curvature along its direction says: to the minimum of a parabola."""
        relative = self._state.slope / self._length
        self.alpha = self._within(float(np.sum(relative * relative) / np.float64(curvature)), _LONGEST * self._safe)

    def _next(self) -> _Trial:
        following = yield from self._after(self.alpha)
        while self.alpha > self._safe and not self._descends(following):
            self.alpha = self._within(self._line_minimum(following), self.alpha / 2.0)
            following = yield from self._after(self.alpha)
        # The bound of the curvature is exact, its evaluation is not. Halving ends: alpha is 0 after at most 2098 times,
        # and then the step changes nothing.
        while not self._stays(following):
            if not self.alpha:
                raise Diverged(
                    f"{self._model.name}J at the point after {self.n_iter} steps is no longer {self.J:.6g}: X, y or "
                    "sample_weight has changed meanwhile. Leave them unchanged, or take a number for alpha"
                )
            self.alpha /= 2.0
            self._safe = min(self._safe, self.alpha)
            following = yield from self._after(self.alpha)
        if following is not None:
            self.alpha = self._within(self._step_for(following), _LONGEST * self._safe)
        return following

    def _way_out(self) -> str:
        return "Start nearer to zero, or scale the columns of X"

    def _to_go_on(self) -> str:
        return advice.to_go_on(self._model, self._history)

    def _within(self, alpha: float, longest: float) -> float:
        """Return alpha, or the nearest that is safe or at most `longest`; a NaN becomes the safe one."""
        return min(alpha, max(longest, self._safe)) if alpha > self._safe else self._safe

    def _stays(self, following: _State | None) -> bool:
        """Whether J and its gradient are finite after a step, and J is no higher but for rounding."""
        if following is None or not math.isfinite(following.largest):
            return False
        return following.gradient.J <= self.J + advice.rounding(self._model, self.J)

    @np.errstate(all="ignore")
    def _descends(self, following: _State | None) -> bool:
        """Whether J is lower after a step; where the change is lost in rounding, the slopes at both ends decide."""
        if following is None or not self._stays(following):
            return False
        if following.gradient.J < self.J - advice.rounding(self._model, self.J):
            return True
        along, along_new, _ = self._products(following)
        return bool(along + along_new >= 0.0)

    @np.errstate(all="ignore")
    def _line_minimum(self, following: _State | None) -> float:
        """Return where J is lowest along the last step, by the slopes at both ends; NaN where these are not known."""
        if following is None:
            return math.nan
        along, along_new, _ = self._products(following)
        return float(self.alpha * along / (along - along_new))

    @np.errstate(all="ignore")
    def _step_for(self, following: _State) -> float:
        """Return the next alpha by the change of the slope in the last step (Barzilai and Borwein 1988).

        Both of their formulas are inverse curvatures along it; where the second is less than half of the first, the
        step was a mixture of directions, and the shorter one is taken (Zhou, Gao and Dai 2006).
        """
        along, along_new, change = self._products(following)
        fall = along - along_new
        if fall <= 0.0:
            return math.inf
        long, short = self.alpha * along / fall, self.alpha * fall / change
        return float(short if short < 0.5 * long else long)

    def _products(self, following: _State) -> tuple[np.float64, np.float64, np.float64]:
        """Return g . g, g . h and (h - g) . (h - g) for the slopes g before a step and h after it, up to a factor."""
        g, h = self._state.slope / self.largest, following.slope / self.largest
        return np.sum(g * g), np.sum(g * h), np.sum((h - g) ** 2)


@np.errstate(all="ignore")
def _largest(gradient: Gradient) -> float:
    """Return the largest absolute component of (dw, db); NaN if there is one."""
    return float(np.maximum(np.abs(gradient.dw).max(), abs(gradient.db)))
