"""Properties that hold for all data, on shapes and values that hypothesis chooses."""

from __future__ import annotations

from typing import Any, NamedTuple

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from kernel_calls import raw_sums
from problems import Problem

from gradstep import gradient, objective, step

# Fixtures of the session's scope cannot change between examples.
KERNEL_IS_FIXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

# Products and sums of a few of these neither overflow nor lose everything to underflow.
VALUES = (
    st.floats(-(2.0**100), 2.0**100, width=32)
    | st.floats(-4.0, 4.0, width=32)
    | st.sampled_from([0.0, 2.0**-100, -(2.0**-126), 2.0**-149])
)
# The square of a sum of a few of these does not overflow in float32 either.
SQUARABLE = (
    st.floats(-(2.0**40), 2.0**40, width=32)
    | st.floats(-4.0, 4.0, width=32)
    | st.sampled_from([0.0, 2.0**-100, -(2.0**-126), 2.0**-149])
)
LABELS = st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0, width=32)
WEIGHTS = st.floats(0.0, 1024.0, width=32)
MODERATE = st.floats(-8.0, 8.0, width=32)

# Of a float32 gradient of 9e-40, which has 20 binary digits, and an eighth of which has 17.
WITH_A_SUBNORMAL_GRADIENT = Problem(
    "a subnormal gradient",
    np.array([[1e-4], [0.0]], np.float32),
    np.array([0.0, 1.0], np.float32),
    np.array([0.5], np.float32),
    0.0,
    np.array([4.6e-33, 256.0], np.float32),
)


def problems(values: Any = VALUES, parameters: Any = MODERATE, weighted: bool = True) -> st.SearchStrategy[Problem]:
    """Return a strategy for problems with features drawn from `values` and w and b from `parameters`."""

    @st.composite
    def build(draw):
        m, n = draw(st.integers(1, 12)), draw(st.integers(1, 6))
        dtype = draw(st.sampled_from(["float64", "float32"]))
        X = draw(arrays.arrays(dtype, (m, n), elements=values))
        y = draw(arrays.arrays(dtype, m, elements=LABELS))
        w = draw(arrays.arrays(dtype, n, elements=parameters))
        weight = draw(st.none() | arrays.arrays(dtype, m, elements=WEIGHTS)) if weighted else None
        if weight is not None:
            assume(weight.sum() >= 1e-3)
        b, v = draw(parameters), draw(arrays.arrays(dtype, n + 1, elements=parameters))
        return Problem("drawn by hypothesis", X, y, w, b, weight, draw(st.sampled_from([0.0, 0.5])), direction=v)

    return build()


def arguments(problem: Problem, **changes: Any) -> dict[str, Any]:
    """Return the arguments of `gradient` for a problem."""
    given_ = {name: getattr(problem, name) for name in ("X", "y", "w", "b", "sample_weight", "l2")}
    return given_ | changes


@KERNEL_IS_FIXED
@given(problem=problems(), order=st.sampled_from(["C", "F"]), block_rows=st.integers(1, 15))
def test_within_the_bounds(kernel, problem, order, block_rows):
    problem.assert_right(problem.gradient(kernel, np.asarray(problem.X, order=order)))
    X, y, theta, weight, _ = problem.computed
    sums = raw_sums(kernel, np.asarray(X, order=order), y, theta, block_rows, weight)
    problem.assert_right_sums(sums[:, 0], block_rows)


@KERNEL_IS_FIXED
@given(problem=problems(values=SQUARABLE), order=st.sampled_from(["C", "F"]), block_rows=st.integers(1, 15))
def test_products_with_a_direction_are_within_the_bounds(kernel, problem, order, block_rows):
    X, y, theta, weight, v = problem.computed
    sums = raw_sums(kernel, np.asarray(X, order=order), y, theta, block_rows, weight, v)
    problem.assert_right_curvatures(sums[:, 0], block_rows)


@KERNEL_IS_FIXED
@given(problem=problems(values=MODERATE), data=st.data())
def test_the_order_of_the_rows_does_not_matter(kernel, problem, data):
    order = np.array(data.draw(st.permutations(range(problem.m))))
    weight = None if problem.sample_weight is None else problem.sample_weight[order]
    rearranged = gradient(
        **arguments(problem, X=problem.X[order], y=problem.y[order], sample_weight=weight), kernel=kernel
    )
    problem.assert_right(rearranged, "rows in another order")


@KERNEL_IS_FIXED
@given(problem=problems(values=MODERATE), power=st.integers(-20, 20))
def test_the_scale_of_the_weights_does_not_matter(kernel, problem, power):
    """A power of two is exact, so no bit changes but by underflow."""
    assume(problem.sample_weight is not None)
    weight = problem.sample_weight.astype(np.float64)
    assume((weight[weight > 0] > 1e-30).all())
    base = gradient(**arguments(problem, sample_weight=weight), kernel=kernel)
    scaled_weight = weight * 2.0**power
    scaled = gradient(**arguments(problem, sample_weight=scaled_weight), kernel=kernel)
    # Held to bounds of its own: what underflows weighs more beside smaller weights.
    Problem("scaled weights", **arguments(problem, sample_weight=scaled_weight)).assert_right(scaled)
    if power >= 0 and abs(base.J) > 1e-25:
        assert scaled.J == pytest.approx(base.J, rel=1e-6)


