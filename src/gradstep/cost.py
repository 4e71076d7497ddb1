"""The cost of logistic regression on one set of examples: checked once, evaluated many times."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradstep import engine, select, validate
from gradstep.contract import FloatArray, Gradient, Kernel, KernelName


class Objective:
    """The cost of logistic regression on one set of examples; made by `objective`.

    Attributes
    ----------
    m : int
        The number of examples.
    n : int
        The number of features.
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

    def __repr__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        size = f"{self.m:,} examples, {self.n:,} features"
        return f"<Objective: {size}, {self.dtype}, l2={self.l2:g}, {self.kernel.name} kernel, {threads}>"

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

        Raises
        ------
        ValueError
            If theta has another shape, or a value is NaN or infinite, a label outside [0, 1], or a weight negative.
        TypeError
            If theta does not hold real numbers.

        Examples
        --------
        >>> import gradstep
        >>> J, grad = gradstep.objective([[1.0, 2.0], [3.0, 4.0]], [0, 1])([0.0, 0.0, 0.0])
        >>> round(J, 6), grad
        (0.693147, array([-0.5, -0.5,  0. ]))
        """
        theta = validate.theta(theta, self.n)
        J, grad = self._evaluate(theta[:-1], float(theta[-1]))
        return J, grad

    def gradient(self, w: ArrayLike, b: float) -> Gradient:
        """Return the cost and its gradient at (w, b).

        Parameters
        ----------
        w : array-like of shape (n,)
            The weights of the features.
        b : float
            The intercept.

        Returns
        -------
        Gradient
            ``(J, dw, db)``; J and db are Python floats, dw has shape (n,) and the dtype of w (float64 for lists; the
            dtype of the computation if w is neither float32 nor float64).

        Raises
        ------
        ValueError
            If w has another shape, or a value is NaN or infinite, a label outside [0, 1], or a weight negative.
        TypeError
            If w does not hold real numbers, or b is not one.

        Examples
        --------
        >>> import gradstep
        >>> gradstep.objective([[1.0, 2.0], [3.0, 4.0]], [0, 1]).gradient([0.0, 0.0], 0.0)
        Gradient(J=0.693147, dw=[-0.5, -0.5], db=0)
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
