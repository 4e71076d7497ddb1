"""Labels of classes and the estimator's arguments: what is missing, masked or out of range is refused by name."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from gradstep import FitDiverged, OneAgainstRest
from gradstep.classes import sorted_classes
from gradstep.estimator import GradientDescentClassifier

X = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5], [0.0, 1.0]])
Y = np.array([0, 1, 1, 0])
NAN = float("nan")

MISSING = {
    "NaN": [0.0, NAN, 1.0, 2.0],
    "NaN beside text": ["a", NAN, "b", "a"],
    "a narrow NaN beside text": ["a", np.float32("nan"), "b", "a"],
    "a decimal NaN": [decimal.Decimal(1), decimal.Decimal("nan"), decimal.Decimal(2)],
    "a signalling NaN": np.array([decimal.Decimal(1), decimal.Decimal("snan")], object),
    "NaT beside text": ["a", np.datetime64("NaT"), "b"],
    "NaT of pandas": [pandas.Timestamp("2020-01-01"), pandas.NaT, pandas.Timestamp("2020-01-02")],
    "NaN as an object": np.array(["a", NAN, "b", "a"], object),
    "None": ["a", None, "b", "a"],
    "NaT": np.array(["2020-01-01", "NaT", "2020-01-02", "2020-01-03"], "M8[D]"),
    "pandas": pandas.Series([0, None, 1, 0], dtype="Int64"),
    "pandas text": pandas.Series(["a", None, "b", "a"], dtype="string"),
    "pandas categories": pandas.Categorical(["a", None, "b", "a"]),
    "pandas objects": pandas.Series(["a", pandas.NA, "b", "a"], dtype=object),
    "pandas index": pandas.Index([0.0, NAN, 1.0, 2.0]),
    "polars": polars.Series([0, None, 1, 0]),
    "polars text": polars.Series(["a", None, "b", "a"]),
    "pyarrow": pyarrow.array([0, None, 1, 0]),
    "pyarrow in pieces": pyarrow.chunked_array([["a", None], ["b", "a"]]),
}


def masked(values: Any, index: Any) -> np.ma.MaskedArray:
    array = np.ma.array(values, copy=True)
    array[index] = np.ma.masked
    return array


@pytest.mark.parametrize("form", MISSING)
def test_a_missing_label(form):
    with pytest.raises(ValueError, match="^labels has a missing value at index 1; fill it in, or drop the row$"):
        OneAgainstRest(MISSING[form])


def test_a_masked_label():
    for form in (masked([0, 9999, 1, 0], 1), [0, np.ma.masked, 1, 0]):
        with pytest.raises(ValueError, match="^labels is masked at index 1; "):
            OneAgainstRest(form)
    assert OneAgainstRest(np.ma.array(["a", "b"])).classes.tolist() == ["a", "b"]


def test_labels_without_an_order():
    with pytest.raises(TypeError, match="^labels hold values that cannot be sorted"):
        OneAgainstRest(np.array([1, "a"], object))
    with pytest.raises(ValueError, match="^labels has 1 values at index 1 and 2 at index 0"):
        OneAgainstRest([[1, 2], [3]])


@pytest.mark.parametrize("labels", [[1, "1", 2, 2], ["a", b"a", "b", "a"], [True, "True", "x", "x"], ("a", 1, "a", 2)])
def test_labels_of_which_numpy_would_make_text(labels):
    with pytest.raises(TypeError, match="^labels hold values that cannot be sorted, such as numbers beside text"):
        OneAgainstRest(labels)
    with pytest.raises(TypeError, match="^y hold values that cannot be sorted, such as numbers beside text"):
        GradientDescentClassifier().fit(X, labels)


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b", "a"],
        np.array(["a", "b", "a"], object),
        pandas.Series(["a", "b", "a"], dtype="category"),
        pandas.Series(["a", "b", "a"], dtype="string"),
        polars.Series(["a", "b", "a"]),
        pyarrow.array(["a", "b", "a"]),
        pyarrow.array(["a", "b", "a"]).dictionary_encode(),
    ],
)
def test_labels_of_every_kind(values):
    found, codes = sorted_classes("labels", values)
    assert (found.tolist(), codes.tolist()) == (["a", "b"], [0, 1, 0])


def test_masked_arguments_of_the_estimator():
    hidden = masked(X, (2, 0))
    for name, given in {
        "X": (hidden, Y),
        "y": (X, masked(Y, 1)),
        "sample_weight": (X, Y, masked(np.ones(4), 1)),
    }.items():
        with pytest.raises(ValueError, match=rf"^{name} is masked at index "):
            GradientDescentClassifier().fit(*given)
    model = GradientDescentClassifier(C=0.1).fit(np.ma.array(X), np.ma.array(Y))
    for method in (model.predict, model.predict_proba, model.predict_log_proba, model.decision_function):
        with pytest.raises(ValueError, match=r"^X is masked at index \(2, 0\); "):
            method(hidden)


class Reader:
    """What NumPy asks for an array, and which returns a masked one."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values


def test_arguments_of_the_estimator_that_are_masked_once_they_are_read():
    hidden = Reader(masked(X, (2, 0)))
    truths = [[True, False], [np.ma.array(True, mask=True), True], [True, True], [False, True]]
    lazy = [[*map(Reader, X)], [Reader(masked([1.0, 2.0], 1))] * 4]
    for given in (
        (hidden, Y),
        (truths, Y),
        (lazy[1], Y),
        (X, Reader(masked(Y, 1))),
        (X, Y, Reader(masked(np.ones(4), 1))),
    ):
        with pytest.raises(ValueError, match=r"^\w+ is masked at index "):
            GradientDescentClassifier().fit(*given)
    model = GradientDescentClassifier(C=0.1).fit(Reader(X), Reader(Y), Reader(np.ones(4)))
    assert (model.predict(lazy[0]) == model.predict(X)).all()
    assert (model.predict(Reader(X)) == model.predict(X)).all()
    with pytest.raises(ValueError, match=r"^X is masked at index \(2, 0\); "):
        model.predict(hidden)


