"""The rows on small problems: what a call costs, beside NumPy's formula, a plain Numba loop and the peers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import gradstep
from gradstep.compare.measure import peers
from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.peers import numba_loop, numpy_formula
from gradstep.compare.measure.problems import ALPHA, Examples, GivenX
from gradstep.compare.record.records import Cell
from gradstep.contract import Gradient, Step
from tools.targets.bench import Bench, Measured, NotMeasured
from tools.targets.in_memory import against_fastest_peer
from tools.targets.target import Target

_GRADIENT, _FORMULA, _OBJECTIVE, _LOOP = "gradient()", "formula", "objective", "plain loop"


def step_of_gradient(gradient: Any, examples: Examples) -> Step:
    """Return the step that follows from a gradient."""
    return Step(examples.w - ALPHA * gradient.dw, examples.b - ALPHA * gradient.db, gradient.J)


def step_of_objective(result: Any, examples: Examples) -> Step:
    """Return the step that follows from what an objective returns."""
    J, gradient = result
    return Step(examples.w - ALPHA * gradient[:-1], float(examples.b - ALPHA * gradient[-1]), float(J))


def _cell(bench: Bench, m: int, n: int, contenders: Callable[[], list[Contender]], kind: str) -> Cell:
    rounds = bench.scale.short_rounds
    return bench.cell((kind, m, n), lambda: GivenX(f"small, {kind}", bench.values(m, n)), contenders, 1, rounds)


def gradient_against_formula(bench: Bench, m: int, n: int) -> Measured:
    """Time the whole call of `gradstep.gradient`, with its defaults, against NumPy's formula for the gradient."""
    if not bench.limits_blas:
        raise NotMeasured("the peer numpy-formula was not measured")

    def by(function: Callable[..., Gradient]) -> Callable[[Examples], Call]:
        return lambda examples: partial(function, *examples)

    def contenders() -> list[Contender]:
        ours = Contender(_GRADIENT, by(gradstep.gradient), as_step=step_of_gradient)
        formula = Contender(_FORMULA, by(numpy_formula.gradient), as_step=step_of_gradient)
        return [ours, peers.with_blas_threads(formula, 1)]

    return bench.ratio(_cell(bench, m, n, contenders, "gradient"), _GRADIENT, _FORMULA)


def objective_against_loop(bench: Bench, m: int, n: int) -> Measured:
    """Time the call of an objective, whose examples were checked before, against a plain Numba loop's own time."""
    if not any(peer.name == "numba-loop" for peer in bench.peers):
        raise NotMeasured("the peer numba-loop was not measured")

    def contenders() -> list[Contender]:
        return [
            Contender(_OBJECTIVE, _objective, as_step=step_of_objective),
            Contender(_LOOP, _loop, as_step=step_of_objective),
        ]

    return bench.ratio(_cell(bench, m, n, contenders, "objective"), _OBJECTIVE, _LOOP)


def _objective(examples: Examples) -> Call:
    objective = gradstep.objective(examples.X, examples.y, threads=1)
    return partial(objective, np.append(examples.w, examples.b))


def _loop(examples: Examples) -> Call:
    """Return a call that does what an optimizer needs and no more: the loop, and the means of its sums."""
    X, y, w, b = examples
    m, n = X.shape
    loop, _ = numba_loop.compiled_loops()
    theta = np.append(w, b)

    def call() -> tuple[float, Any]:
        sums = np.zeros(n + 2)
        loop(X, y, theta[:-1], theta[-1], sums)
        sums /= m
        return sums[-1], sums[:-1]

    return call


def step_against_peers(bench: Bench, m: int, n: int) -> Measured:
    """Return how many times faster Cython is than the fastest peer, where X lies in the cache."""

    def contenders() -> list[Contender]:
        return [*bench.kernels(["cython"], 1), *(peer.contender(1) for peer in bench.peers)]

    return against_fastest_peer(bench, _cell(bench, m, n, contenders, "step"))


TARGETS: tuple[Target, ...] = (
    Target(
        "gradient() / NumPy formula",
        "m = 10, n = 2",
        "",
        0.4,
        0.2,
        "ratio",
        partial(gradient_against_formula, m=10, n=2),
    ),
    Target(
        "gradient() / NumPy formula",
        "m = 100, n = 10",
        "",
        0.6,
        0.25,
        "ratio",
        partial(gradient_against_formula, m=100, n=10),
    ),
    *(
        Target(
            "Objective / plain Numba loop",
            f"m = {m:,}, n = {n}",
            "1 thread",
            1.3,
            1.0,
            "ratio",
            partial(objective_against_loop, m=m, n=n),
        )
        for m, n in ((10, 2), (100, 10), (1000, 10))
    ),
    Target(
        "Fastest peer / Cython, X in the cache",
        "m = 1,000, n = 100",
        "1 thread",
        1.25,
        2.0,
        "factor",
        partial(step_against_peers, m=1000, n=100),
    ),
)
"""The rows."""
