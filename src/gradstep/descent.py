"""Gradient descent until convergence: the step, repeated, with a step size that cannot diverge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradstep import validate
from gradstep.api import Objective
from gradstep.contract import Fit, FloatArray, Gradient, Kernel
from gradstep.extras import require

# Power iteration stops when its estimate grows by less than this fraction, or after this many products.
_POWER_TOLERANCE = 1e-3
_POWER_ITERATIONS = 50

# The estimate of the largest eigenvalue comes from below. Descent is monotone up to twice the true 1/L (Nesterov 2018,
# "Lectures on Convex Optimization", section 1.2.3), so 5 percent cost little and backtracking is there for the rest.
_MARGIN = 1.05

# The products with the Hessian are taken where |z| is about this size: sigmoid(z) - 1/2 = z/4 (1 - z^2/12 + ...) is
# then linear to 1e-7, and far above the rounding of sigmoid.
_PROBE_Z = 1e-3

# J may rise by this many roundings, relative to 1 + |J|, before a step is taken back.
_ROUNDINGS = 256.0


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
        The largest absolute component of (dw, db); it decides convergence.
    alpha : float
        The learning rate of the next step.
    """

    n_iter: int
    w: FloatArray
    b: float
    J: float
    largest: float
    alpha: float


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

    # An exception is copied and pickled as its class and `args`, which lack the state.
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


def fit(
    X: ArrayLike,
    y: ArrayLike,
    *,
    alpha: float | Literal["auto"] = "auto",
    tol: float = 1e-6,
    max_iter: int = 10_000,
    w0: ArrayLike | None = None,
    b0: float = 0.0,
    callback: Callable[[Iterate], bool | None] | None = None,
    progress: bool = False,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    kernel: str | Kernel = "auto",
    threads: int | None = None,
) -> Fit:
    """Repeat the step of gradient descent until the gradient is small.

    Parameters
    ----------
    X, y, sample_weight, l2, kernel, threads
        As in `gradient`.
    alpha : float or "auto"
        The learning rate. "auto" takes 1/L, where L bounds the curvature of J, and halves it where J still
        rises, so that it cannot diverge.
    tol : float
        Stop when the largest absolute component of (dw, db) is at most this.
    max_iter : int
        Stop after this many steps at the latest.
    w0 : array-like of shape (n,), optional
        Where to start; None starts at zero.
    b0 : float
        The intercept to start from.
    callback : callable, optional
        Called with an `Iterate` before each step; a true result stops the descent.
    progress : bool
        Show a progress bar on stderr; needs the extra ``cli``.

    Returns
    -------
    Fit
        ``(w, b, J, n_iter, converged, history)``. The parameters are updated in float64 whatever the data's dtype; w is
        returned in the dtype of `w0` if that is float32 or float64, else in the dtype of the computation.

    Raises
    ------
    FitDiverged
        If J or its gradient stops being finite; the message shows the last good J, and the attribute ``fit`` holds its
        state.
    FitInterrupted
        On Ctrl-C. It is a KeyboardInterrupt, and its attribute ``fit`` holds the state.
    ValueError
        As `gradient` does, and if alpha or tol is not positive and finite or max_iter is negative.
    TypeError, KernelUnavailable
        As `gradient` does.
    MissingExtra
        If `progress` is true and Rich is not installed.

    Notes
    -----
    The Hessian of J is at most ``H = [X 1]^T diag(c) [X 1] / (4 C) + l2`` in every direction, because sigmoid' is at
    most 1/4 (Böhning and Lindsay 1988, "Monotonicity of quadratic-approximation algorithms"). H is the Hessian at
    w = 0, b = 0. L is its largest eigenvalue by power iteration; no Gram matrix is formed.

    Examples
    --------
    >>> import gradstep
    >>> result = gradstep.fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1], l2=0.1)
    >>> result.converged
    True
    """
    if progress:
        require("rich", "cli", "The progress bar")
    # Converted once: an array of another library may be computed or copied each time it is asked for its values.
    X, y, sample_weight, _ = validate.data(X, y, sample_weight)
    cost = Objective(X, y, sample_weight=sample_weight, l2=l2, kernel=kernel, threads=threads)
    tol = validate.positive("tol", tol)
    max_iter = validate.count("max_iter", max_iter, 0)
    b = validate.finite("b0", b0)
    w = np.zeros(cost.n, cost.dtype) if w0 is None else validate.weights("w0", w0, cost.n, cost.dtype)
    validate.require_finite("w0", w)
    path = _Path(cost, w, b, *_first_alpha(alpha, cost, X, sample_weight))
    try:
        with _progress_bar(max_iter, tol) if progress else nullcontext(_show_nothing) as show:
            while not path.largest <= tol and path.n_iter < max_iter:
                show(path)
                if callback is not None and callback(path.iterate()):
                    break
                path.advance()
            show(path)
        return path.result(tol)
    except KeyboardInterrupt as interrupt:
        raise FitInterrupted(path.result(tol)) from interrupt


