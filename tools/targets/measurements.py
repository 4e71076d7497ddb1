"""How each row of the table is measured: a function for each kind of row, which shares cells with the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import gradstep
from gradstep import threads as cores
from gradstep.compare.measure import peers
from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.peers import numpy_formula
from gradstep.compare.measure.problems import ALPHA, Examples, GivenX, Problem
from gradstep.compare.record.records import READ_LIMIT, Cell
from gradstep.contract import Gradient, Step
from gradstep.extras import install
from tools.targets import footprint
from tools.targets.bench import MIB, Bench, Measured, NotMeasured, median

ALL = 0
"""Stands for all cores, where a number of threads is expected."""

THREADS = {1: "1 thread", ALL: "all cores"}

NUMPY_N = (100, 1000)
"""The numbers of features on which the NumPy kernel is measured beside the others."""

# Rounds of short calls are cheap; this many times more of them even out the changes of a processor's clock.
_SHORT = 11
_SHORT_ELEMENTS = 10**6


def cores_of(threads: int) -> int:
    """Return a number of threads, where `ALL` stands for all cores."""
    return cores.usable_cores() if threads == ALL else threads


def require(bench: Bench, kernel: str) -> None:
    """Raise NotMeasured if a kernel cannot run here."""
    if kernel in bench.unavailable:
        raise NotMeasured(bench.unavailable[kernel])


def _named(name: str, contender: Contender) -> Contender:
    return dataclasses.replace(contender, name=name)


# The cells that several rows share.


def _memory_cell(bench: Bench, n: int, threads: int) -> Cell:
    def problem() -> GivenX:
        return GivenX(f"X in memory, {THREADS[threads]}", bench.in_memory(n))

    def contenders() -> list[Contender]:
        names = ["cython", "numba", "numpy"] if n in NUMPY_N else ["cython", "numba"]
        count = cores_of(threads)
        return [*bench.kernels(names, count), *(peer.contender(count) for peer in bench.peers)]

    return bench.cell(("memory", n, threads), problem, contenders, cores_of(threads))


def _small_cell(bench: Bench, m: int, n: int) -> Cell:
    def contenders() -> list[Contender]:
        return [*bench.kernels(["cython"], 1), *(peer.contender(1) for peer in bench.peers)]

    rounds = _SHORT * bench.scale.rounds if m * n <= _SHORT_ELEMENTS else None
    return bench.cell(("small", m, n), lambda: Problem(m, n), contenders, 1, rounds)


# The rows.


def over_read_limit(bench: Bench, n: int, threads: int) -> Measured:
    """Cython against the read limit."""
    return bench.ratio(_memory_cell(bench, n, threads), "cython", READ_LIMIT)


def kernel_ratio(bench: Bench, name: str, base: str, n: int, threads: int) -> Measured:
    """One kernel against another contender, X in memory."""
    return bench.ratio(_memory_cell(bench, n, threads), name, base)


def fastest_peer(bench: Bench, n: int, threads: int) -> Measured:
    """How many times faster Cython is than the fastest peer, X in memory."""
    return _against_fastest(bench, _memory_cell(bench, n, threads))


def fastest_peer_in_cache(bench: Bench) -> Measured:
    """Do the same for a problem that fits into the cache."""
    return _against_fastest(bench, _small_cell(bench, 1000, 100))


def _against_fastest(bench: Bench, cell: Cell) -> Measured:
    names = {peer.name for peer in bench.peers}
    rivals = [result for result in cell.results if result.contender in names and result.status == "timed"]
    if not rivals:
        raise NotMeasured(f"no peer was measured: {install('peers')}")
    fastest = min(rivals, key=median).contender
    return bench.ratio(cell, fastest, "cython", against=fastest)


def many_rows(bench: Bench) -> Measured:
    """How many times faster Cython is than NumPy's formula on two features."""
    return bench.ratio(_small_cell(bench, bench.scale.many_rows, 2), "numpy-formula", "cython")


def public_call(bench: Bench, m: int, n: int) -> Measured:
    """Time the whole call of `gradstep.gradient`, with its defaults, against NumPy's formula for the gradient."""
    if not bench.limits_blas:
        raise NotMeasured("the peer numpy-formula was not measured")

    def by(function: Callable[..., Gradient]) -> Callable[[Examples], Call]:
        return lambda examples: partial(function, *examples)

    def contenders() -> list[Contender]:
        ours = Contender("gradient()", by(gradstep.gradient), as_step=step_of_gradient)
        formula = Contender("formula", by(numpy_formula.gradient), as_step=step_of_gradient)
        return [ours, peers.with_blas_threads(formula, 1)]

    cell = bench.cell(("call", m, n), lambda: Problem(m, n), contenders, 1, _SHORT * bench.scale.rounds)
    return bench.ratio(cell, "gradient()", "formula")


