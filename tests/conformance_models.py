"""The part of the conformance suite about several models in one call, and about directions."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from dataclasses import replace

import many_models
import numpy as np
import problems
from kernel_calls import raw_sums, same_bits
from many_models import STRIDES, Models, random_models
from problems import LAYOUTS, Problem

from gradstep import Kernel, gradient, objective

IN_PLACE = (
    "C order",
    "F order",
    "row-strided",
    "F order, column-strided",
    "window in C order",
    "window in F order",
    "read-only",
)
"""The layouts of X that a kernel must read in place."""

DTYPES = [
    "float64",
    "float32",
    "float16",
    "longdouble",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
]

# Each pair of two axes occurs: number of models, labels, weights, dtype, order, shape and rows in a block.
_CASES = (
    (1, "per model", "none", "float64", "C", (65, 8), 64),
    (1, "shared", "per model", "float32", "F", (9, 3), 4),
    (1, "per model", "shared", "float64", "F", (64, 17), 100),
    (2, "shared", "shared", "float64", "C", (64, 17), 7),
    (2, "per model", "per model", "float32", "C", (65, 8), 100),
    (2, "shared", "none", "float32", "F", (63, 1), 64),
    (3, "per model", "per model", "float64", "F", (63, 2), 7),
    (3, "shared", "none", "float64", "C", (9, 3), 100),
    (3, "per model", "shared", "float32", "C", (64, 17), 64),
    (8, "per model", "none", "float32", "F", (64, 17), 7),
    (8, "shared", "per model", "float64", "C", (17, 100), 4),
    (8, "shared", "shared", "float64", "F", (65, 8), 64),
    (33, "per model", "per model", "float64", "C", (9, 3), 4),
    (33, "shared", "none", "float32", "F", (17, 2), 100),
    (33, "per model", "shared", "float64", "F", (1, 5), 1),
)


def check_models(kernel: Kernel) -> None:
    """The sums of each model, with and without its direction; every element of out is written."""
    for k, labels, weights, dtype, order, shape, block_rows in _CASES:
        models = random_models(*shape, dtype, k, labels, weights)
        models.assert_right(kernel, block_rows, f"{order} order", X=np.asarray(models.X, order=order))


def check_directions(kernel: Kernel) -> None:
    """The product of the Hessian with a direction, on shapes at the edges of vectors, blocks and groups of rows."""
    shapes = [*itertools.product((1, 2, 8, 9, 65), (1, 3, 8, 17)), (7, 100), (63, 2), (64, 9), (513, 2), (5, 401)]
    for number, (m, n) in enumerate(shapes):
        problem = problems.random_problem(m, n, ("float64", "float32")[number % 2])
        problem = problem if number % 3 else problem.weighted()
        X = np.asarray(problem.computed.X, order="CF"[number // 2 % 2])
        for block_rows in {m, -(-m // 2), 7}:
            problem.assert_right_curvatures(_curvatures(kernel, problem, block_rows, X), block_rows)


def check_layouts_of_models(kernel: Kernel) -> None:
    """The layouts that a kernel must read in place, for three models with read-only inputs."""
    for number, (name, dtype) in enumerate(itertools.product(IN_PLACE, ("float64", "float32"))):
        models = random_models(*((33, 17), (64, 2), (9, 1), (1, 9))[number % 4], dtype)
        given = {key: LAYOUTS["read-only"](values) for key, values in models.arguments(True).items()}
        expected = raw_sums(kernel, block_rows=7, **given)
        models.assert_right(kernel, 7, name, X=LAYOUTS[name](models.X))
        found = raw_sums(kernel, block_rows=7, **(given | {"X": np.array(models.X)}))
        assert same_bits(found, expected), f"{models.name}: a repeated call has other bits"


def check_strides_between_models(kernel: Kernel) -> None:
    """Labels and weights whose rows lie apart, run backwards or are all the same one."""
    for dtype, (m, n) in itertools.product(("float64", "float32"), ((9, 3), (65, 2), (1, 4))):
        models = random_models(m, n, dtype)
        for directed in (False, True):
            given = models.arguments(directed)
            expected = raw_sums(kernel, block_rows=8, **given)
            for first, second in itertools.pairwise((np.array, *STRIDES.values(), np.array)):
                changes = {"y": first(models.y), "sample_weight": second(models.sample_weight)}
                found = raw_sums(kernel, block_rows=8, **(given | changes))
                assert same_bits(found, expected), f"{models.name}: strides {[v.strides for v in changes.values()]}"
            one = {"y": models.y[0], "sample_weight": models.sample_weight[0]}
            expected = raw_sums(kernel, block_rows=8, **(given | one))
            same = {name: np.broadcast_to(values, (models.k, m)) for name, values in one.items()}
            assert same_bits(raw_sums(kernel, block_rows=8, **(given | same)), expected), "a stride of zero"


def check_company(kernel: Kernel) -> None:
    """A model has the same bits alone and in any company, at any position."""
    generator = np.random.default_rng(0)
    shapes = [(m, n) for m in (1, 9, 130) for n in (1, 2, 3, 8, 17, 100)]
    # Where kernels switch paths: the bytes of a row, the columns that are taken together, the rows of a group.
    shapes += [(9, 201), (9, 255), (8, 256), (5, 257), (5, 401), (9, 1_501), (3, 3_001), (600, 3)]
    for number, (m, n) in enumerate(shapes):
        labels, weights = many_models.LABELS[number % 2], many_models.WEIGHTS[number % 3]
        for dtype, order in (("float64", "CF"[number % 2]), ("float32", "FC"[number % 2])):
            every = random_models(m, n, dtype, 33 if m * n < 2_000 else 5, labels, weights)
            X = np.asarray(every.X, order=order)
            groups = [[j] for j in range(0, every.k, 4)]
            groups += [generator.permutation(every.k)[:k].tolist() for k in (2, 3, 4, 5, 8) if k <= every.k]
            for directed in (False, True):
                whole = _sums_of(kernel, every, X, directed)
                for chosen in groups:
                    part = _sums_of(kernel, every.take(chosen), X, directed)
                    assert same_bits(part, np.ascontiguousarray(whole[:, chosen])), (
                        f"{every.name}, {order} order, directed {directed}: other bits in the company {chosen}"
                    )


def _sums_of(kernel: Kernel, models: Models, X: np.ndarray, directed: bool) -> np.ndarray:
    return raw_sums(kernel, block_rows=64, **(models.arguments(directed) | {"X": X}))


def check_blocks_of_models_stand_alone(kernel: Kernel) -> None:
    """The sums of a block have the same bits when the kernel gets only the rows of that block."""
    for n, dtype, order in ((2, "float64", "F"), (8, "float32", "C"), (17, "float64", "C"), (100, "float32", "F")):
        models = random_models(130, n, dtype, 5)
        given = models.arguments(True) | {"X": np.asarray(models.X, order=order)}
        for block_rows, directed in ((1, True), (64, False), (64, True), (100, True)):
            theirs = given if directed else given | {"direction": None}
            whole = raw_sums(kernel, block_rows=block_rows, **theirs)
            for first, last in ((0, 1), (1, len(whole)), (len(whole) - 1, len(whole))):
                rows = slice(first * block_rows, last * block_rows)
                part = {"X": theirs["X"][rows], "y": models.y[:, rows], "sample_weight": models.sample_weight[:, rows]}
                found = raw_sums(kernel, block_rows=block_rows, **(theirs | part))
                assert same_bits(found, whole[first:last]), f"{models.name}: blocks {first} to {last} alone"


def check_narrow_rows_of_models(kernel: Kernel) -> None:
    """Narrow X that the kernel reads in place has the bits of the same numbers widened, in both modes."""
    generator = np.random.default_rng(2)
    for dtype in sorted(getattr(kernel, "narrow_dtypes", ())):
        computed = "float32" if dtype == "float16" else "float64"
        for number, (m, n) in enumerate(((9, 3), (65, 17), (1, 1), (8, 100))):
            models = random_models(m, n, computed, (3, 8)[number % 2])
            X = np.asarray(
                generator.integers(0, 2 if dtype == "bool" else 9, (m, n)).astype(dtype), order="CF"[number % 2]
            )
            for directed in (False, True):
                given = models.arguments(directed)
                results = [raw_sums(kernel, block_rows=4, **(given | {"X": x})) for x in (X, X.astype(computed))]
                assert same_bits(*results), f"{models.name}: X of {dtype}, directed {directed}"


def check_saturated_curvature(kernel: Kernel) -> None:
    """s to a few roundings relative to itself, for either sign of z; sigmoid (1 - sigmoid) is 0 from z = 37 on."""
    values = (0.0, -0.0, 1e-300, 1e-10, 0.5, 1.0, 5.0, 18.0, 33.3, 37.0, 88.0, 104.0, 700.0, 745.0, 800.0, 1e4, 1e38)
    for dtype, z in itertools.product(("float64", "float32"), values):
        for signed in (z, -z):
            problem = problems.one_row(signed, 1.0, dtype)
            problem.assert_right_curvatures(_curvatures(kernel, problem, 1), 1)
            if z <= 1e4:
                along = replace(problem, name=f"{problem.name}, v = [1, 0.5]", direction=np.array([1.0, 0.5]))
                along.assert_right_curvatures(_curvatures(kernel, along, 1), 1)


def check_curvature_of_both_signs_in_one_block(kernel: Kernel) -> None:
    """Rows with z of every magnitude in one block, and small curvatures alone, which must not vanish."""
    magnitudes = (0.0, 1e-20, 0.3, 4.0, 20.0, 50.0, 80.0, 700.0, 1e4)
    mixed = np.array([sign * value for value in magnitudes for sign in (1, -1)])
    far = np.random.default_rng(3).uniform(18.0, 80.0, 130) * np.resize([1.0, -1.0, -1.0], 130)
    for dtype, (name, z) in itertools.product(("float64", "float32"), (("mixed", mixed), ("far", far))):
        labels, w = np.full(len(z), 0.25, dtype), np.ones(1, dtype)
        direction = np.array([0.01, 1.0])
        problem = Problem(f"{name} z {dtype}", z.astype(dtype)[:, None], labels, w, 0.0, None, 0.0, True, direction)
        for block_rows in (1, 5, 18, 64, 200):
            problem.assert_right_curvatures(_curvatures(kernel, problem, block_rows), block_rows)


def check_symmetry(kernel: Kernel) -> None:
    """u'Hv = v'Hu, and the last column is v'Hv, within the bounds of both products."""
    for m, n, dtype in ((65, 8, "float64"), (64, 3, "float32"), (9, 17, "float64")):
        first = problems.random_weighted_problem(m, n, dtype)
        u = first.direction
        second = replace(first, name=f"{first.name}, other direction", direction=u[::-1] * 1.5 - 0.25)
        for block_rows in (m, 8):
            products = [_product(kernel, problem, block_rows) for problem in (first, second)]
            directions = [problem.computed.direction[0].astype(np.float64) for problem in (first, second)]
            (along_u, error_u, square, square_error), (along_v, error_v, _, _) = products
            u, v = directions
            # What this test adds up itself is rounded, too.
            rounding = 1e-14 * (np.abs(u) @ np.abs(along_v) + np.abs(u) @ np.abs(along_u))
            error = np.abs(u) @ error_v + np.abs(v) @ error_u + rounding
            assert abs(u @ along_v - v @ along_u) <= error, f"{first.name}: not symmetric"
            error = np.abs(u) @ error_u + square_error + rounding
            assert abs(u @ along_u - square) <= error, f"{first.name}: the last column is {square}"


