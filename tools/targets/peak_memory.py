"""The rows on the memory that a step needs beyond its inputs."""

from __future__ import annotations

from functools import partial

import numpy as np

from gradstep import engine
from tools.targets import footprint
from tools.targets.bench import ALL, MIB, THREADS, Bench, Measured, NotMeasured, Scale, cores_of
from tools.targets.target import Target

_GROUP = "Peak memory beyond the inputs, MiB"
_MODELS = 33


def peak_memory(bench: Bench, n: int, models: int = 1) -> Measured:
    """Measure the memory that a step, of one model or of several, needs beyond its inputs, in MiB."""
    bench.require_kernel("cython")
    bench.require_time()
    try:
        return Measured(footprint.measure(bench.scale.rows(n), n, cores_of(ALL), models) / MIB)
    except footprint.NoFootprint as error:
        raise NotMeasured(str(error)) from error


def _must(n: int, scale: Scale) -> float:
    return 0.02 * scale.rows(n) * n * 8 / MIB + 16.0


def _aim(n: int, scale: Scale) -> float:
    blocks = -(-scale.rows(n) // engine.block_rows(n, np.float64))
    return 1.0 + blocks * (n + 2) * 8 / MIB


TARGETS: tuple[Target, ...] = (
    *(
        Target(
            _GROUP, f"n = {n:,}", THREADS[ALL], partial(_must, n), partial(_aim, n), "MiB", partial(peak_memory, n=n)
        )
        for n in (100, 10_000)
    ),
    Target(
        _GROUP,
        f"{_MODELS} models, n = 10,000",
        THREADS[ALL],
        256.0,
        64.0,
        "MiB",
        partial(peak_memory, n=10_000, models=_MODELS),
    ),
)
"""The rows."""
