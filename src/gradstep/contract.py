"""What everything in gradstep agrees on: the formula, the shapes, the results and the shape of a kernel.

For m examples ``x_i`` with n features, labels ``y_i`` in [0, 1] (0 and 1 are the two classes, a fraction is a
probability), weights ``c_i`` (1 unless given) and ``C = sum c_i``::

    z_i    = w . x_i + b
    J      = (1/C) sum_i c_i [ log(1 + exp(z_i)) - y_i z_i ]  +  (l2/2) ||w||^2
    dw     = (1/C) sum_i c_i (sigmoid(z_i) - y_i) x_i         +  l2 w
    db     = (1/C) sum_i c_i (sigmoid(z_i) - y_i)

The intercept b is not penalized. J is the mean negative log-likelihood of logistic regression, Hastie, Tibshirani and
Friedman, "The Elements of Statistical Learning" (2nd ed., 2009), equations 4.20 and 4.21, there a sum for maximizing.
docs/numerics.md explains how it is evaluated without overflow or cancellation.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
"""An array of float32 or float64."""

KernelName = Literal["auto", "python", "numba", "cython", "numpy"]
"""What ``kernel=`` may name, so that a type checker finds a typo. A kernel that was added to the registry is passed as
what `gradstep.registry.load` returns, or its name with a cast."""

# More numbers than these do not fit into the line of a repr.
_SHOWN_NUMBERS = 3


def shown(values: NDArray[Any]) -> str:
    """Return an array as text that fits into a line."""
    numbers = [f"{value:.5g}" for value in values[:_SHOWN_NUMBERS].tolist()]
    if len(values) > _SHOWN_NUMBERS:
        return f"[{', '.join(numbers[:-1])}, ... {len(values):,} in all]"
    return f"[{', '.join(numbers)}]"


def steps(number: int) -> str:
    """Return a number of steps in words."""
    return "1 step" if number == 1 else f"{number:,} steps"


class Gradient(NamedTuple):
    """The cost and its derivatives at (w, b).

    Attributes
    ----------
    J : float
        The cost.
    dw : ndarray of shape (n,)
        Its derivative with respect to w, in the dtype of w.
    db : float
        Its derivative with respect to b.
    """

    J: float
    dw: FloatArray
    db: float

    def __repr__(self) -> str:
        return f"Gradient(J={self.J:.6g}, dw={shown(self.dw)}, db={self.db:.6g})"


class Step(NamedTuple):
    """The parameters after one step of gradient descent, and the cost before it.

    Attributes
    ----------
    w : ndarray of shape (n,)
        ``w - alpha dw``, a new array in the dtype of w.
    b : float
        ``b - alpha db``.
    J : float
        The cost *before* the update: it falls out of the same pass as the gradient.
    """

    w: FloatArray
    b: float
    J: float

    def __repr__(self) -> str:
        return f"Step(w={shown(self.w)}, b={self.b:.6g}, J={self.J:.6g})"


class _Fit(NamedTuple):
    """What a `Fit` is unpacked to."""

    w: FloatArray
    b: float
    J: float
    n_iter: int
    converged: bool
    history: NDArray[np.float64]


class Fit(_Fit):
    """Where gradient descent stopped: ``w, b, J, n_iter, converged, history``, and three attributes beside these.

    Attributes
    ----------
    w : ndarray of shape (n,)
        The weights reached.
    b : float
        The intercept reached.
    J : float
        The cost at (w, b).
    n_iter : int
        The number of steps taken.
    converged : bool
        Whether `largest_scaled` is at most the tolerance, and J is not known to have no minimum.
    history : ndarray of shape (n_iter + 1,)
        ``history[k]`` is the cost after k steps, so ``history[-1]`` is J.
    largest : float
        The largest absolute component of (dw, db) at (w, b).
    largest_scaled : float
        The same in the coordinates of the descent, by which it was judged: with ``alpha="auto"`` those in which each
        column has mean 0 and scale 1, else those of X, where it is `largest`.
    advice : str or None
        What to change, where the descent stopped without a minimum.
    """

    largest: float = math.nan
    largest_scaled: float = math.nan
    advice: str | None = None

    def __new__(
        cls,
        w: FloatArray,
        b: float,
        J: float,
        n_iter: int,
        converged: bool,
        history: NDArray[np.float64],
        *,
        largest: float = math.nan,
        largest_scaled: float = math.nan,
        advice: str | None = None,
    ) -> Fit:
        """Make one; the numbers that are no part of the tuple may be left out."""
        self = super().__new__(cls, w, b, J, n_iter, converged, history)
        self.largest, self.largest_scaled, self.advice = largest, largest_scaled, advice
        return self

    def __repr__(self) -> str:
        ending = "converged" if self.converged else "not converged"
        return f"Fit({ending} after {steps(self.n_iter)}: J={self.J:.6g}, w={shown(self.w)}, b={self.b:.5g})"


class PartialSums(Protocol):
    """The one function that a kernel module defines; `gradstep.kernels` says what it must do."""

    def __call__(
        self,
        X: FloatArray,
        y: FloatArray,
        theta: FloatArray,
        block_rows: int,
        out: NDArray[np.float64],
        sample_weight: FloatArray | None = None,
        direction: FloatArray | None = None,
    ) -> None:
        """Write the sums over each block of rows, for each model, into `out`."""


class Kernel(Protocol):
    """One implementation of the sums, with what the engine has to know about it.

    Anything with these three attributes may be passed as ``kernel=``. A fourth one, ``narrow_dtypes``, may name the
    narrow dtypes of X that it reads in place.
    """

    @property
    def name(self) -> str:
        """The name by which users choose it."""

    @property
    def releases_gil(self) -> bool:
        """Whether several threads can be inside it at the same time."""

    @property
    def partial_sums(self) -> PartialSums:
        """The sums over each block of rows, for each model."""


class KernelUnavailable(RuntimeError):
    """A kernel was named that cannot run here; the message names the reason and the fix."""
