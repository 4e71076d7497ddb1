"""The cost of logistic regression on one set of examples: checked once, evaluated many times."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradstep import engine, penalty, select, validate
from gradstep.arrays import ArrayLike
from gradstep.contract import FloatArray, Gradient, Gradients, Kernel, KernelName, Vector
from gradstep.staging import Models
from gradstep.validate import Data

Matrix = NDArray[np.float64]

_FLOAT64 = np.dtype(np.float64)

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)

# A curvature in this range is the sum of products that have neither underflown nor overflown.
_SAFE_CURVATURE = {4: (1e-20, 1e20), 8: (1e-200, 1e200)}


class Cost:
    """The costs of one model or of several on the same examples, and their derivatives, in one pass over X.

    The parameters are the rows of theta: ``[w, b]`` of each model.

    Parameters
    ----------
    examples : Data
        The checked examples.
    l2 : float or array-like of shape (k,)
        The strength of the penalty, or of each model's.
    kernel, threads
        As in `gradstep.gradient`.
    fit_intercept : bool
        False takes every derivative with respect to b as 0.
    """

    def __init__(
        self,
        examples: Data,
        l2: ArrayLike,
        kernel: KernelName | Kernel,
        threads: int | None,
        fit_intercept: bool,
    ) -> None:
        self.examples = examples
        self.m, self.n = m, n = examples.X.shape
        self.dtype = examples.dtype
        # The penalties where there are any, else None: to add zeros takes as long as a small gradient.
        self._penalties: Vector | None = None
        if type(l2) is not float or l2 != 0.0:
            self._set_penalties(validate.per_model("l2", l2, examples.k, validate.nonnegative))
        self.kernel = select.resolve(kernel, m, n)
        self._pass = engine.Pass(
            self.kernel, examples, None if threads is None else validate.count("threads", threads, 1)
        )
        self.fit_intercept = fit_intercept is True or validate.flag("fit_intercept", fit_intercept)
        self._is_plain = examples.sample_weight is None and self._penalties is None

    def _set_penalties(self, l2: Vector) -> None:
        if any(l2.tolist()):
            self._penalties = l2

    @property
    def l2(self) -> Vector:
        """The strength of the penalty of each model, of shape (k,)."""
        return np.zeros(self.examples.k or 1) if self._penalties is None else self._penalties

    @property
    def threads(self) -> int:
        """The number of threads that a pass runs on."""
        return self._pass.threads

    def evaluate(self, theta: Matrix, models: Models | None = None) -> tuple[Vector, Matrix]:
        """Return the costs, of shape (k,), and their gradients, of shape (k, n + 1).

        An overflow shows in the result, and an underflow is no error. To set NumPy's error state in each call takes as
        long as a tenth of a small one, so it is set where the caller's raised something.

        Parameters
        ----------
        theta : ndarray of shape (k, n + 1)
            The parameters of each model.
        models : ndarray of indices, optional
            Which of the models the rows of theta are; None for all.
        """
        means = self.means(theta, models)
        return means[:, -1], means[:, :-1]

    def means(self, theta: Matrix, models: Models | None = None) -> Matrix:
        """Return what `evaluate` does as one array of shape (k, n + 2): a row is ``[dw, db, J]``."""
        try:
            means = self._pass.means(theta, None, models) if self._is_plain else self._guarded_means(theta, models)
        except (ValueError, MemoryError):
            raise
        except Exception:  # noqa: BLE001 - NumPy's error state may call a function of the caller's, which raises anything
            means = self._guarded_means(theta, models)
        if not self.fit_intercept:
            means[:, -2] = 0.0
        return means

    def _guarded_means(self, theta: Matrix, models: Models | None) -> Matrix:
        """Return the means with all that is to be added, whatever NumPy's error state."""
        with np.errstate(all="ignore"):
            means = self._pass.means(theta, None, models)
            if self._penalties is not None:
                penalty.add(means, theta, self._penalties if models is None else self._penalties[models])
        return means

    @np.errstate(all="ignore")
    def curvature(self, theta: Matrix, direction: Matrix, models: Models | None = None) -> tuple[Matrix, Vector]:
        """Return the product of the Hessian at theta with a direction, for each model, and ``v' H v``.

        Parameters
        ----------
        theta, direction : ndarray of shape (k, n + 1)
            The parameters of each model, and the direction v.
        models : ndarray of indices, optional
            Which of the models the rows of theta are; None for all.
        """
        means = self._pass.means(theta, direction, models)
        least, most = _SAFE_CURVATURE[self.dtype.itemsize]
        if not all(least <= value <= most for value in means[:, -1].tolist()):
            means = self._means_along_extreme(theta, direction, models, means)
        if self._penalties is not None:
            l2 = self._penalties if models is None else self._penalties[models]
            v_w = direction[:, :-1]
            means[:, :-2] += l2[:, np.newaxis] * v_w
            means[:, -1] += 2.0 * penalty.of_models(l2, v_w)
        if not self.fit_intercept:
            means[:, -2] = 0.0
        return means[:, :-1], means[:, -1]

    def _means_along_extreme(self, theta: Matrix, direction: Matrix, models: Models | None, means: Matrix) -> Matrix:
        """Return the means along directions that are very small or large, by a pass along them times powers of two.

        Their products may have underflown or overflown, above all in float32, although the curvature need not.
        """
        largest = np.abs(direction).max(axis=1, keepdims=True)
        is_extreme = (largest > 0.0) & ~((largest >= 2.0**-16) & (largest <= 2.0**16))
        if not is_extreme.any():
            return means
        exponents = np.where(is_extreme, np.frexp(largest)[1], 0)
        means = np.ldexp(self._pass.means(theta, np.ldexp(direction, -exponents), models), exponents)
        means[:, -1:] = np.ldexp(means[:, -1:], exponents)
        return means


