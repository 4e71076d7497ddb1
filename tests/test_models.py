"""A trained model: what it predicts, to the last digit where it saturates, and the file that keeps it."""

from __future__ import annotations

import dataclasses
import json
import math

import hypothesis
import hypothesis.strategies as st
import mpmath
import numpy as np
import pytest
from hypothesis.extra import numpy as arrays

import gradstep
from gradstep.data import models
from gradstep.data.labels import composed
from gradstep.data.models import Model
from gradstep.data.standardization import Standardization


def model(columns=("a", "b"), coefficients=(0.5, -2.0), intercept=0.25, **changes) -> Model:
    given = {
        "schema": models.SCHEMA, "gradstep": gradstep.__version__, "columns": list(columns), "label": "state",
        "positive": "ill", "coefficients": list(coefficients), "intercept": intercept, "standardized": None, "l2": 0.0,
        "tol": 1e-6, "J": 0.5, "accuracy": 0.75, "correct": 3, "m": 4, "n_iter": 7, "converged": True,
        "largest_gradient": 1e-7, "negative": "well",
    }  # fmt: skip
    return Model(**{**given, **changes})


def standardized(means, scales, coefficients, intercept) -> Model:
    inner = {"means": means, "scales": scales, "coefficients": coefficients, "intercept": intercept}
    w, b = Standardization(np.array(means), np.array(scales)).original_units(np.array(coefficients), intercept)
    return model([f"x{j}" for j in range(len(means))], w.tolist(), b, standardized=inner)


# What it predicts


def exact_sigmoid(z: float) -> mpmath.mpf:
    with mpmath.workdps(60):
        return 1 / (1 + mpmath.exp(-mpmath.mpf(z)))


SATURATED = [-745.0, -710.0, -709.0, -100.0, -37.0, -1e-300, -0.0, 1e-300, 36.0, 36.7, 37.0, 709.0, 710.0, 800.0, 1e308]


@pytest.mark.parametrize("z", SATURATED)
def test_sigmoid_is_right_where_it_saturates(z):
    found = float(models.sigmoid(np.array([z]))[0])
    with mpmath.workdps(60):
        error = abs(mpmath.mpf(found) - exact_sigmoid(z))
        assert error <= 4 * math.ulp(float(exact_sigmoid(z)))


@hypothesis.given(st.floats(-750.0, 750.0))
def test_sigmoid_is_right_to_a_few_roundings(z):
    found = float(models.sigmoid(np.array([z]))[0])
    with mpmath.workdps(60):
        assert abs(mpmath.mpf(found) - exact_sigmoid(z)) <= 4 * math.ulp(float(exact_sigmoid(z)))


def test_sigmoid_at_infinity_is_0_and_1_without_a_warning():
    np.testing.assert_array_equal(models.sigmoid(np.array([-np.inf, np.inf])), [0.0, 1.0])


def test_probabilities_are_the_sigmoid_of_the_score():
    X = np.array([[1.0, 2.0], [-3.0, 0.5], [0.0, 0.0]])
    expected = [1 / (1 + math.exp(-(0.25 + 0.5 * a - 2.0 * b))) for a, b in X]
    np.testing.assert_allclose(model().probabilities(X), expected, rtol=1e-15)
    np.testing.assert_allclose(model().probabilities(X.astype(int)[:1]), expected[:1], rtol=1e-15)


def test_standardized_model_is_applied_in_its_own_units():
    # In the units of the columns, 1e9 and the small coefficient times it would lose all digits.
    made = standardized([1e9], [1e-3], [2.0], 0.5)
    X = 1e9 + np.array([[-1.0], [0.0], [1.0]]) * 2.0**-10
    z = (X[:, 0] - 1e9) / 1e-3 * 2.0 + 0.5
    np.testing.assert_allclose(made.probabilities(X), 1 / (1 + np.exp(-z)), rtol=1e-15)


