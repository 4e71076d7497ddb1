"""The rows on the automatic number of threads, beside one thread and all cores."""

from __future__ import annotations

import dataclasses
from functools import partial

from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.problems import GivenX
from tools.targets.bench import ALL, Bench, Measured, cores_of, median
from tools.targets.target import Target

_FEATURES = 10
_SIZES = {
    1_000: "1e3",
    10_000: "1e4",
    100_000: "1e5",
    300_000: "3e5",
    1_000_000: "1e6",
    3_000_000: "3e6",
    10_000_000: "1e7",
}
_SHORT_TO = 10**6


def against_better(bench: Bench, elements: int) -> Measured:
    """Time the automatic number of threads against the better one of one thread and all."""
    bench.require_kernel("cython")
    m = min(elements, bench.scale.largest) // _FEATURES

    def contenders() -> list[Contender]:
        choices = {"auto": None, "1 thread": 1, "all cores": cores_of(ALL)}
        kernels = {name: bench.kernels(["cython"], count) for name, count in choices.items()}
        return [dataclasses.replace(each, name=name) for name, found in kernels.items() for each in found]

    def problem() -> GivenX:
        return GivenX(f"automatic threads, {elements:,}", bench.values(m, _FEATURES))

    rounds = bench.scale.short_rounds if elements <= _SHORT_TO else bench.scale.most_rounds
    cell = bench.cell(("auto", elements), problem, contenders, None, rounds)
    best = min(("1 thread", "all cores"), key=lambda name: median(bench.timed(cell, name)))
    return bench.ratio(cell, "auto", best, against=best)


TARGETS: tuple[Target, ...] = tuple(
    Target(
        "Automatic threads / better of 1 and all",
        f"m n = {words}",
        "",
        1.10,
        1.03,
        "ratio",
        partial(against_better, elements=elements),
    )
    for elements, words in _SIZES.items()
)
"""The rows. There are ten features."""
