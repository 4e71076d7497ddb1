"""Numbers at the ends of what float32, float64 and their sums can hold, and the caller's settings of errors."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from gradstep import fit, gradient, objective, step
from gradstep.cost import Cost
from gradstep.validate import data

X = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5], [0.0, 1.0]])
Y = [0.0, 1.0, 1.0, 0.0]
W = np.array([0.5, -0.5])
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0])
FLOAT32 = X.astype("float32")


@pytest.mark.parametrize("exponent", [-1070, -1040, -900, -300, -166, -140, -40, 33, 100, 126, 200, 600, 1000, 1021])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_only_the_ratios_of_weights_matter(kernel, exponent, dtype):
    scaled = np.ldexp(WEIGHTS, exponent)
    if dtype == "float32" and exponent > 126:
        with pytest.raises(ValueError, match="after conversion to float32; it should be finite$"):
            gradient(X.astype(dtype), Y, W, 0.1, sample_weight=scaled, kernel=kernel)
        return
    expected = gradient(X.astype(dtype), Y, W, 0.1, sample_weight=WEIGHTS, l2=0.1, kernel=kernel)
    actual = gradient(X.astype(dtype), Y, W, 0.1, sample_weight=scaled, l2=0.1, kernel=kernel)
    assert (actual.J, actual.dw.tolist(), actual.db) == (expected.J, expected.dw.tolist(), expected.db)


def test_small_weights_of_small_losses(kernel):
    """A loss of 2e-9 times a weight of 1e-37 is no number of float32."""
    wide = np.float32([[20.0], [20.0]])
    small = gradient(wide, [1, 1], [1.0], 0.0, sample_weight=[1e-37, 1e-37], kernel=kernel)
    assert small.J == pytest.approx(math.log1p(math.exp(-20.0)), rel=1e-5)


def test_the_largest_weights_of_all(kernel):
    result = gradient(X, Y, W, 0.1, sample_weight=np.full(4, 1.7e308), kernel=kernel)
    assert result.J == pytest.approx(gradient(X, Y, W, 0.1, kernel=kernel).J, rel=1e-15)


@pytest.mark.parametrize("weights", [[1.0, 1e-50, 1.0, 0.0], [1.0, 1e-50, 1e-60, 1e-20]])
def test_a_weight_that_float32_holds_as_zero(kernel, weights):
    with pytest.raises(ValueError) as raised:
        gradient(FLOAT32, Y, W, 0.1, sample_weight=weights, kernel=kernel)
    expected = "beside 1.0 float32 holds it as 0: set it to 0, or pass X as float64"
    assert str(raised.value) == f"sample_weight has 1e-50 at index 1; {expected}"


@pytest.mark.parametrize("weights", [[1.0, 1e-40, 1.0, 0.0], np.float32([1e30, 1.1e-10, 1.0, 0.0])])
def test_a_weight_of_which_float32_holds_few_digits(kernel, weights):
    with pytest.raises(ValueError, match=r"^sample_weight has 1.* at index 1; beside 1.* float32 holds it as .*[1-9]"):
        gradient(FLOAT32, Y, W, 0.1, sample_weight=weights, kernel=kernel)
    subnormal = np.ldexp(np.float32(3.0), -149)
    gradient(FLOAT32, Y, W, 0.1, sample_weight=[1.0, subnormal, 1.0, 0.0], kernel=kernel)


def test_weights_whose_ratio_is_beyond_float64(kernel):
    weights = [1e300, 1e-300, 1.0, 1.0]
    with pytest.raises(ValueError, match="^sample_weight has 1e-300 at index 1; beside 1e"):
        gradient(X, Y, W, 0.1, sample_weight=weights, kernel=kernel)


def test_signs_are_checked_before_rounding(kernel):
    with pytest.raises(ValueError, match=r"^sample_weight has -1e-50 at index 2; weights should not be negative$"):
        gradient(FLOAT32, Y, W, 0.1, sample_weight=[1.0, 1.0, -1e-50, 1.0], kernel=kernel)
    with pytest.raises(ValueError, match=r"^sample_weight has -1e-50 at index 2; weights should not be negative$"):
        gradient(FLOAT32, Y, W, 0.1, sample_weight=[1e-50, 1e-50, -1e-50, 1e-50], kernel=kernel)
    with pytest.raises(ValueError, match="^sample_weight has -5e-324 at index 0; weights should not be negative$"):
        gradient(FLOAT32, Y, W, 0.1, sample_weight=[-5e-324, 0.0, 0.0, 0.0], kernel=kernel)
    for label in (-1e-50, np.nextafter(1.0, 2.0)):
        with pytest.raises(ValueError, match=rf"^y has {label} at index 2; labels should lie in \[0, 1\]$"):
            gradient(FLOAT32, [0.0, 1.0, label, 0.0], W, 0.1, kernel=kernel)


def test_a_mean_whose_sum_overflows(kernel):
    assert gradient(np.zeros((4, 1)), [0, 0, 1, 1], [0.0], 1e308, kernel=kernel).J == 5e307
    assert gradient(np.zeros((9, 1)), np.zeros(9), [0.0], 1.7e308, kernel=kernel).J == pytest.approx(1.7e308, rel=1e-15)
    weights = np.full(9, 1.7e308)
    result = gradient(np.zeros((9, 1)), np.zeros(9), [0.0], 1.7e308, sample_weight=weights, kernel=kernel)
    assert result.J == pytest.approx(1.7e308, rel=1e-15)
    many = gradient(np.zeros((700, 1), "f4"), np.zeros(700), [0.0], 3e38, kernel=kernel)
    assert (many.J, many.db) == (pytest.approx(3e38, rel=1e-6), 1.0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_models_in_the_company_of_extreme_ones_have_the_bits_that_they_have_alone(kernel, dtype):
    """Neither the weights of another model nor its sums that overflow change how a model is computed."""
    generator = np.random.default_rng(0)
    rows, w = generator.standard_normal((50, 7)).astype(dtype), generator.standard_normal((7, 3))
    labels = generator.random((50, 3))
    weights = generator.random((50, 3)) * [1e-30, 1.0, 1e25]
    largest = float(np.finfo(dtype).max) / 2.0
    for c, b in ((weights, [0.1, -3.0, 50.0]), (None, [largest, 0.1, 0.2]), (weights, [largest, 0.1, 0.2])):
        together = gradient(rows, labels, w, b, sample_weight=c, kernel=kernel)
        for j in range(3):
            own = None if c is None else c[:, j]
            alone = gradient(rows, labels[:, j], w[:, j], b[j], sample_weight=own, kernel=kernel)
            assert (together.J[j], together.db[j]) == (alone.J, alone.db)
            assert together.dw[:, j].tolist() == alone.dw.tolist()


def test_a_penalty_whose_square_overflows(kernel):
    far = [1e160, 0.0]
    with_penalty = gradient(np.zeros((1, 2)), [0], far, 0.0, l2=1e-300, kernel=kernel)
    assert with_penalty.J == pytest.approx(0.5e20, rel=1e-12)
    f = objective(np.zeros((2, 2)), [0, 1], l2=1e-300, kernel=kernel)
    assert f.curvature([0.0, 0.0, 0.0], [*far, 0.0]) == pytest.approx(1e20, rel=1e-12)
    weighted = gradient(np.zeros((1, 2)), [0], far, 0.0, sample_weight=[2.0], kernel=kernel)
    assert weighted.J == pytest.approx(math.log(2.0))


@pytest.mark.parametrize("name", ["w", "b"])
def test_a_parameter_that_saturates_every_row(kernel, name):
    """Where each score is infinite all curvature is 0, which is the right answer only for finite parameters."""
    for rows, value in ((X[:2], np.inf), (X[:2], -np.inf), (FLOAT32[:2], 1e39)):
        f = objective(rows, Y[:2], kernel=kernel)
        theta = [value, 0.0, 0.0] if name == "w" else [0.0, 0.0, value]
        for product in (f.hessp, f.curvature):
            with pytest.raises(ValueError, match=f"^{name} (has|is) .*inf.*; it should be finite$"):
                product(theta, [1.0, 1.0, 1.0])
    far = objective(X[:2], Y[:2], kernel=kernel)
    assert far.hessp([1e308, 1e308, 0.0], [1.0, 1.0, 1.0]).tolist() == [0.0, 0.0, 0.0]


def test_a_start_beyond_float32():
    with pytest.raises(ValueError, match="^w0 has inf at index 1 after conversion to float32; it should be finite$"):
        fit(FLOAT32, Y, w0=[0.0, 1e39])
    with pytest.raises(ValueError, match="^b0 is -inf after conversion to float32; it should be finite$"):
        fit(FLOAT32, Y, b0=-1e39)
    with pytest.raises(ValueError, match="^b0 has inf at index 1 after conversion to float32; it should be finite$"):
        fit(FLOAT32, np.transpose([Y, Y]), b0=[0.0, 1e39])


def test_an_alpha_beyond_float32(kernel):
    w = np.zeros(1, "float32")
    slopes = gradient(np.float32([[3e38]]), [0], w, 0.0, kernel=kernel).dw
    moved = step(np.float32([[3e38]]), [0], w, 0.0, 1e-50, kernel=kernel).w
    assert moved.dtype == np.float32
    assert moved[0] == np.float32(-1e-50 * float(slopes[0])) != 0.0
    moved = step(np.float32([[1e-30], [0.0]]), [0, 1], w, 0.0, 1e40, kernel=kernel).w
    assert moved[0] == pytest.approx(-1e40 * 1e-30 / 4, rel=1e-6)


def test_weights_that_change_after_the_first_call(kernel):
    weights = WEIGHTS.copy()
    f = objective(X, Y, sample_weight=weights, kernel=kernel)
    before = f.gradient(W, 0.1)
    weights *= 3.0
    assert f.gradient(W, 0.1).J == before.J


def test_weights_that_change_during_a_descent(kernel):
    expected = fit(X, Y, sample_weight=WEIGHTS, l2=0.1, kernel=kernel)
    weights = WEIGHTS.copy()
    found = fit(X, Y, sample_weight=weights, l2=0.1, callback=lambda _: weights.fill(9.0), kernel=kernel)
    assert (found.J, found.w.tolist(), found.n_iter) == (expected.J, expected.w.tolist(), expected.n_iter)


def after_three_steps(iterate):
    """Stop a descent; who wants it to stop is not warned."""
    return iterate.n_iter == 3


def calls(kernel):
    """Call everything on numbers whose results overflow, underflow or are subnormal."""
    gradient(np.ones((2, 1), "f4"), [1e-60, 1], [0.0], 0.0, kernel=kernel)
    gradient(np.ones((2, 1), "f4"), [0, 1], [1e-60], 1e-60, sample_weight=[1e-60, 1e-60], kernel=kernel)
    gradient(np.full((2, 1), 1e-300), [0, 1], np.zeros(1, "f4"), 0.0, kernel=kernel)
    gradient(
        np.full((3, 1), 5e-324), [0, 1, 1], [0.0], 0.0, l2=1e-320, sample_weight=[1e-320, 1e-310, 1], kernel=kernel
    )
    gradient([[1e308], [1e308]], [0, 0], [1e10], 0.0, l2=1e300, kernel=kernel)
    gradient([[800.0], [-800.0]], [0, 1], [1.0], 0.0, kernel=kernel)
    step([[1e300]], [0], [1.0], 0.0, 1e300, kernel=kernel)
    step(np.float32([[1e30]]), [0], np.float32([1.0]), 0.0, 1e-44, kernel=kernel)
    # Sums whose mean underflows.
    gradient(np.full((3, 1), 1e-308), [0.0, 1.0, 1.0], [0.0], 0.0, kernel=kernel)
    objective(X, Y, kernel=kernel)(np.full(3, 1e-320))
    objective(X, Y, kernel=kernel)(np.full(3, 1e-320, "longdouble"))
    fit(X * 1e-150, Y, callback=after_three_steps, w0=np.float32([1e-44, 1.0]), kernel=kernel)
    fit(FLOAT32, Y, callback=after_three_steps, kernel=kernel)
    fit(X * 1e3, Y, callback=after_three_steps, l2=1e-300, kernel=kernel)


def refuse(kind, flag):
    """Do what a caller's function for errors may do."""
    raise LookupError(kind)


