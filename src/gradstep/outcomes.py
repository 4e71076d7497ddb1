"""What a descent shows and raises: the state for a callback, the warning, and the errors."""

from __future__ import annotations

from typing import NamedTuple

from gradstep.contract import Fit, FloatArray, shown, steps


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


class ConvergenceWarning(UserWarning):
    """`fit` stopped before it found a minimum; the message says what to change.

    It is given once for each fit, after the work. ``warnings.simplefilter("ignore", gradstep.ConvergenceWarning)``
    silences it; where warnings are errors, the exception still holds the result.

    Attributes
    ----------
    fit : Fit
        The result.
    """

    def __init__(self, message: str, fit: Fit) -> None:
        super().__init__(message)
        self.fit = fit

    # An exception is copied and pickled as its class and `args`, which lack the state.
    def __reduce__(self) -> tuple[type[ConvergenceWarning], tuple[str, Fit], dict[str, object]]:
        return type(self), (str(self), self.fit), self.__dict__


class FitDiverged(ArithmeticError):
    """J or its gradient stopped being finite: alpha is too large, or the start or the penalty is.

    Attributes
    ----------
    fit : Fit
        The state at the last finite J.
    """

    def __init__(self, message: str, fit: Fit) -> None:
        super().__init__(message)
        self.fit = fit

    def __reduce__(self) -> tuple[type[FitDiverged], tuple[str, Fit], dict[str, object]]:
        return type(self), (str(self), self.fit), self.__dict__


class FitInterrupted(KeyboardInterrupt):
    """Ctrl-C was pressed during `fit`.

    Attributes
    ----------
    fit : Fit
        The state that had been reached, from which ``fit(..., w0=fit.w, b0=fit.b)`` goes on.
    """

    def __init__(self, fit: Fit) -> None:
        super().__init__(f"interrupted after {fit.n_iter} steps at J = {fit.J:.9g}")
        self.fit = fit

    def __reduce__(self) -> tuple[type[FitInterrupted], tuple[Fit], dict[str, object]]:
        return type(self), (self.fit,), self.__dict__
