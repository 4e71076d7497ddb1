"""Frames of pandas: every frame of numbers is read as the numbers it shows, and a column of anything else is named."""

from __future__ import annotations

import numpy as np
import pytest

from gradstep import fit, gradient

pandas = pytest.importorskip("pandas")

NUMBERS = np.array([[1.5, 1.0, 3.0], [2.5, 0.0, 4.0], [-1.0, 1.0, 5.0], [0.5, 0.0, 6.0]])
Y = np.array([0.0, 1.0, 1.0, 0.0])
W = np.array([0.5, -0.25, 0.125])

FRAMES = {
    "float and bool": {"b": bool},
    "float32 and bool": {"a": "float32", "b": bool, "c": "float32"},
    "float, bool and integer": {"b": bool, "c": "int8"},
    "nullable": {"a": "Float64", "b": "boolean", "c": "Int64"},
    "nullable beside float": {"c": "UInt8"},
    "all float": {},
}


@pytest.mark.parametrize("dtypes", FRAMES.values(), ids=FRAMES)
def test_a_frame_of_numbers(kernel, dtypes):
    frame = pandas.DataFrame(NUMBERS, columns=list("abc")).astype(dtypes)
    narrow = "float32" in dtypes.values()
    exact = gradient(NUMBERS.astype("float32" if narrow else "float64"), Y, W, 0.1, kernel=kernel)
    result = gradient(frame, Y, W, 0.1, kernel=kernel)
    # A frame holds its columns together, which NumPy's own product adds up in another order.
    assert np.hstack([result.J, result.dw, result.db]) == pytest.approx(
        np.hstack([exact.J, exact.dw, exact.db]), rel=1e-6 if narrow else 1e-14
    )


@pytest.mark.parametrize("dtype", [bool, "boolean", "Int64", "Float32", "int8"])
def test_a_series_of_labels_and_weights(dtype):
    given = pandas.Series(Y).astype(dtype)
    assert gradient(NUMBERS, given, W, 0.1).J == gradient(NUMBERS, Y, W, 0.1).J
    weighted = gradient(NUMBERS, Y, W, 0.1, sample_weight=Y)
    assert gradient(NUMBERS, Y, W, 0.1, sample_weight=given).J == weighted.J


def test_fit_on_a_frame_of_bool_beside_float():
    generator = np.random.default_rng(0)
    treated = generator.random(200) < 0.5
    age = generator.normal(50.0, 10.0, 200)
    ill = generator.random(200) < 1 / (1 + np.exp(-(0.05 * (age - 50.0) + treated)))
    frame = pandas.DataFrame({"age": age, "treated": treated})
    result = fit(frame, pandas.Series(ill))
    assert result.converged
    assert result.w == pytest.approx(fit(np.column_stack([age, treated]), ill).w, rel=1e-9)


@pytest.mark.parametrize(
    ("column", "dtype"),
    [(["x", "y", "x", "y"], "str"), (pandas.Categorical([1, 2, 1, 2]), "category"), ([1, "x", 2, 3], "object")],
    ids=str,
)
def test_a_column_that_holds_no_numbers_is_named(column, dtype):
    frame = pandas.DataFrame(NUMBERS, columns=list("abc")).assign(city=column)
    with pytest.raises(TypeError) as raised:
        gradient(frame, Y, [*W, 0.0], 0.1)
    message = (
        f"X has column 'city' of dtype {frame['city'].dtype}; it should be real numbers: drop the column, or encode it"
    )
    if frame["city"].dtype == object:
        message += ", or convert it to float if it holds numbers"
    assert str(raised.value) == message


def test_a_series_of_text():
    with pytest.raises(TypeError, match=r"^y has dtype \w+; it should be real numbers \(float, integer or bool\)$"):
        gradient(NUMBERS, pandas.Series(["ill", "well", "ill", "well"]), W, 0.1)


def test_a_missing_value_is_named_by_its_place():
    frame = pandas.DataFrame({"a": pandas.array([1, None, 3, 4], "Int64"), "b": [True, False, True, False]})
    with pytest.raises(ValueError, match=r"^X has a missing value at index \(1, 0\), column 'a'; "):
        gradient(frame, Y, [0.0, 0.0], 0.0)
