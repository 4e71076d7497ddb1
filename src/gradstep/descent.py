"""Gradient descent until convergence: the step, repeated, in coordinates and at lengths that suit the data."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Literal, overload

import numpy as np

from gradstep import coordinates, fit_progress, validate
from gradstep.api import Numbers
from gradstep.arrays import ArrayLike
from gradstep.contract import Fit, Fits, Kernel, KernelName, steps
from gradstep.coordinates import Standard
from gradstep.cost import Cost
from gradstep.lockstep import Lockstep
from gradstep.models import Model, curvatures, gradients
from gradstep.one_against_rest import OneAgainstRest
from gradstep.outcomes import ConvergenceWarning, FitDiverged, FitInterrupted, Iterate, Iterates
from gradstep.path import AutomaticSteps, Diverged, GivenSteps
from gradstep.validate import Labels


# The first is also that of an array whose number of dimensions a type checker does not know.
@overload
def fit(
    X: ArrayLike,
    y: np.ndarray[tuple[int], Any],
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
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Fit: ...


@overload
def fit(  # type: ignore[overload-overlap]  # nested lists are ArrayLike as well, and the first overload that fits counts
    X: ArrayLike,
    y: OneAgainstRest | np.ndarray[tuple[int, int], Any] | Sequence[Sequence[float]],
    *,
    alpha: float | Numbers | Literal["auto"] = "auto",
    tol: float = 1e-6,
    max_iter: int = 10_000,
    w0: ArrayLike | None = None,
    b0: float | Numbers = 0.0,
    callback: Callable[[Iterates], bool | None] | None = None,
    progress: bool = False,
    sample_weight: ArrayLike | None = None,
    l2: float | Numbers = 0.0,
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Fits: ...


@overload
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
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Fit: ...


@overload
def fit(
    X: ArrayLike,
    y: Labels,
    *,
    alpha: float | Numbers | Literal["auto"] = "auto",
    tol: float = 1e-6,
    max_iter: int = 10_000,
    w0: ArrayLike | None = None,
    b0: float | Numbers = 0.0,
    callback: Callable[[Any], bool | None] | None = None,
    progress: bool = False,
    sample_weight: ArrayLike | None = None,
    l2: float | Numbers = 0.0,
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Any: ...


def fit(
    X: ArrayLike,
    y: Labels,
    *,
    alpha: ArrayLike | Literal["auto"] = "auto",
    tol: float = 1e-6,
    max_iter: int = 10_000,
    w0: ArrayLike | None = None,
    b0: ArrayLike = 0.0,
    callback: Callable[[Any], bool | None] | None = None,
    progress: bool = False,
    sample_weight: ArrayLike | None = None,
    l2: ArrayLike = 0.0,
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Any:
    """Train logistic regression: repeat the step of gradient descent until the gradient is small.

    The cost is ``J = (1/C) sum_i c_i [log(1 + exp(z_i)) - y_i z_i] + (l2/2) ||w||^2`` with ``z_i = w . x_i + b``, where
    c are the sample weights and C is their sum.

    Parameters
    ----------
    X : array-like of shape (m, n)
        The examples, one per row, of any real dtype and memory layout. float16 and float32 are computed in float32,
        all others in float64. Never written to and never copied as a whole.
    y : array-like of shape (m,) or (m, k), or OneAgainstRest
        The labels: 0 or 1, or a probability between them; for k models a column for each, or one for all. Where any
        argument is given for k models there are k, each of which converges on its own and then costs no more.
    alpha : float, array-like of shape (k,), or "auto"
        The learning rate. A number is the plain descent of the lesson, bit for bit a repeated `step`. "auto" chooses
        the coordinates and the length of each step (see Notes), so that it neither diverges nor minds columns of very
        different size.
    tol : float
        Stop when the largest absolute component of the gradient is at most this: of (dw, db) where alpha is a number,
        else of the gradient in the coordinates in which each column of X has mean 0 and standard deviation 1.
    max_iter : int
        Stop after this many steps at the latest.
    w0 : array-like of shape (n,) or (n, k), optional
        Where to start; None starts at zero.
    b0 : float, or array-like of shape (k,)
        The intercept to start from.
    callback : callable, optional
        Called with an `Iterate` before each step, of k models before each pass in which one begins a step; a true
        result stops the descent.
    progress : bool
        Show on stderr how far the descent is: in a terminal a bar, which needs the extra ``cli``; in a notebook a line
        of text, which needs nothing.
    sample_weight : array-like of shape (m,) or (m, k), optional
        The weights of the examples, not negative and not all zero; None weighs all alike.
    l2 : float, or array-like of shape (k,)
        The strength of the penalty ``(l2/2) ||w||^2`` of the weights for X as it is given; b is not penalized.
    fit_intercept : bool
        False leaves b at `b0`.
    kernel : str or Kernel
        "auto", "python", "numba", "cython", "numpy", or a kernel such as `fastest` returns.
    threads : int, optional
        The number of threads; None chooses by the size of X (or by the environment variable ``GRADSTEP_THREADS``;
        ``OMP_NUM_THREADS`` limits the choice). The result has the same bits for every number.

    Returns
    -------
    Fit or Fits
        ``(w, b, J, n_iter, converged, history)``, for X as it is given. The parameters are updated in float64 whatever
        the data's dtype; w is returned in the dtype of `w0` if that is float32 or float64, else in the dtype of the
        computation. The attributes `largest` and `largest_scaled` are the largest component of the gradient in the
        coordinates of X and in those of the descent, and `advice` says what to change where there is no minimum yet.
        For k models w has shape (n, k), the others (k,), and history and advice are tuples of k; each model has the
        bits that it has alone.

    Warns
    -----
    ConvergenceWarning
        Once, after the work: if `max_iter` came before `tol`, or if the classes can be separated and l2 is 0, so that J
        has no minimum. The message says what to change.

    Raises
    ------
    FitDiverged
        If J or its gradient stops being finite, or X or y changed during the descent; the message shows the last good
        J, and the attribute ``fit`` holds its state.
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
    would rise; the first is as long as the product of the Hessian with its direction says. docs/numerics.md has the
    details.

    Examples
    --------
    >>> import gradstep
    >>> hours, passed = [[0.5], [1.0], [1.5], [2.0], [2.5], [3.0]], [0, 0, 1, 0, 1, 1]
    >>> result = gradstep.fit(hours, passed)
    >>> result
    Fit(converged after 6 steps: J=0.412998, w=[2.428], b=-4.2491)
    >>> w, b, J, n_iter, converged, history = result

    Three strengths of the penalty, in the same passes over X:

    >>> gradstep.fit(hours, passed, l2=[0.01, 0.1, 1.0])
    Fits(3 of 3 models converged, at most 6 steps: J=[0.43794, 0.53678, 0.65715])
    """
    tol = validate.positive("tol", tol)
    max_iter = validate.count("max_iter", max_iter, 0)
    if not (callback is None or callable(callback)):
        raise TypeError(f"callback is {validate.shown(callback)}; it should be a function, or None")
    showing = fit_progress.bar(max_iter, tol) if validate.flag("progress", progress) else nullcontext(_show_nothing)
    descents = _started(X, y, alpha, w0, b0, sample_weight, l2, fit_intercept, kernel, threads)
    try:
        with showing as show:
            stopped = descents.run(tol, max_iter, callback, show)
        result = descents.reached(tol) if stopped else descents.result(tol)
    except KeyboardInterrupt as interrupt:
        raise FitInterrupted(descents.reached(tol)) from interrupt
    except Diverged as error:
        raise FitDiverged(str(error), descents.reached(tol)) from None
    if not stopped and (message := _without_minimum(result, tol)) is not None:
        warnings.warn(ConvergenceWarning(message, result), stacklevel=2)
    return result


def _started(
    X: ArrayLike,
    y: Labels,
    alpha: Any,
    w0: ArrayLike | None,
    b0: ArrayLike,
    sample_weight: ArrayLike | None,
    l2: ArrayLike,
    fit_intercept: bool,
    kernel: KernelName | Kernel,
    threads: int | None,
) -> Lockstep:
    """Check the arguments and return the descents at their start."""
    if not isinstance(y, OneAgainstRest):
        y = validate.asked("y", y)
    # A copy: the total weight is added up once, in the first pass.
    sample_weight = None if sample_weight is None else validate.copied("sample_weight", sample_weight)
    w0 = None if w0 is None else validate.asked("w0", w0)
    k = _number_of_models(y, alpha, w0, b0, sample_weight, l2)
    cost = Cost(validate.data(X, y, sample_weight, k), l2, kernel, threads, fit_intercept)
    b = validate.per_model("b0", b0, k, validate.finite)
    shape = (cost.n,) if k is None else (cost.n, k)
    w = np.zeros(shape, cost.dtype) if w0 is None else validate.weights("w0", w0, cost.n, cost.dtype, k)
    validate.require_convertible("w0", w, cost.dtype)
    validate.require_convertible("b0", b if k is not None else b[0], cost.dtype)
    rates = None if _is_auto(alpha) else validate.per_model("alpha", alpha, k, validate.positive)
    columns = w.reshape(cost.n, -1).T
    starts = {j: (columns[j].astype(np.float64), b.item(j)) for j in range(len(b))}
    at_start = gradients(cost, starts)
    models = [Model(cost, j) for j in starts]
    for model, gradient in zip(models, at_start.values(), strict=True):
        if not math.isfinite(gradient.J):
            raise ValueError(f"{model.name}J is {gradient.J} at (w0, b0); start nearer to zero")
    if rates is not None:
        return Lockstep(
            cost,
            [GivenSteps(model, columns[j], b.item(j), at_start[j], rates.item(j)) for j, model in enumerate(models)],
        )
    standards = _coordinates(cost, models)
    paths = [AutomaticSteps(model, columns[j], b.item(j), at_start[j], standards[j]) for j, model in enumerate(models)]
    directions = {j: direction for j, path in enumerate(paths) if (direction := path.direction()) is not None}
    if directions:
        for j, curvature in curvatures(cost, starts, directions).items():
            paths[j].begin(curvature)
    return Lockstep(cost, paths)


def _number_of_models(y: Labels, alpha: Any, w0: Any, b0: Any, sample_weight: Any, l2: Any) -> int | None:
    """Return for how many models the arguments are, or None for a single one without an axis of models."""
    if (k := validate.models_of("w0", w0)) is not None:
        return k
    columns = [shape[1:] for shape in map(validate.shape_of, (y, sample_weight)) if len(shape) == 2]
    numbers = [shape for shape in map(validate.shape_of, (b0, l2, alpha)) if len(shape) == 1]
    # A single column of labels is a frequent mistake, which is reported.
    return next((k for (k,) in columns + numbers if k > 1), None)


def _is_auto(alpha: object) -> bool:
    if not isinstance(alpha, str):
        return False
    if alpha != "auto":
        raise ValueError(f"alpha is {alpha!r}; it should be 'auto' or a positive number")
    return True


def _coordinates(cost: Cost, models: list[Model]) -> list[Standard]:
    """Return the coordinates of each descent; the columns are measured once where all models weigh them alike."""
    weight = cost.examples.sample_weight
    if weight is None or weight.ndim == 1:
        measured = [coordinates.measured(models[0].examples, cost.fit_intercept)] * len(models)
    else:
        measured = [coordinates.measured(model.examples, cost.fit_intercept) for model in models]
    return [coordinates.standard(columns, model.l2) for columns, model in zip(measured, models, strict=True)]


def _without_minimum(result: Fit | Fits, tol: float) -> str | None:
    """Return the message for a descent that ended without a minimum."""
    if isinstance(result, Fits):
        failed = np.flatnonzero(~result.converged).tolist()
        if not failed:
            return None
        listed = ", ".join(map(str, failed[:5])) + (f" and {len(failed) - 5} more" if len(failed) > 5 else "")
        beginning = f"{len(failed)} of {len(result.b)} models stopped without converging: {listed}"
        return f"{beginning}. {result.advice[failed[0]]}"
    if result.advice is None:
        return None
    ending = f"fit stopped after {steps(result.n_iter)} without converging"
    return f"{ending}: the largest gradient component is {result.largest_scaled:.3g}, tol is {tol:g}. {result.advice}"


def _show_nothing(state: fit_progress.State) -> None:
    """Show no progress."""
