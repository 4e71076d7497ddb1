"""The read limit: that it reads all of X, on every layout and number of threads."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from gradstep import processor
from gradstep.compare.measure import timing
from gradstep.compare.measure.contenders import kernel_contender
from gradstep.compare.measure.forecast import Forecast
from gradstep.compare.measure.problems import Problem
from gradstep.compare.measure.read_limit import ReadLimit, in_memory_order
from gradstep.compare.record.records import Settings

# Less than one of the rows that blocks are made of, some rows, and several blocks; each with a remainder.
SHAPES = [(3, 5), (5000, 9), (210_003, 9)]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_read_limit_reads_every_value(shape, threads, order, dtype):
    X = np.asarray(np.random.default_rng(0).integers(-9, 9, shape), dtype=dtype, order=order)
    read = ReadLimit(X, threads)
    # Sums of small integers are exact in any order.
    assert read() == X.sum() == read()
    assert read.check().passed
    for index in (0, X.size // 2, X.size - 1):
        changed = X.copy(order="K")
        in_memory_order(changed)[index] += 1.0
        assert ReadLimit(changed, threads)() == X.sum() + 1.0


def test_read_limit_uses_the_threads_asked_for_where_there_are_blocks_enough():
    X = np.ones((210_003, 9))
    assert ReadLimit(X, 1).threads == 1
    assert ReadLimit(X, 3).threads == 3
    assert ReadLimit(X[:10], 3).threads == 1


def test_read_limit_reads_a_read_only_array_and_never_writes():
    X = np.ones((210_003, 9))
    X.flags.writeable = False
    assert ReadLimit(X, 2)() == X.size


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.int32, bool])
def test_read_limit_reads_the_bytes_of_other_dtypes(dtype):
    X = np.ones((1001, 9), dtype)
    seen = in_memory_order(X)
    assert seen.dtype == np.float64
    assert X.nbytes - 8 < seen.nbytes <= X.nbytes
    assert np.shares_memory(seen, X)
    assert ReadLimit(X).check().passed


def test_read_limit_refuses_gaps():
    with pytest.raises(ValueError, match="contiguous"):
        ReadLimit(np.ones((10, 4))[:, :2])


def test_read_limit_that_leaves_a_value_out_is_wrong(monkeypatch):
    careless = SimpleNamespace(read=lambda values: float(values[1:].sum()))
    monkeypatch.setattr(processor, "load_best", lambda: careless)
    assert not ReadLimit(np.ones((1000, 10))).check().passed


def test_read_limit_is_timed_in_every_round_of_a_cell():
    numpy = kernel_contender("numpy")
    cell = timing.measure([numpy], Problem(500, 4), 1, Settings(["numpy"], rounds=3), Forecast())
    assert cell.read_limit is not None
    assert (cell.read_limit.status, len(cell.read_limit.samples)) == ("timed", 3)


def test_read_limit_without_the_extension_is_left_out_with_the_reason(monkeypatch):
    def missing() -> None:
        raise ImportError("no module of that name")

    monkeypatch.setattr(processor, "load_best", missing)
    numpy = kernel_contender("numpy")
    cell = timing.measure([numpy], Problem(50, 4), 1, Settings(["numpy"], rounds=2), Forecast())
    assert cell.read_limit is not None
    assert cell.read_limit.status == "skipped"
    assert "no module of that name" in str(cell.read_limit.reason)
    assert cell.results[0].status == "timed"
