"""The functions for one step: the gradient, the step, and the objective for an optimizer that calls it many times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from gradstep import validate
from gradstep.arrays import ArrayLike
from gradstep.contract import FloatArray, Gradient, Gradients, Kernel, KernelName, Step, Steps, Vector
from gradstep.cost import Cost, Objective, derivatives_at, gradient_at, gradients_at
from gradstep.validate import Labels

# Between these a number has the full accuracy of a float32.
_SMALLEST, _LARGEST = float(np.finfo(np.float32).smallest_normal), float(np.finfo(np.float32).max)


Numbers = Sequence[float] | NDArray[Any]
"""One number for each of several models."""


@overload
def gradient(
    X: ArrayLike,
    y: ArrayLike,
    w: ArrayLike,
    b: float,
    *,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Gradient: ...


@overload
def gradient(
    X: ArrayLike,
    y: Labels,
    w: ArrayLike,
    b: Numbers,
    *,
    sample_weight: ArrayLike | None = None,
    l2: float | Numbers = 0.0,
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Gradients: ...


def gradient(
    X: ArrayLike,
    y: Labels,
    w: ArrayLike,
    b: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    l2: ArrayLike = 0.0,
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Gradient | Gradients:
    """Return the cost of logistic regression and its gradient at (w, b), in one pass over X.

    Parameters
    ----------
    X : array-like of shape (m, n)
        The examples, one per row, of any real dtype and memory layout. float16 and float32 are computed in float32,
        all others in float64. Never written to and never copied as a whole.
    y : array-like of shape (m,) or (m, k), or OneAgainstRest
        The labels: 0 or 1, or a probability between them; for k models a column for each, or one for all.
    w : array-like of shape (n,) or (n, k)
        The weights of the features; for k models a column for each.
    b : float, or array-like of shape (k,)
        The intercept.
    sample_weight : array-like of shape (m,) or (m, k), optional
        The weights of the examples, not negative and not all zero; None weighs all alike.
    l2 : float, or array-like of shape (k,)
        The strength of the penalty ``(l2/2) ||w||^2``; b is not penalized.
    fit_intercept : bool
        False takes b as given: its derivative is 0.
    kernel : str or Kernel
        "auto", "python", "numba", "cython", "numpy", or a kernel such as `fastest` returns.
    threads : int, optional
        The number of threads; None chooses by the size of X (or by the environment variable ``GRADSTEP_THREADS``;
        ``OMP_NUM_THREADS`` limits the choice). The result has the same bits for every number.

    Returns
    -------
    Gradient or Gradients
        ``(J, dw, db)``; J and db are Python floats, dw has shape (n,) and the dtype of w (float64 for lists; the dtype
        of the computation if w is neither float32 nor float64). For k models J and db have shape (k,) and dw (n, k):
        each has the bits that it has alone.

    Raises
    ------
    ValueError
        If shapes disagree, X is not 2-D or is empty, a value is NaN or infinite, a label lies outside [0, 1], a weight
        is negative or all are zero, l2 is negative, threads < 1, or the kernel is unknown.
    TypeError
        If an array does not hold real numbers, or a number is none.
    KernelUnavailable
        If a kernel is named that cannot run here; the message names the reason and the fix.

    Notes
    -----
    With ``z_i = w . x_i + b``, sample weights c and ``C = sum c_i``::

        J  = (1/C) sum_i c_i [log(1 + exp(z_i)) - y_i z_i] + (l2/2) ||w||^2
        dw = (1/C) sum_i c_i (sigmoid(z_i) - y_i) x_i + l2 w
        db = (1/C) sum_i c_i (sigmoid(z_i) - y_i)

    J is the mean negative log-likelihood of logistic regression: Hastie, Tibshirani and Friedman, "The Elements of
    Statistical Learning" (2nd ed., 2009), equations 4.20 and 4.21. docs/numerics.md says how it is evaluated, and how
    far the result may be from the exact one.

    Examples
    --------
    >>> import gradstep
    >>> J, dw, db = gradstep.gradient([[1.0, 2.0], [3.0, 4.0]], [0, 1], [0.0, 0.0], 0.0)
    >>> round(J, 6), dw, db
    (0.693147, array([-0.5, -0.5]), 0.0)

    Two models, one of them with a penalty:

    >>> w = [[1.0, 1.0], [0.0, 0.0]]
    >>> gradstep.gradient([[1.0, 2.0], [3.0, 4.0]], [0, 1], w, [0.0, 0.0], l2=[0.0, 0.1]).dw
    array([[0.29439048, 0.39439048],
           [0.63620683, 0.63620683]])
    """
    cost, checked_w, checked_b = _prepared(X, y, w, b, sample_weight, l2, fit_intercept, kernel, threads)
    if isinstance(checked_b, float):
        return gradient_at(cost, checked_w, checked_b)
    return gradients_at(cost, checked_w, checked_b)


@overload
def step(
    X: ArrayLike,
    y: ArrayLike,
    w: ArrayLike,
    b: float,
    alpha: float,
    *,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Step: ...


@overload
def step(
    X: ArrayLike,
    y: Labels,
    w: ArrayLike,
    b: Numbers,
    alpha: float | Numbers,
    *,
    sample_weight: ArrayLike | None = None,
    l2: float | Numbers = 0.0,
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Steps: ...


def step(
    X: ArrayLike,
    y: Labels,
    w: ArrayLike,
    b: ArrayLike,
    alpha: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    l2: ArrayLike = 0.0,
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Step | Steps:
    """Take one step of gradient descent from (w, b): ``w - alpha dw`` and ``b - alpha db``.

    Parameters
    ----------
    X : array-like of shape (m, n)
        The examples, one per row, of any real dtype and memory layout. float16 and float32 are computed in float32,
        all others in float64. Never written to and never copied as a whole.
    y : array-like of shape (m,) or (m, k), or OneAgainstRest
        The labels: 0 or 1, or a probability between them; for k models a column for each, or one for all.
    w : array-like of shape (n,) or (n, k)
        The weights of the features before the step; for k models a column for each.
    b : float, or array-like of shape (k,)
        The intercept before the step.
    alpha : float, or array-like of shape (k,)
        The learning rate, positive and finite.
    sample_weight : array-like of shape (m,) or (m, k), optional
        The weights of the examples, not negative and not all zero; None weighs all alike.
    l2 : float, or array-like of shape (k,)
        The strength of the penalty ``(l2/2) ||w||^2``; b is not penalized.
    fit_intercept : bool
        False takes b as given: the step leaves it.
    kernel : str or Kernel
        "auto", "python", "numba", "cython", "numpy", or a kernel such as `fastest` returns.
    threads : int, optional
        The number of threads; None chooses by the size of X (or by the environment variable ``GRADSTEP_THREADS``;
        ``OMP_NUM_THREADS`` limits the choice). The result has the same bits for every number.

    Returns
    -------
    Step or Steps
        ``(w, b, J)`` with new arrays; J is the cost before the update. For k models w has shape (n, k), b and J (k,).

    Raises
    ------
    ValueError
        If shapes disagree, X is not 2-D or is empty, a value is NaN or infinite, a label lies outside [0, 1], a weight
        is negative or all are zero, l2 is negative, alpha is not positive and finite, threads < 1, or the kernel is
        unknown.
    TypeError
        If an array does not hold real numbers, or a number is none.
    KernelUnavailable
        If a kernel is named that cannot run here; the message names the reason and the fix.

    Notes
    -----
    This is the update of gradient descent (Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 2nd
    ed., 2009, equation 11.13) for the cost of logistic regression (equation 4.20 there, here as a mean).
    With ``z_i = w . x_i + b``, sample weights c and ``C = sum c_i``::

        J  = (1/C) sum_i c_i [log(1 + exp(z_i)) - y_i z_i] + (l2/2) ||w||^2
        dw = (1/C) sum_i c_i (sigmoid(z_i) - y_i) x_i + l2 w
        db = (1/C) sum_i c_i (sigmoid(z_i) - y_i)

    Examples
    --------
    >>> import gradstep
    >>> w, b, J = gradstep.step([[1.0, 2.0], [3.0, 4.0]], [0, 1], [0.0, 0.0], 0.0, alpha=0.1)
    >>> w, b, round(J, 6)
    (array([0.05, 0.05]), 0.0, 0.693147)
    """
    cost, checked_w, checked_b = _prepared(X, y, w, b, sample_weight, l2, fit_intercept, kernel, threads)
    if isinstance(checked_b, float):
        rate = validate.positive("alpha", alpha)
        J, dw, db = derivatives_at(cost, checked_w, checked_b)
        return Step(_moved(checked_w, dw, rate), checked_b - rate * db, J)
    rates = validate.per_model("alpha", alpha, cost.examples.k, validate.positive)
    costs, slopes, intercepts = gradients_at(cost, checked_w, checked_b)
    moved = [_moved(checked_w[:, j], slopes[:, j], rate) for j, rate in enumerate(rates.tolist())]
    # As Python's numbers, which ask no settings of NumPy's.
    moved_b = [
        b - rate * db for b, rate, db in zip(checked_b.tolist(), rates.tolist(), intercepts.tolist(), strict=True)
    ]
    return Steps(np.stack(moved, axis=1), np.array(moved_b), costs)


def _prepared(
    X: ArrayLike,
    y: Labels,
    w: ArrayLike,
    b: Any,
    sample_weight: ArrayLike | None,
    l2: ArrayLike,
    fit_intercept: bool,
    kernel: KernelName | Kernel,
    threads: int | None,
) -> tuple[Cost, FloatArray, float | Vector]:
    """Check the arguments; return the cost, w, and b as a float for a single model or as an array for several."""
    w = validate.asked("w", w)
    k = None if w.ndim == 1 else validate.models_of("w", w)
    if k == 1 and validate.is_single(b):
        # A w with one column and a single b are those of a single model, of which w should have one axis.
        k = None
    cost = Cost(validate.data(X, y, sample_weight, k), l2, kernel, threads, fit_intercept)
    checked = validate.weights("w", w, cost.n, cost.dtype, k)
    if k is None:
        return cost, checked, validate.number("b", b)
    if validate.is_single(b):
        raise ValueError(f"b is one number; it should have shape ({k},), one for each column of w")
    return cost, checked, validate.per_model("b", b, k, validate.number)


def _moved(w: FloatArray, dw: FloatArray, alpha: float) -> FloatArray:
    """Return ``w - alpha dw`` in the dtype of w, whatever NumPy's error state."""
    try:
        return _moved_in_dtype(w, dw, alpha)
    except Exception:  # noqa: BLE001 - NumPy's error state may call a function of the caller's, which raises anything
        with np.errstate(all="ignore"):
            return _moved_in_dtype(w, dw, alpha)


