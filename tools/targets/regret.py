"""The rows on regret: what gradstep's own choice costs at sizes that nobody chose by hand.

For each size every variant of every kernel is tried with every number of threads. The fastest of these is then timed
beside gradstep's choice, in rounds of their own: the best of many noisy times is too good by chance.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import gradstep
from gradstep import engine, registry
from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.problems import ALPHA, Examples, GivenX
from gradstep.compare.record.records import Cell
from gradstep.contract import FloatArray, Kernel
from tools.targets.bench import ALL, Bench, Measured, TimeIsOver, cores_of, median, quartiles
from tools.targets.choosing import pinned, settled
from tools.targets.results import Regret
from tools.targets.target import Target

SEED = 14
"""Draws the sizes."""

MOST_FEATURES = 20_000
_LARGEST_OF_PYTHON = 100
_TRIALS = 3
_OWN = "gradstep's choice"


class Size(NamedTuple):
    """A size and a form of X, and the number of threads: 1, or None where gradstep chooses it."""

    m: int
    n: int
    dtype: str
    order: str
    threads: int | None


def drawn(count: int, largest: int) -> list[Size]:
    """Return sizes of at most `largest` elements, m and n drawn evenly by their logarithms; the same ones each time."""
    generator = np.random.default_rng(SEED)
    sizes: list[Size] = []
    while len(sizes) < count:
        m, n = (int(np.exp(generator.uniform(0.0, np.log(most)))) for most in (largest, MOST_FEATURES))
        dtype, order = str(generator.choice(["float64", "float32"])), str(generator.choice(["C", "F"]))
        threads = (None, None, 1)[generator.integers(3)]
        if m * n <= largest:
            sizes.append(Size(m, n, dtype, order, threads))
    return sizes


# The rows.


def median_regret(bench: Bench) -> Measured:
    """Return the median over the sizes."""
    ratios = [each.ratio for each in _regrets(bench)]
    return Measured(statistics.median(ratios), quartiles(ratios), _count(bench))


def worst_regret(bench: Bench) -> Measured:
    """Return the worst of the sizes."""
    worst = max(_regrets(bench), key=lambda each: each.ratio)
    return Measured(worst.ratio, worst.quartiles, f"{worst.place}: {worst.fastest}")


def _count(bench: Bench) -> str:
    wanted = bench.scale.draws
    return f"{len(bench.regrets)} of {wanted} sizes" if len(bench.regrets) < wanted else f"{wanted} sizes"


def _regrets(bench: Bench) -> list[Regret]:
    """Return the regrets of all sizes, or of as many as there is time for; the first call measures them."""
    sizes = drawn(bench.scale.draws, bench.scale.largest)
    try:
        for number in range(len(bench.regrets), len(sizes)):
            bench.regrets.append(_regret(bench, number, sizes[number]))
    except TimeIsOver:
        if not bench.regrets:
            raise
    return bench.regrets


def _regret(bench: Bench, number: int, size: Size) -> Regret:
    X = bench.values(size.m, size.n).astype(size.dtype, order="F" if size.order == "F" else "C")
    trials = _contenders(bench, size)
    cell = _cell(bench, f"size {number + 1}, all variants", X, size, list(trials.values()), _TRIALS)
    fastest = min(trials, key=lambda name: median(bench.timed(cell, name)))
    own = settled(_step(bench, _OWN, "auto", size.threads))
    duel = _cell(bench, f"size {number + 1}, the fastest", X, size, [own, trials[fastest]], bench.scale.most_rounds)
    ratio = bench.ratio(duel, _OWN, fastest)
    threads = "1 thread" if size.threads == 1 else "automatic"
    return Regret(size.m, size.n, size.dtype, size.order, threads, ratio.value, ratio.quartiles, fastest)


def _cell(bench: Bench, name: str, X: FloatArray, size: Size, contenders: list[Contender], rounds: int) -> Cell:
    return bench.cell(("regret", name), lambda: GivenX(name, X), lambda: contenders, size.threads, rounds)


def _contenders(bench: Bench, size: Size) -> dict[str, Contender]:
    """Return every variant of every kernel, with every number of threads."""
    found = {}
    for name in registry.KERNELS:
        if name in bench.unavailable or (name == "python" and size.m * size.n > _LARGEST_OF_PYTHON):
            continue
        for kernel in pinned(name):
            for threads in _numbers_of_threads(size, kernel):
                words = f"{kernel.name}, {threads} thread{'s' if threads > 1 else ''}"
                found[words] = _step(bench, words, kernel, threads)
    return found


def _numbers_of_threads(size: Size, kernel: Kernel) -> Iterator[int]:
    """Yield 1 and, where gradstep chooses and has something to share, powers of two below all cores, and all."""
    yield 1
    if size.threads == 1 or not kernel.releases_gil or size.m <= engine.block_rows(size.n, size.dtype):
        return
    most = cores_of(ALL)
    threads = 2
    while threads < most:
        yield threads
        threads *= 2
    if most > 1:
        yield most


def _step(bench: Bench, name: str, kernel: Kernel | str, threads: int | None) -> Contender:
    def prepare(examples: Examples) -> Call:
        return functools.partial(gradstep.step, *examples, ALPHA, kernel=kernel, threads=threads)

    return bench.with_blas_threads(Contender(name, prepare), threads)


_GROUP = "Regret: gradstep's choice / fastest of all variants, kernels and threads"

TARGETS: tuple[Target, ...] = (
    Target(_GROUP, "median", "", 1.03, 1.01, "ratio", median_regret),
    Target(_GROUP, "worst", "", 1.25, 1.10, "ratio", worst_regret),
)
"""The rows."""