def _product(kernel: Kernel, problem: Problem, block_rows: int) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return Hv and v'Hv over all rows, each with its bound."""
    blocks = _curvatures(kernel, problem, block_rows)
    *along, square = (math.fsum(column) for column in blocks.T.tolist())
    *errors, square_error = problem.curvature_errors.sums(0, problem.m, block_rows)
    return np.array(along), np.array(errors), square, square_error


def check_differences_of_gradients(kernel: Kernel) -> None:
    """The product agrees with central differences of gradients.

    The error of a difference of ``g(t) = sum c sigmoid(z + t u) x`` is at most ``h^2/6 max |g'''|``, and the third
    derivative of sigmoid is at most 1/8.
    """
    generator = np.random.default_rng(4)
    for m, n, dtype, h in ((65, 8, "float64", 2.0**-14), (64, 3, "float32", 2.0**-6)):
        # Few enough bits that every theta + h v is exact.
        theta, v = (generator.integers(-16, 17, n + 1) / 16 for _ in range(2))
        base = replace(problems.random_weighted_problem(m, n, dtype), direction=v)
        middle, above, below = (
            replace(base, name=f"{base.name}, at {step:+}", w=at[:-1].astype(dtype), b=float(at[-1]))
            for step, at in ((0, theta), (h, theta + h * v), (-h, theta - h * v))
        )
        product, error, _, _ = _product(kernel, middle, m)
        gradients = [_sums(kernel, problem, m)[0, :-1] for problem in (above, below)]
        rounding = sum(problem.row_errors.sums(0, m, m)[:-1] for problem in (above, below)) / (2 * h)
        X, c = np.abs(middle.row_errors.X), middle.row_errors.c
        u = X @ np.abs(v[:-1]) + abs(v[-1])
        rest = h**2 / 48 * (c * u**3) @ np.column_stack([X, np.ones(m)])
        found = (gradients[0] - gradients[1]) / (2 * h)
        close = np.abs(found - product) <= 1.001 * (rest + rounding + error)
        assert close.all(), f"{base.name}: differences {found}, product {product}"


