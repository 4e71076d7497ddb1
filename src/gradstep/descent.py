"""Gradient descent until convergence: the step, repeated, in coordinates and at lengths that suit the data."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from gradstep import fit_progress, validate
from gradstep.contract import Fit, Kernel, KernelName, steps
from gradstep.cost import Objective
from gradstep.outcomes import ConvergenceWarning, FitInterrupted, Iterate
from gradstep.path import AutomaticSteps, GivenSteps, Path


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
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Fit:
    """Train logistic regression: repeat the step of gradient descent until the gradient is small.

    The cost is ``J = (1/C) sum_i c_i [log(1 + exp(z_i)) - y_i z_i] + (l2/2) ||w||^2`` with ``z_i = w . x_i + b``, where
    c are the sample weights and C is their sum.

    Parameters
    ----------
    X : array-like of shape (m, n)
        The examples, one per row, of any real dtype and memory layout. float16 and float32 are computed in float32,
        all others in float64. Never written to and never copied as a whole.
    y : array-like of shape (m,)
        The labels: 0 or 1, or a probability between them.
    alpha : float or "auto"
        The learning rate. A number is the plain descent of the lesson, bit for bit a repeated `step`. "auto" chooses
        the coordinates and the length of each step (see Notes), so that it neither diverges nor minds columns of very
        different size.
    tol : float
        Stop when the largest absolute component of the gradient is at most this: of (dw, db) where alpha is a number,
        else of the gradient in the coordinates in which each column of X has mean 0 and standard deviation 1.
    max_iter : int
        Stop after this many steps at the latest.
    w0 : array-like of shape (n,), optional
        Where to start; None starts at zero.
    b0 : float
        The intercept to start from.
    callback : callable, optional
        Called with an `Iterate` before each step; a true result stops the descent.
    progress : bool
        Show on stderr how far the descent is: in a terminal a bar, which needs the extra ``cli``; in a notebook a line
        of text, which needs nothing.
    sample_weight : array-like of shape (m,), optional
        The weights of the examples, not negative and not all zero; None weighs all alike.
    l2 : float
        The strength of the penalty ``(l2/2) ||w||^2`` of the weights for X as it is given; b is not penalized.
    kernel : str or Kernel
        "auto", "python", "numba", "cython", "numpy", or a kernel such as `fastest` returns.
    threads : int, optional
        The number of threads; None chooses by the size of X (or by the environment variable ``GRADSTEP_THREADS``;
        ``OMP_NUM_THREADS`` limits the choice). The result has the same bits for every number.

    Returns
    -------
    Fit
        ``(w, b, J, n_iter, converged, history)``, for X as it is given. The parameters are updated in float64 whatever
        the data's dtype; w is returned in the dtype of `w0` if that is float32 or float64, else in the dtype of the
        computation. The attributes `largest` and `largest_scaled` are the largest component of the gradient in the
        coordinates of X and in those of the descent, and `advice` says what to change where there is no minimum yet.

    Warns
    -----
    ConvergenceWarning
        Once, after the work: if `max_iter` came before `tol`, or if the classes can be separated and l2 is 0, so that J
        has no minimum. The message says what to change.

    Raises
    ------
    FitDiverged
        If J or its gradient stops being finite; the message shows the last good J, and the attribute ``fit`` holds its
        state.
    FitInterrupted
        On Ctrl-C. It is a KeyboardInterrupt, and its attribute ``fit`` holds the state.
    ValueError
        If shapes disagree, X is not 2-D or is empty, a value is NaN or infinite, a label lies outside [0, 1], a weight
        is negative or all are zero, l2 or max_iter is negative, alpha or tol is not positive and finite, threads < 1,
        or the kernel is unknown.
    TypeError
        If an array does not hold real numbers, or a number is none.
    KernelUnavailable
        If a kernel is named that cannot run here.
    MissingExtra
        If `progress` is true in a terminal and Rich is not installed.

    Notes
    -----
    With ``alpha="auto"`` the steps are computed for ``z = (x - mean) / scale``, an affine change of variables with
    ``scale^2 = variance + 4 l2`` that leaves J as it is. Mean and scale of each column come from one pass over X, and
    the gradient there is ``(dw - mean db) / scale``; no copy of X is made. The Hessian there is at most (n + 1)/4 in
    every direction, because sigmoid' is at most 1/4 (Böhning and Lindsay 1988, "Monotonicity of quadratic-approximation
    algorithms"), so a step of 4/(n + 1) never raises J. Each step is as long as the curvature along the one before
    allows (Barzilai and Borwein 1988, "Two-point step size gradient methods"), at least 4/(n + 1), and shorter where J
    would rise. docs/numerics.md has the details.

    Examples
    --------
    >>> import gradstep
    >>> hours, passed = [[0.5], [1.0], [1.5], [2.0], [2.5], [3.0]], [0, 0, 1, 0, 1, 1]
    >>> result = gradstep.fit(hours, passed)
    >>> result
    Fit(converged after 7 steps: J=0.412998, w=[2.4281], b=-4.2491)
    >>> w, b, J, n_iter, converged, history = result
    """
    tol = validate.positive("tol", tol)
    max_iter = validate.count("max_iter", max_iter, 0)
    showing = fit_progress.bar(max_iter, tol) if progress else nullcontext(_show_nothing)
    path = _started(X, y, alpha, w0, b0, sample_weight, l2, kernel, threads)
    try:
        with showing as show:
            stopped = _descend(path, tol, max_iter, callback, show)
        result = path.reached(path.largest <= tol) if stopped else path.result(tol)
    except KeyboardInterrupt as interrupt:
        raise FitInterrupted(path.reached(path.largest <= tol)) from interrupt
    if result.advice is not None:
        warnings.warn(ConvergenceWarning(_without_minimum(result, tol), result), stacklevel=2)
    return result


def _started(
    X: ArrayLike,
    y: ArrayLike,
    alpha: object,
    w0: ArrayLike | None,
    b0: object,
    sample_weight: ArrayLike | None,
    l2: float,
    kernel: KernelName | Kernel,
    threads: int | None,
) -> Path:
    """Check the arguments and return the path at its start."""
    # Converted once: an array of another library may be computed or copied each time it is asked for its values.
    examples = validate.data(X, y, sample_weight)
    X, y, sample_weight, _ = examples
    cost = Objective(X, y, sample_weight=sample_weight, l2=l2, kernel=kernel, threads=threads)
    b = validate.finite("b0", b0)
    w = np.zeros(cost.n, cost.dtype) if w0 is None else validate.weights("w0", w0, cost.n, cost.dtype)
    validate.require_finite("w0", w)
    if not isinstance(alpha, str):
        return GivenSteps(examples, cost, w, b, validate.positive("alpha", alpha))
    if alpha != "auto":
        raise ValueError(f"alpha is {alpha!r}; it should be 'auto' or a positive number")
    return AutomaticSteps(examples, cost, w, b)


def _descend(
    path: Path,
    tol: float,
    max_iter: int,
    callback: Callable[[Iterate], bool | None] | None,
    show: fit_progress.Show,
) -> bool:
    """Take steps until one of the ends; return whether it was the callback's wish."""
    while not path.largest <= tol and path.n_iter < max_iter:
        show(path)
        if callback is not None and callback(path.iterate()):
            return True
        path.advance()
    show(path)
    return False


def _without_minimum(result: Fit, tol: float) -> str:
    """Return the message for a descent that ended without a minimum."""
    ending = f"fit stopped after {steps(result.n_iter)} without converging"
    return f"{ending}: the largest gradient component is {result.largest_scaled:.3g}, tol is {tol:g}. {result.advice}"


def _show_nothing(state: fit_progress.State) -> None:
    """Show no progress."""
