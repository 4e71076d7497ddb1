"""Variants of a kernel give the same bits: they differ in speed alone."""

from __future__ import annotations

import numpy as np
import pytest
from availability import load_or_explain
from kernel_calls import same_bits
from many_models import random_models

from gradstep import registry
from gradstep.contract import PartialSums

# Rows of each kind that a kernel treats in its own way: few features, short, long and wide rows.
N = {"float64": (2, 16, 100, 260, 1_601), "float32": (3, 24, 333, 520, 3_001)}


def with_variants() -> list[str]:
    return [name for name in registry.KERNELS if len(load_or_explain(name).variants) > 1]


def sums(variant: PartialSums, block_rows: int, **given) -> np.ndarray:
    k, width = given["theta"].shape
    out = np.full((-(-len(given["X"]) // block_rows), k, width + 1), np.nan)
    variant(block_rows=block_rows, out=out, **given)
    return out


def test_that_kernels_have_variants():
    load_or_explain("numba")
    assert {"numba"} <= set(with_variants())


@pytest.mark.parametrize("name", registry.KERNELS)
def test_the_default_comes_first(name):
    kernel = load_or_explain(name)
    models = random_models(40, 3)
    default = next(iter(kernel.variants.values()))
    given = models.arguments(False)
    out = np.empty((1, 3, 5))
    kernel.partial_sums(block_rows=40, out=out, **given)
    assert same_bits(sums(default, 40, **given), out)


@pytest.mark.parametrize("k", [1, 9])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", N)
@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("name", registry.KERNELS)
def test_all_variants_have_the_same_bits(name, which, dtype, order, k):
    """X above 1 MiB, where kernels may prefetch, and blocks that end within every group of rows."""
    variants = load_or_explain(name).variants
    if len(variants) == 1:
        pytest.skip(f"the {name} kernel has no variants")
    n = N[dtype][which]
    m = max((1 << 20) // (n * np.dtype(dtype).itemsize), 600) + 9
    weights = "none" if which % 2 else "per model"
    models = random_models(m, n, dtype, k, weights=weights)
    for directed in (False, True):
        given = models.arguments(directed) | {"X": np.asarray(models.X, order=order)}
        for block_rows in (m, 77):
            first, *others = (sums(variant, block_rows, **given) for variant in variants.values())
            assert np.isfinite(first).all()
            assert all(same_bits(first, other) for other in others)
