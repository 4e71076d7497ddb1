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
from operator import index
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
"""An array of float32 or float64."""

Vector = NDArray[np.float64]

Number = TypeVar("Number")
"""A float for a single model, an array of shape (k,) for k models."""

KernelName = Literal["auto", "python", "numba", "cython", "numpy"]
"""What ``kernel=`` may name, so that a type checker finds a typo. A kernel that was added to the registry is passed as
what `gradstep.registry.load` returns, or its name with a cast."""

# More numbers than these do not fit into the line of a repr.
_SHOWN_NUMBERS = 3


def shown(values: NDArray[Any]) -> str:
    """Return an array as text that fits into a line."""
    if values.ndim == 2:
        return f"an array of shape {values.shape}"
    numbers = [f"{value:.5g}" for value in values[:_SHOWN_NUMBERS].tolist()]
    if len(values) > _SHOWN_NUMBERS:
        return f"[{', '.join(numbers[:-1])}, ... {len(values):,} in all]"
    return f"[{', '.join(numbers)}]"


def _shown_number(value: Any, digits: int = 6) -> str:
    return shown(value) if isinstance(value, np.ndarray) else f"{value:.{digits}g}"


def steps(number: int) -> str:
    """Return a number of steps in words."""
    return "1 step" if number == 1 else f"{number:,} steps"


def mask_of(values: object) -> NDArray[np.bool_] | None:
    """Return which values an array hides, or what says so in another way; None where it hides none."""
    if isinstance(values, np.ndarray):
        # NumPy's masked arrays have one, and so do those of Astropy; of records it may be a field.
        mask = None if type(values) is np.ndarray or values.dtype.names else getattr(values, "mask", None)
    else:
        interface = getattr(values, "__array_interface__", None)
        mask = interface.get("mask") if isinstance(interface, dict) else None
    if mask is None or callable(mask):
        return None
    hidden = np.asarray(mask, np.bool_)
    return hidden if hidden.any() else None


Shape = tuple[int, ...]


