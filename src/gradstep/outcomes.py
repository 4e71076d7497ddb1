"""What a descent shows and raises: the state for a callback, the warning, and the errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradstep.contract import Fit, Fits, FloatArray, Vector, shown, steps


class Iterate(NamedTuple):
    """The state of a descent before a step, as `fit` hands it to a callback.

    Attributes
    ----------
    n_iter : int
        The number of steps taken so far.
    w : ndarray of shape (n,)
        The weights; never changed afterwards, so they may be kept.
    b : float
        The intercept.
    J : float
        The cost at (w, b).
    largest : float
        The largest absolute component of (dw, db).
    alpha : float
        The learning rate of the next step; ``alpha="auto"`` may shorten it.
    largest_scaled : float
        The largest component of the gradient in the coordinates of the descent; it decides convergence. Where alpha
        is a number it is `largest`.
    """

    n_iter: int
    w: FloatArray
    b: float
    J: float
    largest: float
    alpha: float
    largest_scaled: float

    def __repr__(self) -> str:
        where = f"w={shown(self.w)}, b={self.b:.6g}, J={self.J:.6g}"
        return f"Iterate(after {steps(self.n_iter)}: {where}, largest_scaled={self.largest_scaled:.3g})"


class Iterates(NamedTuple):
    """The state of the descents of k models, as `fit` hands it to a callback: the fields of `Iterate` for each.

    Attributes
    ----------
    n_iter : ndarray of shape (k,), integers
        The number of steps that each model has taken so far.
    w : ndarray of shape (n, k)
        The weights.
    b, J : ndarray of shape (k,)
        The intercepts, and the costs at (w, b).
    largest, largest_scaled : ndarray of shape (k,)
        The largest absolute component of (dw, db), and of the gradient in the coordinates of the descent.
    alpha : ndarray of shape (k,)
        The learning rate of each model's next step.
    """

    n_iter: NDArray[np.intp]
    w: FloatArray
    b: Vector
    J: Vector
    largest: Vector
    alpha: Vector
    largest_scaled: Vector

    def __repr__(self) -> str:
        k, longest = len(self.b), steps(int(self.n_iter.max()))
        return f"Iterates({k} models after at most {longest}: largest_scaled={self.largest_scaled.max():.3g})"


class ConvergenceWarning(UserWarning):
    """`fit` stopped before it found a minimum; the message says what to change.

    It is given once for each fit, after the work. ``warnings.simplefilter("ignore", gradstep.ConvergenceWarning)``
    silences it; where warnings are errors, the exception still holds the result.

    Attributes
    ----------
    fit : Fit or Fits
        The result.
    """

    def __init__(self, message: str, fit: Fit | Fits) -> None:
        super().__init__(message)
        self.fit = fit

    # An exception is copied and pickled as its class and `args`, which lack the state.
    def __reduce__(self) -> tuple[type[ConvergenceWarning], tuple[str, Fit | Fits], dict[str, object]]:
        return type(self), (str(self), self.fit), self.__dict__


class FitDiverged(ArithmeticError):
    """J or its gradient stopped being finite: alpha is too large, or the start or the penalty is.

    Attributes
    ----------
    fit : Fit or Fits
        The state at the last finite J.
    """

    def __init__(self, message: str, fit: Fit | Fits) -> None:
        super().__init__(message)
        self.fit = fit

    def __reduce__(self) -> tuple[type[FitDiverged], tuple[str, Fit | Fits], dict[str, object]]:
        return type(self), (str(self), self.fit), self.__dict__


class FitInterrupted(KeyboardInterrupt):
    """Ctrl-C was pressed during `fit`.

    Attributes
    ----------
    fit : Fit or Fits
        The state that had been reached, from which ``fit(..., w0=fit.w, b0=fit.b)`` goes on.
    """

    def __init__(self, fit: Fit | Fits) -> None:
        where = repr(fit) if isinstance(fit, Fits) else f"{steps(fit.n_iter)} at J = {fit.J:.9g}"
        super().__init__(f"interrupted after {where}")
        self.fit = fit

    def __reduce__(self) -> tuple[type[FitInterrupted], tuple[Fit | Fits], dict[str, object]]:
        return type(self), (self.fit,), self.__dict__
