"""How the rows on several models are measured: one pass for all, a pass for each, and NumPy's two matrix products."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import gradstep
from gradstep import engine
from gradstep.compare.measure import peers
from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.problems import ALPHA, Examples, GivenX
from gradstep.compare.record.records import Cell
from gradstep.contract import FloatArray, Gradients, KernelName, Step
from tools.targets.bench import THREADS, Bench, Measured, NotMeasured, cores_of, median
from tools.targets.choosing import settle, settled
from tools.targets.small_calls import step_of_gradient
from tools.targets.target import Target, rows

MODELS = 8

_KERNELS: tuple[KernelName, ...] = ("cython", "numba")

_ONE_MODEL = "cython, 1 model"
_BY_BLOCKS, _AT_ONCE = "matrix products by blocks", "matrix products at once"
_ON_ONE_THREAD = "matrix products by blocks, 1 thread"


def _one_pass(kernel: str) -> str:
    return f"{kernel}, {MODELS} models"


def _passes(kernel: str) -> str:
    return f"{kernel}, {MODELS} passes"


def parameters(examples: Examples) -> tuple[FloatArray, FloatArray]:
    """Return w and b of the models: the first one is that of the examples, and its w is rotated for the others."""
    w = np.stack([np.roll(examples.w, j) for j in range(MODELS)], axis=1)
    return w, np.full(MODELS, examples.b)


def matrix_products(X: FloatArray, y: FloatArray, w: FloatArray, b: FloatArray, at_once: int) -> Gradients:
    """Return the costs and gradients by two matrix products, `at_once` rows at a time, with NumPy's links.

    The scores of a block of rows stay in the cache between one operation and the next; the products of all rows at once
    share their work better among the threads of BLAS.
    """
    m = len(X)
    J, dw, db = np.zeros(len(b)), np.zeros(w.shape), np.zeros(len(b))
    for first in range(0, m, at_once):
        rows = slice(first, first + at_once)
        y_rows = y[rows, np.newaxis]
        z = X[rows] @ w
        z += b
        e = np.exp(-np.abs(z))
        q = e / (1.0 + e)
        dz = np.where(z >= 0.0, (1.0 - y_rows) - q, q - y_rows)
        J += (np.maximum(z, 0.0) - y_rows * z + np.log1p(e)).sum(axis=0)
        dw += X[rows].T @ dz
        db += dz.sum(axis=0)
    return Gradients(J / m, dw / m, db / m)


# The rows.


def against_one_model(bench: Bench, n: int, threads: int) -> Measured:
    """Time one pass of Cython for all models against one pass for one model."""
    return bench.ratio(_cell(bench, n, threads), _one_pass("cython"), _ONE_MODEL)


def against_passes(bench: Bench, kernel: str, n: int, threads: int) -> Measured:
    """Time one pass for all models against a pass for each."""
    bench.require_kernel(kernel)
    return bench.ratio(_cell(bench, n, threads), _one_pass(kernel), _passes(kernel))


def against_matrix_products(bench: Bench, n: int, threads: int) -> Measured:
    """Time one pass of Cython for all models against NumPy's two matrix products, in the way that is fastest here.

    The threads of BLAS may cost more than they gain, so with all cores one of them is tried as well.
    """
    if not bench.limits_blas:
        raise NotMeasured("the peer numpy-formula was not measured")
    cell = _cell(bench, n, threads)
    ways = (_BY_BLOCKS, _AT_ONCE) if threads == 1 else (_BY_BLOCKS, _AT_ONCE, _ON_ONE_THREAD)
    best = min(ways, key=lambda name: median(bench.timed(cell, name)))
    return bench.ratio(cell, _one_pass("cython"), best, against=best)


def _cell(bench: Bench, n: int, threads: int) -> Cell:
    bench.require_kernel("cython")
    count = cores_of(threads)

    def contenders() -> list[Contender]:
        as_step = _Check()
        kernels = [kernel for kernel in _KERNELS if kernel not in bench.unavailable]
        found = [
            settled(_contender(_ONE_MODEL, partial(_of_one_model, "cython", count), step_of_gradient)),
            *(
                settled(_contender(_one_pass(kernel), partial(_in_one_pass, kernel, count), as_step))
                for kernel in kernels
            ),
            *(_contender(_passes(kernel), partial(_in_passes, kernel, count), as_step) for kernel in kernels),
        ]
        if not bench.limits_blas:
            return found
        found.append(_contender(_BY_BLOCKS, _by_blocks, as_step))
        found.append(_contender(_AT_ONCE, _at_once, as_step))
        found = [peers.with_blas_threads(contender, count) for contender in found]
        if threads != 1:
            found.append(peers.with_blas_threads(_contender(_ON_ONE_THREAD, _by_blocks, as_step), 1))
        return found

    return bench.cell(
        ("models", n, threads),
        lambda: GivenX(f"{MODELS} models, X in memory, {THREADS[threads]}", bench.in_memory(n)),
        contenders,
        count,
    )


def _contender(name: str, prepare: Callable[[Examples], Call], as_step: Callable[[Any, Examples], Step]) -> Contender:
    return Contender(name, prepare, as_step=as_step)


def _of_one_model(kernel: KernelName, threads: int, examples: Examples) -> Call:
    return lambda: gradstep.gradient(*examples, kernel=kernel, threads=threads)


def _in_one_pass(kernel: KernelName, threads: int, examples: Examples) -> Call:
    w, b = parameters(examples)
    return lambda: gradstep.gradient(examples.X, examples.y, w, b, kernel=kernel, threads=threads)


def _in_passes(kernel: KernelName, threads: int, examples: Examples) -> Call:
    w, b = parameters(examples)
    models = [(np.ascontiguousarray(w[:, j]), float(b[j])) for j in range(MODELS)]
    settle(lambda: gradstep.gradient(examples.X, examples.y, *models[0], kernel=kernel, threads=threads))

    def call() -> Gradients:
        each = [gradstep.gradient(examples.X, examples.y, *model, kernel=kernel, threads=threads) for model in models]
        J, dw, db = zip(*each, strict=True)
        return Gradients(np.array(J), np.stack(dw, axis=1), np.array(db))

    return call


def _by_blocks(examples: Examples) -> Call:
    m_of_block = engine.block_rows(examples.X.shape[1], examples.X.dtype)
    return partial(matrix_products, examples.X, examples.y, *parameters(examples), m_of_block)


def _at_once(examples: Examples) -> Call:
    return partial(matrix_products, examples.X, examples.y, *parameters(examples), len(examples.X))


class _Check:
    """Turns gradients of several models into one step, which is right only if all of them are.

    It is the first model's step, plus by how much the other models differ from the matrix products, which treat all
    models alike.
    """

    def __init__(self) -> None:
        self._expected: Gradients | None = None

    def __call__(self, result: Any, examples: Examples) -> Step:
        if self._expected is None:
            self._expected = _by_blocks(examples)()
        J, dw, db = result
        off_J, off_dw, off_db = (
            np.abs(given - expected)[..., 1:].sum(axis=-1)
            for given, expected in zip(result, self._expected, strict=True)
        )
        return Step(
            examples.w - ALPHA * dw[:, 0] + off_dw,
            float(examples.b - ALPHA * db[0] + off_db),
            float(J[0] + off_J),
        )


_PASSES_MUST = {30: 0.7, 100: 0.5, 1000: 0.5}

TARGETS: tuple[Target, ...] = (
    *rows(f"Cython, {MODELS} models / 1 model", against_one_model, {100: (3.0, 1.5), 1000: (4.0, 2.0)}),
    *(
        row
        for kernel in _KERNELS
        for row in rows(
            f"{kernel.capitalize()}, {MODELS} models / {MODELS} passes",
            partial(against_passes, kernel=kernel),
            {n: (must, 0.25) for n, must in _PASSES_MUST.items()},
        )
    ),
    *rows(
        f"Cython, {MODELS} models / two matrix products of NumPy",
        against_matrix_products,
        dict.fromkeys(_PASSES_MUST, (1.0, 0.5)),
    ),
)
"""The rows."""
