"""The conformance suite: one list of checks that raise AssertionError, for right and for planted wrong kernels.

Numerical checks compare with the oracle within the derived bounds; the others check the contract in the docstring of
`gradstep.kernels`. The checks of several models and of directions are in `conformance_models`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import problems
from conformance_models import CHECKS as CHECKS_OF_MODELS
from conformance_models import DTYPES, IN_PLACE
from kernel_calls import parameters, raw_sums, same_bits
from problems import BROADCASTS, LAYOUTS, Problem

from gradstep import Kernel, gradient

M = (1, 2, 3, 7, 8, 9, 63, 64, 65, 511, 512, 513)
N = (1, 2, 3, 8, 17, 100)
SATURATED = (18.0, 33.3, 37.0, 88.0, 104.0, 700.0, 710.0, 745.0, 800.0, 1e4, 1e300, 1e308)


def sums(kernel: Kernel, problem: Problem, block_rows: int) -> np.ndarray:
    """Return a kernel's sums of the one model of a problem, (blocks, n + 2); what it does not write is NaN."""
    X, y, theta, sample_weight, _ = problem.computed
    return raw_sums(kernel, X, y, theta, block_rows, sample_weight)[:, 0]


def check_shapes(kernel: Kernel) -> None:
    """Every shape of the grid, float64, without weights."""
    for m in M:
        for n in N:
            problem = problems.random_problem(m, n)
            problem.assert_right(problem.gradient(kernel))


def check_shapes_weighted(kernel: Kernel) -> None:
    """Every shape of the grid, float64, with weights and a penalty."""
    for m in M:
        for n in N:
            problem = problems.random_weighted_problem(m, n)
            problem.assert_right(problem.gradient(kernel))


def check_shapes_float32(kernel: Kernel) -> None:
    """Every shape of the grid, float32."""
    for m in M:
        for n in N:
            problem = problems.random_problem(m, n, "float32")
            problem.assert_right(problem.gradient(kernel))


def check_shapes_fortran_order(kernel: Kernel) -> None:
    """Every shape of the grid in F order, in both computing dtypes."""
    for m in M:
        for n in N:
            for problem in (problems.random_weighted_problem(m, n), problems.random_problem(m, n, "float32")):
                problem.assert_right(problem.gradient(kernel, np.asfortranarray(problem.X)), "F order")


def check_layouts(kernel: Kernel) -> None:
    """Every layout, of arrays with several columns, one column and one row."""
    shapes = ((65, 17), (64, 8), (9, 1), (1, 9), (513, 3))
    for problem in [
        problems.random_weighted_problem(m, n, dtype) for m, n in shapes for dtype in ("float64", "float32")
    ]:
        for name, arrange in LAYOUTS.items():
            problem.assert_right(problem.gradient(kernel, arrange(problem.X)), name)


def check_broadcasts(kernel: Kernel) -> None:
    """Views whose strides are zero."""
    problem = problems.random_problem(65, 8)
    for name, arrange in BROADCASTS.items():
        view = arrange(problem.X)
        same = replace(problem, name=name, X=np.ascontiguousarray(view))
        same.assert_right(same.gradient(kernel, view))


def check_dtypes(kernel: Kernel) -> None:
    """Every dtype of real numbers, in C order, F order and reversed."""
    for dtype in DTYPES:
        problem = problems.typed_problem(dtype)
        for X in (problem.X, np.asfortranarray(problem.X), problem.X[:, ::-1][:, ::-1]):
            actual = problem.gradient(kernel, X)
            assert actual.dw.dtype == np.float64, f"dw of {problem.name} has dtype {actual.dw.dtype}, w has float64"
            problem.assert_right(actual)


def check_labels(kernel: Kernel) -> None:
    """Labels as a list, of every dtype, strided, reversed, and fractional."""
    base = problems.random_problem(64, 3)
    classes = (np.arange(64) % 3 == 0).astype(np.float64)
    fractions = np.linspace(0.0, 1.0, 64).astype(np.float32).astype(np.float64)
    for labels in (classes, fractions):
        problem = replace(base, name="labels", y=labels)
        forms = {
            "a list": labels.tolist(),
            "a tuple": tuple(labels.tolist()),
            "float32": labels.astype(np.float32),
            "big-endian": labels.astype(">f8"),
            "strided": np.repeat(labels, 2)[::2],
            "reversed": labels[::-1].copy()[::-1],
        }
        if labels is classes:
            forms |= {"int": labels.astype(np.int64), "bool": labels.astype(bool), "ints": labels.astype(int).tolist()}
        for name, y in forms.items():
            problem.assert_right(gradient(base.X, y, base.w, base.b, kernel=kernel), name)
    for value in (0.0, 1.0, 0.5):
        problem = replace(base, name=f"every label {value}", y=np.full(64, value))
        problem.assert_right(gradient(base.X, np.broadcast_to(value, 64), base.w, base.b, kernel=kernel))


