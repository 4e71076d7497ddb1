"""The product of the Hessian with a vector beside the gradient, both as an optimizer calls them, on one thread."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

import gradstep
from benchmarks import internals
from benchmarks.problems import (
    KERNEL_NAMES,
    REPEAT,
    ROUNDS,
    SAMPLE_TIME,
    WARMUP_TIME,
    Case,
    Shelf,
    cases,
    skipped,
    warm,
)

# 8 MB of X, the most on which pure Python is measured as well.
ELEMENTS = 1_000_000

CALLS = ["gradient", "hessp"]

PARAMS = (KERNEL_NAMES, CALLS, [30, 100, 1000])


def at(_call: str, n: int) -> Case:
    """Return the case of a combination of the parameters."""
    return Case(ELEMENTS // n, n)


@functools.lru_cache(maxsize=1)
def prepared(shelf: Shelf, case: Case, kernel: str, call: str) -> Callable[[], object]:
    """Return a call of an objective at fixed parameters; the last one is kept, so that only the calls are timed."""
    X, y, w, b = shelf[case]
    return _call(gradstep.objective(X, y, kernel=kernel, threads=1), np.append(w, b), call)


def _call(objective: Callable[..., object], theta: np.ndarray, call: str) -> Callable[[], object]:
    if call == "gradient":
        return functools.partial(objective, theta)
    # A direction that makes products as large as the scores.
    return functools.partial(objective.hessp, theta, np.roll(theta, 1))


def warm_products() -> None:
    """Take a small product with every kernel that can run: Numba compiles it apart from the gradient."""
    X, y, w, b = Case(8, 8).make()
    for kernel, reason_against in gradstep.available().items():
        if reason_against is None:
            _call(gradstep.objective(X, y, kernel=kernel, threads=1), np.append(w, b), "hessp")()


warm()
if internals.SERVES_MODELS_AND_CURVATURE:
    warm_products()


class Curvature:
    """One call of an objective that is prepared beforehand."""

    params = PARAMS
    param_names = ("kernel", "call", "n")
    skip_params = skipped(PARAMS, at)
    version = "1"
    rounds, repeat, sample_time, warmup_time = ROUNDS, REPEAT, SAMPLE_TIME, WARMUP_TIME

    def setup_cache(self) -> Shelf:
        """Write the arrays once for all benchmarks; their seed is fixed."""
        return Shelf().put(cases(PARAMS, at))

    def time_objective(self, shelf: Shelf, kernel: str, call: str, n: int) -> None:
        """Evaluate the gradient, or the product."""
        internals.skip_commit_unless(internals.SERVES_MODELS_AND_CURVATURE)
        prepared(shelf, at(call, n), kernel, call)()

    time_objective.pretty_name = "Gradient and Hessian product, X of 8 MB"