def require_contract(
    X: Shape,
    y: Shape,
    theta: Shape,
    block_rows: int,
    out: Shape,
    sample_weight: Shape | None,
    direction: Shape | None,
) -> None:
    """Raise ValueError for arguments of a kernel whose shapes, or block_rows, `gradstep.kernels` does not allow."""
    if len(X) != 2:
        raise ValueError("X should have 2 axes")
    m, n = X
    try:
        rows = index(block_rows)
    except TypeError as error:
        raise TypeError(f"block_rows should be an integer: {error}") from error
    if not (rows >= 1 and m >= 1 and n >= 1):
        raise ValueError("block_rows, and the rows and columns of X, should be at least 1")
    k = theta[0] if theta else 0
    if k < 1 or theta != (k, n + 1):
        raise ValueError("theta should be of shape (k, n + 1), with one row for each model, at least 1")
    if out != ((m - 1) // rows + 1, k, n + 2):
        raise ValueError("out should be of shape (ceil(m / block_rows), k, n + 2)")
    if y not in ((m,), (k, m)):
        raise ValueError("y should be of shape (m,) or (k, m)")
    if sample_weight is not None and sample_weight not in ((m,), (k, m)):
        raise ValueError("sample_weight should be of shape (m,) or (k, m)")
    if direction is not None and direction != theta:
        raise ValueError("direction should be of shape (k, n + 1)")


def require_unmasked(**arguments: object) -> None:
    """Raise ValueError for arguments of a kernel that hide values."""
    for name, values in arguments.items():
        if type(values) is not np.ndarray and mask_of(values) is not None:
            raise ValueError(f"{name} should not be masked")


class _Gradient(NamedTuple, Generic[Number]):
    J: Number
    dw: FloatArray
    db: Number

    def __repr__(self) -> str:
        fields = f"J={_shown_number(self.J)}, dw={shown(self.dw)}, db={_shown_number(self.db)}"
        return f"{type(self).__name__}({fields})"


class Gradient(_Gradient[float]):
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

    __slots__ = ()


class Gradients(_Gradient[Vector]):
    """The costs of k models and their derivatives.

    Attributes
    ----------
    J : ndarray of shape (k,)
        The cost of each model.
    dw : ndarray of shape (n, k)
        Its derivative with respect to w, in the dtype of w.
    db : ndarray of shape (k,)
        Its derivative with respect to b.
    """

    __slots__ = ()


class _Step(NamedTuple, Generic[Number]):
    w: FloatArray
    b: Number
    J: Number

    def __repr__(self) -> str:
        fields = f"w={shown(self.w)}, b={_shown_number(self.b)}, J={_shown_number(self.J)}"
        return f"{type(self).__name__}({fields})"


class Step(_Step[float]):
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

    __slots__ = ()


class Steps(_Step[Vector]):
    """The parameters of k models after one step of gradient descent, and their costs before it.

    Attributes
    ----------
    w : ndarray of shape (n, k)
        ``w - alpha dw``, a new array in the dtype of w.
    b : ndarray of shape (k,)
        ``b - alpha db``.
    J : ndarray of shape (k,)
        The costs *before* the update.
    """

    __slots__ = ()


class _Fit(NamedTuple):
    """What a `Fit` is unpacked to."""

    w: FloatArray
    b: float
    J: float
    n_iter: int
    converged: bool
    history: Vector


class Fit(_Fit):
    """Where gradient descent stopped: ``w, b, J, n_iter, converged, history``, and three more attributes.

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
        ``history[i]`` is the cost after i steps, so ``history[-1]`` is J.
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
        history: Vector,
        *,
        largest: float = math.nan,
        largest_scaled: float = math.nan,
        advice: str | None = None,
    ) -> Fit:
        """Make one; what is no part of the tuple may be left out."""
        self = super().__new__(cls, w, b, J, n_iter, converged, history)
        self.largest, self.largest_scaled, self.advice = largest, largest_scaled, advice
        return self

    def __repr__(self) -> str:
        ending = "converged" if self.converged else "not converged"
        return f"Fit({ending} after {steps(self.n_iter)}: J={self.J:.6g}, w={shown(self.w)}, b={self.b:.5g})"


class Fits(NamedTuple):
    """Where the descents of k models stopped.

    Attributes
    ----------
    w : ndarray of shape (n, k)
        The weights reached.
    b, J : ndarray of shape (k,)
        The intercepts reached, and the costs there.
    n_iter : ndarray of shape (k,), integers
        The number of steps that each model took.
    converged : ndarray of shape (k,), bool
        Whether each model's `largest_scaled` is at most the tolerance, and its J is not known to have no minimum.
    history : tuple of k ndarrays
        ``history[j][i]`` is the cost of model j after i steps.
    largest, largest_scaled : ndarray of shape (k,)
        The largest absolute component of (dw, db), and the same in the coordinates of the descent.
    advice : tuple of k str or None
        What to change, where a descent stopped without a minimum.
    """

    w: FloatArray
    b: Vector
    J: Vector
    n_iter: NDArray[np.intp]
    converged: NDArray[np.bool_]
    history: tuple[Vector, ...]
    largest: Vector
    largest_scaled: Vector
    advice: tuple[str | None, ...]

    def __repr__(self) -> str:
        converged, longest = int(self.converged.sum()), steps(int(self.n_iter.max()))
        return f"Fits({converged} of {len(self.b)} models converged, at most {longest}: J={shown(self.J)})"


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


class TeamSums(PartialSums, Protocol):
    """The function of a kernel that takes a team."""

    def __call__(
        self,
        X: FloatArray,
        y: FloatArray,
        theta: FloatArray,
        block_rows: int,
        out: NDArray[np.float64],
        sample_weight: FloatArray | None = None,
        direction: FloatArray | None = None,
        team: object | None = None,
    ) -> None:
        """Write the sums over each block; with a team, write those over all rows into the first row of `out`."""


class Kernel(Protocol):
    """One implementation of the sums, with what the engine has to know about it.

    Anything with these three attributes may be passed as ``kernel=``. Three more are optional: ``narrow_dtypes`` names
    the narrow dtypes of X that it reads in place, ``variants`` holds functions that give the same bits at another
    speed, by name, ``partial_sums`` first, and ``takes_team`` says that these are `TeamSums`.
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