def check_weights(kernel: Kernel) -> None:
    """Weights in every form; rows of weight zero have no effect."""
    base = problems.random_problem(65, 8)
    integers = np.arange(65) % 4
    problem = replace(base, name="integer weights", sample_weight=integers.astype(np.float64))
    forms = (
        integers,
        integers.tolist(),
        integers.astype(np.float32),
        integers.astype(np.uint8),
        np.repeat(integers, 2)[::2],
    )
    for form in forms:
        actual = gradient(base.X, base.y, base.w, base.b, sample_weight=form, kernel=kernel)
        problem.assert_right(actual)
    for value in (1e-300, 1e-30, 1.0, 1e30, 1e300):
        problem = replace(base, name=f"every weight {value}", sample_weight=np.full(65, value))
        problem.assert_right(problem.gradient(kernel))
    only_last = np.zeros(65)
    only_last[-1] = 2.0
    problem = replace(base, name="weight on the last row alone", sample_weight=only_last)
    problem.assert_right(problem.gradient(kernel))


def check_parameters(kernel: Kernel) -> None:
    """w as a list and with a dtype other than that of X; b as any number, large and zero; dw has the dtype of w."""
    base = problems.random_problem(65, 8)
    for dtype in ("float64", "float32"):
        for w_dtype in ("float64", "float32"):
            problem = problems.random_problem(65, 8, dtype)
            problem = replace(problem, name=f"X {dtype}, w {w_dtype}", w=problem.w.astype(w_dtype), l2=1.5)
            actual = problem.gradient(kernel)
            assert actual.dw.dtype == w_dtype, f"dw has dtype {actual.dw.dtype}, w has {w_dtype}"
            problem.assert_right(actual)
    integers = replace(base, name="integer w", w=np.arange(8.0) - 4.0)
    integers.assert_right(gradient(base.X, base.y, [-4, -3, -2, -1, 0, 1, 2, 3], 0.3, kernel=kernel))
    for b in (0.0, -0.0, 5, True, np.float32(0.1), np.int8(-3), 1e-300, 700.0, -700.0):
        problem = replace(base, name=f"b = {b!r}", b=float(b))
        problem.assert_right(gradient(base.X, base.y, base.w, b, kernel=kernel))


def check_saturation(kernel: Kernel) -> None:
    """Well and badly classified rows, to a few roundings relative to the result; the textbook form fails at z = 37."""
    for dtype, largest in (("float64", 1e308), ("float32", 1e38)):
        for z in (0.0, -0.0, 1e-300, 1e-10, 0.5, 1.0, 5.0, *SATURATED, 1e38):
            for signed in (z, -z):
                for y in (0.0, 1.0, 0.25):
                    if z <= largest:
                        problem = problems.one_row(signed, y, dtype)
                        problem.assert_right(problem.gradient(kernel))
    for z, y in ((800.0, 0.0), (-800.0, 1.0)):
        J = problems.one_row(z, y).gradient(kernel).J
        assert J == 800.0, f"J at z = {z:g}, y = {y:g} is {J!r}"


def check_separated(kernel: Kernel) -> None:
    """Many well-classified rows: their small losses must not vanish next to 1."""
    for dtype, scale in (("float64", 1.0), ("float32", 1.0)):
        generator = np.random.default_rng(3)
        y = (generator.random(200) < 0.5).astype(dtype)
        z = generator.uniform(18.0, 60.0, 200) * np.where(y == 1, 1.0, -1.0) * scale
        problem = Problem(f"separated {dtype}", z.astype(dtype)[:, None], y, np.ones(1, dtype), 0.0, z_is_exact=True)
        for block_rows in (1, 7, 64, 200):
            problem.assert_right_sums(sums(kernel, problem, block_rows), block_rows)