@np.errstate(all="ignore")
def curvature(X: ArrayLike, sample_weight: ArrayLike | None, kernel: str | Kernel, threads: int | None) -> float:
    """Return the largest eigenvalue of ``[X 1]^T diag(c) [X 1] / (4 C)``, estimated from below by power iteration.

    That matrix H is the Hessian of J at zero. With every label 1/2 the gradient at zero is zero, so the gradient at a
    small multiple of v is that multiple of H v: one pass for each product, by the same kernel as the descent.
    """
    X = np.asarray(X)
    halves = np.broadcast_to(np.float64(0.5), X.shape[:1])
    probe = Objective(X, halves, sample_weight=sample_weight, kernel=kernel, threads=threads)
    v = np.random.default_rng(0).standard_normal(probe.n + 1)
    v /= np.linalg.norm(v)
    scale = 1.0
    estimate = 0.0
    for _ in range(_POWER_ITERATIONS):
        _, product = probe(scale * v)
        product /= scale
        previous, estimate = estimate, _norm(product)
        if not math.isfinite(estimate):
            raise ValueError("X is too large for alpha='auto': its squares overflow; scale its columns")
        v = product / estimate
        # The root mean square of z along the leading eigenvector is 2 sqrt(eigenvalue).
        scale = _PROBE_Z / (2.0 * math.sqrt(estimate))
        if estimate <= previous * (1.0 + _POWER_TOLERANCE):
            break
    return estimate


@np.errstate(all="ignore")
def _norm(values: NDArray[np.float64]) -> float:
    """Return the Euclidean norm; its squares do not overflow where it does not."""
    largest = float(np.abs(values).max())
    return largest * float(np.linalg.norm(values / largest)) if largest > 0.0 else 0.0