def check_adjoint_passes(kernel: Kernel) -> None:
    """<X v, r> = <v, X' r>: at theta = 0 each s is r/4, so the two passes stand in the two sides of it alone."""
    for m, n, dtype in ((65, 17, "float64"), (33, 100, "float32"), (64, 2, "float32")):
        base = problems.random_weighted_problem(m, n, dtype)
        at_zero = replace(base, name=f"{base.name}, theta 0", w=np.zeros(n, dtype), b=0.0)
        along_b = replace(at_zero, name=f"{base.name}, along b", direction=np.append(np.zeros(n), 1.0))
        for order in ("C", "F"):
            X = np.asarray(base.X, order=order)
            left = _curvatures(kernel, at_zero, m, X)[0, -2]
            right = _curvatures(kernel, along_b, m, X)[0, :-1]
            v = at_zero.computed.direction[0].astype(np.float64)
            error = at_zero.curvature_errors.sums(0, m, m)[-2] + np.abs(v) @ along_b.curvature_errors.sums(0, m, m)[:-1]
            assert abs(left - v @ right) <= error + 1e-14 * (np.abs(v) @ np.abs(right)), f"{base.name}, {order} order"


def check_products_with_the_hessian(kernel: Kernel) -> None:
    """What an optimizer gets: `Objective.hessp` and the curvature along v, with weights and a penalty."""
    for number, (m, n) in enumerate(((1, 1), (9, 3), (65, 8), (64, 17), (513, 2), (7, 100))):
        for dtype in ("float64", "float32"):
            problem = problems.random_problem(m, n, dtype)
            problem = problem.weighted() if number % 2 else problem
            v = problem.computed.direction[0].astype(np.float64)
            X = problems.LAYOUTS[list(LAYOUTS)[number * 3 % len(LAYOUTS)]](problem.X)
            f = objective(X, problem.y, sample_weight=problem.sample_weight, l2=problem.l2, kernel=kernel)
            theta = np.append(problem.w, problem.b)
            problem.assert_right_product(np.append(f.hessp(theta, v), f.curvature(theta, v)))


