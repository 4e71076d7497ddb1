"""The classifier for scikit-learn: it finds what LogisticRegression finds, and says so where it does not."""

from __future__ import annotations

import copy
import math
import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
import sklearn.exceptions
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

import gradstep
from gradstep.cost import Cost
from gradstep.estimator import ConvergenceWarning, GradientDescentClassifier
from gradstep.solvers import SOLVERS

# L-BFGS stops where the cost, which is of the order of 1, falls by less than its rounding: there the gradient is about
# the square root of that, and whether it is below tol is chance. The others go by the gradient.
TOL = {"gd": 1e-12, "lbfgs": 1e-9, "newton-cg": 1e-12}
NEAR = {"gd": 1e-6, "lbfgs": 1e-5, "newton-cg": 1e-6}
as_near_as_can_be = pytest.mark.filterwarnings("ignore:.*rounding of float64:gradstep.ConvergenceWarning")


def exact(X, y, C=1.0, sample_weight=None, **options):
    """Return coef_ and intercept_ of the minimum, found by scikit-learn with Newton's method."""
    model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12, max_iter=1000, **options)
    if len(np.unique(y)) == 2:
        model.fit(X, y, sample_weight)
        return model.coef_, model.intercept_
    models = OneVsRestClassifier(model).fit(X, y).estimators_
    return np.vstack([one.coef_ for one in models]), np.concatenate([one.intercept_ for one in models])


