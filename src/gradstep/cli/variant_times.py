"""How long each variant of each kernel takes on this machine: ``gradstep info --measure``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import numpy as np

from gradstep import engine, registry, validate, variants
from gradstep.contract import FloatArray, Kernel
from gradstep.threads import usable_cores

_X_BYTES = 64 << 20
_FEATURES = (16, 100, 1_000, 10_000)
_ROUNDS = 9


def measured() -> Iterator[tuple[str, str]]:
    """Yield for each kernel with variants, size of a row and number of threads the times of its variants."""
    numbers = np.random.default_rng(0).standard_normal(_X_BYTES // 8)
    for name, reason in registry.available().items():
        if reason is not None or len(variants.of(registry.load(name))) == 1:
            continue
        for n in _FEATURES:
            for threads in sorted({1, usable_cores()}):
                X = numbers[: len(numbers) // n * n].reshape(-1, n)
                counted = "1 thread" if threads == 1 else f"{threads} threads"
                yield f"{name}, n = {n:,}", f"{counted}: {_in_words(_times(registry.load(name), X, threads))}"


def _times(kernel: Kernel, X: FloatArray, threads: int) -> dict[str, float]:
    """Return the median time of a pass with each variant, in seconds."""
    m, n = X.shape
    examples = validate.data(X, np.arange(m) % 2.0)
    # Large enough for z both near 0 and far from it.
    point = engine.Point(np.full((1, n + 1), 2.0 / n**0.5))
    passes = {name: engine.Pass(variants.pinned(kernel, name), examples, threads) for name in variants.of(kernel)}
    times: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(1 + _ROUNDS):
        for name, run in passes.items():
            start = time.perf_counter()
            run.means(*point)
            times[name].append(time.perf_counter() - start)
    # The first round warms up.
    return {name: statistics.median(each[1:]) for name, each in times.items()}


def _in_words(times: dict[str, float]) -> str:
    fastest = min(times, key=times.__getitem__)
    others = [f"{name} {seconds / times[fastest]:.2f}× slower" for name, seconds in times.items() if name != fastest]
    return ", ".join([f"{fastest} {1e3 * times[fastest]:.2f} ms", *others])
