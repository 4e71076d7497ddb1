"""How the time of a step grows with the number of models that share the pass over X, on one thread."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from benchmarks import internals
from benchmarks.internals import Examples
from benchmarks.problems import REPEAT, ROUNDS, SAMPLE_TIME, WARMUP_TIME, Case, Shelf, cases, step, warm

# 8 MB of X: one model reads it from beyond the L2 cache, and 33 models still leave time for several samples.
ELEMENTS = 1_000_000

# Pure Python would take longer than all others together.
KERNELS = ["cython", "numba", "numpy"]

PARAMS = (KERNELS, [30, 100, 1000], [1, 2, 8, 33])

_SEED = 0

warm()


def at(n: int, _models: int = 1) -> Case:
    """Return the case of a combination of the parameters."""
    return Case(ELEMENTS // n, n)


@functools.lru_cache(maxsize=1)
def parameters(n: int, models: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw w and b of each model, with scores that do not grow with n; the last ones are kept."""
    generator = np.random.default_rng([_SEED, n, models])
    return generator.standard_normal((n, models)) / np.sqrt(n), generator.standard_normal(models)


def several(examples: Examples, models: int) -> Examples:
    """Return the same examples and labels with the parameters of several models."""
    return Examples(examples.X, examples.y, *parameters(examples.X.shape[1], models))


class Models:
    """Several models with the same labels in one call."""

    params = PARAMS
    param_names = ("kernel", "n", "models")
    version = "1"
    rounds, repeat, sample_time, warmup_time = ROUNDS, REPEAT, SAMPLE_TIME, WARMUP_TIME

    def setup_cache(self) -> Shelf:
        """Write the arrays once for all benchmarks; their seed is fixed."""
        return Shelf().put(cases(PARAMS, at))

    def time_step(self, shelf: Shelf, kernel: str, n: int, models: int) -> None:
        """Take one step of each model."""
        internals.skip_commit_unless(internals.SERVES_MODELS_AND_CURVATURE)
        step(several(shelf[at(n)], models), kernel)

    time_step.pretty_name = "Several models in one pass, X of 8 MB"
