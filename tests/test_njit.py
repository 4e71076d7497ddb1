"""Gradients in Numba code have the bits of `gradstep.gradient`, and the kernel's function runs in users' threads."""

from __future__ import annotations

import numpy as np
import processes
import pytest
from availability import load_or_explain
from kernel_calls import same_bits

import gradstep
from gradstep import engine


def example(m: int, n: int, dtype: str = "float64"):
    generator = np.random.default_rng([m, n])
    X = generator.standard_normal((m, n)).astype(dtype)
    y = (generator.random(m) < 0.5).astype(dtype)
    return X, y, generator.standard_normal(n).astype(dtype), 0.25, generator.uniform(0.5, 2.0, m).astype(dtype)


@pytest.fixture
def njit():
    load_or_explain("numba")
    from gradstep import njit

    return njit


def assert_same(found, expected):
    assert type(found) is gradstep.Gradient
    assert (found.J, found.db) == (expected.J, expected.db)
    assert same_bits(found.dw, expected.dw)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("blocks", [1, 2, 3, 5, 8, 11])
def test_bits_for_any_number_of_blocks(njit, blocks, dtype):
    n = 300
    m = (blocks - 1) * engine.block_rows(n, dtype) + 7
    X, y, w, b, c = example(m, n, dtype)
    # Each set of types is compiled anew.
    weight, order = (c, "C") if dtype == "float32" else (None, "F")
    X = np.asarray(X, order=order)
    for l2 in (0.0, 0.3):
        expected = gradstep.gradient(X, y, w, b, sample_weight=weight, l2=l2, kernel="numba")
        assert_same(njit.gradient(X, y, w, b, weight, l2), expected)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("m", [1, 7, 8, 129, 1000, 20_001])
def test_bits_of_weighted_means_for_any_number_of_rows(njit, m, dtype):
    X, y, w, b, c = example(m, 3, dtype)
    expected = gradstep.gradient(X, y, w, b, sample_weight=c, l2=0.1, kernel="numba")
    assert_same(njit.gradient(X, y, w, b, c, 0.1), expected)


def test_read_only_and_sliced_arrays(njit):
    X, y, w, b, c = example(50, 6)
    for array in (X, y, w, c):
        array.flags.writeable = False
    expected = gradstep.gradient(X[::2, 1:], y[:25], w[1:], b, sample_weight=c[:25], l2=0.1, kernel="numba")
    assert_same(njit.gradient(X[::2, 1:], y[:25], w[1:], b, c[:25], 0.1), expected)


def test_parameters_of_another_dtype(njit):
    X, y, w, b, c = example(50, 6, "float32")
    w = w.astype(np.float64) + 1e-9
    expected = gradstep.gradient(X, y, w, b, sample_weight=c, l2=0.1, kernel="numba")
    assert_same(njit.gradient(X, y, w, b, c, 0.1), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.ones(4)}, "y should have as many"),
        ({"w": np.ones(4)}, "w should have as many"),
        ({"sample_weight": np.ones(4)}, "sample_weight should have as many"),
        ({"sample_weight": np.zeros(5)}, "the mean of sample_weight"),
        ({"sample_weight": -np.ones(5)}, "negative weight"),
        ({"X": np.full((5, 3), np.nan)}, "NaN"),
        ({"y": np.full(5, 1.5)}, "label outside"),
        ({"b": np.inf}, "infinity"),
        ({"l2": -1.0}, "l2 should be"),
        ({"l2": np.nan}, "l2 should be"),
        ({"X": np.empty((0, 3)), "y": np.empty(0)}, "at least one row"),
        ({"X": np.ones((5, 3), np.float32)}, "have the dtype of X"),
        ({"X": np.ones((5, 3), int)}, "float32 or float64"),
    ],
)
def test_what_it_refuses(njit, change, message):
    given = {"X": np.ones((5, 3)), "y": np.ones(5), "w": np.ones(3), "b": 0.0, "sample_weight": np.ones(5), "l2": 0.1}
    njit.gradient(*given.values())
    with pytest.raises(ValueError, match=message):
        njit.gradient(*(given | change).values())


