"""The table of targets: what gradstep's speed must be and should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradstep import engine
from tools.targets import curvature, models
from tools.targets.bench import MIB, Bench, Measured, Scale
from tools.targets.measurements import (
    ALL,
    NUMPY_N,
    THREADS,
    automatic_threads,
    bytes_against_float64,
    fastest_peer,
    fastest_peer_in_cache,
    kernel_ratio,
    many_rows,
    narrower_dtype,
    other_order,
    over_read_limit,
    peak_memory,
    public_call,
)
from tools.targets.results import Unit


def _memory_must(n: int, scale: Scale) -> float:
    return 0.02 * scale.rows(n) * n * 8 / MIB + 16.0


def _memory_aim(n: int, scale: Scale) -> float:
    m = scale.rows(n)
    blocks = -(-m // engine.block_rows(n, np.float64))
    return 1.0 + blocks * (n + 2) * 8 / MIB


Bound = float | Callable[[Scale], float]


@dataclass(frozen=True)
class Target:
    """A row of the table.

    Attributes
    ----------
    group, case : str
        What is compared with what, and in which case.
    must, aim : float or callable
        What has to be reached and what is hoped for; functions of the scale if they depend on the size of X.
    unit : str
        As of `tools.targets.results.TargetResult`.
    measure : callable
        Given a `Bench`, returns a `Measured` or raises `NotMeasured`.
    """

    group: str
    case: str
    must: Bound
    aim: Bound
    unit: Unit
    measure: Callable[[Bench], Measured]


READ_MUST = {
    1: {16: 2.1, 32: 1.8, 100: 1.75, 1000: 1.7, 10_000: 1.6},
    ALL: {16: 2.0, 32: 1.6, 100: 1.4, 1000: 1.4, 10_000: 1.5},
}
READ_AIM = {1: 1.2, ALL: 1.05}
MEMORY_N = (2, 16, 32, 100, 1000, 10_000)
MODELS_MUST = {30: 0.7, 100: 0.5, 1000: 0.5}
ELEMENTS = tuple(10**k for k in range(2, 9))


def _case(n: int, threads: int) -> str:
    return f"n = {n:,}, {THREADS[threads]}"


TARGETS: tuple[Target, ...] = (
    *(
        Target(
            "Cython / read limit",
            _case(n, threads),
            must,
            READ_AIM[threads],
            "ratio",
            partial(over_read_limit, n=n, threads=threads),
        )
        for threads, bounds in READ_MUST.items()
        for n, must in bounds.items()
    ),
    *(
        Target(
            "Fastest peer / Cython", _case(n, threads), 1.4, 2.5, "factor", partial(fastest_peer, n=n, threads=threads)
        )
        for threads in THREADS
        for n in MEMORY_N
    ),
    Target("Fastest peer / Cython", "m = 1,000, n = 100, 1 thread", 1.3, 2.5, "factor", fastest_peer_in_cache),
    Target("NumPy formula / Cython", "m = 2,000,000, n = 2, 1 thread", 4.0, 10.0, "factor", many_rows),
    Target("gradient() / NumPy formula", "m = 100, n = 10", 0.6, 0.25, "ratio", partial(public_call, m=100, n=10)),
    Target("gradient() / NumPy formula", "m = 10, n = 2", 0.8, 0.2, "ratio", partial(public_call, m=10, n=2)),
    *(
        Target(
            "Numba / Cython",
            _case(n, threads),
            1.5,
            1.1,
            "ratio",
            partial(kernel_ratio, name="numba", base="cython", n=n, threads=threads),
        )
        for threads in THREADS
        for n in MEMORY_N
    ),
    *(
        Target(
            "NumPy kernel / NumPy formula",
            _case(n, threads),
            0.8,
            0.6,
            "ratio",
            partial(kernel_ratio, name="numpy", base="numpy-formula", n=n, threads=threads),
        )
        for threads in THREADS
        for n in NUMPY_N
    ),
    *(
        Target("float32 / float64", _case(n, threads), 0.6, 0.5, "ratio", partial(narrower_dtype, n=n, threads=threads))
        for threads in THREADS
        for n in (100, 1000, 10_000)
    ),
    Target("uint8 X / float64 X", _case(784, ALL), 0.6, 0.15, "ratio", bytes_against_float64),
    *(
        Target(
            "F order / C order", _case(100, threads), 1.5, 1.0, "ratio", partial(other_order, n=100, threads=threads)
        )
        for threads in THREADS
    ),
    *(
        Target(
            "Automatic threads / better of 1 and all",
            f"m n = 1e{len(str(elements)) - 1}",
            1.15,
            1.03,
            "ratio",
            partial(automatic_threads, elements=elements),
        )
        for elements in ELEMENTS
    ),
    *(
        Target(
            "Peak memory beyond the inputs, MiB",
            _case(n, ALL),
            partial(_memory_must, n),
            partial(_memory_aim, n),
            "MiB",
            partial(peak_memory, n=n),
        )
        for n in (100, 10_000)
    ),
    Target(
        "Peak memory beyond the inputs, MiB",
        f"k = 33, {_case(10_000, ALL)}",
        256.0,
        64.0,
        "MiB",
        partial(peak_memory, n=10_000, models=33),
    ),
    *(
        Target(
            f"Cython, {models.MODELS} models / 1 model",
            _case(n, threads),
            must,
            aim,
            "ratio",
            partial(models.against_one_model, n=n, threads=threads),
        )
        for threads in THREADS
        for n, must, aim in ((100, 3.0, 1.5), (1000, 4.0, 2.0))
    ),
    *(
        Target(
            f"{kernel.capitalize()}, {models.MODELS} models / {models.MODELS} passes",
            _case(n, threads),
            must,
            0.25,
            "ratio",
            partial(models.against_passes, kernel=kernel, n=n, threads=threads),
        )
        for kernel in ("cython", "numba")
        for threads in THREADS
        for n, must in MODELS_MUST.items()
    ),
    *(
        Target(
            f"Cython, {models.MODELS} models / two matrix products of NumPy",
            _case(n, threads),
            1.0,
            0.5,
            "ratio",
            partial(models.against_matrix_products, n=n, threads=threads),
        )
        for threads in THREADS
        for n in MODELS_MUST
    ),
    *(
        Target(
            "hessp / gradient",
            _case(n, threads),
            1.3,
            1.0,
            "ratio",
            partial(curvature.against_gradient, n=n, threads=threads),
        )
        for threads in THREADS
        for n in (100, 1000)
    ),
    *(
        Target(
            "hessp / product of scikit-learn's newton-cg",
            _case(n, threads),
            0.6,
            0.3,
            "ratio",
            partial(curvature.against_scikit_learn, n=n, threads=threads),
        )
        for threads in THREADS
        for n in (100, 1000)
    ),
)
"""The table. X is float64 in C order and lies in memory, and times are medians, unless a row says otherwise."""
