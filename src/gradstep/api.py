"""The gradient, the step, and the objective that an optimizer calls again and again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradstep import engine, select, validate
from gradstep.contract import FloatArray, Gradient, Kernel, KernelName, Step

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
        ``OMP_NUM_THREADS`` limits the choice).
        The result has the same bits for every number.

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
        If an array does not hold real numbers.
    KernelUnavailable
        If a kernel is named that cannot run here.

    Notes
    -----
    The formula and its source are in `gradstep.contract`, its evaluation and error bounds in docs/numerics.md.

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
    X, y, w, b, sample_weight, l2, kernel, threads
        As in `gradient`.
    alpha : float
        The learning rate, positive and finite.

    Returns
    -------
    Step
        ``(w, b, J)`` with new arrays; J is the cost before the update.

    Raises
    ------
    ValueError
        As `gradient` does, and if alpha is not positive and finite.
    TypeError, KernelUnavailable
        As `gradient` does.

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
    X, y, sample_weight, l2, kernel, threads
        As in `gradient`. They are checked once, here. X and y are kept, not copied: leave them unchanged.

    Returns
    -------
    Objective
        A function of an array of shape (n + 1,) that returns ``(J, grad)``.

    Raises
    ------
    ValueError, TypeError, KernelUnavailable
        As `gradient` does. The first call raises what concerns the values of X, y and sample_weight.

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


class Objective:
    """The cost of logistic regression on one set of examples; made by `objective`.

    Attributes
    ----------
    m, n : int
        The number of examples and of features.
    dtype : dtype
        The dtype that the kernels compute in, float32 or float64.
    l2 : float
        The strength of the penalty.
    kernel : Kernel
        The kernel that runs.
    threads : int
        The number of threads that it runs on.
    """

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        l2: float = 0.0,
        kernel: KernelName | Kernel = "auto",
        threads: int | None = None,
    ) -> None:
        examples = validate.data(X, y, sample_weight)
        self.m, self.n = examples.X.shape
        self.dtype = examples.dtype
        self.l2 = validate.nonnegative("l2", l2)
        self.kernel = select.resolve(kernel, self.m, self.n)
        self._pass = engine.Pass(
            self.kernel, examples, None if threads is None else validate.count("threads", threads, 1)
        )
        self.threads = self._pass.threads
        self._plain = sample_weight is None and self.l2 == 0.0

    def __call__(self, theta: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
        """Return the cost and its gradient at ``theta = [w, b]``.

        Parameters
        ----------
        theta : array-like of shape (n + 1,)
            The weights of the features, and last the intercept.

        Returns
        -------
        J : float
            The cost.
        grad : ndarray of shape (n + 1,), float64
            Its derivative with respect to theta.
        """
        theta = validate.theta(theta, self.n)
        J, grad = self._evaluate(theta[:-1], float(theta[-1]))
        return J, grad

    def gradient(self, w: ArrayLike, b: float) -> Gradient:
        """Return the cost and its gradient at (w, b).

        Parameters
        ----------
        w, b
            As in `gradstep.gradient`.

        Returns
        -------
        Gradient
            As from `gradstep.gradient`.

        Raises
        ------
        ValueError, TypeError
            As `gradstep.gradient` does.
        """
        checked = validate.weights("w", w, self.n, self.dtype)
        return Gradient(*self._gradient(checked, validate.number("b", b)))

    def _gradient(self, w: FloatArray, b: float) -> tuple[float, FloatArray, float]:
        """Return the cost and its gradient at a w and b that have been checked."""
        J, grad = self._evaluate(w, b)
        dw = grad[:-1]
        if dw.dtype is not w.dtype:
            with np.errstate(all="ignore"):
                dw = dw.astype(w.dtype)
        return J, dw, grad.item(-1)

    def _evaluate(self, w: FloatArray, b: float) -> tuple[float, NDArray[np.float64]]:
        """Return the cost and [dw, db].

        An overflow shows in the result, and an underflow is no error. To set NumPy's error state in each call takes as
        long as a tenth of a small one, so it is set where the caller's made an error of something.
        """
        if self._plain:
            try:
                means = self._pass.means(w, b)
            except (FloatingPointError, RuntimeWarning):
                with np.errstate(all="ignore"):
                    means = self._pass.means(w, b)
            return means.item(-1), means[:-1]
        with np.errstate(all="ignore"):
            means = self._pass.means(w, b)
            wide_w = w.astype(np.float64, copy=False)
            J = means.item(-1) + _penalty(self.l2, wide_w)
            means[:-2] += self.l2 * wide_w
        return J, means[:-1]


def _penalty(l2: float, w: NDArray[np.float64]) -> float:
    """Return ``(l2/2) ||w||^2``; the square may overflow although the product does not."""
    if l2 == 0.0:
        return 0.0
    squares = float(np.sum(w * w))
    if math.isfinite(squares):
        return 0.5 * l2 * squares
    largest = float(np.abs(w).max())
    root = math.sqrt(0.5) * math.sqrt(l2) * largest
    return root * root * float(np.sum((w / largest) ** 2))
