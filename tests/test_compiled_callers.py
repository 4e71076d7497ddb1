"""The Cython kernel for other compiled code: the functions of cython_loop.pxd, from ctypes, SciPy and Numba."""

from __future__ import annotations

import ctypes
import math
import re
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import compiled_callers as callers
import numpy as np
import problems
import pytest
from availability import load_or_explain
from kernel_calls import raw_sums, same_bits
from many_models import LABELS, WEIGHTS, random_models

import gradstep
from gradstep import engine, processor


@pytest.fixture(params=processor.NAMES)
def build(request):
    """Each build of the Cython kernel that this processor can run."""
    load_or_explain("cython")
    if request.param not in processor.supported():
        pytest.skip(f"this processor has no {request.param}")
    return processor.load(request.param)


@pytest.fixture
def chosen():
    """The module whose functions compiled code finds."""
    load_or_explain("cython")
    from gradstep.kernels import cython_loop

    return cython_loop


def given(m, n, dtype, weighted):
    """Return X, y, weights and w."""
    X, y, theta, weight, _ = problems.random_weighted_problem(m, n, dtype).computed
    return X, y, weight if weighted else None, theta[0, :-1].copy()


def test_names_and_signatures_are_frozen(build):
    found = {name: re.search('"(.*)"', repr(capsule))[1] for name, capsule in build.__pyx_capi__.items()}
    assert found == callers.SIGNATURES


def test_code_finds_the_build_for_this_processor(chosen):
    assert chosen.__pyx_capi__ is processor.load_best().__pyx_capi__


def test_the_declarations_are_plain_c_and_ship_with_the_package():
    text = resources.files("gradstep.kernels").joinpath("cython_loop.pxd").read_text(encoding="utf-8")
    code = re.sub("#.*", "", text)
    assert set(re.findall(r"cdef (?:int|double) (\w+)\(", code)) == set(callers.SIGNATURES)
    assert not re.search("ctypedef|fused|include|import", code)
    fields = re.search(r"struct Posterior:\n((?: +.*\n|\n)+)", code)[1]
    assert re.findall(r"(\w+)(?=[,\n])", re.sub(" +\n", "\n", fields)) == [
        name for name, _ in callers.Posterior._fields_
    ]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (9, 3), (33, 100), (18_357, 100)])
