"""The sums over all rows are those of a tree over the blocks, whoever adds up which part of it."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import planted
import pytest
from availability import load_or_explain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_calls import raw_sums, same_bits

from gradstep import Kernel, engine, registry, tree, validate
from gradstep.engine import Pass, Point
from gradstep.tree import Node

N, K = 3, 2


def by_hand(blocks: np.ndarray, level: int, index: int) -> np.ndarray:
    """Return node (level, index) over the sums of these blocks, as docs/numerics.md defines it."""
    if level == 0:
        return blocks[index]
    left = by_hand(blocks, level - 1, 2 * index)
    right_begins = (2 * index + 1) << (level - 1)
    return left if right_begins >= len(blocks) else left + by_hand(blocks, level - 1, 2 * index + 1)


def root(blocks: np.ndarray) -> np.ndarray:
    return by_hand(blocks, (len(blocks) - 1).bit_length(), 0)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make blocks as small as the engine allows, so that small problems have many."""
    monkeypatch.setattr("gradstep.blocks.BLOCK_BYTES", 1)


def examples(n_blocks: int, dtype: str = "float64", n: int = N, k: int = K) -> validate.Data:
    """Return so many blocks of random examples of k models; the last block has two rows less."""
    m = n_blocks * engine.block_rows(n, dtype) - 2
    generator = np.random.default_rng([n, k])
    X = generator.standard_normal((m, n)).astype(dtype)
    return validate.data(X, generator.random((m, k)).astype(dtype), generator.random((m, k)).astype(dtype), k)


def point(directed: bool = False, n: int = N, k: int = K) -> Point:
    generator = np.random.default_rng([n, k, 1])
    theta, direction = generator.standard_normal((2, k, n + 1))
    return Point(theta, direction if directed else None)


def sums_of_blocks(kernel: Kernel, data: validate.Data, at: Point) -> np.ndarray:
    """Return the sums of each block, computed from nothing but its own rows."""
    theta, direction = (None if v is None else v.astype(data.dtype) for v in (at.theta, at.direction))
    rows = engine.block_rows(data.X.shape[1], data.X.dtype)
    parts = []
    for start in range(0, len(data.X), rows):
        X, y, weight = (v[start : start + rows] for v in (data.X, data.y, data.sample_weight))
        y, weight = np.ascontiguousarray(y.T), np.ascontiguousarray(weight.T)
        parts.append(raw_sums(kernel, X, y, theta, rows, weight, direction)[0])
    return np.array(parts)


@pytest.mark.parametrize("n_blocks", [1, 2, 3, 4, 5, 7, 8, 9, 13, 33])
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_sums_are_a_tree_over_the_blocks(kernel, n_blocks, directed, dtype):
    data, at = examples(n_blocks, dtype), point(directed)
    expected = root(sums_of_blocks(kernel, data, at))
    for threads in (1, 3):
        run = Pass(kernel, data, threads)
        assert run.n_blocks == n_blocks
        assert same_bits(engine.join(run.block_sums(0, n_blocks, at)), expected)
        assert same_bits(run.means(*at), expected / run.total_weight[:, np.newaxis])


@pytest.mark.parametrize("dtype", ["int8", "float16", ">f8"])
def test_staged_rows_are_the_same_tree(threaded_kernel, dtype):
    """What has to be converted or copied has the blocks of its own dtype."""
    rows, at = engine.block_rows(N, dtype), point()
    m = 9 * rows - 7
    X, y = np.random.default_rng(0).integers(-3, 4, (m, N)).astype(dtype), np.arange(m) % 2
    data = validate.data(X, y, None, K)
    wide, labels, theta = X.astype(data.dtype), y.astype(data.dtype), at.theta.astype(data.dtype)
    parts = (slice(start, start + rows) for start in range(0, m, rows))
    blocks = [raw_sums(threaded_kernel, wide[part], labels[part], theta, rows)[0] for part in parts]
    assert same_bits(Pass(threaded_kernel, data, 3).means(*at), root(np.array(blocks)) / m)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(n_blocks=st.integers(1, 40), directed=st.booleans(), data=st.data())