@np.errstate(all="ignore")
def _first_alpha(
    alpha: float | str, cost: Objective, X: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[float, bool]:
    """Return the learning rate to start with, and whether it may be halved."""
    if not isinstance(alpha, str):
        return validate.positive("alpha", alpha), False
    if alpha != "auto":
        raise ValueError(f"alpha is {alpha!r}; it should be 'auto' or a positive number")
    largest_eigenvalue = curvature(X, sample_weight, cost.kernel, cost.threads)
    bound = _MARGIN * largest_eigenvalue + cost.l2
    if not math.isfinite(bound):
        raise ValueError("alpha='auto' needs a finite bound of the curvature: scale the columns of X, or lower l2")
    return 1.0 / bound, True


class _Path:
    """The state of a descent: it is replaced as a whole after each pass, so an interrupt finds it intact."""

    def __init__(self, cost: Objective, w: FloatArray, b: float, alpha: float, may_halve: bool) -> None:
        self._cost = cost
        self._dtype = w.dtype
        self._may_halve = may_halve
        self.alpha = alpha
        # Updates far smaller than a rounding of w in float32 must still add up.
        wide_w = w.astype(np.float64)
        gradient = Gradient(*cost._gradient(wide_w, b))
        if not math.isfinite(gradient.J):
            raise ValueError(f"J is {gradient.J} at (w0, b0); start nearer to zero")
        self._state = _State(0, wide_w, b, gradient, _largest(gradient))
        self._history = [gradient.J]

    @property
    def n_iter(self) -> int:
        return self._state.n_iter

    @property
    def J(self) -> float:
        return self._state.gradient.J

    @property
    def largest(self) -> float:
        """The largest absolute component of (dw, db)."""
        return self._state.largest

    @np.errstate(all="ignore")
    def iterate(self) -> Iterate:
        n_iter, w, b, gradient, _ = self._state
        return Iterate(n_iter, w.astype(self._dtype), b, gradient.J, self.largest, self.alpha)

    def advance(self) -> None:
        """Take a step; where alpha is ours to choose, halve it until J does not rise."""
        n_iter, J = self.n_iter, self.J
        if not math.isfinite(self.largest):
            raise FitDiverged(
                f"the gradient is not finite after {n_iter} steps, where J is {J:.6g}: "
                "start nearer to zero, take a smaller l2, or scale the columns of X",
                self._fit(converged=False),
            )
        # Halving ends: alpha is 0 after at most 2098 times, and then the step changes nothing.
        following = self._following()
        while self._may_halve and not self._goes_down(following):
            self.alpha /= 2.0
            following = self._following()
        if following is None or not math.isfinite(following.gradient.J):
            raise FitDiverged(
                f"J is no longer finite after {n_iter + 1} steps; the last good J was {J:.6g} after {n_iter} steps. "
                f"alpha = {self.alpha:g} is too large: take a smaller one, or alpha='auto'",
                self._fit(converged=False),
            )
        self._history.append(following.gradient.J)
        self._state = following

    @np.errstate(all="ignore")
    def _following(self) -> _State | None:
        """Return the state after a step with the present alpha; None where it cannot be represented."""
        n_iter, w, b, (_, dw, db), _ = self._state
        new_w, new_b = w - self.alpha * dw, b - self.alpha * db
        representable = bool(np.isfinite(new_w.astype(self._cost.dtype)).all()) and math.isfinite(new_b)
        if not representable:
            return None
        gradient = Gradient(*self._cost._gradient(new_w, new_b))
        return _State(n_iter + 1, new_w, new_b, gradient, _largest(gradient))

    def _goes_down(self, following: _State | None) -> bool:
        """Whether a state has a finite J and gradient, and J is lower than now but for rounding."""
        if following is None or not math.isfinite(following.gradient.J) or not math.isfinite(following.largest):
            return False
        return following.gradient.J <= self.J + self._rounding(self.J)

    def result(self, tol: float) -> Fit:
        return self._fit(converged=self.largest <= tol)

    @np.errstate(all="ignore")
    def _fit(self, converged: bool) -> Fit:
        n_iter, w, b, gradient, _ = self._state
        history = np.array(self._history[: n_iter + 1])
        return Fit(w.astype(self._dtype), b, gradient.J, n_iter, converged, history)

    def _rounding(self, J: float) -> float:
        return _ROUNDINGS * float(np.finfo(self._cost.dtype).eps) * (1.0 + abs(J))


class _State(NamedTuple):
    n_iter: int
    w: NDArray[np.float64]
    b: float
    gradient: Gradient
    largest: float


@np.errstate(all="ignore")
def _largest(gradient: Gradient) -> float:
    """Return the largest absolute component of (dw, db); NaN if there is one."""
    return float(np.maximum(np.abs(gradient.dw).max(), abs(gradient.db)))


def _show_nothing(path: _Path) -> None:
    """Show no progress."""


@contextmanager
def _progress_bar(max_iter: int, tol: float) -> Iterator[Callable[[_Path], None]]:
    """Show steps, J and the gradient on stderr; yields the function that updates the bar."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(
            "J = {task.fields[J]:.6g}  largest gradient = {task.fields[largest]:.2e} (tol {task.fields[tol]:g})"
        ),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=max_iter, J=math.nan, largest=math.nan, tol=tol)

        def show(path: _Path) -> None:
            bar.update(task, completed=path.n_iter, J=path.J, largest=path.largest)

        yield show