def test_settings_of_errors_never_raise(kernel):
    calls(kernel)
    state = np.geterr()
    with np.errstate(all="raise"):
        inside = np.geterr()
        calls(kernel)
        assert np.geterr() == inside
    with np.errstate(all="call", call=refuse):
        calls(kernel)
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        calls(kernel)
    assert np.geterr() == state


def test_settings_of_errors_change_no_bit(kernel):
    usual = gradient(X, Y, W, 1e-300, l2=1e-320, kernel=kernel)
    with np.errstate(all="raise"):
        strict = gradient(X, Y, W, 1e-300, l2=1e-320, kernel=kernel)
    assert (usual.J, usual.dw.tobytes(), usual.db) == (strict.J, strict.dw.tobytes(), strict.db)


def test_a_callback_keeps_the_callers_settings():
    with np.errstate(all="raise"):
        seen = []
        fit(X, Y, max_iter=50, callback=lambda iterate: seen.append(np.geterr()) or iterate.n_iter == 1)
        assert seen == [np.geterr()] * 2


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("exponent", [-600, -100, -60, 60, 100])
def test_a_direction_of_any_size(kernel, dtype, exponent):
    f = objective(X.astype(dtype), Y, sample_weight=WEIGHTS, l2=0.1, kernel=kernel)
    theta, v = [0.5, -0.5, 0.1], np.array([1.0, 2.0, -0.5])
    scaled = np.ldexp(v, exponent)
    assert f.hessp(theta, scaled).tolist() == np.ldexp(f.hessp(theta, v), exponent).tolist()
    assert f.curvature(theta, scaled) == math.ldexp(f.curvature(theta, v), 2 * exponent)