def binary(name):
    """Return one of scikit-learn's data sets with two classes."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return X, y % 2
    if name == "wine":
        X, y = load_wine(return_X_y=True)
        return X, y == 1
    return load_breast_cancer(return_X_y=True)


@pytest.fixture(params=SOLVERS)
def solver(request):
    """Each of the solvers in turn."""
    return request.param


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@as_near_as_can_be
@pytest.mark.parametrize("C", [1.0, 0.01])
@pytest.mark.parametrize("name", ["breast cancer", "digits", "wine"])
def test_two_classes_are_told_as_by_logistic_regression(name, C, solver):
    X, y = binary(name)
    model = GradientDescentClassifier(C=C, solver=solver, tol=TOL[solver]).fit(X, y)
    coef, intercept = exact(X, y, C)
    np.testing.assert_allclose(model.coef_, coef, rtol=NEAR[solver], atol=NEAR[solver])
    np.testing.assert_allclose(model.intercept_, intercept, rtol=NEAR[solver], atol=NEAR[solver])


@as_near_as_can_be
def test_digits_are_told_as_by_one_against_the_rest(solver):
    X, y = load_digits(return_X_y=True)
    model = GradientDescentClassifier(C=0.01, solver=solver, tol=TOL[solver]).fit(X, y)
    coef, intercept = exact(X, y, 0.01)
    np.testing.assert_allclose(model.coef_, coef, rtol=NEAR[solver], atol=NEAR[solver])
    np.testing.assert_allclose(model.intercept_, intercept, rtol=NEAR[solver], atol=NEAR[solver])
    rest = OneVsRestClassifier(LogisticRegression(C=0.01, solver="newton-cholesky", tol=1e-12)).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), rest.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(model.predict(X), rest.predict(X))


@as_near_as_can_be
@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5}])
def test_weights_of_examples_and_classes_are_those_of_logistic_regression(class_weight, solver):
    X, y = binary("digits")
    weight = np.random.default_rng(0).integers(0, 4, len(y)).astype(float)
    options = {"class_weight": class_weight}
    model = GradientDescentClassifier(C=0.1, solver=solver, tol=TOL[solver], **options).fit(X, y, weight)
    coef, intercept = exact(X, y, 0.1, weight, **options)
    np.testing.assert_allclose(model.coef_, coef, rtol=NEAR[solver], atol=NEAR[solver])
    np.testing.assert_allclose(model.intercept_, intercept, rtol=NEAR[solver], atol=NEAR[solver])


@as_near_as_can_be
def test_a_weight_is_a_number_of_repetitions(iris, solver):
    X, y = iris
    times = np.random.default_rng(0).integers(0, 4, len(y))
    options = {"solver": solver, "class_weight": "balanced", "tol": TOL[solver]}
    weighted = GradientDescentClassifier(**options).fit(X, y, times)
    repeated = GradientDescentClassifier(**options).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=NEAR[solver], atol=NEAR[solver])


@as_near_as_can_be
@pytest.mark.parametrize("name", ["breast cancer", "iris"])
def test_without_an_intercept(name, solver):
    X, y = load_iris(return_X_y=True) if name == "iris" else binary(name)
    model = GradientDescentClassifier(C=0.1, fit_intercept=False, solver=solver, tol=TOL[solver]).fit(X, y)
    coef, _ = exact(X, y, 0.1, fit_intercept=False)
    np.testing.assert_allclose(model.coef_, coef, rtol=NEAR[solver], atol=NEAR[solver])
    assert model.intercept_.tolist() == [0.0] * len(coef)


@as_near_as_can_be
def test_without_a_penalty(solver):
    X, y = binary("digits")
    keep = X.std(axis=0) > 1.0
    model = GradientDescentClassifier(C=math.inf, solver=solver, tol=TOL[solver]).fit(X[:, keep], y)
    coef, intercept = exact(X[:, keep], y, math.inf)
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.intercept_, intercept, rtol=1e-5, atol=1e-5)


def test_a_given_learning_rate_is_the_repeated_step():
    X, y = binary("breast cancer")
    X = StandardScaler().fit_transform(X)
    with pytest.warns(ConvergenceWarning, match="learning_rate='auto'"):
        model = GradientDescentClassifier(learning_rate=0.5, max_iter=20).fit(X, y)
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(20):
        w, b, _J = gradstep.step(X, y, w, b, 0.5, l2=1.0 / len(y))
    assert model.coef_[0].tobytes() == w.tobytes()
    assert model.intercept_[0] == b


def test_loss_curve_and_number_of_steps(iris, solver):
    X, y = iris
    model = GradientDescentClassifier(solver=solver).fit(X, y == 1)
    J = gradstep.gradient(X, y == 1, model.coef_[0], model.intercept_[0], l2=1.0 / len(y)).J
    assert model.loss_curve_.shape == (model.n_iter_[0] + 1,)
    assert model.loss_curve_[0] == pytest.approx(math.log(2.0))
    assert model.loss_curve_[-1] == pytest.approx(J)
    assert (np.diff(model.loss_curve_) < 1e-12).all()
    model.fit(X, y)
    assert [len(curve) - 1 for curve in model.loss_curve_] == model.n_iter_.tolist()
    assert model.n_iter_.dtype == np.int32
    assert (model.n_iter_ > 1).all()


def test_warm_start_goes_on(iris, solver):
    X, y = iris
    model = GradientDescentClassifier(solver=solver, warm_start=True).fit(X, y)
    first, steps = model.coef_, model.n_iter_
    model.fit(X, y)
    assert (model.n_iter_ == 0).all()
    assert model.coef_.tobytes() == first.tobytes()
    model.set_params(warm_start=False).fit(X, y)
    np.testing.assert_array_equal(model.n_iter_, steps)


def test_warm_start_forgets_an_intercept_that_is_no_longer_wanted(iris, solver):
    X, y = iris
    model = GradientDescentClassifier(solver=solver, warm_start=True).fit(X, y)
    model.set_params(fit_intercept=False).fit(X, y)
    assert model.intercept_.tolist() == [0.0, 0.0, 0.0]


def test_warm_start_with_other_classes_is_refused(iris):
    X, y = iris
    model = GradientDescentClassifier(warm_start=True).fit(X, y == 1)
    with pytest.raises(ValueError, match=r"coef_ has shape \(1, 4\).* should be \(3, 4\).*warm_start=False"):
        model.fit(X, y)


def test_float32_stays_float32(iris, solver):
    X, y = iris
    model = GradientDescentClassifier(solver=solver, tol=1e-4).fit(X.astype(np.float32), y)
    wide = GradientDescentClassifier(solver=solver, tol=1e-4).fit(X, y)
    assert {model.coef_.dtype, model.intercept_.dtype} == {np.dtype(np.float32)}
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(model.coef_, wide.coef_, atol=0.01)


@pytest.mark.parametrize("dtype", [np.int8, np.float16, np.int64, bool])
def test_numbers_of_every_dtype_are_taken(dtype, iris):
    X, y = iris
    X = (X > X.mean(axis=0)) if dtype is bool else np.round(X).astype(dtype)
    model = GradientDescentClassifier(tol=1e-4).fit(X, y)
    wide = GradientDescentClassifier(tol=1e-4).fit(X.astype(np.float64), y)
    np.testing.assert_allclose(model.coef_, wide.coef_, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(model.predict(X), wide.predict(X))


@pytest.mark.parametrize("n_jobs", [1, 2, -1, -100])
def test_threads_change_no_bit(n_jobs):
    generator = np.random.default_rng(0)
    X = generator.standard_normal((40_000, 30))
    y = X[:, 0] + generator.standard_normal(40_000) > 0
    alone, several = (GradientDescentClassifier(n_jobs=number).fit(X, y) for number in (None, n_jobs))
    assert several.coef_.tobytes() == alone.coef_.tobytes()


def test_a_class_has_the_bits_that_it_has_alone(iris, solver):
    X, y = iris
    together = GradientDescentClassifier(solver=solver).fit(X, y)
    for j in range(3):
        alone = GradientDescentClassifier(solver=solver).fit(X, y == j)
        assert together.coef_[j].tobytes() == alone.coef_[0].tobytes()
        assert together.loss_curve_[j].tobytes() == alone.loss_curve_.tobytes()


def test_gradient_descent_reads_the_examples_once_for_all_classes(iris, monkeypatch):
    X, y = iris
    passes = []
    evaluate = Cost.evaluate

    def counted(self, *arguments):
        passes.append(1)
        return evaluate(self, *arguments)

    monkeypatch.setattr(Cost, "evaluate", counted)
    model = GradientDescentClassifier().fit(X, y)
    assert len(passes) < 1.3 * model.n_iter_.max() < model.n_iter_.sum()


def test_no_copy_of_the_examples_is_made(solver):
    X = np.random.default_rng(0).standard_normal((100_000, 20))
    y = np.digitize(X[:, 0] + X[:, 1], [-1.0, 1.0])
    GradientDescentClassifier(solver=solver).fit(X[:50], y[:50])
    tracemalloc.start()
    GradientDescentClassifier(solver=solver, tol=1e-4).fit(X, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.nbytes / 3


def test_labels_may_be_text(iris):
    X, y = iris
    names = load_iris().target_names[y]
    model = GradientDescentClassifier().fit(X, names)
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert model.score(X, names) > 0.9
    assert set(model.predict(X)) == set(names)


def test_probabilities_of_far_examples_are_exact():
    model = GradientDescentClassifier().fit([[-1.0], [1.0]], [0, 1])
    far = np.array([[-1e4], [1e4]])
    score = model.decision_function(far)
    assert model.predict_proba(far[:1])[0, 1] == pytest.approx(math.exp(score[0]), rel=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(far), [[0.0, score[0]], [-score[1], 0.0]], atol=1e-300)
    # Far from every class all shares underflow; their ratios do not.
    model = GradientDescentClassifier().fit([[-1.0], [0.0], [1.0], [0.0]], [0, 1, 2, 1])
    model.coef_[:] = -1.0
    assert model.predict_proba([[1e4]]).sum() == pytest.approx(1.0)
    assert np.isfinite(model.predict_log_proba([[1e4]])).all()


# Where there is no result, or none yet


def test_separable_classes_without_a_penalty_give_a_warning(solver):
    with pytest.warns(ConvergenceWarning, match="can be separated.*set C, for example C=100") as caught:
        GradientDescentClassifier(C=math.inf, solver=solver).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    assert len(caught) == 1


def test_too_few_steps_give_one_warning_of_both_libraries(iris, solver):
    X, y = iris
    with pytest.warns(
        ConvergenceWarning, match="after 3 steps without converging for class 0 and 2 more: .*Raise max_iter"
    ) as caught:
        model = GradientDescentClassifier(solver=solver, max_iter=3).fit(X, y)
    (warning,) = caught
    assert warning.filename == __file__
    assert isinstance(warning.message, (gradstep.ConvergenceWarning, sklearn.exceptions.ConvergenceWarning))
    assert issubclass(ConvergenceWarning, gradstep.ConvergenceWarning)
    assert issubclass(ConvergenceWarning, sklearn.exceptions.ConvergenceWarning)
    assert not warning.message.fit.converged
    assert (model.n_iter_ == 3).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        model.fit(X, y)


def test_a_tol_below_rounding_gives_a_warning(iris):
    X, y = iris
    with pytest.warns(ConvergenceWarning, match="rounding of float32. Raise tol, or pass X as float64"):
        GradientDescentClassifier(tol=1e-12, max_iter=300).fit(X.astype(np.float32), y == 1)
    with pytest.warns(ConvergenceWarning, match="rounding of float64. Raise tol, or take solver='newton-cg'"):
        GradientDescentClassifier(solver="lbfgs", tol=1e-14).fit(X, y == 1)


def test_warning_pickles_and_copies(iris):
    X, y = iris
    with pytest.warns(ConvergenceWarning) as caught:
        GradientDescentClassifier(max_iter=1).fit(X, y)
    for twin in (pickle.loads(pickle.dumps(caught[0].message)), copy.deepcopy(caught[0].message)):
        assert type(twin) is ConvergenceWarning
        assert str(twin) == str(caught[0].message)
        assert twin.fit.n_iter == 1


def test_a_learning_rate_that_is_too_large_is_named():
    X, y = binary("breast cancer")
    with pytest.raises(gradstep.FitDiverged, match="learning_rate=1e\\+306 is too large"):
        GradientDescentClassifier(learning_rate=1e306, max_iter=100).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"C": 0.0}, "C is 0.0; it should be positive"),
        ({"C": math.nan}, "C is nan; it should be positive"),
        ({"solver": "sag"}, "solver is 'sag'; it should be one of 'gd', 'lbfgs', 'newton-cg'"),
        ({"learning_rate": "adaptive"}, "learning_rate is 'adaptive'; it should be 'auto' or a positive number"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it should be positive"),
        ({"tol": -1.0}, "tol is -1.0; it should be positive"),
        ({"max_iter": -1}, "max_iter is -1; it should be at least 0"),
        ({"n_jobs": 0}, "n_jobs is 0; it should be None"),
        ({"class_weight": {0: -1.0}}, "class_weight is {0: -1.0}; its weights should be finite and not negative"),
    ],
)
def test_parameter_that_is_wrong_is_named(parameters, message, iris):
    X, y = iris
    with pytest.raises(ValueError, match=message):
        GradientDescentClassifier(**parameters).fit(X, y == 1)


def test_examples_that_are_wrong_are_refused(iris):
    X, y = iris
    model = GradientDescentClassifier()
    with pytest.raises(ValueError, match="y holds one class, 0"):
        model.fit(X, np.zeros(len(y)))
    with pytest.raises(ValueError, match="weights of the examples are all zero"):
        model.fit(X, y, np.zeros(len(y)))
    with pytest.raises(ValueError, match=r"^sample_weight has -1\.0 at index 0; weights should not be negative$"):
        model.fit(X, y, np.full(len(y), -1.0))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.fit(np.where(X > 5, np.nan, X), y)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        model.predict(X)