def check_gradients_of_models(kernel: Kernel) -> None:
    """`gradient` of k models has the bits of k calls, for each layout and dtype of X and form of labels and weights."""
    generator = np.random.default_rng(6)
    forms = list(itertools.product(many_models.LABELS, many_models.WEIGHTS, many_models.K[1:]))
    for number, (dtype, name) in enumerate(itertools.product(DTYPES, LAYOUTS)):
        labels, weights, k = forms[number % len(forms)]
        m, n = ((9, 3), (64, 2), (17, 5), (1, 4))[number % 4]
        X = LAYOUTS[name](generator.integers(0, 2, (m, n)).astype(dtype))
        w, b = generator.standard_normal((n, k)), generator.standard_normal(k)
        l2 = generator.random(k) if number % 2 else np.zeros(k)
        y = generator.random(m if labels == "shared" else (m, k))
        c = None if weights == "none" else generator.uniform(0.5, 2.0, m if weights == "shared" else (m, k))
        together = gradient(X, np.asarray(y, order="CF"[number % 2]), w, b, sample_weight=c, l2=l2, kernel=kernel)
        for j in range(k):
            own_y, own_c = (values if values is None or values.ndim == 1 else values[:, j] for values in (y, c))
            J, dw, db = gradient(X, own_y, w[:, j], b[j], sample_weight=own_c, l2=l2[j], kernel=kernel)
            found = together.J[j], together.dw[:, j].tobytes(), together.db[j]
            assert found == (J, dw.tobytes(), db), (
                f"model {j} of {k}, X {dtype} in {name}, y {labels}, weights {weights}"
            )


