"""The reference that results are checked against: it agrees with the kernels, and sees what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

import gradstep
from gradstep.compare.measure.contenders import kernel_contender
from gradstep.compare.measure.problems import ALPHA, Examples, GivenX, Problem
from gradstep.compare.measure.reference import Reference, tolerance


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_kernel_passes_the_check(dtype, order):
    examples = Problem(3000, 7, dtype, order).make()
    reference = Reference.of(examples)
    for name, problem in gradstep.available().items():
        if problem is None:
            call = kernel_contender(name).prepare(examples)
            assert reference.check(call(), tolerance(dtype)).passed, name


def test_reference_agrees_with_the_formula_in_pure_python():
    from math import exp, log

    X, y, w, b = Problem(9, 2).make()
    reference = Reference.of(Examples(X, y, w, b))
    a = [1 / (1 + exp(-(w[0] * x[0] + w[1] * x[1] + b))) for x in X]
    J = -sum(log(a_i) if y_i else log(1 - a_i) for a_i, y_i in zip(a, y, strict=True)) / 9
    db = sum(a_i - y_i for a_i, y_i in zip(a, y, strict=True)) / 9
    dw = [sum((a_i - y_i) * x[j] for a_i, y_i, x in zip(a, y, X, strict=True)) / 9 for j in range(2)]
    assert reference.J == pytest.approx(J, rel=1e-13)
    assert reference.b == pytest.approx(b - ALPHA * db, rel=1e-13)
    np.testing.assert_allclose(reference.w, [w[j] - ALPHA * dw[j] for j in range(2)], rtol=1e-13)


def test_dropped_last_row_is_wrong():
    examples = Problem(1000, 4).make()
    X, y, w, b = examples
    step = gradstep.step(X[:-1], y[:-1], w, b, ALPHA, kernel="numpy")
    check = Reference.of(examples).check(step, tolerance("float64"))
    assert not check.passed


def test_tolerance_is_that_of_the_dtype_of_the_computation():
    assert tolerance("uint8") == tolerance("float64") < tolerance("float32") == tolerance("float16")
    examples = GivenX("bytes", np.random.default_rng(0).integers(0, 256, (500, 6), np.uint8)).make()
    step = gradstep.step(*examples, ALPHA, kernel="numpy")
    assert Reference.of(examples).check(step, tolerance("uint8")).passed