def check_both_signs_in_one_block(kernel: Kernel) -> None:
    """Rows with z of every magnitude in one block: none may affect its neighbours."""
    for dtype in ("float64", "float32"):
        z = np.array(
            [sign * value for value in (0.0, 1e-20, 0.3, 4.0, 20.0, 50.0, 90.0, 700.0, 1e4) for sign in (1, -1)]
        )
        for y in (0.0, 1.0, 0.75):
            labels = np.full(len(z), y, dtype)
            problem = Problem(
                f"mixed z {dtype}", z.astype(dtype)[:, None], labels, np.ones(1, dtype), 0.0, z_is_exact=True
            )
            for block_rows in (1, 2, 5, 18):
                problem.assert_right_sums(sums(kernel, problem, block_rows), block_rows)


def check_partial_sums(kernel: Kernel) -> None:
    """The sums of each block: blocks from one row to more than all, a short last block, every element written."""
    for m, n in ((1, 1), (9, 3), (65, 8), (65, 17), (130, 2), (513, 1)):
        for problem in (
            problems.random_problem(m, n),
            problems.random_weighted_problem(m, n),
            replace(problems.random_weighted_problem(m, n, "float32"), name=f"({m}, {n}) float32, weighted"),
        ):
            for block_rows in sorted({1, 2, 7, 64, m - 1, m, m + 1, 10 * m} - {0}):
                out = sums(kernel, problem, block_rows)
                assert not np.isnan(out).any(), (
                    f"elements of out left unwritten at {np.argwhere(np.isnan(out)).tolist()}"
                )
                problem.assert_right_sums(out, block_rows)


def check_direct_layouts(kernel: Kernel) -> None:
    """The layouts that a kernel must read in place, passed to it directly."""
    for dtype in ("float64", "float32"):
        for m, n in ((65, 17), (64, 2), (9, 1), (1, 9)):
            problem = problems.random_weighted_problem(m, n, dtype)
            _, y, theta, weight, _ = (LAYOUTS["read-only"](a) for a in problem.computed)
            for name in IN_PLACE:
                X = LAYOUTS[name](problem.X)
                for block_rows in (7, 64, 1000):
                    out = raw_sums(kernel, X, y, theta, block_rows, weight)
                    problem.assert_right_sums(out[:, 0], block_rows, name)


def check_blocks_stand_alone(kernel: Kernel) -> None:
    """The sums of a block have the same bits when the kernel gets only the rows of that block."""
    for dtype in ("float64", "float32"):
        for n in (1, 8, 17, 100):
            problem = problems.random_weighted_problem(513, n, dtype)
            _, y, theta, weight, _ = problem.computed
            for order in (np.ascontiguousarray, np.asfortranarray):
                X = order(problem.computed.X)
                for block_rows in (1, 64, 100):
                    whole = raw_sums(kernel, X, y, theta, block_rows, weight)
                    assert same_bits(whole, raw_sums(kernel, X, y, theta, block_rows, weight)), "a repeated call"
                    for first, last in ((0, 1), (1, 3), (2, len(whole)), (len(whole) - 1, len(whole))):
                        rows = slice(first * block_rows, last * block_rows)
                        part = raw_sums(kernel, X[rows], y[rows], theta, block_rows, weight[rows])
                        assert same_bits(part, whole[first:last]), (
                            f"{problem.name}: blocks {first} to {last} of {block_rows} rows alone have other bits"
                        )


def check_flags(kernel: Kernel) -> None:
    """A bad label, a negative weight or a NaN makes the loss of its own block NaN, and only that."""
    for dtype in ("float64", "float32"):
        problem = problems.random_problem(64, 3, dtype)
        for row in (0, 9, 31, 63):
            for name, X, y, weight in _flagged(problem, row):
                for block_rows in (8, 64):
                    out = raw_sums(kernel, X, y, problem.computed.theta, block_rows, weight)[:, 0]
                    flagged = np.isnan(out[:, -1])
                    expected = np.arange(len(out)) == row // block_rows
                    assert (flagged == expected).all(), f"{name} in row {row}: the losses are {out[:, -1]}"


def _flagged(problem: Problem, row: int):
    ones = np.ones(problem.m, problem.X.dtype)
    above, below = np.nextafter(ones[0], ones[0] * 2), np.nextafter(ones[0] * 0, -ones[0])
    for value in (above, below, 2.0, -1.0, -math.inf, math.inf, math.nan):
        y = problem.y.copy()
        y[row] = value
        yield f"label {value}", problem.X, y, None
        yield f"label {value} with weights", problem.X, y, ones
    for value in (below, -1.0, -math.inf, math.nan):
        weight = ones.copy()
        weight[row] = value
        yield f"weight {value}", problem.X, problem.y, weight
    for column in range(problem.n):
        X = problem.X.copy()
        X[row, column] = math.nan
        yield f"NaN in column {column}", X, problem.y, None


