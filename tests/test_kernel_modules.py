"""Promises of single kernel modules beyond the contract: Python lists, njit callers and the cache of Numba."""

from __future__ import annotations

import numpy as np
import problems
import processes
import pytest
from availability import load_or_explain

from gradstep import registry
from gradstep.kernels import python_loop


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("block_rows", [1, 4, 9, 100])
def test_python_loop_on_nested_lists(weighted, block_rows):
    problem = problems.random_weighted_problem(9, 3) if weighted else problems.random_problem(9, 3)
    X, y, w, weight = (None if values is None else values.tolist() for values in problem.computed)
    out = [None] * -(-9 // block_rows)
    python_loop.partial_sums(X, y, w, problem.b, block_rows, out, weight)
    assert all(isinstance(value, float) for row in out for value in row)
    problem.assert_right_sums(np.array(out), block_rows)
    tuples = [None] * len(out)
    python_loop.partial_sums(tuple(map(tuple, X)), tuple(y), tuple(w), problem.b, block_rows, tuples, weight)
    assert tuples == out


def test_python_loop_has_the_same_bits_on_lists_and_arrays():
    problem = problems.random_weighted_problem(65, 8)
    X, y, w, weight = problem.computed
    in_lists, in_array = [None] * 5, np.empty((5, 10))
    python_loop.partial_sums(X.tolist(), y.tolist(), w.tolist(), problem.b, 13, in_lists, weight.tolist())
    python_loop.partial_sums(X, y, w, problem.b, 13, in_array, weight)
    assert in_array.tolist() == in_lists


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numba_loop_inside_njit_code(dtype, order):
    import numba

    from gradstep.kernels import numba_loop

    @numba.njit
    def descend(X, y, w, alpha, steps):
        m, n = X.shape
        out = np.empty((1, n + 2))
        b = 0.0
        for _ in range(steps):
            numba_loop.partial_sums(X, y, w, b, m, out)
            for j in range(n):
                w[j] -= alpha * out[0, j] / m
            b -= alpha * out[0, n] / m
        return b

    problem = problems.random_problem(65, 3, dtype)
    X, y, w = np.asarray(problem.X, order=order), problem.y, np.zeros(3, dtype)
    expected_w, expected_b = np.zeros(3, dtype), 0.0
    b = descend(X, y, w, 0.5, 10)
    for _ in range(10):
        out = np.empty((1, 5))
        numba_loop.partial_sums(X, y, expected_w, expected_b, 65, out)
        for j in range(3):
            expected_w[j] -= 0.5 * out[0, j] / 65
        expected_b -= 0.5 * out[0, 3] / 65
    assert b == pytest.approx(expected_b, rel=1e-6)
    assert w == pytest.approx(expected_w, rel=1e-5)


def test_numba_loop_inside_njit_code_with_weights():
    import numba

    from gradstep.kernels import numba_loop

    @numba.njit
    def sums(X, y, w, b, sample_weight):
        out = np.empty((1, X.shape[1] + 2))
        numba_loop.partial_sums(X, y, w, b, X.shape[0], out, sample_weight)
        return out

    problem = problems.random_weighted_problem(9, 3)
    X, y, w, weight = problem.computed
    problem.assert_right_sums(sums(X, y, w, problem.b, weight), 9)


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


@pytest.mark.parametrize("name", registry.KERNELS)
def test_block_rows_beyond_32_bits(name):
    problem = problems.random_problem(9, 3)
    out = np.full((1, 5), np.nan)
    X, y, w, _ = problem.computed
    load_or_explain(name).partial_sums(X, y, w, problem.b, 2**40, out)
    problem.assert_right_sums(out, 2**40)