def swapped(values):
    return values.astype(values.dtype.newbyteorder())


def masked(values):
    return np.ma.array(values, mask=values == values[0])


@pytest.mark.parametrize("name", ["X", "y", "w", "sample_weight"])
def test_odd_arrays_are_named_whatever_came_before(njit, name):
    given = {"X": np.ones((5, 3)), "y": np.ones(5), "w": np.ones(3), "b": 0.0, "sample_weight": np.ones(5), "l2": 0.1}
    for odd in (swapped, masked, np.ndarray.tolist, lambda values: values.astype(complex), lambda values: values[None]):
        read_only = given[name].copy()
        read_only.flags.writeable = False
        njit.gradient(*(given | {name: read_only}).values())
        with pytest.raises((TypeError, ValueError), match=f"^{name} should"):
            njit.gradient(*(given | {name: odd(given[name])}).values())
    with pytest.raises(ValueError, match=r"^w should be aligned, float32 or float64, with 1 axis$"):
        njit.gradient(*(given | {"w": np.ones(3, int)}).values())


@pytest.mark.parametrize("value", [None, "1", 1j, np.ones(1), np.ma.masked], ids=repr)
@pytest.mark.parametrize("name", ["b", "l2"])
def test_what_is_not_one_real_number(njit, name, value):
    given = {"X": np.ones((5, 3)), "y": np.ones(5), "w": np.ones(3), "b": 0.0, "sample_weight": None, "l2": 0.1}
    with pytest.raises(TypeError, match=f"^{name} is "):
        njit.gradient(*(given | {name: value}).values())


def test_a_penalty_whose_square_overflows(njit):
    X, y, w = np.zeros((1, 2)), np.zeros(1), np.array([1e160, 0.0])
    expected = gradstep.gradient(X, y, w, 0.0, l2=1e-300, kernel="numba")
    assert expected.J == pytest.approx(0.5e20)
    assert_same(njit.gradient(X, y, w, 0.0, None, 1e-300), expected)


def test_types_that_do_not_compile(njit):
    import numba

    gradient = njit.gradient

    @numba.njit
    def cost(X, y, w):
        return gradient(X, y, w, 0.0).J

    X, y, w = np.ones((5, 3)), np.ones(5), np.ones(3)
    assert cost(X, y, w) == gradient(X, y, w, 0.0).J
    with pytest.raises(numba.core.errors.TypingError, match="w should be aligned, float32 or float64, with 1 axis"):
        cost(X, y, np.ones(3, int))

    @numba.njit
    def cost_at(X, y, w, b):
        return gradient(X, y, w, b).J

    assert cost_at(X, y, w, 1) == gradient(X, y, w, 1).J
    with pytest.raises(numba.core.errors.TypingError, match="b should be a real number"):
        cost_at(X, y, w, 1j)


def test_strides_that_the_kernel_does_not_take(njit):
    X, y, w, b, c = example(10, 6)
    for array in (X, y, w, c):
        array.flags.writeable = False
    with pytest.raises(ValueError, match="unit stride"):
        njit.gradient(X[:, ::2], y, w[:3], b, c, 0.1)


def test_the_function_of_the_kernel_in_parallel_code(njit):
    import numba

    partial_sums = njit.partial_sums

    @numba.njit(parallel=True)
    def sums(X, y, theta, rows, out):
        for block in numba.prange(len(out)):
            part = slice(block * rows, (block + 1) * rows)
            partial_sums(X[part], y[part], theta, rows, out[block : block + 1])

    X, y, w, b, _ = example(4_001, 20)
    theta = np.append(w, b)[None]
    found, expected = np.full((9, 1, 22), np.nan), np.empty((9, 1, 22))
    sums(X, y, theta, 500, found)
    partial_sums(X, y, theta, 500, expected)
    assert same_bits(found, expected)


def test_a_missing_numba_names_the_extra():
    code = """
        import sys
        sys.modules["numba"] = None
        try:
            import gradstep.njit
        except ImportError as error:
            print(type(error).__name__, error)
    """
    said = processes.run(code, {})
    assert "MissingExtra gradstep.njit needs numba" in said
    assert 'gradstep[numba]"' in said
