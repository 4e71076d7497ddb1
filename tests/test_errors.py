"""Bad input: the class and the whole message of every error, the same for all kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from gradstep import KernelUnavailable, fastest, fit, gradient, objective, registry, select, step

M, N = 6, 2


def arguments(**changes: Any) -> dict[str, Any]:
    """Return good arguments of `gradient`, with these changes."""
    generator = np.random.default_rng(0)
    X, y = generator.standard_normal((M, N)), np.array([0.0, 1.0, 0.0, 1.0, 0.5, 1.0])
    return {"X": X, "y": y, "w": np.array([0.5, -0.5]), "b": 0.1, "sample_weight": np.ones(M)} | changes


def with_value(name: str, index: Any, value: float) -> dict[str, Any]:
    """Return arguments of which one array holds `value` at `index`."""
    changed = arguments()
    changed[name][index] = value
    return changed


class Bad(NamedTuple):
    """Arguments of `gradient`, and what must be raised."""

    arguments: dict[str, Any]
    error: type[Exception]
    message: str


X_ROWS = "it should have 2: (m examples, n features)"
ENCODE = "encode text as numbers"
DATES = "pass dates as numbers, such as days since the first"
CONVERT = "convert it to float if it holds numbers"
REAL = "it should be real numbers (float, integer or bool)"
LABELS = "labels should lie in [0, 1]"
NOT_NEGATIVE = "weights should not be negative"

BAD = {
    "X 1-D": Bad(arguments(X=np.ones(6)), ValueError, f"X has 1 dimension(s), shape (6,); {X_ROWS}"),
    "X 0-D": Bad(arguments(X=1.0), ValueError, f"X has 0 dimension(s), shape (); {X_ROWS}"),
    "X 3-D": Bad(arguments(X=np.ones((6, 2, 1))), ValueError, f"X has 3 dimension(s), shape (6, 2, 1); {X_ROWS}"),
    "m = 0": Bad(
        arguments(X=np.ones((0, 2)), y=[], sample_weight=None),
        ValueError,
        "X has shape (0, 2); it should hold at least one example and one feature",
    ),
    "n = 0": Bad(
        arguments(X=np.ones((6, 0)), w=[]),
        ValueError,
        "X has shape (6, 0); it should hold at least one example and one feature",
    ),
    "y too short": Bad(
        arguments(y=np.ones(5)), ValueError, "y has shape (5,); it should have shape (6,), one label per row of X"
    ),
    "y 2-D": Bad(
        arguments(y=np.ones((6, 1))),
        ValueError,
        "y has shape (6, 1); it should have shape (6,), one label per row of X",
    ),
    "w too long": Bad(
        arguments(w=np.ones(3)), ValueError, "w has shape (3,); it should have shape (2,), one weight per column of X"
    ),
    "w 2-D": Bad(
        arguments(w=np.ones((2, 1))),
        ValueError,
        "w has shape (2, 1); it should have shape (2,), one weight per column of X",
    ),
    "sample_weight too long": Bad(
        arguments(sample_weight=np.ones(7)),
        ValueError,
        "sample_weight has shape (7,); it should have shape (6,), one weight per row of X",
    ),
    "sample_weight a number": Bad(
        arguments(sample_weight=2.0),
        ValueError,
        "sample_weight has shape (); it should have shape (6,), one weight per row of X",
    ),
    "label above 1": Bad(with_value("y", 3, 2.0), ValueError, f"y has 2.0 at index 3; {LABELS}"),
    "label below 0": Bad(with_value("y", 0, -1.0), ValueError, f"y has -1.0 at index 0; {LABELS}"),
    "label just above 1": Bad(
        with_value("y", 5, np.nextafter(1.0, 2.0)), ValueError, f"y has 1.0000000000000002 at index 5; {LABELS}"
    ),
    "labels -1 and 1": Bad(arguments(y=[1, -1, 1, -1, 1, 1]), ValueError, f"y has -1 at index 1; {LABELS}"),
    "labels 1 and 2": Bad(arguments(y=[1, 2, 1, 2, 1, 1]), ValueError, f"y has 2 at index 1; {LABELS}"),
    "y NaN": Bad(with_value("y", 2, math.nan), ValueError, "y has nan at index 2; it should be finite"),
    "y infinite": Bad(with_value("y", 2, math.inf), ValueError, "y has inf at index 2; it should be finite"),
    "X NaN": Bad(with_value("X", (4, 1), math.nan), ValueError, "X has nan at index (4, 1); it should be finite"),
    "X infinite": Bad(
        with_value("X", (5, 0), -math.inf), ValueError, "X has -inf at index (5, 0); it should be finite"
    ),
    "X NaN in float32": Bad(
        arguments(X=np.full((6, 2), np.nan, np.float32)), ValueError, "X has nan at index (0, 0); it should be finite"
    ),
    "X infinite in float16": Bad(
        arguments(X=np.full((6, 2), np.inf, np.float16)), ValueError, "X has inf at index (0, 0); it should be finite"
    ),
    "w NaN": Bad(with_value("w", 1, math.nan), ValueError, "w has nan at index 1; it should be finite"),
    "w infinite": Bad(with_value("w", 0, math.inf), ValueError, "w has inf at index 0; it should be finite"),
    "w beyond float32": Bad(
        arguments(X=np.ones((6, 2), np.float32), w=np.array([1.0, 1e39])),
        ValueError,
        "w has inf at index 1 after conversion to float32; it should be finite",
    ),
    "weight beyond float32": Bad(
        arguments(X=np.ones((6, 2), np.float32), sample_weight=[1.0, 1.0, 1e39, 1.0, 1.0, 1.0]),
        ValueError,
        "sample_weight has inf at index 2 after conversion to float32; it should be finite",
    ),
    "b NaN": Bad(arguments(b=math.nan), ValueError, "b is nan; it should be finite"),
    "b infinite": Bad(arguments(b=-math.inf), ValueError, "b is -inf; it should be finite"),
    "b beyond float32": Bad(
        arguments(X=np.ones((6, 2), np.float32), b=1e39),
        ValueError,
        "b is inf after conversion to float32; it should be finite",
    ),
    "weight negative": Bad(
        with_value("sample_weight", 1, -0.5), ValueError, f"sample_weight has -0.5 at index 1; {NOT_NEGATIVE}"
    ),
    "weight NaN": Bad(
        with_value("sample_weight", 5, math.nan), ValueError, "sample_weight has nan at index 5; it should be finite"
    ),
    "weight infinite": Bad(
        with_value("sample_weight", 5, math.inf), ValueError, "sample_weight has inf at index 5; it should be finite"
    ),
    "weights all zero": Bad(
        arguments(sample_weight=np.zeros(6)),
        ValueError,
        "sample_weight is 0 everywhere; at least one weight should be positive",
    ),
    "weights that sum to zero": Bad(
        arguments(sample_weight=[1.0, -1.0, 0.0, 0.0, 0.0, 0.0]),
        ValueError,
        f"sample_weight has -1.0 at index 1; {NOT_NEGATIVE}",
    ),
    "threads 0": Bad(arguments(threads=0), ValueError, "threads is 0; it should be at least 1"),
    "threads -2": Bad(arguments(threads=-2), ValueError, "threads is -2; it should be at least 1"),
    "threads 1.5": Bad(arguments(threads=1.5), TypeError, "threads is float 1.5; it should be an integer"),
    "threads text": Bad(arguments(threads="2"), TypeError, "threads is str '2'; it should be an integer"),
    "l2 negative": Bad(arguments(l2=-1.0), ValueError, "l2 is -1.0; it should be at least 0 and finite"),
    "l2 NaN": Bad(arguments(l2=math.nan), ValueError, "l2 is nan; it should be at least 0 and finite"),
    "l2 infinite": Bad(arguments(l2=math.inf), ValueError, "l2 is inf; it should be at least 0 and finite"),
    "l2 None": Bad(arguments(l2=None), TypeError, "l2 is NoneType None; it should be a real number"),
    "b None": Bad(arguments(b=None), TypeError, "b is NoneType None; it should be a real number"),
    "b complex": Bad(arguments(b=1j), TypeError, "b is complex 1j; it should be a real number"),
    "X objects": Bad(arguments(X=np.ones((6, 2), object)), TypeError, f"X has dtype object; {REAL}: {CONVERT}"),
    "X complex": Bad(arguments(X=np.ones((6, 2), complex)), TypeError, f"X has dtype complex128; {REAL}"),
    "X strings": Bad(arguments(X=np.full((6, 2), "a")), TypeError, f"X has dtype <U1; {REAL}: {ENCODE}"),
    "X dates": Bad(arguments(X=np.zeros((6, 2), "M8[s]")), TypeError, f"X has dtype datetime64[s]; {REAL}: {DATES}"),
    "y strings": Bad(arguments(y=list("abcdef")), TypeError, f"y has dtype <U1; {REAL}: {ENCODE}"),
    "y objects": Bad(arguments(y=[None] * 6), TypeError, f"y has dtype object; {REAL}: {CONVERT}"),
    "w complex": Bad(arguments(w=[1j, 0]), TypeError, f"w has dtype complex128; {REAL}"),
    "sample_weight objects": Bad(
        arguments(sample_weight=[None] * 6), TypeError, f"sample_weight has dtype object; {REAL}: {CONVERT}"
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_class_and_message(kernel, bad):
    with pytest.raises(bad.error) as raised:
        gradient(**bad.arguments, kernel=kernel)
    assert (type(raised.value), str(raised.value)) == (bad.error, bad.message)


@pytest.mark.parametrize("bad", [BAD[name] for name in BAD if name[:2] in ("w ", "b ")])
def test_gradient_of_an_objective(kernel, bad):
    given = bad.arguments
    f = objective(given["X"], given["y"], sample_weight=given["sample_weight"], kernel=kernel)
    with pytest.raises(bad.error) as raised:
        f.gradient(given["w"], given["b"])
    assert (type(raised.value), str(raised.value)) == (bad.error, bad.message)


def test_gradient_of_an_objective_with_too_few_weights(kernel):
    f = objective(np.ones((6, 3)), np.ones(6), kernel=kernel)
    with pytest.raises(ValueError) as raised:
        f.gradient(np.ones(2), 0.0)
    assert str(raised.value) == "w has shape (2,); it should have shape (3,), one weight per column of X"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_inputs_are_unchanged(kernel, bad, threads):
    arrays = [value for value in bad.arguments.values() if isinstance(value, np.ndarray)]
    before = [array.tobytes() for array in arrays]
    with pytest.raises(bad.error):
        gradient(**({"threads": threads} | bad.arguments), kernel=kernel)
    assert [array.tobytes() for array in arrays] == before


@pytest.mark.parametrize("name", ["y", "X", "sample_weight"])
@pytest.mark.parametrize("staged", [False, True])
def test_the_first_culprit_is_named_wherever_it_lies(kernel, name, staged):
    m = 200_000
    good = {"X": np.ones((m, 1)), "y": np.ones(m), "sample_weight": np.ones(m)}
    values = good[name]
    values[123_456] = values[-1] = math.nan
    X = good["X"][::-1][::-1].astype(">f8") if staged else good["X"]
    place = "(123456, 0)" if name == "X" else "123456"
    # The message is written once, so pure Python need not go through the same rows.
    if kernel.name != "python":
        with pytest.raises(ValueError) as raised:
            gradient(X, good["y"], [1.0], 0.0, sample_weight=good["sample_weight"], kernel=kernel, threads=2)
        assert str(raised.value) == f"{name} has nan at index {place}; it should be finite"


def test_what_is_named_first_if_several_are_wrong(kernel):
    many = arguments(w=np.array([math.nan, 1.0]), y=np.full(6, 7.0), sample_weight=np.full(6, -1.0))
    with pytest.raises(ValueError, match="^w has nan at index 0"):
        gradient(**many, kernel=kernel)


def test_overflow_is_no_error_but_shows(kernel):
    """Finite input whose sums overflow: nothing in the input is wrong, and nothing finite is made up."""
    result = gradient([[1e308], [1e308]], [0, 0], [1e10], 0.0, kernel=kernel)
    assert not math.isfinite(result.J)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_alpha_of_step(kernel, value):
    with pytest.raises(ValueError) as raised:
        step(**arguments(), alpha=value, kernel=kernel)
    assert str(raised.value) == f"alpha is {value!r}; it should be positive and finite"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"alpha": 0.0}, ValueError, "alpha is 0.0; it should be positive and finite"),
        ({"alpha": -1.0}, ValueError, "alpha is -1.0; it should be positive and finite"),
        ({"alpha": math.inf}, ValueError, "alpha is inf; it should be positive and finite"),
        ({"alpha": "fast"}, ValueError, "alpha is 'fast'; it should be 'auto' or a positive number"),
        ({"alpha": None}, TypeError, "alpha is NoneType None; it should be a real number"),
        ({"tol": 0.0}, ValueError, "tol is 0.0; it should be positive and finite"),
        ({"tol": math.nan}, ValueError, "tol is nan; it should be positive and finite"),
        ({"max_iter": -1}, ValueError, "max_iter is -1; it should be at least 0"),
        ({"max_iter": 1.5}, TypeError, "max_iter is float 1.5; it should be an integer"),
        ({"w0": [1.0]}, ValueError, "w0 has shape (1,); it should have shape (2,), one weight per column of X"),
        ({"w0": [1.0, math.nan]}, ValueError, "w0 has nan at index 1; it should be finite"),
        ({"b0": math.nan}, ValueError, "b0 is nan; it should be finite"),
        ({"b0": "x"}, TypeError, "b0 is str 'x'; it should be a real number"),
        ({"y": [0, 1, 2, 0, 1, 0]}, ValueError, f"y has 2 at index 2; {LABELS}"),
    ],
)
def test_fit(kernel, changes, error, message):
    given = arguments()
    with pytest.raises(error) as raised:
        fit(**({"X": given["X"], "y": given["y"]} | changes), kernel=kernel)
    assert (type(raised.value), str(raised.value)) == (error, message)


def test_theta(kernel):
    f = objective([[1.0, 2.0]], [1.0], kernel=kernel)
    with pytest.raises(ValueError) as raised:
        f(np.zeros(2))
    assert str(raised.value) == "theta has shape (2,); it should have shape (3,), the n weights and then the intercept"


@pytest.mark.parametrize("call", [gradient, step, fit, objective], ids=lambda call: call.__name__)
def test_an_unknown_kernel(call: Callable[..., Any]):
    rest = {gradient: ([1.0], 0.0), step: ([1.0], 0.0, 0.1)}.get(call, ())
    with pytest.raises(ValueError) as raised:
        call([[1.0]], [1.0], *rest, kernel="nosuch")
    known = f"'auto' or one of {', '.join(map(repr, registry.KERNELS))}"
    assert str(raised.value) == f"kernel is 'nosuch'; it should be {known}"


def test_a_kernel_that_is_none():
    with pytest.raises(TypeError) as raised:
        gradient([[1.0]], [1.0], [1.0], 0.0, kernel=3)
    assert str(raised.value) == "kernel is a int; it should be a name or a gradstep.Kernel"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((0, 1), ValueError, "m is 0; it should be at least 1"),
        ((1, 0), ValueError, "n is 0; it should be at least 1"),
        ((1.5, 1), TypeError, "m is float 1.5; it should be an integer"),
        (
            (1, 1, "complex128"),
            TypeError,
            "dtype is complex128; it should be one of real numbers (float, integer or bool)",
        ),
    ],
)
def test_fastest(given, error, message):
    with pytest.raises(error) as raised:
        fastest(*given)
    assert str(raised.value) == message


def test_the_table_covers_every_kernel():
    assert list(registry.KERNELS)[:4] == ["python", "numba", "cython", "numpy"]
    assert issubclass(KernelUnavailable, RuntimeError)
    assert select.choose(10, 10).kernel.name in registry.KERNELS
