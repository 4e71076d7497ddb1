"""The rows on other forms of X: the same values in float32, in bytes, and in Fortran order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.problems import Examples, GivenX
from tools.targets.bench import ALL, THREADS, Bench, Measured, cores_of
from tools.targets.target import Target, rows

_PIXELS = 784


def float32_against_float64(bench: Bench, n: int, threads: int) -> Measured:
    """Time float32 against float64, on the same values."""

    def problem() -> GivenX:
        half = bench.in_memory(n).astype(np.float32)
        # Twice the rows, so that X exceeds the cache in float32 as well.
        return GivenX(f"float32 and float64, {THREADS[threads]}", np.concatenate([half, half]))

    return _in_two_forms(bench, ("float32", n, threads), problem, threads, ("float32", "float64"), _in_float64)


def bytes_against_float64(bench: Bench) -> Measured:
    """Time uint8 against the same values in float64."""

    def problem() -> GivenX:
        m = max(8, bench.scale.narrow_elements // _PIXELS)
        X = np.random.default_rng(0).integers(0, 256, (m, _PIXELS), np.uint8)
        return GivenX("uint8 and float64, all cores", X)

    return _in_two_forms(bench, ("uint8",), problem, ALL, ("uint8", "float64"), _in_float64)


def fortran_against_c_order(bench: Bench, n: int, threads: int) -> Measured:
    """Time Fortran order against C order."""

    def problem() -> GivenX:
        return GivenX(f"F and C order, {THREADS[threads]}", np.asfortranarray(bench.in_memory(n)))

    return _in_two_forms(bench, ("order", n, threads), problem, threads, ("F order", "C order"), _in_c_order)


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
            *(dataclasses.replace(each, name=names[0]) for each in as_given),
            *(_on_converted(dataclasses.replace(each, name=names[1]), convert) for each in as_given),
        ]

    bench.require_kernel("cython")
    return bench.ratio(bench.cell(key, problem, contenders, cores_of(threads)), *names)


def _on_converted(contender: Contender, convert: Callable[[Examples], Examples]) -> Contender:
    return dataclasses.replace(contender, prepare=lambda examples: contender.prepare(convert(examples)))


def _in_float64(examples: Examples) -> Examples:
    X, y, w, b = examples
    return Examples(X.astype(np.float64), y.astype(np.float64), w.astype(np.float64), b)


def _in_c_order(examples: Examples) -> Examples:
    return examples._replace(X=np.ascontiguousarray(examples.X))


TARGETS: tuple[Target, ...] = (
    *rows("float32 / float64", float32_against_float64, dict.fromkeys((100, 1000), (0.6, 0.5))),
    Target("uint8 X / float64 X", f"n = {_PIXELS}", THREADS[ALL], 0.6, 0.15, "ratio", bytes_against_float64),
    *rows("F order / C order", fortran_against_c_order, {100: (1.5, 1.0)}),
)
"""The rows."""
