"""A pytest plugin that lets scikit-learn's LogisticRegression compute with gradstep, and notes how each test ended.

``pytest -p scikit_learn_client --with-gradstep --notes FILE`` runs with it; FILE holds `Notes` as JSON.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn._loss import HalfBinomialLoss
from sklearn.linear_model._linear_loss import LinearModelLoss

import gradstep


class Notes(NamedTuple):
    """What a run leaves behind."""

    outcomes: dict[str, str]
    """How each test ended, by its name: passed, failed or skipped."""
    computed: dict[str, int]
    """How often gradstep computed in place of each method of scikit-learn's."""


class Plugin:
    """Notes how each test ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the worst ending of a test's three phases."""
        if report.outcome != "passed" or report.when == "call":
            self._outcomes[report.nodeid] = report.outcome

    def pytest_sessionfinish(self) -> None:
        """Write the notes."""
        self._path.write_text(json.dumps(Notes(self._outcomes, _computed)._asdict()), encoding="utf-8")


_computed: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options."""
    parser.addoption("--with-gradstep", action="store_true")
    parser.addoption("--notes", type=Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    """Replace scikit-learn's methods, if that is asked for."""
    if config.getoption("--with-gradstep"):
        for replace in (_replace_loss_gradient, _replace_gradient):
            replace()
    config.pluginmanager.register(Plugin(config.getoption("--notes")))


def _replace_loss_gradient() -> None:
    theirs = LinearModelLoss.loss_gradient

    def loss_gradient(self, coef, X, y, *options: Any, **named: Any) -> tuple[float, np.ndarray]:
        ours = _gradient(self, coef, X, y, *options, **named)
        if ours is None:
            return theirs(self, coef, X, y, *options, **named)
        _computed["loss_gradient"] += 1
        return ours

    LinearModelLoss.loss_gradient = loss_gradient


def _replace_gradient() -> None:
    theirs = LinearModelLoss.gradient

    def gradient(self, coef, X, y, *options: Any, **named: Any) -> np.ndarray:
        ours = _gradient(self, coef, X, y, *options, **named)
        if ours is None:
            return theirs(self, coef, X, y, *options, **named)
        _computed["gradient"] += 1
        return ours[1]

    LinearModelLoss.gradient = gradient


def _gradient(
    loss,
    coef,
    X,
    y,
    sample_weight=None,
    l2_reg_strength=0.0,
    n_threads=1,
    raw_prediction=None,
) -> tuple[float, np.ndarray] | None:
    """Return the loss and its gradient; None where gradstep has no say: other losses and sparse matrices."""
    if not (isinstance(loss.base_loss, HalfBinomialLoss) and type(X) is np.ndarray and raw_prediction is None):
        return None
    w, b = loss.weight_intercept(coef)
    J, dw, db = gradstep.gradient(X, y, w, b, sample_weight=sample_weight, l2=l2_reg_strength, threads=n_threads)
    return J, np.append(dw, dw.dtype.type(db)) if loss.fit_intercept else dw