@hypothesis.given(arrays.arrays(np.float64, (5, 2), elements=st.floats(-1e3, 1e3)))
def test_row_has_the_same_probability_alone_and_in_company(X):
    alone = [model().probabilities(X[i : i + 1])[0] for i in range(len(X))]
    np.testing.assert_allclose(model().probabilities(X), alone, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.ones((2, 3)), ValueError, r"X has shape \(2, 3\); the model has 2 columns"),
        (np.ones(2), ValueError, "shape"),
        ([[1.0, np.nan]], ValueError, r"X has nan at index \(0, 1\)"),
        ([["a", "b"]], TypeError, "X"),
    ],
)
def test_rows_that_cannot_be_predicted(X, error, message):
    with pytest.raises(error, match=message):
        model().probabilities(X)


def test_sums_that_overflow_on_the_way_are_right():
    made = model(coefficients=(1e3, -1e3), intercept=0.0)
    X = [[1e308, 1e308], [1e308, 1e307], [-1e308, 1e308], [1.0, 1.0], [1.7e308, 1.7e308]]
    np.testing.assert_array_equal(made.probabilities(X), [0.5, 1.0, 0.0, 0.5, 0.5])
    made = standardized([0.0, 0.0], [1e-10, 1e-10], [1.0, -1.0], 0.0)
    np.testing.assert_array_equal(made.probabilities(X), [0.5, 1.0, 0.0, 0.5, 0.5])


def test_label_of_several_classes_is_named_by_what_it_is_not():
    assert model().labels(np.array([True, False])) == ["ill", "well"]
    assert model(negative=None).labels(np.array([True, False])) == ["ill", "not ill"]


# The file

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


different = {"min_size": 1, "max_size": 4, "unique_by": lambda column: composed(column[0])}


@hypothesis.given(st.lists(st.tuples(texts, st.floats(-1e300, 1e300)), **different), texts)
@hypothesis.example([("a", 1.0)], "Well")
def test_model_comes_back_as_it_was_saved(tmp_path_factory, columns, positive):
    path = tmp_path_factory.mktemp("model") / "m.json"
    names, coefficients = zip(*columns, strict=True)
    saved = model(names, coefficients, positive=positive)
    saved.save(path)
    assert models.load(path) == saved


def test_standardized_model_comes_back(tmp_path):
    saved = standardized([1.0, 2.0], [3.0, 4.0], [0.5, 0.25], -1.0)
    saved.save(tmp_path / "m.json")
    assert models.load(tmp_path / "m.json") == saved