def test_a_direction_of_one_model_leaves_the_others_their_bits(kernel):
    w, v = np.zeros((2, 3)), np.array([[1.0, 2.0, 3.0], [1e-40, 0.0, -1e-41], [0.0, 0.0, 0.0]])
    cost = Cost(data(FLOAT32, np.transpose([Y, Y, Y]), k=3), 0.0, kernel, None, True)
    theta = np.zeros((3, 3))
    products, along = cost.curvature(theta, v)
    for j in range(2):
        f = objective(FLOAT32, Y, kernel=kernel)
        assert products[j].tolist() == f.hessp(np.append(w[:, j], 0.0), v[j]).tolist()
        assert along[j] == f.curvature(np.append(w[:, j], 0.0), v[j]) > 0.0
    assert (products[2].tolist(), along[2]) == ([0.0] * 3, 0.0)


def test_a_penalty_whose_square_underflows(kernel):
    n = 1000
    near, rows = np.full(n, 1.5e-162), np.zeros((1, n))
    with_penalty = gradient(rows, [0], near, -800.0, l2=1.7e308, kernel=kernel).J
    assert with_penalty == pytest.approx(0.5 * 1.7e308 * 1.5e-162 * 1.5e-162 * n, rel=1e-14)
    several = gradient(rows, [0], np.stack([near, near], axis=1), [-800.0, 0.0], l2=1.7e308, kernel=kernel).J
    assert several.tolist() == [with_penalty, pytest.approx(with_penalty + math.log(2.0), rel=1e-15)]


def test_a_step_of_models_whose_change_underflows(kernel):
    labels = np.transpose([Y, Y])
    with np.errstate(all="raise"):
        moved = step(X, labels, np.zeros((2, 2)), [0.3, -0.7], [1.1e-320, 1.3e-322], kernel=kernel)
    assert moved.b.tolist() == [0.3, -0.7]