def test_gradient_has_the_bits_of_the_library(chosen, m, n, dtype, weighted, order):
    X, y, weight, w = given(m, n, dtype, weighted)
    X = np.asarray(X, order=order)
    assert (m < 1000) == (m <= engine.block_rows(n, dtype))
    total = gradstep.gradient(X, y, w, 0.25, sample_weight=weight, kernel="cython")
    code, J, dw, db = callers.gradient(chosen, X, y, weight, w, 0.25, 0.0)
    assert code == 0
    if weighted:
        # NumPy adds up the weights in another order when their sum is that of several blocks.
        np.testing.assert_allclose(
            [J, db, *dw], [total.J, total.db, *total.dw], rtol=1e-12 if dtype == "float64" else 1e-6
        )
    else:
        assert (J, db, dw.astype(dtype).tobytes()) == (total.J, total.db, total.dw.tobytes())


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5, 8, 11, 16, 21])
def test_blocks_are_added_in_the_order_of_the_library(chosen, blocks):
    n = 40_000
    rows = engine.block_rows(n, "float64")
    rng = np.random.default_rng(blocks)
    m = rows * blocks - 3 * (blocks > 1)
    # Rows that lie in one place: an array of them would have 400 MB.
    X, y, w = np.broadcast_to(rng.standard_normal(n), (m, n)), rng.random(m), rng.standard_normal(n) / n
    expected = gradstep.gradient(X, y, w, -0.5, kernel="cython")
    code, J, dw, db = callers.gradient(chosen, X, y, None, w, -0.5, 0.0)
    assert (code, J, db, dw.tobytes()) == (0, expected.J, expected.db, expected.dw.tobytes())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradient_with_a_penalty(build, dtype):
    X, y, weight, w = given(65, 5, dtype, True)
    expected = gradstep.gradient(X, y, w, 0.5, sample_weight=weight, l2=0.5, kernel="cython")
    code, J, dw, db = callers.gradient(build, X, y, weight, w, 0.5, 0.5)
    assert (code, pytest.approx(J, rel=1e-14), pytest.approx(db, rel=1e-12)) == (0, expected.J, expected.db)
    np.testing.assert_allclose(dw, expected.dw, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("directed", [False, True])
def test_sums_have_the_bits_of_the_kernel(build, dtype, labels, weights, directed):
    models = random_models(65, 8, dtype, 3, labels, weights)
    arguments = models.arguments(directed)
    for layout in ("C order", "F order", "row-strided"):
        X = problems.LAYOUTS[layout](models.X)
        code, out = callers.sums(
            build, X, arguments["y"], arguments["theta"], 13, arguments["sample_weight"], arguments["direction"]
        )
        expected = raw_sums(build, block_rows=13, **(arguments | {"X": X}))
        assert code == 0
        assert same_bits(out, expected)


BAD = {
    "X is NULL": {0: None},
    "no row": {1: 0},
    "no column": {2: 0},
    "no stride of 1": {3: 2, 4: 2},
    "y is NULL": {5: None},
    "no total weight": {7: 0.0},
    "NaN as total weight": {7: math.nan},
    "w is NULL": {8: None},
    "infinite total weight": {7: math.inf},
    "a negative penalty": {10: -1.0},
    "an infinite penalty": {10: math.inf},
    "J is NULL": {11: None},
    "dw is NULL": {12: None},
    "db is NULL": {13: None},
    **{f"odd {name}": {place: 1} for place, name in {0: "X", 5: "y", 6: "weights", 8: "w"}.items()},
    **{f"odd {name}": {place: 1} for place, name in {11: "J", 12: "dw", 13: "db"}.items()},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_gradient_refuses_what_breaks_the_contract(build, change):
    X, y, w, results = np.ones((2, 3)), np.ones(2), np.ones(3), np.full(5, 7.0)
    at = results.ctypes.data
    arguments = [X.ctypes.data, 2, 3, 3, 1, y.ctypes.data, None, 2.0, w.ctypes.data, 0.0, 0.0, at, at + 8, at + 32]
    # An address one byte further.
    change = {i: (arguments[i] or at) + 1 if value == 1 else value for i, value in change.items()}
    gradient = callers.function(build, "logistic_gradient_f64")
    assert gradient(*[change.get(i, argument) for i, argument in enumerate(arguments)]) == 1
    assert (results == 7.0).all()
    assert gradient(*arguments) == 0
    assert (results != 7.0).all()


BAD_SUMS = {
    "odd X": {0: 1},
    "odd y": {5: 1},
    "odd weights": {7: 1},
    "theta is NULL": {9: None},
    "odd theta": {9: 1},
    "odd direction": {10: 1},
    "no model": {11: 0},
    "no row in a block": {12: 0},
    "out is NULL": {13: None},
    "odd out": {13: 1},
}


@pytest.mark.parametrize("change", BAD_SUMS.values(), ids=BAD_SUMS)
def test_sums_refuse_what_breaks_the_contract(build, change):
    numbers, out = np.ones(6), np.full(5, 7.0)
    at = numbers.ctypes.data
    arguments = [at, 2, 3, 3, 1, at, 0, None, 0, at, None, 1, 2, out.ctypes.data]
    change = {i: at + value if value == 1 else value for i, value in change.items()}
    sums = callers.function(build, "logistic_sums_f64")
    assert sums(*[change.get(i, argument) for i, argument in enumerate(arguments)]) == 1
    assert (out == 7.0).all()
    assert sums(*arguments) == 0
    assert (out != 7.0).all()


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"X": math.nan}, "X"), ({"X": math.inf}, "X"), ({"y": 1.5}, "y"), ({"weight": -1.0}, "weight")],
)
def test_gradient_says_that_a_result_is_not_finite(build, changes, name):
    arrays = {"X": np.ones((4, 2)), "y": np.ones(4), "weight": np.ones(4)}
    arrays[name].flat[3] = changes[name]
    assert callers.gradient(build, arrays["X"], arrays["y"], arrays["weight"], np.ones(2), 0.0, 0.0)[0] == 3