def test_model_saved_before_the_other_class_was_kept_is_read(tmp_path):
    path = tmp_path / "m.json"
    content = dataclasses.asdict(model())
    del content["negative"]
    path.write_text(json.dumps(content))
    assert models.load(path).negative is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 99, "gradstep": "7.0"}, "written by gradstep 7.0, newer than this version"),
        ({"schema": None}, "schema is not an integer"),
        ({"columns": []}, "no columns"),
        ({"schema": 0}, "schema should be at least 1"),
        ({"columns": ["a", "a"]}, "2 columns are called 'a'"),
        ({"columns": ["\u00e9", "e\u0301"]}, "2 columns are called"),
        ({"positive": "1.0", "negative": "True"}, "positive and negative are the same label"),
        ({"m": 0, "correct": 0}, "m at least 1"),
        ({"correct": 10**6}, "correct should be from 0 to m"),
        ({"correct": 2}, "accuracy should be correct / m"),
        ({"accuracy": 0.7500001}, "accuracy should be correct / m"),
        ({"tol": 0}, "tol should be positive"),
        ({"l2": -1e-300}, "l2 should be at least 0"),
        ({"J": -0.5}, "J should be at least 0"),
        ({"n_iter": -1}, "n_iter should be at least 0"),
        ({"largest_gradient": -1.0}, "largest_gradient should be at least 0"),
        ({"columns": "ab"}, "columns is not a list of text"),
        ({"columns": ["a"]}, "coefficients should hold 1 numbers"),
        ({"coefficients": [1.0, None]}, "coefficients is not a list of numbers"),
        ({"coefficients": [1.0, True]}, "coefficients is not a list of numbers"),
        ({"coefficients": [1.0, 10**400]}, "coefficients is not a list of numbers"),
        ({"intercept": "1"}, "intercept is not a number"),
        ({"intercept": math.nan}, "holds NaN"),
        ({"positive": 1}, "positive is not text"),
        ({"negative": 0}, "negative is not text or null"),
        ({"positive": "\ud800"}, "positive is not text"),
        ({"negative": "a\udfff"}, "negative is not text or null"),
        ({"columns": ["a", "\ud800"]}, "columns is not a list of text"),
        ({"label": "\ud83d"}, "label is not text"),
        ({"converged": 1}, "converged is not true or false"),
        ({"standardized": []}, "standardized is not an object or null"),
        ({"standardized": {}}, "standardized intercept is not a number"),
        (
            {"standardized": {"intercept": 0, "means": [1], "scales": [1, 2], "coefficients": [1, 2]}},
            "standardized means should hold 2 numbers",
        ),
        (
            {"standardized": {"intercept": 0, "means": [1, 2], "scales": [1, 0], "coefficients": [1, 2]}},
            "standardized scales should be positive",
        ),
    ],
)
def test_file_with_a_wrong_value_is_refused_by_name(tmp_path, changes, message):
    path = tmp_path / "m.json"
    path.write_text(json.dumps({**dataclasses.asdict(model()), **changes}))
    with pytest.raises(ValueError, match=message) as caught:
        models.load(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("part", ["coefficients", "intercept", "means", "scales"])
@pytest.mark.parametrize("place", ["outside", "inside"])
def test_file_that_holds_two_models_is_refused(tmp_path, part, place):
    path = tmp_path / "m.json"
    whole = standardized([1e9, -3.0], [2e5, 0.25], [0.7, -1.5], 0.125)
    whole.save(path)
    assert models.load(path) == whole
    content = dataclasses.asdict(whole)
    holder = content["standardized"] if place == "inside" or part in ("means", "scales") else content
    if part == "intercept":
        holder[part] += 1e-2
    else:
        holder[part][1] *= 1.0 + 1e-6
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="standardized is another model than coefficients and intercept"):
        models.load(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"l2":', '"intercept": 5, "l2":', "has the key 'intercept' more than once"),
        ('"l2":', f'"l2": {"1" * 5000}, "J2":', "an integer of 5,000 digits"),
        ('"l2":', f'"more": {"[" * 10**5}, "l2":', "nested too deeply"),
        ('"l2":', '"more": "\udcff", "l2":', "not text in UTF-8"),
    ],
)
def test_file_that_python_reads_in_words_of_its_own_is_refused_in_ours(tmp_path, old, new, message):
    path = tmp_path / "m.json"
    content = json.dumps(dataclasses.asdict(model()))
    path.write_bytes(content.replace(old, new, 1).encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=message) as caught:
        models.load(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_byte_order_mark_is_no_part_of_a_model(tmp_path):
    model().save(tmp_path / "m.json")
    content = (tmp_path / "m.json").read_bytes()
    (tmp_path / "m.json").write_bytes(b"\xef\xbb\xbf" + content)
    assert models.load(tmp_path / "m.json") == model()


@pytest.mark.parametrize("lacking", ["columns", "intercept", "J"])
def test_file_that_lacks_a_key_is_refused(tmp_path, lacking):
    path = tmp_path / "m.json"
    content = dataclasses.asdict(model())
    del content[lacking]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"{lacking} is missing"):
        models.load(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"schema": 1', b"a,b\n1,2\n", b"\xff\xfe", b'{"a":' * 10**5])
def test_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "m.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a model that gradstep fit --save wrote"):
        models.load(path)


def assert_read_or_refused(path):
    try:
        read = models.load(path)
    except ValueError as error:
        refusal = str(error)
    else:
        return len(read.coefficients) == 2
    assert refusal.startswith(f"{path}: "), refusal
    return False


def test_model_damaged_anywhere_is_refused_or_read(tmp_path):
    path = tmp_path / "m.json"
    model().save(path)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        assert_read_or_refused(path)
        path.write_bytes(whole[:place])
        # The last character ends the last line.
        assert assert_read_or_refused(path) == (place == len(whole) - 1)
