"""The NumPy kernel splits what BLAS would share among threads, and the sums are those of the rows all the same."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_calls import parameters, raw_sums, same_bits

from gradstep import registry

# Several groups of short rows; one group in several parts, the last of which has one row, or few; rows without BLAS;
# a vector instead of a matrix.
SHAPES = [(70_001, 2), (40_003, 1), (241, 4_000), (300, 3_000), (9, 100_000), (2, 70_000), (1, 20_000), (3, 300_000)]


def arguments(m: int, n: int, dtype: str, directed: bool) -> dict[str, np.ndarray | None]:
    generator = np.random.default_rng([m, n])
    theta = parameters((generator.standard_normal(n) / np.sqrt(n)).astype(dtype), 0.1)
    return {
        "X": generator.standard_normal((m, n), dtype=dtype),
        "y": generator.random(m).astype(dtype),
        "theta": theta,
        "sample_weight": generator.random(m).astype(dtype),
        "direction": theta[:, ::-1].copy() if directed else None,
    }


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("directed", [False, True])
def test_a_large_block_has_the_sums_of_small_ones(shape, dtype, order, directed):
    kernel, given = registry.load("numpy"), arguments(*shape, dtype, directed)
    given["X"] = np.asarray(given["X"], order=order)
    whole = raw_sums(kernel, block_rows=shape[0], **given)[0, 0]
    small = raw_sums(kernel, block_rows=1 if shape[1] > 2 else 100, **given)[:, 0].sum(axis=0)
    # The sums of z and those over the rows are rounded in another order; no term of a row is above 16.
    tolerance = 32.0 * np.finfo(dtype).eps * np.sqrt(shape[0] * shape[1]) * np.log2(shape[0] + 1.0)
    np.testing.assert_allclose(whole, small, rtol=1e-4 if dtype == "float32" else 1e-12, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_bits_do_not_depend_on_the_threads_of_blas(shape, dtype):
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="it is in the extra peers")
    if {library["internal_api"] for library in threadpoolctl.threadpool_info()} & {"mkl", "blis"}:
        pytest.skip("the promise is about OpenBLAS")
    kernel, given = registry.load("numpy"), arguments(*shape, dtype, directed=False)
    results = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads):
            results.append(raw_sums(kernel, block_rows=shape[0], **given))
    assert same_bits(*results)