def test_no_memory_is_a_code(build):
    out = np.empty(3)
    at, many = out.ctypes.data, (1 << 62) // 8
    sums = callers.function(build, "logistic_sums_f64")
    assert sums(at, 1, 1, 1, 1, at, 0, None, 0, at, None, many // 64, 1, at) == 2


def test_threads_may_call_at_once(chosen):
    X, y, weight, w = given(1000, 50, "float64", True)
    alone = callers.gradient(chosen, X, y, weight, w, 0.25, 0.1)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda _: callers.gradient(chosen, X, y, weight, w, 0.25, 0.1), range(200)))
    assert {(code, J, dw.tobytes(), db) for code, J, dw, db in together} == {
        (alone[0], alone[1], alone[2].tobytes(), alone[3])
    }


# SciPy


def posterior_of(X, y, l2):
    """Return the minimum of a cost, and the user_data of its posterior."""
    fit = gradstep.fit(X, y, l2=l2, tol=1e-10)
    m, n = X.shape
    at = callers.address
    return fit, callers.Posterior(at(X), at(y), None, m, n, *callers.strides(X), float(m), l2, fit.J)


def test_posterior_is_that_of_the_cost(build):
    X, y = np.array([[0.0], [1.0], [2.0], [4.0]]), np.array([0.0, 1.0, 0.0, 1.0])
    fit, data = posterior_of(X, y, 0.1)
    density = callers.function(build, "logistic_posterior")
    theta = np.array([0.5, -0.25])
    J, _, _ = gradstep.gradient(X, y, theta[:1], theta[1], l2=0.1)
    assert density(2, theta.ctypes.data, ctypes.addressof(data)) == pytest.approx(math.exp(4 * (fit.J - J)), rel=1e-13)
    assert math.isnan(density(3, theta.ctypes.data, ctypes.addressof(data)))
    assert math.isnan(density(2, None, ctypes.addressof(data)))
    assert math.isnan(density(2, theta.ctypes.data, None))
    data.m = 0
    assert math.isnan(density(2, theta.ctypes.data, ctypes.addressof(data)))


def test_scipy_integrates_the_posterior(chosen):
    from scipy import LowLevelCallable, integrate

    X, y = np.array([[0.0], [1.0], [2.0], [4.0]]), np.array([0.0, 1.0, 0.0, 1.0])
    fit, data = posterior_of(X, y, 0.1)
    density = LowLevelCallable.from_cython(
        chosen, "logistic_posterior", ctypes.cast(ctypes.pointer(data), ctypes.c_void_p)
    )
    assert density.signature == "double (int, double *, void *)"
    ranges = [(-6.0, 8.0), (-8.0, 8.0)]
    mass, _ = integrate.nquad(density, ranges, opts={"epsrel": 1e-6})

    def in_python(w, b):
        return math.exp(4 * (fit.J - gradstep.gradient(X, y, [w], b, l2=0.1).J))

    expected, _ = integrate.nquad(in_python, ranges, opts={"epsrel": 1e-4, "epsabs": 1e-4})
    assert mass == pytest.approx(expected, rel=1e-3)


# Numba


def test_numba_calls_the_gradient_inside_njit_code(chosen):
    numba = pytest.importorskip("numba")
    from numba.extending import get_cython_function_address

    size, number, at = ctypes.c_ssize_t, ctypes.c_double, ctypes.c_void_p
    types = [at, size, size, size, size, at, at, number, at, number, number, at, at, at]
    gradient = ctypes.CFUNCTYPE(ctypes.c_int, *types)(
        get_cython_function_address("gradstep.kernels.cython_loop", "logistic_gradient_f64")
    )

    @numba.njit(nogil=True)
    def descend(X, y, alpha, steps):
        m, n = X.shape
        w, b, ones = np.zeros(n), 0.0, np.ones(m)
        J, dw, db = np.empty(1), np.empty(n), np.empty(1)
        for _ in range(steps):
            code = gradient(
                X.ctypes, m, n, n, 1, y.ctypes, ones.ctypes, float(m), w.ctypes, b, 0.0, J.ctypes, dw.ctypes, db.ctypes
            )
            if code != 0:
                raise ValueError("no gradient")
            w -= alpha * dw
            b -= alpha * db[0]
        return w, b, J[0]

    X, y, _, _ = given(65, 3, "float64", False)
    w, b, J = descend(X, y, 0.5, 20)
    expected_w, expected_b = np.zeros(3), 0.0
    for _ in range(20):
        expected_w, expected_b, expected_J = gradstep.step(X, y, expected_w, expected_b, 0.5, kernel="cython")
    np.testing.assert_allclose([*w, b, J], [*expected_w, expected_b, expected_J], rtol=1e-12)