def _moved_in_dtype(w: FloatArray, dw: FloatArray, alpha: float) -> FloatArray:
    """Return ``w - alpha dw`` in the dtype of w."""
    if dw.itemsize == 4 and not _SMALLEST <= alpha <= _LARGEST:
        # As a float32 this alpha is 0, infinite or inexact.
        moved: FloatArray = (w - alpha * dw.astype(np.float64)).astype(np.float32)
        return moved
    # As a factor NumPy takes a 0-d array in half the time of a float.
    change = np.multiply(dw, np.array(alpha, dw.dtype))
    return np.subtract(w, change, change)


def objective(
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    fit_intercept: bool = True,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Objective:
    """Prepare the cost as a function of ``theta = [w, b]``, for an optimizer that calls it many times.

    Parameters
    ----------
    X : array-like of shape (m, n)
        The examples, one per row, of any real dtype and memory layout. float16 and float32 are computed in float32,
        all others in float64. Kept, not copied: leave it unchanged.
    y : array-like of shape (m,)
        The labels: 0 or 1, or a probability between them. Kept, not copied: leave them unchanged.
    sample_weight : array-like of shape (m,), optional
        The weights of the examples, not negative and not all zero; None weighs all alike.
    l2 : float
        The strength of the penalty ``(l2/2) ||w||^2``; b is not penalized.
    fit_intercept : bool
        False leaves b out: theta is w alone.
    kernel : str or Kernel
        "auto", "python", "numba", "cython", "numpy", or a kernel such as `fastest` returns.
    threads : int, optional
        The number of threads; None chooses by the size of X (or by the environment variable ``GRADSTEP_THREADS``;
        ``OMP_NUM_THREADS`` limits the choice). The result has the same bits for every number.

    Returns
    -------
    Objective
        A function of an array of shape (n + 1,) that returns ``(J, grad)``, with a method ``hessp`` for the product of
        its Hessian with a vector.

    Raises
    ------
    ValueError
        If shapes disagree, X is not 2-D or is empty, a value is NaN or infinite, a label lies outside [0, 1], a weight
        is negative or all are zero, l2 is negative, threads < 1, or the kernel is unknown.
    TypeError
        If an array does not hold real numbers, or a number is none.
    KernelUnavailable
        If a kernel is named that cannot run here; the message names the reason and the fix.

    Notes
    -----
    Shapes and dtypes are checked here; the first call checks the values of X, y and sample_weight, in the pass that
    computes with them.

    With ``z_i = w . x_i + b``, sample weights c and ``C = sum c_i``::

        J  = (1/C) sum_i c_i [log(1 + exp(z_i)) - y_i z_i] + (l2/2) ||w||^2
        dw = (1/C) sum_i c_i (sigmoid(z_i) - y_i) x_i + l2 w
        db = (1/C) sum_i c_i (sigmoid(z_i) - y_i)

    The gradient is ``[dw, db]``, in float64 whatever the dtype of X.

    Examples
    --------
    >>> import numpy as np, gradstep
    >>> f = gradstep.objective([[1.0, 2.0], [3.0, 4.0]], [0, 1], l2=0.1)
    >>> J, grad = f(np.zeros(3))
    >>> grad
    array([-0.5, -0.5,  0. ])

    With SciPy: ``scipy.optimize.minimize(f, np.zeros(3), jac=True)``, and with the Hessian
    ``minimize(f, np.zeros(3), jac=True, hessp=f.hessp, method="trust-ncg")``.
    """
    if sample_weight is not None:
        # A copy: the total weight is added up once, in the first call.
        sample_weight = validate.copied("sample_weight", sample_weight)
    return Objective(Cost(validate.data(X, y, sample_weight), l2, kernel, threads, fit_intercept))