def parameters(w: FloatArray, b: ArrayLike) -> Matrix:
    """Return theta for w of shape (n,) and a number b, or for w of shape (n, k) and b of shape (k,)."""
    if w.ndim == 1:
        return _row(w, b, _FLOAT64)
    theta = np.empty((w.shape[1], w.shape[0] + 1))
    theta[:, :-1] = w.T
    theta[:, -1] = b
    return theta


def _row(w: FloatArray, b: ArrayLike, dtype: np.dtype[Any]) -> Matrix:
    """Return theta for the w and b of a single model."""
    theta = np.empty((1, len(w) + 1), dtype)
    theta[0, :-1] = w
    theta[0, -1] = b
    return theta


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
    fit_intercept : bool
        Whether the intercept is the last component of theta; otherwise it is 0.
    kernel : Kernel
        The kernel that runs.
    threads : int
        The number of threads that it runs on.
    """

    def __init__(self, cost: Cost) -> None:
        self._cost = cost
        self.m, self.n = cost.m, cost.n
        self.dtype = cost.dtype
        self.l2 = cost.l2.item()
        self.fit_intercept = cost.fit_intercept
        self.kernel = cost.kernel
        self.threads = cost.threads
        self._length = self.n + cost.fit_intercept

    def __repr__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        size = f"{self.m:,} examples, {self.n:,} features"
        return f"<Objective: {size}, {self.dtype}, l2={self.l2:g}, {self.kernel.name} kernel, {threads}>"

    def __call__(self, theta: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
        """Return the cost and its gradient at ``theta = [w, b]``.

        Parameters
        ----------
        theta : array-like of shape (n + 1,)
            The weights of the features, and last the intercept; of shape (n,) where `fit_intercept` is false.

        Returns
        -------
        J : float
            The cost.
        grad : ndarray like theta, float64
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
        means = self._cost.means(self._row("theta", theta))
        return means.item(-1), means[0, : self._length]

    def hessp(self, theta: NDArray[Any], v: NDArray[Any]) -> NDArray[np.float64]:
        """Return the product of the Hessian of the cost at `theta` with a vector, in one pass over X.

        Parameters
        ----------
        theta : array-like of shape (n + 1,)
            The weights of the features, and last the intercept; of shape (n,) where `fit_intercept` is false.
        v : array-like like theta
            The vector.

        Returns
        -------
        ndarray like theta, float64
            ``H v``.

        Raises
        ------
        ValueError
            If theta or v has another shape, or a value is NaN or infinite, a label outside [0, 1], or a weight
            negative.
        TypeError
            If theta or v does not hold real numbers.

        Notes
        -----
        With ``s_i = c_i sigmoid(z_i) (1 - sigmoid(z_i))`` and ``u_i = v_w . x_i + v_b``::

            H v = (1/C) [sum_i s_i u_i x_i, sum_i s_i u_i] + l2 [v_w, 0]

        The Hessian is that of Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning" (2nd ed., 2009),
        equation 4.25, here of a mean. For SciPy's Newton-CG, trust-ncg, trust-krylov and trust-constr:
        ``minimize(f, theta0, jac=True, hessp=f.hessp, method="trust-ncg")``.

        Examples
        --------
        >>> import gradstep
        >>> f = gradstep.objective([[1.0, 2.0], [3.0, 4.0]], [0, 1])
        >>> f.hessp([0.0, 0.0, 0.0], [1.0, 0.0, 0.0])
        array([1.25, 1.75, 0.5 ])
        """
        return self._cost.curvature(self._row("theta", theta), self._row("v", v))[0][0, : self._length]

    def curvature(self, theta: NDArray[Any], v: NDArray[Any]) -> float:
        """Return ``v' H v``, the second derivative of the cost along a vector, in one pass over X.

        Parameters
        ----------
        theta : array-like of shape (n + 1,)
            The weights of the features, and last the intercept; of shape (n,) where `fit_intercept` is false.
        v : array-like like theta
            The vector.

        Returns
        -------
        float
            Not negative, because the cost is convex; rounded once for each example, so it keeps its digits where the
            product of v with `hessp` cancels.

        Raises
        ------
        ValueError, TypeError
            As `hessp` does.

        Examples
        --------
        >>> import gradstep
        >>> gradstep.objective([[1.0, 2.0], [3.0, 4.0]], [0, 1]).curvature([0.0, 0.0, 0.0], [1.0, 0.0, 0.0])
        1.25
        """
        return self._cost.curvature(self._row("theta", theta), self._row("v", v))[1].item()

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
        return gradient_at(self._cost, checked, validate.number("b", b))

    def _row(self, name: str, values: NDArray[Any]) -> Matrix:
        """Return parameters or a direction as a row of theta, with an intercept of 0 where there is none."""
        array = validate.theta(name, values, self._length)
        if self.fit_intercept:
            return array[np.newaxis]
        return parameters(array, 0.0)