def check_flags_of_models(kernel: Kernel) -> None:
    """What is wrong in the row of one model makes the last column of its block and model NaN, and changes no other."""
    for dtype, directed in itertools.product(("float64", "float32"), (False, True)):
        models = random_models(64, 3, dtype)
        good = models.arguments(directed)
        for j, row, block_rows in ((0, 0, 8), (1, 31, 8), (2, 63, 64), (1, 9, 64)):
            for name, right, changed, everywhere, every_model in _faults(good, j, row):
                expected, out = (raw_sums(kernel, block_rows=block_rows, **given) for given in (right, changed))
                flagged = np.full(out.shape[:2], False)
                blocks = slice(None) if everywhere else row // block_rows
                flagged[blocks, slice(None) if every_model else j] = True
                where = f"{name}, {dtype}, row {row}, model {j}, directed {directed}"
                assert (np.isnan(out[..., -1]) == flagged).all(), f"{where}: the last columns are {out[..., -1]}"
                assert same_bits(out[~flagged], expected[~flagged]), f"{where}: the others have other bits"


def _faults(good: dict, j: int, row: int):
    """Yield a name, right arguments, the same with a wrong value, and whether it is in every block and every model."""
    one = good["y"].dtype.type(1)
    above, below = np.nextafter(one, one * 2), np.nextafter(one * 0, -one)
    places = [("y", value, (j, row)) for value in (above, below, -1.0, math.inf, math.nan)]
    places += [("sample_weight", value, (j, row)) for value in (below, -1.0, -math.inf, math.nan)]
    places += [
        ("X", math.nan, (row, 0)),
        ("X", math.nan, (row, 2)),
        ("theta", math.nan, (j, 1)),
        ("theta", math.nan, (j, 3)),
    ]
    places += [("direction", math.nan, (j, 0)), ("direction", math.nan, (j, 3))] * (good["direction"] is not None)
    for name, value, index in places:
        values = good[name].copy()
        values[index] = value
        yield f"{name} {value}", good, good | {name: values}, name in ("theta", "direction"), name == "X"
        if name in ("y", "sample_weight"):
            yield f"shared {name} {value}", good | {name: good[name][j]}, good | {name: values[j]}, False, True


def check_inputs_of_models_unchanged(kernel: Kernel) -> None:
    """A call on several models changes no byte of any input."""
    for order, directed in itertools.product("CF", (False, True)):
        models = random_models(65, 8)
        given = {name: None if a is None else a.copy() for name, a in models.arguments(directed).items()}
        given["X"] = np.asarray(given["X"], order=order)
        before = {name: a.tobytes() for name, a in given.items() if a is not None}
        raw_sums(kernel, block_rows=16, **given)
        assert {name: given[name].tobytes() for name in before} == before, "an input was written to"


def check_no_warning_along_a_direction(kernel: Kernel) -> None:
    """Saturation and overflow give no warning and leave NumPy's error state unchanged."""
    state = np.geterr()
    for z, v in ((800.0, 1.0), (-800.0, 1e200), (1e308, 1e10), (1.0, 1e308)):
        problem = replace(problems.one_row(z, 0.5), direction=np.array([v, 0.0]))
        with warnings.catch_warnings(), np.errstate(all="warn"):
            warnings.simplefilter("error")
            _curvatures(kernel, problem, 1)
    assert np.geterr() == state, "NumPy's error state was changed"


def _sums(kernel: Kernel, problem: Problem, block_rows: int) -> np.ndarray:
    """Return the sums of the one model of a problem, (blocks, n + 2)."""
    X, y, theta, weight, _ = problem.computed
    return raw_sums(kernel, X, y, theta, block_rows, weight)[:, 0]


def _curvatures(kernel: Kernel, problem: Problem, block_rows: int, X: np.ndarray | None = None) -> np.ndarray:
    """Return the sums of the one model of a problem along its direction, (blocks, n + 2)."""
    computed, y, theta, weight, direction = problem.computed
    return raw_sums(kernel, computed if X is None else X, y, theta, block_rows, weight, direction)[:, 0]


CHECKS: list[Callable[[Kernel], None]] = [
    check_models,
    check_directions,
    check_layouts_of_models,
    check_strides_between_models,
    check_company,
    check_blocks_of_models_stand_alone,
    check_narrow_rows_of_models,
    check_saturated_curvature,
    check_curvature_of_both_signs_in_one_block,
    check_symmetry,
    check_differences_of_gradients,
    check_adjoint_passes,
    check_products_with_the_hessian,
    check_gradients_of_models,
    check_flags_of_models,
    check_inputs_of_models_unchanged,
    check_no_warning_along_a_direction,
]