@KERNEL_IS_FIXED
@given(problem=problems(values=MODERATE, weighted=False), data=st.data())
def test_an_integer_weight_is_a_repeated_row(kernel, problem, data):
    counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=problem.m, max_size=problem.m)))
    assume(counts.sum() > 0)
    repeated = arguments(problem, X=problem.X.repeat(counts, axis=0), y=problem.y.repeat(counts))
    weighted = Problem("weights that count rows", **arguments(problem, sample_weight=counts.astype(problem.X.dtype)))
    weighted.assert_right(gradient(**repeated, kernel=kernel), "rows repeated")
    weighted.assert_right(weighted.gradient(kernel), "rows weighted")


@KERNEL_IS_FIXED
@given(problem=problems(values=MODERATE, weighted=False))
def test_exchanging_the_classes_mirrors_the_problem(kernel, problem):
    """(w, b, y) -> (-w, -b, 1 - y) leaves J and turns the gradient around; 1 - y must be exact for that."""
    assume(((1.0 - (1.0 - problem.y)) == problem.y).all())
    base = problem.gradient(kernel)
    mirrored = gradient(**arguments(problem, w=-problem.w, b=-problem.b, y=1.0 - problem.y), kernel=kernel)
    problem.assert_right(mirrored._replace(dw=-mirrored.dw, db=-mirrored.db), "mirrored")
    problem.assert_right(base)


@KERNEL_IS_FIXED
@given(problem=problems(values=MODERATE), power=st.integers(-8, 8))
@example(problem=WITH_A_SUBNORMAL_GRADIENT, power=3)
@example(problem=WITH_A_SUBNORMAL_GRADIENT, power=-8)
def test_scaling_a_column_and_its_weight(kernel, problem, power):
    """X / 2^k with w 2^k has the same z; powers of two are exact, so only the gradient of w changes, by 2^k."""
    factor = problem.X.dtype.type(2.0**power)
    assume((np.abs(problem.X[problem.X != 0]) > 1e-20).all() and (np.abs(problem.w[problem.w != 0]) > 1e-20).all())
    base_ = Problem("column as it is", **arguments(problem, l2=0.0))
    scaled_ = Problem("column scaled", **arguments(base_, X=problem.X / factor, w=problem.w * factor))
    base, scaled = base_.gradient(kernel), scaled_.gradient(kernel)
    assert (scaled.J, scaled.db) == (base.J, base.db)
    # Each is held to bounds of its own: of two subnormal gradients the smaller one keeps fewer digits.
    base_.assert_right(base)
    scaled_.assert_right(scaled)


@KERNEL_IS_FIXED
@given(problem=problems())
@example(problem=Problem("b = -0.0", np.ones((1, 1)), np.ones(1), np.zeros(1), -0.0))
def test_objective_and_step_agree_with_gradient_in_every_bit(kernel, problem):
    given_ = arguments(problem, w=problem.w.astype(np.float64))
    w, b = given_["w"], given_["b"]
    expected = gradient(**given_, kernel=kernel)
    rest = {name: given_[name] for name in ("sample_weight", "l2")}
    J, grad = objective(problem.X, problem.y, **rest, kernel=kernel)(np.append(w, b))
    assert (J, grad.tobytes()) == (expected.J, np.append(expected.dw, expected.db).tobytes())
    new_w, new_b, cost = step(**given_, alpha=0.125, kernel=kernel)
    assert new_w.tobytes() == (w - 0.125 * expected.dw).tobytes()
    assert (new_b, cost) == (b - 0.125 * expected.db, expected.J)


class Raw(NamedTuple):
    """Arrays of any dtype and layout, as users pass them."""

    X: np.ndarray
    y: np.ndarray


@st.composite
def raw(draw) -> Raw:
    dtype = draw(
        arrays.integer_dtypes() | arrays.unsigned_integer_dtypes() | arrays.floating_dtypes() | arrays.boolean_dtypes()
    )
    shape = draw(arrays.array_shapes(min_dims=2, max_dims=2, max_side=9))
    base = draw(
        arrays.arrays(dtype, shape, elements=st.sampled_from([0, 1, 2, 3]) if dtype.kind != "b" else st.booleans())
    )
    steps = st.sampled_from([-3, -2, -1, 1, 2, 3])
    X = base[:: draw(steps), :: draw(steps)]
    X = X.T if draw(st.booleans()) else X
    return Raw(X, draw(arrays.arrays("uint8", X.shape[0], elements=st.integers(0, 1))))


@KERNEL_IS_FIXED
@given(examples=raw())
def test_any_dtype_and_any_view(kernel, examples):
    X, y = examples
    before = X.tobytes() + y.tobytes()
    w = np.linspace(-1.0, 1.0, X.shape[1])
    problem = Problem(f"{X.dtype}, strides {X.strides}", X, y.astype(np.float64), w, 0.5)
    problem.assert_right(gradient(X, y, w, 0.5, kernel=kernel))
    assert X.tobytes() + y.tobytes() == before
