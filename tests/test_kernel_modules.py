"""Promises of single kernel modules beyond the contract: Python lists, njit callers and the cache of Numba."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import problems
import processes
import pytest
from availability import load_or_explain
from kernel_calls import raw_sums, same_bits
from many_models import random_models

import gradstep
from gradstep import gradient, registry
from gradstep.kernels import python_loop


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("block_rows", [1, 4, 9, 100])
def test_python_loop_on_nested_lists(weighted, block_rows):
    problem = problems.random_weighted_problem(9, 3) if weighted else problems.random_problem(9, 3)
    X, y, theta, weight, v = (None if values is None else values.tolist() for values in problem.computed)
    out, along = ([[None] for _ in range(-(-9 // block_rows))] for _ in range(2))
    python_loop.partial_sums(X, y, theta, block_rows, out, weight)
    python_loop.partial_sums(X, y, theta, block_rows, along, weight, v)
    assert all(isinstance(value, float) for block in (*out, *along) for row in block for value in row)
    problem.assert_right_sums(np.array(out)[:, 0], block_rows)
    problem.assert_right_curvatures(np.array(along)[:, 0], block_rows)
    tuples = [[None] for _ in out]
    python_loop.partial_sums(tuple(map(tuple, X)), tuple(y), (tuple(theta[0]),), block_rows, tuples, weight)
    assert tuples == out


@pytest.mark.parametrize("directed", [False, True])
def test_python_loop_has_the_same_bits_on_lists_and_arrays(directed):
    models = random_models(65, 8)
    given = models.arguments(directed)
    in_array = raw_sums(registry.load("python"), block_rows=13, **given)
    lists = {name: None if values is None else values.tolist() for name, values in given.items()}
    in_lists = [[None] * models.k for _ in range(5)]
    python_loop.partial_sums(block_rows=13, out=in_lists, **lists)
    assert in_array.tolist() == in_lists


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numba_loop_inside_njit_code(dtype, order):
    import numba

    from gradstep.kernels import numba_loop

    @numba.njit
    def descend(X, y, theta, alpha, steps):
        m, n = X.shape
        out = np.empty((1, 1, n + 2))
        for _ in range(steps):
            numba_loop.partial_sums(X, y, theta, m, out)
            for j in range(n + 1):
                theta[0, j] -= alpha * out[0, 0, j] / m

    problem = problems.random_problem(65, 3, dtype)
    X, y, theta, expected = np.asarray(problem.X, order=order), problem.y, *np.zeros((2, 1, 4), dtype)
    descend(X, y, theta, 0.5, 10)
    for _ in range(10):
        out = np.empty((1, 1, 5))
        numba_loop.partial_sums(X, y, expected, 65, out)
        expected -= 0.5 * out[0, :, :-1] / 65
    assert theta[0] == pytest.approx(expected[0], rel=1e-5)


def test_numba_loop_inside_njit_code_on_several_models():
    import numba

    from gradstep.kernels import numba_loop

    @numba.njit
    def sums(X, y, theta, sample_weight, direction):
        out = np.empty((1, len(theta), X.shape[1] + 2))
        numba_loop.partial_sums(X, y, theta, X.shape[0], out, sample_weight, direction)
        return out

    models = random_models(9, 3)
    for directed in (False, True):
        given = models.arguments(directed)
        assert same_bits(sums(**given), raw_sums(registry.load("numba"), block_rows=9, **given))


def test_numba_cache_is_safe_when_processes_start_at_once(tmp_path):
    code = """
        import numpy as np
        from gradstep import gradient
        X = np.arange(12.0).reshape(4, 3)
        result = gradient(X, [0, 1, 0, 1], [0.1, 0.2, -0.3], 0.0, kernel="numba")
        print(result.J.hex(), result.dw.tobytes().hex())
    """
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    together = [processes.finish(process) for process in [processes.start(code, environment) for _ in range(3)]]
    assert any(tmp_path.rglob("*.nbi")), "nothing was cached"
    later = processes.run(code, environment)
    assert len({*together, later}) == 1


def test_numba_compiles_again_what_calls_a_function_that_has_changed(tmp_path):
    load_or_explain("numba")
    shutil.copytree(Path(gradstep.__file__).parent, tmp_path / "gradstep", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    code = """
        import gradstep
        print(gradstep.gradient([[1.0]], [1.0], [0.0], 0.0, kernel="numba").db, gradstep.__file__)
    """

    def cached_after_a_call():
        assert processes.run(code, environment).split() == ["-0.5", str(tmp_path / "gradstep" / "__init__.py")]
        return len(list(tmp_path.rglob("numba_loop._check_and_sum-*.nbc")))

    assert [cached_after_a_call(), cached_after_a_call()] == [1, 1]
    with (tmp_path / "gradstep" / "kernels" / "numba_job.py").open("a") as called:
        called.write("# Changed.\n")
    assert cached_after_a_call() == 2


def test_numba_compiles_the_sums_once_for_a_dtype():
    load_or_explain("numba")
    code = """
        import numpy as np
        from gradstep.kernels import numba_blocks, numba_loop
        X, y, theta, out = np.ones((4, 2)), np.ones(4), np.zeros((1, 3)), np.empty((1, 1, 4))
        for sums in numba_loop.variants.values():
            for columns in X, np.asfortranarray(X):
                for weights in None, y, y.reshape(1, 4):
                    for direction in None, theta:
                        sums(columns, y, theta, 4, out, weights, direction)
        print(len(numba_blocks.SUMS["float64"].signatures), len(numba_blocks.SUMS["float32"].signatures))
    """
    assert processes.run(code).split() == ["1", "0"]


def test_numba_compiles_once_whatever_is_read_only_and_however_it_lies():
    load_or_explain("numba")
    from gradstep.kernels import numba_loop

    X, y, w = np.arange(12.0).reshape(4, 3), np.array([0.0, 1.0, 0.0, 1.0]), np.zeros(3)
    expected = gradient(X, y, w, 0.0, kernel="numba")
    before = len(numba_loop.compiled_sums().signatures)
    wide, backwards = np.repeat(X, 2, axis=0)[::2], X[::-1].copy()[::-1]
    for given in itertools.product((X, np.asfortranarray(X), wide, backwards), (y, np.repeat(y, 2)[::2]), (w,)):
        for writeable in itertools.product((True, False), repeat=3):
            views = [each.view() for each in given]
            for view, flag in zip(views, writeable, strict=True):
                view.flags.writeable = flag
            assert gradient(*views, 0.0, kernel="numba").J == pytest.approx(expected.J, rel=1e-15)
    assert len(numba_loop.compiled_sums().signatures) == before


@pytest.mark.parametrize("name", registry.KERNELS)
def test_block_rows_beyond_32_bits(name):
    problem = problems.random_problem(9, 3)
    X, y, theta, _, _ = problem.computed
    problem.assert_right_sums(raw_sums(load_or_explain(name), X, y, theta, 2**40)[:, 0], 2**40)