def gradient_at(cost: Cost, w: FloatArray, b: float) -> Gradient:
    """Return the cost of a single model and its gradient at a w and b that have been checked."""
    return Gradient._make(derivatives_at(cost, w, b))


def derivatives_at(cost: Cost, w: FloatArray, b: float) -> tuple[float, FloatArray, float]:
    """Return what `gradient_at` does as a plain tuple, which is made in half the time."""
    dtype = _FLOAT64 if cost.dtype is _FLOAT64 else _dtype_of_parameters(cost.dtype, w, b)
    means = cost.means(_row(w, b, dtype))
    dw = means[0, :-2]
    return means.item(-1), dw if w.dtype is _FLOAT64 else _like(dw, w), means.item(-2)


def _dtype_of_parameters(computed: np.dtype[Any], w: FloatArray, b: float) -> np.dtype[Any]:
    """Return the dtype of the computation where w has it and b fits, so that nothing is left to round, else float64."""
    return w.dtype if w.dtype is computed and -_LARGEST_FLOAT32 <= b <= _LARGEST_FLOAT32 else _FLOAT64


def gradients_at(cost: Cost, w: FloatArray, b: Vector) -> Gradients:
    """Return the costs of k models and their gradients at w of shape (n, k) and b of shape (k,)."""
    J, grad = cost.evaluate(parameters(w, b))
    return Gradients(J, _like(grad[:, :-1].T, w), grad[:, -1])


def _like(dw: Vector | Matrix, w: FloatArray) -> FloatArray:
    """Return dw in the dtype of w."""
    if dw.dtype is w.dtype:
        return dw
    with np.errstate(all="ignore"):
        return dw.astype(w.dtype)