@pytest.mark.parametrize("form", ["None", "pandas", "pandas text", "pandas objects", "polars text"])
def test_a_missing_label_for_the_estimator(form):
    with pytest.raises(ValueError, match="^y has a missing value at index 1; "):
        GradientDescentClassifier().fit(X, MISSING[form])


def test_weights_whose_product_no_number_holds():
    weights = np.array([1e-200, 1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="^sample_weight has 1e-200 at index 0, where class_weight has 1e-200; "):
        GradientDescentClassifier(class_weight={0: 1e-200, 1: 1.0}).fit(X, Y, weights)
    with pytest.raises(ValueError, match=r"^sample_weight has 1e\+200 at index 1, where class_weight has 1e\+200; "):
        GradientDescentClassifier(class_weight={0: 1.0, 1: 1e200}).fit(X, Y, 1.0 / weights[[1, 0, 2, 3]])
    with np.errstate(all="raise"):
        GradientDescentClassifier(class_weight={0: 0.0, 1: 1.0}, C=0.1).fit(X[:3], Y[:3], [1e-320, 1.0, 1.0])


def test_weights_whose_sum_overflows_keep_the_penalty():
    plain = GradientDescentClassifier(C=1e2).fit(X, [0, 1, 0, 1])
    heavy = GradientDescentClassifier(C=1e-306).fit(X, [0, 1, 0, 1], np.full(4, 1e308))
    np.testing.assert_allclose(heavy.coef_, plain.coef_, rtol=1e-6)


@pytest.mark.parametrize("C", [5e-324, 1e-320])
def test_a_penalty_that_overflows_names_its_parameter(C):
    with pytest.raises(ValueError, match="^C is .*; it is too small: the penalty overflows$"):
        GradientDescentClassifier(C=C).fit(X, Y)
    with pytest.raises(ValueError, match="^C is .*; it is too small: the penalty overflows$"):
        GradientDescentClassifier(C=C).fit(X, Y, np.full(4, 1e-10))


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg"])
def test_a_step_beyond_the_dtype_says_so(solver):
    tiny = np.float32(X * 1e-44)
    with pytest.raises(FitDiverged, match="^the next step leads beyond float32; the last good J was ") as raised:
        GradientDescentClassifier(C=np.inf, solver=solver).fit(tiny, [0, 1, 1, 0])
    assert np.isfinite(raised.value.fit.J)


@pytest.mark.parametrize("solver", ["gd", "lbfgs", "newton-cg"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_derivative_that_overflows_ends_every_solver(solver, dtype):
    far = np.random.default_rng(0).standard_normal((1000, 2))
    labels = far[:, 0] > 0
    far = (far * (float(np.finfo(dtype).max) / 8)).astype(dtype)
    with pytest.raises(FitDiverged, match="not finite.*, where J is 0.693147: .*scale the columns of X"):
        GradientDescentClassifier(solver=solver).fit(far, labels)


@pytest.mark.parametrize("value", ["2", None, 1j, np.complex128(1 + 2j), np.ma.masked, [2.0]], ids=repr)
def test_a_weight_of_a_class_that_is_not_one_real_number(value):
    with pytest.raises(TypeError, match=r"^class_weight\[0\] is .*; it should be a real number$"):
        GradientDescentClassifier(class_weight={0: value, 1: 1.0}).fit(X, Y)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([None] * 4, TypeError, "sample_weight has dtype object; "),
        (["1"] * 4, TypeError, "sample_weight has dtype <U1; "),
        ([1.0, -1.0, 1.0, 1.0], ValueError, "sample_weight has -1.0 at index 1; weights should not be negative"),
        ([1.0, np.nan, 1.0, 1.0], ValueError, "sample_weight has nan at index 1; it should be finite"),
        (2.0, ValueError, r"sample_weight has shape \(\); it should have shape \(4,\)"),
    ],
)
def test_weights_of_the_estimator_are_refused_by_name(weights, error, message):
    for class_weight in (None, "balanced"):
        with pytest.raises(error, match=f"^{message}"):
            GradientDescentClassifier(class_weight=class_weight).fit(X, Y, weights)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"warm_start": "no"}, TypeError, "warm_start is str 'no'; it should be True or False"),
        ({"warm_start": None}, TypeError, "warm_start is NoneType None; it should be True or False"),
        ({"solver": ["gd"]}, ValueError, r"solver is \['gd'\]; it should be one of "),
        ({"learning_rate": np.array([0.1, 0.2])}, TypeError, "learning_rate is ndarray .*; it should be a real number"),
    ],
)
def test_a_parameter_of_another_kind(parameters, error, message):
    with pytest.raises(error, match=f"^{message}"):
        GradientDescentClassifier(**parameters).fit(X, Y)


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(np.float64).max, reason="longdouble is float64 here")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_scores_whose_products_overflow(dtype):
    model = GradientDescentClassifier(C=1.0).fit(X.astype(dtype), Y)
    model.coef_[:] = [[4.0, -4.0]]
    largest = np.finfo(dtype).max
    rows = np.array([[largest, largest / 2], [largest / 2, largest], [largest, largest]], dtype)
    assert model.predict(rows).tolist() == [1, 0, int(model.intercept_[0] > 0)]
    assert model.decision_function(rows).tolist() == [np.inf, -np.inf, model.intercept_[0]]
    with np.errstate(all="raise"):
        assert model.predict_proba(rows)[:2].tolist() == [[0.0, 1.0], [1.0, 0.0]]
