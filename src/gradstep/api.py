"""The functions for one step: the gradient, the step, and the objective for an optimizer that calls it many times."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gradstep import validate
from gradstep.contract import FloatArray, Gradient, Kernel, KernelName, Step
from gradstep.cost import Objective

# Between these a number has the full accuracy of a float32.
_SMALLEST, _LARGEST = float(np.finfo(np.float32).smallest_normal), float(np.finfo(np.float32).max)


def gradient(
    X: ArrayLike,
    y: ArrayLike,
    w: ArrayLike,
    b: float,
    *,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Gradient:
    """Return the cost of logistic regression and its gradient at (w, b), in one pass over X.

    Parameters
    ----------
    X : array-like of shape (m, n)
        The examples, one per row, of any real dtype and memory layout. float16 and float32 are computed in float32,
        all others in float64. Never written to and never copied as a whole.
    y : array-like of shape (m,)
        The labels: 0 or 1, or a probability between them.
    w : array-like of shape (n,)
        The weights of the features.
    b : float
        The intercept.
    sample_weight : array-like of shape (m,), optional
        The weights of the examples, not negative and not all zero; None weighs all alike.
    l2 : float
        The strength of the penalty ``(l2/2) ||w||^2``; b is not penalized.
    kernel : str or Kernel
        "auto", "python", "numba", "cython", "numpy", or a kernel such as `fastest` returns.
    threads : int, optional
        The number of threads; None chooses by the size of X (or by the environment variable ``GRADSTEP_THREADS``;
        ``OMP_NUM_THREADS`` limits the choice). The result has the same bits for every number.

    Returns
    -------
    Gradient
        ``(J, dw, db)``; J and db are Python floats, dw has shape (n,) and the dtype of w (float64 for lists; the dtype
        of the computation if w is neither float32 nor float64).

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
    """
    prepared = Objective(X, y, sample_weight=sample_weight, l2=l2, kernel=kernel, threads=threads)
    w = validate.weights("w", w, prepared.n, prepared.dtype)
    return Gradient(*prepared._gradient(w, validate.number("b", b)))


def step(
    X: ArrayLike,
    y: ArrayLike,
    w: ArrayLike,
    b: float,
    alpha: float,
    *,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    kernel: KernelName | Kernel = "auto",
    threads: int | None = None,
) -> Step:
    """Take one step of gradient descent from (w, b): ``w - alpha dw`` and ``b - alpha db``.

    Parameters
    ----------
    X : array-like of shape (m, n)
        The examples, one per row, of any real dtype and memory layout. float16 and float32 are computed in float32,
        all others in float64. Never written to and never copied as a whole.
    y : array-like of shape (m,)
        The labels: 0 or 1, or a probability between them.
    w : array-like of shape (n,)
        The weights of the features before the step.
    b : float
        The intercept before the step.
    alpha : float
        The learning rate, positive and finite.
    sample_weight : array-like of shape (m,), optional
        The weights of the examples, not negative and not all zero; None weighs all alike.
    l2 : float
        The strength of the penalty ``(l2/2) ||w||^2``; b is not penalized.
    kernel : str or Kernel
        "auto", "python", "numba", "cython", "numpy", or a kernel such as `fastest` returns.
    threads : int, optional
        The number of threads; None chooses by the size of X (or by the environment variable ``GRADSTEP_THREADS``;
        ``OMP_NUM_THREADS`` limits the choice). The result has the same bits for every number.

    Returns
    -------
    Step
        ``(w, b, J)`` with new arrays; J is the cost before the update.

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
    alpha = validate.positive("alpha", alpha)
    prepared = Objective(X, y, sample_weight=sample_weight, l2=l2, kernel=kernel, threads=threads)
    w = validate.weights("w", w, prepared.n, prepared.dtype)
    b = validate.number("b", b)
    J, dw, db = prepared._gradient(w, b)
    try:
        new_w = _moved(w, dw, alpha)
    except (FloatingPointError, RuntimeWarning):
        with np.errstate(all="ignore"):
            new_w = _moved(w, dw, alpha)
    return Step(new_w, b - alpha * db, J)


def _moved(w: FloatArray, dw: FloatArray, alpha: float) -> FloatArray:
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
    kernel : str or Kernel
        "auto", "python", "numba", "cython", "numpy", or a kernel such as `fastest` returns.
    threads : int, optional
        The number of threads; None chooses by the size of X (or by the environment variable ``GRADSTEP_THREADS``;
        ``OMP_NUM_THREADS`` limits the choice). The result has the same bits for every number.

    Returns
    -------
    Objective
        A function of an array of shape (n + 1,) that returns ``(J, grad)``.

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

    With SciPy: ``scipy.optimize.minimize(f, np.zeros(3), jac=True)``.
    """
    if sample_weight is not None:
        # A copy: the total weight is added up once, in the first call.
        sample_weight = validate.copied("sample_weight", sample_weight)
    return Objective(X, y, sample_weight=sample_weight, l2=l2, kernel=kernel, threads=threads)
