"""Calls of a kernel, its exceptions and memory: what the engine promises whatever the kernel."""

from __future__ import annotations

import threading
import tracemalloc
from typing import NamedTuple

import numpy as np
import planted
import pytest

from gradstep import KernelUnavailable, blocks, gradient, objective


class Call(NamedTuple):
    """What the tests look at in one call of a kernel."""

    rows: int
    block_rows: int
    n_blocks: int
    thread: int
    writeable: bool


def recorder():
    """Return a correct kernel and the list of its calls."""
    calls: list[Call] = []

    def partial_sums(X, y, theta, block_rows, out, sample_weight=None, direction=None):
        assert X.flags.aligned and X.dtype.isnative and X.dtype in (np.float32, np.float64)
        assert X.strides[1] == X.itemsize or X.strides[0] == X.itemsize or 1 in X.shape
        (m, n), k = X.shape, len(theta)
        assert out.shape == (-(-m // block_rows), k, n + 2) and out.flags.c_contiguous
        assert theta.shape == (k, n + 1) and theta.flags.c_contiguous and theta.dtype == X.dtype
        for values in (y,) if sample_weight is None else (y, sample_weight):
            assert values.shape in ((m,), (k, m)) and values.dtype == X.dtype
            assert m == 1 or values.strides[-1] == values.itemsize
        if direction is not None:
            assert direction.shape == theta.shape and direction.flags.c_contiguous and direction.dtype == X.dtype
        calls.append(Call(m, block_rows, len(out), threading.get_ident(), X.flags.writeable))
        planted.RIGHT.partial_sums(X, y, theta, block_rows, out, sample_weight, direction)

    return planted.PlantedKernel("recorder", partial_sums, releases_gil=True), calls


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(
    "arrange",
    [
        np.asarray,
        np.asfortranarray,
        lambda X: X[::-1, ::-1],
        lambda X: X.astype(">f4"),
        lambda X: X.astype(np.int16),
        lambda X: np.broadcast_to(X[:1], X.shape),
    ],
    ids=["C", "F", "reversed", "big-endian", "int16", "broadcast"],
)
def test_every_row_is_summed_once_in_the_same_blocks(monkeypatch, threads, arrange):
    monkeypatch.setattr("gradstep.blocks.BLOCK_BYTES", 1)
    kernel, calls = recorder()
    X = np.random.default_rng(0).standard_normal((3_000, 3))
    y = np.zeros(3_000)
    view = arrange(X)
    gradient(view, y, np.ones(3), 0.0, sample_weight=y + 1, kernel=kernel, threads=threads)
    assert sum(call.rows for call in calls) == 3_000
    assert {call.block_rows for call in calls} == {blocks.block_rows(3, view.dtype)}
    assert sum(call.n_blocks for call in calls) == -(-3_000 // calls[0].block_rows) > 3


def test_a_kernel_that_holds_the_gil_runs_on_one_thread():
    kernel = planted.PlantedKernel("holds the GIL", planted.RIGHT.partial_sums, releases_gil=False)
    assert objective(np.ones((10, 1)), np.ones(10), kernel=kernel, threads=4).threads == 1


@pytest.mark.parametrize("threads", [1, 4])
def test_an_exception_in_a_kernel_reaches_the_caller(monkeypatch, threads):
    monkeypatch.setattr("gradstep.blocks.BLOCK_BYTES", 1)

    def broken(*_):
        raise KernelUnavailable("broken")

    kernel = planted.PlantedKernel("broken", broken, releases_gil=True)
    with pytest.raises(KernelUnavailable, match="broken"):
        gradient(np.ones((5_000, 1)), np.ones(5_000), [1.0], 0.0, kernel=kernel, threads=threads)


@pytest.mark.parametrize("order", ["C", "F", "reversed"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_pass_allocates_nothing_of_length_m(monkeypatch, threaded_kernel, order, dtype):
    """Even one byte for each of the million rows would be twice what is allowed."""
    monkeypatch.setattr("gradstep.blocks.BLOCK_BYTES", 1 << 14)
    m, n = 1 << 20, 2
    X = np.ones((m, n), dtype, order="F" if order == "F" else "C")
    X = X[::-1] if order == "reversed" else X
    y = np.ones(m, dtype)
    f = objective(X, y, sample_weight=y, kernel=threaded_kernel, threads=1)
    theta = np.zeros(n + 1)
    f(theta)
    tracemalloc.start()
    try:
        f(theta)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < m // 2
