"""The objective with SciPy's optimizers: with the gradient alone, and with the product of the Hessian with a vector."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import weakref

import joblib
import numpy as np
import pytest
from availability import load_or_explain
from scipy.optimize import check_grad, minimize
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from waiting import comes_true

from gradstep import fit, objective, processor

L2 = 0.01


@pytest.fixture(scope="module")
def cancer():
    """Return the breast cancer data, standardized, and the optimum that scikit-learn finds."""
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = LogisticRegression(C=1 / (len(y) * L2), solver="newton-cholesky", tol=1e-14, max_iter=1000).fit(X, y)
    return X, y, np.append(model.coef_[0], model.intercept_[0])


def test_trust_ncg_comes_within_1e_10_of_the_optimum(kernel, cancer):
    X, y, optimum = cancer
    f = objective(X, y, l2=L2, kernel=kernel)
    found = minimize(f, np.zeros(31), jac=True, hessp=f.hessp, method="trust-ncg", options={"gtol": 1e-12})
    assert np.abs(found.x - optimum).max() < 1e-10


@pytest.mark.parametrize("method", ["Newton-CG", "trust-krylov", "trust-constr"])
def test_methods_that_take_a_hessian_product(cancer, method):
    X, y, optimum = cancer
    f = objective(X, y, l2=L2)
    found = minimize(f, np.zeros(31), jac=True, hessp=f.hessp, method=method)
    assert found.fun - f(optimum)[0] < 1e-8


@pytest.mark.parametrize("method", ["CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP"])
def test_methods_that_take_a_gradient(cancer, method):
    X, y, optimum = cancer
    f = objective(X, y, l2=L2)
    found = minimize(f, np.zeros(31), jac=True, method=method)
    assert found.fun - f(optimum)[0] < 1e-5


def test_without_an_intercept(cancer):
    X, y, _ = cancer
    f = objective(X, y, l2=L2, fit_intercept=False)
    found = minimize(f, np.zeros(30), jac=True, hessp=f.hessp, method="trust-ncg", options={"gtol": 1e-10})
    model = LogisticRegression(C=1 / (len(y) * L2), solver="newton-cholesky", tol=1e-14, fit_intercept=False).fit(X, y)
    assert np.abs(found.x - model.coef_[0]).max() < 1e-8
    descended = fit(X, y, l2=L2, fit_intercept=False, tol=1e-9)
    assert descended.converged
    assert descended.b == 0.0
    assert np.abs(descended.w - model.coef_[0]).max() < 1e-6


def test_check_grad(kernel, cancer):
    X, y, _ = cancer
    f = objective(X, y, l2=L2, kernel=kernel)
    assert check_grad(lambda theta: f(theta)[0], lambda theta: f(theta)[1], np.full(31, 0.1)) < 1e-6


def test_every_form_of_theta_and_of_a_vector(cancer):
    X, y, _ = cancer
    f = objective(X, y, l2=L2)
    theta, v = np.linspace(-1.0, 1.0, 31), np.linspace(2.0, -1.0, 31)
    wanted = f(theta)[1], f.hessp(theta, v), f.curvature(theta, v)
    frozen = theta.copy()
    frozen.flags.writeable = False
    for form in (theta.tolist(), frozen, np.repeat(theta, 2)[::2], theta[::-1].copy()[::-1]):
        assert (f(form)[1] == wanted[0]).all()
        assert (f.hessp(form, v) == wanted[1]).all()
        assert f.curvature(theta, v) == wanted[2]
    narrow = theta.astype(np.float32)
    assert (f.hessp(narrow, v) == f.hessp(narrow.astype(np.float64), v)).all()


def test_the_product_is_that_of_the_hessian(kernel, cancer):
    X, y, _ = cancer
    f = objective(X, y, l2=L2, kernel=kernel)
    theta = np.linspace(-1.0, 1.0, 31)
    rows = np.column_stack([X, np.ones(len(X))])
    sigmoid = 1.0 / (1.0 + np.exp(-rows @ theta))
    hessian = rows.T @ (rows * (sigmoid * (1.0 - sigmoid))[:, np.newaxis]) / len(X) + L2 * np.diag([1.0] * 30 + [0.0])
    for v in np.random.default_rng(0).standard_normal((3, 31)):
        assert f.hessp(theta, v) == pytest.approx(hessian @ v, rel=1e-10, abs=1e-12)
        assert f.curvature(theta, v) == pytest.approx(v @ hessian @ v, rel=1e-10)


def test_an_objective_pickles_and_copies(cancer):
    X, y, optimum = cancer
    f = objective(X, y, l2=L2, sample_weight=np.arange(1.0, len(y) + 1.0))
    for other in (pickle.loads(pickle.dumps(f)), copy.copy(f), copy.deepcopy(f)):
        assert other(optimum)[0] == f(optimum)[0]


@pytest.mark.parametrize("name", ["cython", "numba", "numpy"])
def test_an_objective_that_has_tried_its_variants_pickles_and_copies(name):
    """As what it was made of: another machine may lack the instructions that are the fastest here."""
    kernel = load_or_explain(name)
    X = np.random.default_rng(0).standard_normal((20_000, 4))
    f = objective(X, X[:, 0] > 0, sample_weight=np.abs(X[:, 1]), kernel=kernel, threads=1)
    theta = np.full(5, 0.1)
    results = {f(theta)[0] for _ in range(30)}
    pickled = pickle.dumps(f)
    assert not [build for build in processor.NAMES if build.encode() in pickled]
    for other in (pickle.loads(pickled), copy.copy(f), copy.deepcopy(f)):
        results.add(other(theta)[0])
    assert len(results) == 1


@pytest.mark.parametrize("name", ["theta", "v"])
def test_a_wrong_vector_is_named(name):
    f = objective([[1.0, 2.0], [3.0, 4.0]], [0, 1])
    given = {"theta": np.zeros(3), "v": np.zeros(3)}
    with pytest.raises(ValueError, match=rf"^{name} has shape \(2,\)"):
        f.hessp(**(given | {name: np.zeros(2)}))
    with pytest.raises(ValueError, match="nan"):
        f.hessp(**(given | {name: np.array([0.0, np.nan, 0.0])}))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_an_objective_works_in_joblib(cancer, backend):
    X, y, optimum = cancer
    f = objective(X, y, l2=L2, threads=1)
    found = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(f)(scale * optimum) for scale in (0.5, 1.0))
    assert [J for J, _ in found] == [f(0.5 * optimum)[0], f(optimum)[0]]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_an_objective_works_in_multiprocessing(cancer, method):
    X, y, optimum = cancer
    f = objective(X, y, l2=L2, threads=1)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.map(f, [optimum])[0][0] == f(optimum)[0]


def test_a_dropped_objective_frees_its_data(kernel):
    X = np.random.default_rng(0).standard_normal((40_000, 20))
    kept = weakref.ref(X)
    f = (
        objective(X, X[:, 0] > 0, kernel=kernel, threads=2)
        if kernel.name != "python"
        else objective(X[:50], [0, 1] * 25)
    )
    f(np.zeros(21))
    f.hessp(np.zeros(21), np.ones(21))
    del X, f
    # A helper thread lets go of its task just after the caller has gone on.
    assert comes_true(lambda: kept() is None)
