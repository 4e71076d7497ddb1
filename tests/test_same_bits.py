"""The result has the same bits for every number of threads, in every call, and in a forked child."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import processes
import pytest
from availability import load_or_explain
from kernel_calls import raw_sums, same_bits
from many_models import random_models

from gradstep import Gradient, environment, gradient, objective, registry, step

THREADS = (1, 2, 3, 7, 16)


def bits(result: Gradient) -> tuple[str, bytes, str]:
    return result.J.hex(), result.dw.tobytes(), result.db.hex()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make blocks as small as the engine allows, so that small problems have many."""
    monkeypatch.setattr("gradstep.blocks.BLOCK_BYTES", 1)


def data(m: int, n: int, dtype: str = "float64"):
    generator = np.random.default_rng([m, n])
    X = (4.0 * generator.standard_normal((m, n))).astype(dtype)
    return X, (generator.random(m) < 0.5).astype(np.float64), generator.standard_normal(n), 0.1


def test_narrow_data_read_in_place_have_the_bits_of_staged_ones():
    generator = np.random.default_rng(3)
    cython = load_or_explain("cython")
    for dtype in sorted(registry.KERNELS["cython"].narrow_dtypes):
        for m, n in ((1, 1), (513, 3), (700, 5), (40, 17), (1200, 20), (300, 784), (21, 3000)):
            X = generator.integers(0, 2 if dtype == "bool" else 100, (m, n)).astype(dtype)
            y = generator.random(m) < 0.5
            w = generator.standard_normal(n) / 100
            for ordered in (np.ascontiguousarray(X), np.asfortranarray(X)):
                wide = ordered.astype(np.float32 if dtype == "float16" else np.float64, order="K")
                found = gradient(ordered, y, w, 0.1, kernel=cython)
                expected = gradient(wide, y, w, 0.1, kernel=cython)
                assert found.J == expected.J and found.db == expected.db
                assert np.array_equal(found.dw, expected.dw), f"{dtype} {m} x {n}"