def test_parts_computed_apart_join_to_the_same_bits(n_blocks, directed, data):
    """Split anywhere on the edge of a block, computed by passes of their own and joined in any order."""
    kernel, given_, at = registry.load("numpy"), examples(n_blocks), point(directed)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, n_blocks - 1))), label="cuts") | {0, n_blocks})
    nodes = []
    for first, last in itertools.pairwise(cuts):
        part = Pass(kernel, given_, data.draw(st.integers(1, 3))).block_sums(first, last, at)
        # The fewest nodes that cover the blocks, each of which begins and ends in the part.
        assert [node.first for node in part] == [first, *(node.last for node in part[:-1])]
        assert part[-1].last >= last > part[-1].first
        assert len(part) <= 2 * n_blocks.bit_length()
        nodes += part
    shuffled = data.draw(st.permutations(nodes))
    before = [node.sums.copy() for node in shuffled]
    expected = root(sums_of_blocks(kernel, given_, at))
    assert same_bits(engine.join(shuffled), expected)
    assert all(same_bits(node.sums, sums) for node, sums in zip(shuffled, before, strict=True)), "join wrote to a node"


def test_the_first_blocks_do_not_depend_on_how_many_follow():
    """A stream of unknown length begins its blocks where an array in memory does."""
    kernel, whole, at = registry.load("numpy"), examples(9), point()
    rows = engine.block_rows(N, "float64")
    expected = Pass(kernel, whole, 1).block_sums(0, 4, at)
    for m in (4 * rows, 4 * rows + 1, 6 * rows):
        beginning = validate.data(whole.X[:m], whole.y[:m], whole.sample_weight[:m], K)
        found = Pass(kernel, beginning, 1).block_sums(0, 4, at)
        assert [node[:2] for node in found] == [node[:2] for node in expected] == [(2, 0)]
        assert same_bits(found[0].sums, expected[0].sums)


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("k", [1, 5])
def test_any_number_of_threads(threaded_kernel, directed, k):
    data, at = examples(100, k=k), point(directed, k=k)
    expected = root(sums_of_blocks(threaded_kernel, data, at))
    for threads in (1, 2, 3, 7, 16):
        run = Pass(threaded_kernel, data, threads)
        assert run.threads == threads
        assert same_bits(run.means(*at), expected / run.total_weight[:, np.newaxis])


@pytest.mark.parametrize("chosen", [[0], [2], [3, 1], [4, 0, 2], [0, 1, 2, 3, 4]])
def test_some_of_the_models(threaded_kernel, chosen):
    data, at = examples(5, k=5), point(True, k=5)
    for direction in (None, at.direction):
        every = Pass(threaded_kernel, data, 2).means(at.theta, direction)
        own = None if direction is None else direction[chosen]
        some = Pass(threaded_kernel, data, 2).means(at.theta[chosen], own, np.array(chosen))
        assert same_bits(some, every[chosen])


def test_the_total_weight_is_a_tree_as_well():
    data = examples(13)
    rows = engine.block_rows(N, "float64")
    blocks = [
        [part.sum() for part in data.sample_weight[start : start + rows].T] for start in range(0, len(data.X), rows)
    ]
    for threads in (1, 2, 5):
        assert same_bits(Pass(planted.RIGHT, data, threads).total_weight, root(np.array(blocks)))


@given(count=st.integers(1, 300))
def test_fold(count):
    blocks = np.random.default_rng(count).standard_normal((count, 2))
    folded = blocks.copy()
    tree.fold(folded)
    assert same_bits(folded[0], root(blocks))


def test_a_tree_over_other_numbers_than_the_blocks_would_show():
    """Addition in block order, or of the nearest pairs from the end, has other bits in this very test."""
    blocks = np.random.default_rng(0).standard_normal((13, 50))
    in_order, from_the_end = np.add.accumulate(blocks)[-1], np.add.accumulate(blocks[::-1])[-1]
    assert not same_bits(root(blocks), in_order)
    assert not same_bits(root(blocks), from_the_end)
    assert not same_bits(root(blocks), root(blocks[::-1]))


def test_nothing_to_join():
    with pytest.raises(ValueError, match="no node"):
        engine.join([])


@pytest.mark.parametrize("missing", [0, 3, 6])
def test_a_missing_part_is_named(missing):
    nodes = [Node(0, index, np.ones((1, 3))) for index in range(8) if index != missing]
    with pytest.raises(ValueError, match=f"block {missing} are missing"):
        engine.join(nodes)


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_no_array_of_all_the_blocks_sums_exists(threads, directed):
    """300 blocks of 8 models and 500 features have 9 MiB of sums; a thread folds those of its turn at once."""
    kernel, n, k = load_or_explain("cython"), 500, 8
    m = 300 * engine.block_rows(n, "float32")
    X, y = np.ones((m, n), np.float32), np.ones(m, np.float32)
    run, at = Pass(kernel, validate.data(X, y, None, k), threads), point(directed, n, k)
    tracemalloc.start()
    try:
        run.means(*at)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert run.n_blocks * k * (n + 2) * 8 > 9 << 20
    assert peak < (1 + threads) << 20
    assert after < threads << 20
