"""The classifier among scikit-learn's own tools: its checks, pipelines, searches, calibration, metadata and pickles."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import processes
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from gradstep.estimator import GradientDescentClassifier
from gradstep.extras import install
from gradstep.solvers import SOLVERS

CHECKS = [
    pytest.param(model, check, id=f"{solver}-{check.func.__name__}")
    for solver in SOLVERS
    for model, check in estimator_checks_generator(GradientDescentClassifier(solver=solver))
]


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True, as_frame=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("model", "check"), CHECKS)
def test_checks_of_scikit_learn(model, check):
    check(model)


def test_pipeline_with_names_of_columns(cancer):
    X, y = cancer
    model = make_pipeline(StandardScaler(), GradientDescentClassifier()).set_output(transform="pandas").fit(X, y)
    assert model[-1].feature_names_in_.tolist() == X.columns.tolist()
    assert model.score(X, y) > 0.98
    peer = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky", tol=1e-8)).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-4)
    with pytest.raises(ValueError, match="feature names should match"):
        model[-1].predict(X.rename(columns={"mean radius": "radius"}))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_grid_search_with_two_jobs(cancer, backend):
    X, y = cancer
    grid = {"gradientdescentclassifier__C": [0.001, 0.1, 10.0]}
    pipeline = make_pipeline(StandardScaler(), GradientDescentClassifier())
    with joblib.parallel_config(backend=backend):
        searched = GridSearchCV(pipeline, grid, n_jobs=2, cv=3).fit(X, y)
    alone = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert searched.best_params_ == {"gradientdescentclassifier__C": 0.1}
    np.testing.assert_array_equal(searched.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(cancer, method):
    X, y = cancer
    model = CalibratedClassifierCV(GradientDescentClassifier(), method=method, cv=3).fit(X, y)
    assert model.score(X, y) > 0.94
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)


def test_several_outputs(cancer):
    X, y = cancer
    both = np.column_stack([y, X["mean radius"] > 14])
    assert (
        MultiOutputClassifier(GradientDescentClassifier(solver="lbfgs"), n_jobs=2).fit(X, both).predict(X).shape
        == both.shape
    )


def test_sample_weight_is_routed(cancer):
    X, y = cancer
    weight = np.where(y == 1, 1.0, 0.0)
    weight[:50] = 1.0
    with sklearn.config_context(enable_metadata_routing=True):
        model = GradientDescentClassifier(C=0.01)
        options = {"cv": 3, "params": {"sample_weight": weight}, "return_estimator": True, "return_indices": True}
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            cross_validate(model, X, y, **options)
        asked = model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        routed = cross_validate(asked, X, y, **options)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=True), asked)
        pipeline.fit(X, y, sample_weight=weight)
    train, test = routed["indices"]["train"][0], routed["indices"]["test"][0]
    by_hand = GradientDescentClassifier(C=0.01).fit(X.iloc[train], y.iloc[train], weight[train])
    assert routed["estimator"][0].coef_.tobytes() == by_hand.coef_.tobytes()
    assert routed["test_score"][0] == by_hand.score(X.iloc[test], y.iloc[test], weight[test])
    scaled = StandardScaler().fit(X, sample_weight=weight).transform(X)
    by_hand.fit(scaled, y, weight)
    assert pipeline[-1].coef_.tobytes() == by_hand.coef_.tobytes()


def test_copies_and_pickles_predict_the_same(cancer, tmp_path):
    X, y = cancer
    model = GradientDescentClassifier(C=0.1).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    twins = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model), joblib.load(tmp_path / "model.joblib")]
    for twin in twins:
        np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
        assert twin.loss_curve_.tobytes() == model.loss_curve_.tobytes()
    assert not hasattr(clone(model), "coef_")
    assert clone(model).get_params() == model.get_params()


def test_how_it_is_shown(cancer):
    X, y = cancer
    model = GradientDescentClassifier(C=0.1, solver="lbfgs")
    assert repr(model) == "GradientDescentClassifier(C=0.1, solver='lbfgs')"
    page = model._repr_html_()
    assert "GradientDescentClassifier" in page
    assert "Not fitted" in page
    assert "Not fitted" not in model.fit(X, y)._repr_html_()


def test_a_series_of_labels_and_weights_of_any_index():
    X, y = load_iris(return_X_y=True, as_frame=True)
    weight = pd.Series(np.arange(len(y)), index=y.index[::-1])
    model = GradientDescentClassifier().fit(X, y.rename("species"), weight)
    plain = GradientDescentClassifier().fit(X.to_numpy(), y.to_numpy(), np.arange(len(y)))
    assert model.coef_.tobytes() == plain.coef_.tobytes()


def test_without_scikit_learn_the_extra_is_named():
    code = """
import sys
sys.modules["sklearn"] = None
import gradstep.extras
try:
    import gradstep.estimator
except ImportError as error:
    print(type(error).__name__, error)
"""
    assert processes.run(code) == f"MissingExtra gradstep.estimator needs scikit-learn: {install('sklearn')}\n"


def test_types_of_a_user_are_checked(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from gradstep.estimator import GradientDescentClassifier\n"
        "model = GradientDescentClassifier(C=0.1, solver='lbfgs').fit([[0.0], [1.0]], [0, 1])\n"
        "reveal_type(model.predict_proba([[0.0]]).shape)\n"
        "GradientDescentClassifier(solver='sag')\n"
    )
    pytest.importorskip("mypy", reason="mypy is of the extra dev")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(script)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path).stdout
    assert 'script.py:4: error: Argument "solver" to "GradientDescentClassifier" has incompatible type' in said
    assert "script.py:2" not in said
    assert "Found 1 error" in said
