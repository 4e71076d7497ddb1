"""How the rows on the product of the Hessian with a vector are measured: beside the gradient and scikit-learn."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gradstep
from gradstep.compare.measure import peers
from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.peers import numpy_formula
from gradstep.compare.measure.problems import ALPHA, Examples, GivenX
from gradstep.compare.record.records import Cell
from gradstep.contract import Step
from tools.targets.bench import THREADS, Bench, Measured, NotMeasured, cores_of
from tools.targets.choosing import settled
from tools.targets.small_calls import step_of_objective
from tools.targets.target import Target, rows

Vector = NDArray[np.float64]

_GRADIENT, _PRODUCT, _SCIKIT_LEARN = "gradient", "hessp", "scikit-learn's product"


def product(examples: Examples, v: Vector) -> Vector:
    """Return the product of the Hessian with a vector in plain NumPy."""
    X, _, w, b = examples
    e = np.exp(-np.abs(X @ w + b))
    s = e / (1.0 + e) ** 2 * (X @ v[:-1] + v[-1])
    return np.append(X.T @ s, s.sum()) / len(X)


# The rows.


def against_gradient(bench: Bench, n: int, threads: int) -> Measured:
    """Time `hessp` of an objective against its gradient."""
    return bench.ratio(_cell(bench, n, threads), _PRODUCT, _GRADIENT)


def against_scikit_learn(bench: Bench, n: int, threads: int) -> Measured:
    """Time `hessp` against the product that scikit-learn's newton-cg makes, without the preparation of the latter."""
    if not _has_scikit_learn(bench):
        raise NotMeasured("the peers scikit-learn and numpy-formula were not measured")
    return bench.ratio(_cell(bench, n, threads), _PRODUCT, _SCIKIT_LEARN)


def _has_scikit_learn(bench: Bench) -> bool:
    return bench.limits_blas and any(peer.name == "scikit-learn" for peer in bench.peers)


def _cell(bench: Bench, n: int, threads: int) -> Cell:
    bench.require_kernel("cython")
    count = cores_of(threads)

    def contenders() -> list[Contender]:
        found = [
            settled(Contender(_GRADIENT, partial(_gradient, count), as_step=step_of_objective)),
            settled(Contender(_PRODUCT, partial(_product, count), as_step=_step_of_product)),
        ]
        if _has_scikit_learn(bench):
            theirs = Contender(_SCIKIT_LEARN, partial(_scikit_learn, count), as_step=_step_of_product)
            found.append(peers.with_blas_threads(theirs, count))
        return found

    return bench.cell(
        ("curvature", n, threads),
        lambda: GivenX(f"Hessian product, X in memory, {THREADS[threads]}", bench.in_memory(n)),
        contenders,
        count,
    )


def _theta(examples: Examples) -> Vector:
    return np.append(examples.w, examples.b)


def _direction(examples: Examples) -> Vector:
    """Return a direction that makes products as large as the scores."""
    return np.roll(_theta(examples), 1)


def _gradient(threads: int, examples: Examples) -> Call:
    objective = gradstep.objective(examples.X, examples.y, kernel="cython", threads=threads)
    return partial(objective, _theta(examples))


def _product(threads: int, examples: Examples) -> Call:
    objective = gradstep.objective(examples.X, examples.y, kernel="cython", threads=threads)
    return partial(objective.hessp, _theta(examples), _direction(examples))


def _scikit_learn(threads: int, examples: Examples) -> Call:
    # Private, as in `gradstep.compare.measure.peers.scikit_learn`.
    linear_loss, losses = import_module("sklearn.linear_model._linear_loss"), import_module("sklearn._loss")
    loss = linear_loss.LinearModelLoss(base_loss=losses.HalfBinomialLoss(), fit_intercept=True)
    _, hessp = loss.gradient_hessian_product(_theta(examples), examples.X, examples.y, n_threads=threads)
    return partial(hessp, _direction(examples))


def _step_of_product(result: Any, examples: Examples) -> Step:
    """Return the right step plus by how much the product is off, which the check of steps then finds."""
    J, dw, db = numpy_formula.gradient(*examples)
    off = np.abs(result - product(examples, _direction(examples)))
    return Step(examples.w - ALPHA * dw + off[:-1], float(examples.b - ALPHA * db + off[-1]), J)


TARGETS: tuple[Target, ...] = (
    *rows("hessp / gradient", against_gradient, dict.fromkeys((100, 1000), (1.3, 1.0))),
    *rows(
        "hessp / product of scikit-learn's newton-cg",
        against_scikit_learn,
        dict.fromkeys((100, 1000), (0.6, 0.3)),
    ),
)
"""The rows."""