def step_of_gradient(gradient: Any, examples: Examples) -> Step:
    """Return the step that follows from a gradient."""
    return Step(examples.w - ALPHA * gradient.dw, examples.b - ALPHA * gradient.db, gradient.J)


def narrower_dtype(bench: Bench, n: int, threads: int) -> Measured:
    """float32 against float64, on the same values."""

    def problem() -> GivenX:
        half = bench.in_memory(n).astype(np.float32)
        # Twice the rows, so that X exceeds the cache in float32 as well.
        return GivenX(f"float32 and float64, {THREADS[threads]}", np.concatenate([half, half]))

    return _in_two_forms(bench, ("float32", n, threads), problem, threads, ("float32", "float64"), _in_float64)


def bytes_against_float64(bench: Bench) -> Measured:
    """Uint8 X against the same values in float64."""

    def problem() -> GivenX:
        m, n = max(8, bench.scale.narrow_elements // 784), 784
        X = np.random.default_rng(0).integers(0, 256, (m, n), np.uint8)
        return GivenX("uint8 and float64, all cores", X)

    return _in_two_forms(bench, ("uint8",), problem, ALL, ("uint8", "float64"), _in_float64)


def other_order(bench: Bench, n: int, threads: int) -> Measured:
    """F order against C order."""

    def problem() -> GivenX:
        return GivenX(f"F and C order, {THREADS[threads]}", np.asfortranarray(bench.in_memory(n)))

    return _in_two_forms(bench, ("order", n, threads), problem, threads, ("F order", "C order"), _in_c_order)


def _on_converted(contender: Contender, convert: Callable[[Examples], Examples]) -> Contender:
    return dataclasses.replace(contender, prepare=lambda examples: contender.prepare(convert(examples)))


def _in_float64(examples: Examples) -> Examples:
    X, y, w, b = examples
    return Examples(X.astype(np.float64), y.astype(np.float64), w.astype(np.float64), b)


def _in_c_order(examples: Examples) -> Examples:
    return examples._replace(X=np.ascontiguousarray(examples.X))


def _in_two_forms(
    bench: Bench,
    key: tuple[object, ...],
    problem: Callable[[], GivenX],
    threads: int,
    names: tuple[str, str],
    convert: Callable[[Examples], Examples],
) -> Measured:
    """Compare Cython on given examples with Cython on the same ones converted; the conversion is not timed."""

    def contenders() -> list[Contender]:
        as_given = bench.kernels(["cython"], cores_of(threads))
        return [
            *(_named(names[0], contender) for contender in as_given),
            *(_named(names[1], _on_converted(contender, convert)) for contender in as_given),
        ]

    return bench.ratio(bench.cell(key, problem, contenders, cores_of(threads)), *names)


def automatic_threads(bench: Bench, elements: int) -> Measured:
    """Time the automatic number of threads against the better one of one thread and all."""
    n = 10
    m = min(elements, bench.scale.largest) // n

    def contenders() -> list[Contender]:
        choices = {"auto": None, "1 thread": 1, "all cores": cores_of(ALL)}
        return [_named(name, each) for name, count in choices.items() for each in bench.kernels(["cython"], count)]

    def problem() -> GivenX:
        X = np.random.default_rng(0).standard_normal((m, n))
        return GivenX("automatic threads", X)

    rounds = (_SHORT if elements <= _SHORT_ELEMENTS else 2) * bench.scale.rounds
    cell = bench.cell(("auto", elements), problem, contenders, None, rounds)
    best = min(("1 thread", "all cores"), key=lambda name: median(bench.timed(cell, name)))
    return bench.ratio(cell, "auto", best, against=best)


def peak_memory(bench: Bench, n: int, models: int = 1) -> Measured:
    """Measure the memory that a step, of one model or of several, needs beyond its inputs, in MiB."""
    require(bench, "cython")
    try:
        return Measured(footprint.measure(bench.scale.rows(n), n, cores_of(ALL), models) / MIB)
    except footprint.NoFootprint as error:
        raise NotMeasured(str(error)) from error