def check_wide_rows(kernel: Kernel) -> None:
    """Rows wide enough that kernels process several at once: nine rows, in both dtypes and orders."""
    for dtype in ("float64", "float32"):
        problem = problems.random_problem(9, 3_201, dtype)
        for order in ("C", "F"):
            problem.assert_right(problem.gradient(kernel, np.asarray(problem.X, order=order)), order)


def check_rows_from_memory(kernel: Kernel) -> None:
    """X above 1 MiB, where kernels may prefetch: each block has the same sums as when computed alone."""
    for n, dtype in ((2, "float64"), (16, "float64"), (23, "float32"), (100, "float64"), (1_001, "float64")):
        m = (1 << 20) // (n * np.dtype(dtype).itemsize) + 9
        numbers = np.random.default_rng(n).standard_normal((m, n + 1)).astype(dtype)
        X, y = np.ascontiguousarray(numbers[:, :n]), np.abs(numbers[:, n]) % 1
        theta = parameters((numbers[0, :n] / n**0.5).astype(dtype), 0.1)
        block_rows = m // 3 + 1
        sums = raw_sums(kernel, X, y, theta, block_rows)
        for block, start in enumerate(range(0, m, block_rows)):
            rows = slice(start, start + block_rows)
            alone = raw_sums(kernel, X[rows], y[rows], theta, block_rows)
            assert same_bits(alone[0], sums[block]), f"({m}, {n}) {dtype}, block {block}"


def check_inputs_unchanged(kernel: Kernel) -> None:
    """A call changes no byte of any input, writeable or not."""
    for order in (np.ascontiguousarray, np.asfortranarray):
        problem = problems.random_weighted_problem(65, 8)
        given = [order(problem.X.copy()), problem.y.copy(), problem.w.copy(), problem.sample_weight.copy()]
        before = [array.tobytes() for array in given]
        X, y, w, weight = given
        gradient(X, y, w, problem.b, sample_weight=weight, kernel=kernel)
        gradient(X[::-1], y, w, problem.b, sample_weight=weight, kernel=kernel)
        assert [array.tobytes() for array in given] == before, "an input was written to"


def check_no_warning(kernel: Kernel) -> None:
    """Saturation and overflow give no warning and leave NumPy's error state unchanged."""
    state = np.geterr()
    for z in (800.0, -800.0, 1e308, -1e308):
        problem = problems.one_row(z, 0.5)
        huge = replace(problem, w=np.array([1e10]))
        with warnings.catch_warnings(), np.errstate(all="warn"):
            warnings.simplefilter("error")
            sums(kernel, problem, 1)
            problem.gradient(kernel)
            sums(kernel, huge, 1)
    assert np.geterr() == state, "NumPy's error state was changed"


def check_example(kernel: Kernel) -> None:
    """The example of the README, to 1e-15."""
    X = np.array([[1.0, 2.0], [3.0, 4.0]])
    problem = Problem("the example", X, np.array([0.0, 1.0]), np.array([0.1, -0.2]), 0.05)
    J, dw, db = gradient(X, [0, 1], [0.1, -0.2], 0.05, kernel=kernel)
    exact = problem.reference
    for name, actual, right in (
        ("J", J, exact.J),
        ("dw[0]", dw[0], exact.dw[0]),
        ("dw[1]", dw[1], exact.dw[1]),
        ("db", db, exact.db),
    ):
        assert abs(actual - right) <= 1e-15, f"{name} is {actual!r}"


CHECKS: list[Callable[[Kernel], None]] = [
    check_example,
    check_shapes,
    check_shapes_weighted,
    check_shapes_float32,
    check_shapes_fortran_order,
    check_layouts,
    check_broadcasts,
    check_dtypes,
    check_labels,
    check_weights,
    check_parameters,
    check_saturation,
    check_separated,
    check_both_signs_in_one_block,
    check_partial_sums,
    check_direct_layouts,
    check_blocks_stand_alone,
    check_flags,
    check_wide_rows,
    check_rows_from_memory,
    check_inputs_unchanged,
    check_no_warning,
    *CHECKS_OF_MODELS,
]
