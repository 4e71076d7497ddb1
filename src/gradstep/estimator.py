"""The classifier for scikit-learn: logistic regression trained with the fastest kernel. It needs the extra sklearn."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradstep import arrays, extras, outcomes, validate, weighing
from gradstep.advice import SEPARABLE
from gradstep.classes import present, sorted_classes
from gradstep.contract import Fit, steps
from gradstep.cost import Cost
from gradstep.one_against_rest import OneAgainstRest
from gradstep.outcomes import FitDiverged
from gradstep.solvers import SOLVERS, Limits, stalled, starts
from gradstep.threads import usable_cores

try:
    import sklearn.exceptions
    from scipy.special import expit, log_expit, log_softmax
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import compute_class_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError as error:
    raise extras.missing(error, "sklearn", "gradstep.estimator") from error

__all__ = ["ConvergenceWarning", "GradientDescentClassifier"]

Vector = NDArray[np.floating[Any]]


class ConvergenceWarning(outcomes.ConvergenceWarning, sklearn.exceptions.ConvergenceWarning):  # type: ignore[misc]  # scikit-learn has no types
    """A `GradientDescentClassifier` stopped before it found a minimum; the message says what to change.

    It is scikit-learn's warning of that name and gradstep's, so what silences either of them silences it.

    Attributes
    ----------
    fit : Fit
        The result for two classes; for more, that of the first class without a minimum.
    """


class GradientDescentClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Logistic regression for scikit-learn, trained with gradstep's fastest kernel.

    For two classes it minimizes what ``LogisticRegression`` does. With more, each class is separated from the others,
    as by ``OneVsRestClassifier(LogisticRegression())``, and its probabilities are divided by their sum.

    Parameters
    ----------
    C : float
        The inverse strength of the penalty, as in ``LogisticRegression``: the cost is the sum of the losses plus
        ``||w||^2 / (2 C)``. ``math.inf`` means no penalty. The intercept is not penalized.
    solver : {"gd", "lbfgs", "newton-cg"}
        "gd" is gradient descent, as in `gradstep.fit`; each pass over X serves all classes. "lbfgs" is SciPy's L-BFGS-B
        and "newton-cg" its trust-ncg, Newton's method with conjugate gradients; they take one class after another. All
        work in coordinates in which each column of X has mean 0 and standard deviation 1, so X needs no scaling for
        them to be quick.
    learning_rate : float or "auto"
        Of the solver "gd"; the others do not use it. A number is the plain descent of the lesson, in the coordinates
        of X. "auto" chooses the length of each step.
    tol : float
        Stop when no component of the gradient of the mean loss is larger than this, in the coordinates of the solver.
    max_iter : int
        Stop after this many steps at the latest.
    fit_intercept : bool
        Whether the model has an intercept.
    class_weight : dict or "balanced", optional
        By what the weights of the examples of each class are multiplied. "balanced" gives all classes the same total
        weight. With more than two classes the weights are those of all of them, not of one against the rest.
    warm_start : bool
        Whether a second call of `fit` starts where the first one ended.
    n_jobs : int, optional
        The number of threads, and -1 for all cores; None chooses by the size of X. It never changes the result.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels of the classes, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        The weights of the features; one row where there are two classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts; 0 with ``fit_intercept=False``.
    n_iter_ : ndarray of shape (1,) or (n_classes,), int32
        The number of steps taken.
    loss_curve_ : ndarray of shape (steps + 1,), or list of such arrays
        The cost as a mean, penalty included, before the first step and after each; a list where there are more than two
        classes, one array for each.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X was a data frame whose columns all have text for a name.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from gradstep.estimator import GradientDescentClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = GradientDescentClassifier().fit(X, y)
    >>> round(model.score(X, y), 3)
    0.958
    """

    classes_: NDArray[Any]
    coef_: Vector
    intercept_: Vector
    n_iter_: NDArray[np.int32]
    loss_curve_: NDArray[np.float64] | list[NDArray[np.float64]]
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def __init__(
        self,
        *,
        C: float = 1.0,
        solver: Literal["gd", "lbfgs", "newton-cg"] = "gd",
        learning_rate: float | Literal["auto"] = "auto",
        tol: float = 1e-6,
        max_iter: int = 10_000,
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.C = C
        self.solver = solver
        self.learning_rate = learning_rate
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> GradientDescentClassifier:
        """Train the model.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            The examples, one per row. float16 and float32 are computed in float32, all others in float64.
        y : array-like of shape (m,)
            The label of each example.
        sample_weight : array-like of shape (m,), optional
            The weights of the examples, not negative and not all zero; None weighs all alike.

        Returns
        -------
        GradientDescentClassifier
            The classifier itself.

        Warns
        -----
        ConvergenceWarning
            Once, after the work, if `max_iter` came before `tol` or there is no minimum. It is a warning of gradstep's
            and of scikit-learn's, and its message says what to change.

        Raises
        ------
        ValueError
            If shapes disagree, X is sparse or holds a NaN, y holds one class, or a parameter is out of its range.
        FitDiverged
            If `learning_rate` is a number that is too large, or a step leads beyond the dtype of the computation.
        """
        C, limits, threads = self._checked_parameters()
        # scikit-learn drops masks.
        X, y = arrays.unmasked("X", X), present("y", y)
        with np.errstate(all="ignore"):
            rows, given = validate_data(self, X, y, dtype="numeric")
        check_classification_targets(given)
        classes, codes = sorted_classes("y", given)
        if len(classes) < 2:
            raise ValueError(f"y holds one class, {classes.tolist()[0]!r}; it should hold two or more")
        weight = _weights(sample_weight, self.class_weight, classes, given, codes)
        if len(classes) == 2:
            examples = validate.data(rows, codes, weight)
        else:
            examples = validate.data(rows, OneAgainstRest(codes), weight, len(classes))
        cost = Cost(examples, weighing.mean_penalty(C, len(codes), weight), "auto", threads, self.fit_intercept)
        models = self._minimize(cost, limits)
        self.classes_ = classes
        self.coef_ = np.stack([model.w for model in models])
        self.intercept_ = np.array([model.b for model in models], examples.dtype)
        self.n_iter_ = np.array([model.n_iter for model in models], np.int32)
        self.loss_curve_ = models[0].history if len(models) == 1 else [model.history for model in models]
        self._warn_without_minimum(models)
        return self

    def _checked_parameters(self) -> tuple[float, Limits, int | None]:
        """Return C, what the solver needs to know and the number of threads; raise for a parameter that is wrong."""
        if not isinstance(self.solver, str) or self.solver not in SOLVERS:
            raise ValueError(f"solver is {self.solver!r}; it should be one of {', '.join(map(repr, SOLVERS))}")
        C = validate.number("C", self.C)
        if not C > 0.0:
            raise ValueError(f"C is {C!r}; it should be positive, and math.inf for no penalty")
        alpha = self.learning_rate
        is_auto = isinstance(alpha, str)
        if is_auto and alpha != "auto":
            raise ValueError(f"learning_rate is {alpha!r}; it should be 'auto' or a positive number")
        limits = Limits(
            None if is_auto else validate.positive("learning_rate", alpha),
            validate.positive("tol", self.tol),
            validate.count("max_iter", self.max_iter, 0),
        )
        return C, limits, _threads(self.n_jobs)

    def _minimize(self, cost: Cost, limits: Limits) -> list[Fit]:
        """Return the model of each class against the rest; where there are two, that of the second."""
        w, b = self._start(cost.examples.k or 1, cost.n, cost.dtype)
        try:
            return SOLVERS[self.solver](cost, starts(cost, w, b), limits)
        except FitDiverged as error:
            if limits.alpha is None:
                raise
            message = f"learning_rate={limits.alpha:g} is too large: take a smaller one, or 'auto'"
            raise FitDiverged(message, error.fit) from error

    def _start(self, models: int, columns: int, dtype: np.dtype[np.floating[Any]]) -> tuple[Vector, Vector]:
        """Return the weights and intercepts to start from."""
        if not (validate.flag("warm_start", self.warm_start) and hasattr(self, "coef_")):
            return np.zeros((models, columns), dtype), np.zeros(models, dtype)
        if self.coef_.shape != (models, columns):
            raise ValueError(
                f"warm_start is true and coef_ has shape {self.coef_.shape}, which does not fit these examples: it "
                f"should be {(models, columns)}. Fit a clone of the classifier, or set warm_start=False"
            )
        intercept = self.intercept_ if self.fit_intercept else np.zeros(models)
        return self.coef_.astype(dtype), intercept.astype(dtype)

    def _warn_without_minimum(self, models: list[Fit]) -> None:
        """Warn if any of the models has not converged."""
        failed = [k for k, model in enumerate(models) if not model.converged]
        if not failed:
            return
        fit = models[failed[0]]
        name = type(self).__name__
        which = ""
        if len(models) > 1:
            which = f" for class {self.classes_.tolist()[failed[0]]!r}"
            which += f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        message = f"{name} stopped after {steps(fit.n_iter)} without converging{which}: the largest gradient component "
        message += f"is {fit.largest_scaled:.3g}, tol is {self.tol:g}. {self._advice(fit)}"
        warnings.warn(ConvergenceWarning(message, fit), stacklevel=3)

    def _advice(self, fit: Fit) -> str:
        """Return what to change where a model has not converged."""
        if fit.advice == SEPARABLE:
            return (
                "The classes can be separated, so without a penalty there is no minimum and coef_ grows without end: "
                "set C, for example C=100, or take the model as it is if all you need is `predict`."
            )
        if fit.n_iter < self.max_iter or stalled(fit):
            finer = ", or pass X as float64" if fit.w.dtype == np.float32 else ""
            finer = ", or take solver='newton-cg', which goes nearer" if not finer and self.solver == "lbfgs" else finer
            return f"The cost no longer falls: tol is too small for the rounding of {fit.w.dtype}. Raise tol{finer}."
        if self.solver == "gd" and self.learning_rate != "auto":
            return "Set learning_rate='auto', which also scales the columns, or raise learning_rate or max_iter."
        others = "a smaller C" if self.solver == "newton-cg" else "solver='newton-cg', or a smaller C"
        return f"Raise max_iter, or go on from here with warm_start=True, or take {others}."

    def decision_function(self, X: ArrayLike) -> Vector:
        """Return the scores ``X @ coef_.T + intercept_``.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            The examples.

        Returns
        -------
        ndarray of shape (m,) or (m, n_classes)
            How much speaks for each class; where there are two, for the second.
        """
        check_is_fitted(self, "coef_")
        X = arrays.unmasked("X", X)
        with np.errstate(all="ignore"):
            rows: NDArray[Any] = validate_data(self, X, dtype="numeric", reset=False)
            scores: Vector = rows @ self.coef_.T + self.intercept_
            far = ~np.isfinite(scores).all(axis=1)
            if far.any():
                # Products of either sign have overflown: what is left of them is within the range of a longdouble.
                scores[far] = rows[far].astype(np.longdouble) @ self.coef_.T.astype(np.longdouble) + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each example.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            The examples.

        Returns
        -------
        ndarray of shape (m,)
            Labels of `classes_`.
        """
        scores = self.decision_function(X)
        found: NDArray[Any] = self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]
        return found

    def predict_proba(self, X: ArrayLike) -> Vector:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            The examples.

        Returns
        -------
        ndarray of shape (m, n_classes)
            The probabilities, in the order of `classes_`.
        """
        scores = self.decision_function(X)
        probabilities: Vector = np.exp(_log_shares(scores)) if scores.ndim == 2 else expit(_both(scores))
        return probabilities

    def predict_log_proba(self, X: ArrayLike) -> Vector:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (m, n_features)
            The examples.

        Returns
        -------
        ndarray of shape (m, n_classes)
            The logarithms, in the order of `classes_`; finite where the probability itself underflows.
        """
        scores = self.decision_function(X)
        logarithms: Vector = _log_shares(scores) if scores.ndim == 2 else log_expit(_both(scores))
        return logarithms


def _weights(
    sample_weight: ArrayLike | None,
    class_weight: Any,
    classes: NDArray[Any],
    y: NDArray[Any],
    codes: NDArray[np.intp],
) -> NDArray[Any] | None:
    """Return the weight of each example, or None where all are alike."""
    if sample_weight is not None:
        sample_weight = validate.sample_weights(sample_weight, len(codes))
    weight = sample_weight
    if class_weight is not None:
        for label, value in class_weight.items() if isinstance(class_weight, dict) else ():
            validate.number(f"class_weight[{label!r}]", value)
        with np.errstate(all="ignore"):
            of_class = compute_class_weight(class_weight, classes=classes, y=y, sample_weight=sample_weight)
        if not (np.isfinite(of_class) & (of_class >= 0.0)).all():
            raise ValueError(f"class_weight is {class_weight!r}; its weights should be finite and not negative")
        weight = of_class[codes] if sample_weight is None else weighing.products(of_class[codes], sample_weight)
    if weight is not None and not weight.any():
        raise ValueError("the weights of the examples are all zero; at least one should be positive")
    return weight


def _threads(n_jobs: object) -> int | None:
    """Return the number of threads; negative ones are counted from all cores down, as joblib does it."""
    if n_jobs is None:
        return None
    wanted = validate.count("n_jobs", n_jobs, -(2**31))
    if wanted == 0:
        raise ValueError("n_jobs is 0; it should be None, a positive number, or -1 for all cores")
    return wanted if wanted > 0 else max(1, usable_cores() + 1 + wanted)


def _both(scores: Vector) -> Vector:
    """Return the score of each of two classes."""
    return np.stack([-scores, scores], axis=1)


def _log_shares(scores: Vector) -> Vector:
    """Return the logarithms of the probabilities of each class against the rest, divided by their sum."""
    logarithms: Vector = log_softmax(log_expit(scores), axis=1)
    return logarithms
