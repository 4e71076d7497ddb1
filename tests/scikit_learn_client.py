"""A pytest plugin that lets scikit-learn's LogisticRegression compute with gradstep, and notes how each test ended.

``pytest -p scikit_learn_client --with-gradstep --notes FILE`` runs with it; FILE holds `Notes` as JSON.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

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
        for compute in (loss_gradient, gradient, gradient_hessian_product):
            _replace(compute)
    config.pluginmanager.register(Plugin(config.getoption("--notes")))


def loss_gradient(f: gradstep.Objective, coef: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the cost and its gradient."""
    J, grad = f(coef)
    return J, grad.astype(coef.dtype)


def gradient(f: gradstep.Objective, coef: np.ndarray) -> np.ndarray:
    """Return the gradient."""
    return f(coef)[1].astype(coef.dtype)


def gradient_hessian_product(f: gradstep.Objective, coef: np.ndarray) -> tuple[np.ndarray, Callable]:
    """Return the gradient, and a function that multiplies the Hessian with a vector."""
    here = coef.copy()
    return gradient(f, coef), lambda v: f.hessp(here, v).astype(v.dtype)


def _replace(compute: Callable) -> None:
    """Let gradstep compute what a method of LinearModelLoss does, wherever it has a say."""
    name = compute.__name__
    theirs = getattr(LinearModelLoss, name)

    @functools.wraps(theirs)
    def method(self, coef, X, y, sample_weight=None, l2_reg_strength=0.0, n_threads=1, **options):
        is_binary = isinstance(self.base_loss, HalfBinomialLoss)
        if not is_binary or type(X) is not np.ndarray or options.get("raw_prediction") is not None:
            return theirs(self, coef, X, y, sample_weight, l2_reg_strength, n_threads, **options)
        _computed[name] += 1
        named = {"l2": l2_reg_strength, "threads": n_threads, "fit_intercept": self.fit_intercept}
        return compute(gradstep.objective(X, y, sample_weight=sample_weight, **named), coef)

    setattr(LinearModelLoss, name, method)