@pytest.mark.parametrize(
    ("n", "dtype"), [(2, "float64"), (16, "float64"), (23, "float32"), (300, "float32"), (1_601, "float64")]
)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("directed", [False, True])
def test_a_model_in_company_on_rows_from_memory(threaded_kernel, n, dtype, order, directed):
    """X above 1 MiB, where kernels may prefetch; an odd place in memory, from which they may copy rows."""
    m = (1 << 20) // (n * np.dtype(dtype).itemsize) + 9
    models = random_models(m, n, dtype, 9)
    frame = np.zeros((m + 1, n + 1), dtype, order)
    frame[1:, 1:] = models.X
    given = models.arguments(directed) | {"X": frame[1:, 1:]}
    whole = raw_sums(threaded_kernel, block_rows=m // 2, **given)
    for chosen in ([0], [8], [3, 1], [6, 0, 2, 8, 5]):
        part = raw_sums(
            threaded_kernel, block_rows=m // 2, **(models.take(chosen).arguments(directed) | {"X": given["X"]})
        )
        assert same_bits(part, np.ascontiguousarray(whole[:, chosen])), f"models {chosen}"


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("shape", [(20_000, 1), (20_011, 3), (5_000, 17), (5_001, 100)], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int32", ">f8"])
def test_number_of_threads(threaded_kernel, shape, order, dtype):
    X, y, w, b = data(*shape, dtype)
    X = np.asarray(X, order=order)
    weight = np.random.default_rng(1).random(len(y))
    for sample_weight in (None, weight):
        runs = [objective(X, y, sample_weight=sample_weight, kernel=threaded_kernel, threads=t) for t in THREADS]
        assert [run.threads for run in runs] == list(THREADS)
        results = {bits(run.gradient(w, b)) for run in runs}
        assert len(results) == 1


@pytest.mark.parametrize("m", [400_000, 1_000_003])
def test_number_of_threads_on_blocks_of_the_usual_size(threaded_kernel, m):
    X, y, w, b = data(m, 2)
    results = {bits(gradient(X, y, w, b, kernel=threaded_kernel, threads=t)) for t in THREADS}
    assert len(results) == 1


def test_automatic_number_of_threads(threaded_kernel, monkeypatch):
    X, y, w, b = data(300_000, 4)
    expected = bits(gradient(X, y, w, b, kernel=threaded_kernel, threads=1))
    assert bits(gradient(X, y, w, b, kernel=threaded_kernel)) == expected
    for named in ("1", "3"):
        monkeypatch.setenv("GRADSTEP_THREADS", named)
        environment.variable.cache_clear()
        assert objective(X, y, kernel=threaded_kernel).threads == int(named)
        assert bits(gradient(X, y, w, b, kernel=threaded_kernel)) == expected


@pytest.mark.usefixtures("small_blocks")
def test_repeated_calls(kernel):
    X, y, w, b = data(4_000, 5)
    f = objective(X, y, kernel=kernel, threads=3)
    assert len({bits(f.gradient(w, b)) for _ in range(20)}) == 1


@pytest.mark.usefixtures("small_blocks")
def test_concurrent_calls_of_one_objective(kernel):
    X, y, _, _ = data(4_000, 5)
    f = objective(X, y, kernel=kernel, threads=3)
    thetas = np.random.default_rng(0).standard_normal((24, 6))
    expected = [(J.hex(), grad.tobytes()) for J, grad in map(f, thetas)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert [(J.hex(), grad.tobytes()) for J, grad in pool.map(f, thetas)] == expected


@pytest.mark.usefixtures("small_blocks")
def test_gradient_objective_and_step_agree_in_every_bit(kernel):

    X, y, w, b = data(2_000, 5)
    result = gradient(X, y, w, b, l2=0.5, kernel=kernel)
    J, grad = objective(X, y, l2=0.5, kernel=kernel)(np.append(w, b))
    assert (J.hex(), grad.tobytes()) == (result.J.hex(), np.append(result.dw, result.db).tobytes())
    new_w, new_b, cost = step(X, y, w, b, 0.25, l2=0.5, kernel=kernel)
    assert (new_w.tobytes(), new_b, cost) == ((w - 0.25 * result.dw).tobytes(), b - 0.25 * result.db, result.J)


@pytest.mark.usefixtures("small_blocks")
def test_staged_rows_have_the_bits_of_rows_read_in_place(kernel):
    X, y, w, b = data(3_000, 5)
    expected = bits(gradient(X, y, w, b, kernel=kernel))
    for same in (X.astype(">f8"), X[::-1].copy()[::-1], np.repeat(X, 2, axis=1)[:, ::2]):
        assert bits(gradient(same, y, w, b, kernel=kernel, threads=2)) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize("name", [name for name, entry in registry.KERNELS.items() if entry.releases_gil])
def test_threads_after_a_fork(name, request):
    """A forked child has none of its parent's pool threads and would wait for them forever."""
    load_or_explain(name)
    code = f"""
        import os, sys, signal, warnings
        import numpy as np
        from gradstep import objective
        # From Python 3.12 on, every fork of a process with threads warns; that fork is what we test.
        warnings.simplefilter("ignore", DeprecationWarning)
        X = np.random.default_rng(0).standard_normal((400_000, 2))
        y = (X[:, 0] > 0).astype(float)
        f = objective(X, y, kernel={name!r}, threads=3)
        J, grad = f(np.ones(3))
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            child_J, child_grad = f(np.ones(3))
            again_J, _ = objective(X, y, kernel={name!r}, threads=7)(np.ones(3))
            same = child_J == J == again_J and child_grad.tobytes() == grad.tobytes()
            os._exit(0 if same else 1)
        print(os.waitpid(child, 0)[1], f(np.ones(3))[0] == J)
    """
    assert processes.run(code).split() == ["0", "True"]
