"""The one gate for input: shapes, dtypes and values are checked here, and every message is written here."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, TypeGuard

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gradstep import arrays, masks
from gradstep.arrays import ArrayLike
from gradstep.contract import FloatArray, Vector, mask_of
from gradstep.one_against_rest import OneAgainstRest
from gradstep.rows import Rows

Array = NDArray[Any]
Labels = ArrayLike | OneAgainstRest

_FLOAT32 = np.dtype(np.float32)
_FLOAT64 = np.dtype(np.float64)
_ROWS_PER_SEARCH = 4096
NOT_NEGATIVE = "weights should not be negative"

# What has one of these, and no number of dimensions, is an array or a sequence.
_OF_ARRAYS = ("__len__", "__array__", "__array_interface__", "__dlpack__", "__arrow_c_array__", "__arrow_c_stream__")


class Data(NamedTuple):
    """Examples whose shapes and dtypes have been checked; their values are checked by the pass itself."""

    X: Array | Rows
    y: Array | OneAgainstRest
    """Labels of shape (m,) for all models, or (m, k) with a column for each."""
    sample_weight: Array | None
    """Of shape (m,) or (m, k) too."""
    dtype: np.dtype[np.floating[Any]]
    """The dtype that the kernels compute in: see `compute_dtype`."""
    k: int | None = None
    """The number of models; None for a single one, whose results have no axis of models."""

    def of_model(self, j: int) -> Data:
        """Return the examples as model j has them: with its own labels and weights."""
        y, weight = self.y, self.sample_weight
        if isinstance(y, OneAgainstRest):
            y = y.column(j)
        elif y.ndim == 2:
            y = y[:, j]
        if weight is not None and weight.ndim == 2:
            weight = weight[:, j]
        return Data(self.X, y, weight, self.dtype)


def _is_usual(values: object, length: int) -> TypeGuard[Vector]:
    """Whether this is already a float64 vector of the given length, so that nothing is left to check."""
    return type(values) is np.ndarray and values.dtype is _FLOAT64 and values.ndim == 1 and len(values) == length


def compute_dtype(dtype: DTypeLike) -> np.dtype[np.floating[Any]]:
    """Return the dtype in which data of `dtype` is computed: float32 for float16 and float32, else float64."""
    return _compute_dtype(np.dtype(dtype))


def _compute_dtype(given: np.dtype[Any]) -> np.dtype[np.floating[Any]]:
    return _FLOAT32 if given.kind == "f" and given.itemsize <= 4 else _FLOAT64


def data(X: ArrayLike, y: Labels, sample_weight: ArrayLike | None = None, k: int | None = None) -> Data:
    """Check the shapes and dtypes of the examples of one model, or of k; look at no value.

    No array that can be read in place is copied.
    """
    rows = X if type(X) is np.ndarray and X.dtype is _FLOAT64 else _real_rows("X", X)
    if rows.ndim != 2:
        raise ValueError(
            f"X has {rows.ndim} dimension(s), shape {rows.shape}; it should have 2: (m examples, n features)"
        )
    m, n = rows.shape
    if m == 0 or n == 0:
        raise ValueError(f"X has shape {rows.shape}; it should hold at least one example and one feature")
    if not _is_usual(y, m):
        y = _labels(y, m, k) if isinstance(y, OneAgainstRest) else _column("y", y, m, k, "one label per row of X")
    if not (sample_weight is None or _is_usual(sample_weight, m)):
        sample_weight = _column("sample_weight", sample_weight, m, k, "one weight per row of X")
    dtype = rows.dtype
    return Data._make((rows, y, sample_weight, _FLOAT64 if dtype is _FLOAT64 else _compute_dtype(dtype), k))


def _labels(y: OneAgainstRest, m: int, k: int | None) -> OneAgainstRest:
    if y.shape != (m, k):
        wanted = f"({m},)" if k is None else f"({m},) or ({m}, {k})"
        raise ValueError(f"y has shape {y.shape}; it should have shape {wanted}, one label per row of X")
    return y


def _column(name: str, values: ArrayLike, m: int, k: int | None, meaning: str) -> Array:
    """Return an array of shape (m,), or of shape (m, k) where there are k models."""
    if k is None:
        return _vector(name, values, m, meaning)
    array = _real_array(name, values)
    if array.shape not in ((m,), (m, k)):
        raise ValueError(f"{name} has shape {array.shape}; it should have shape ({m},) or ({m}, {k}), {meaning}")
    return array


def sample_weights(values: ArrayLike, m: int) -> Array:
    """Return the weights of m examples, with their values checked."""
    weight = _vector("sample_weight", values, m, "one weight per row of X")
    require_finite("sample_weight", weight)
    require_not_negative(weight)
    return weight


def copied(name: str, values: ArrayLike) -> Array:
    """Return a copy of an array of real numbers, in the same order in memory."""
    return _real_array(name, values).copy(order="K")


def real_dtype(name: str, dtype: DTypeLike) -> np.dtype[Any]:
    """Return `dtype` as a dtype if it is one of real numbers."""
    result = np.dtype(dtype)
    if result.kind not in arrays.REAL_KINDS:
        raise TypeError(f"{name} is {result}; it should be one of real numbers (float, integer or bool)")
    return result


def weights(name: str, w: ArrayLike, n: int, default: np.dtype[np.floating[Any]], k: int | None = None) -> FloatArray:
    """Check w and return it as float32 or float64: its own dtype where it is one of these, else `default`."""
    if k is None:
        if _is_usual(w, n):
            return w
        w = _vector(name, w, n, "one weight per column of X")
    else:
        w = _real_array(name, w)
        if w.shape != (n, k):
            raise ValueError(f"{name} has shape {w.shape}; it should have shape ({n}, {k}), one column per model")
    if w.dtype in (_FLOAT64, _FLOAT32):
        return w
    if w.dtype.newbyteorder("=") in (_FLOAT64, _FLOAT32):
        default = w.dtype.newbyteorder("=")
    with np.errstate(all="ignore"):
        return w.astype(default)


def asked(name: str, values: ArrayLike) -> Array:
    """Return any container as an array, asked for its values once: a library may compute or copy them each time."""
    return values if type(values) is np.ndarray else arrays.whole(name, values)


def models_of(name: str, w: ArrayLike) -> int | None:
    """Return the number of models that w stands for: its columns, or None where it is that of a single one."""
    shape = w.shape if type(w) is np.ndarray else shape_of(w)
    if len(shape) != 2:
        return None
    if shape[1] == 0:
        raise ValueError(f"{name} has shape {shape}; it should have at least one column, one per model")
    return shape[1]


def shape_of(values: object) -> tuple[int, ...]:
    """Return the shape of what may be an array; () where only its values would show it."""
    return (len(values),) if isinstance(values, (list, tuple)) else tuple(getattr(values, "shape", ()))


def is_single(values: object) -> bool:
    """Whether this stands for one number, or is none, rather than for one number for each model."""
    if isinstance(values, (float, int, str, bytes)):
        return True
    ndim = getattr(values, "ndim", None)
    return not any(hasattr(values, name) for name in _OF_ARRAYS) if ndim is None else bool(ndim == 0)


def per_model(name: str, values: Any, k: int | None, check: Callable[[str, object], float]) -> Vector:
    """Return one number for each model, checked with `check`; a single number stands for all."""
    if k is None:
        return np.array([check(name, values)])
    if is_single(values):
        return np.full(k, check(name, values))
    array = _vector(name, values, k, "one number per model")
    return np.array([check(f"{name}[{j}]", value) for j, value in enumerate(array.tolist())])


def theta(name: str, values: ArrayLike, length: int) -> Vector:
    """Check the parameters ``[w, b]`` from an optimizer, or a direction, and return them as contiguous float64."""
    if _is_usual(values, length) and (flags := values.flags).c_contiguous and flags.aligned:
        return values
    array = _vector(name, values, length, "the n weights and then the intercept")
    with np.errstate(all="ignore"):
        return np.array(array, np.float64)


def number(name: str, value: object) -> float:
    """Return `value` as a float; TypeError if it is not one real number."""
    if type(value) is float:
        return value
    try:
        _require_one_real(value)
        return float(value)  # type: ignore[arg-type]  # whatever float() takes is a number; what it refuses is reported
    except OverflowError as error:
        raise ValueError(f"{name} is {shown(value)}; it is too large for a float64") from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} is {shown(value)}; it should be a real number") from error


def _require_one_real(value: object) -> None:
    """Raise TypeError for what `float` would convert although it is not one real number."""
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError("text is no number")
    if tuple(getattr(value, "shape", ())):
        raise TypeError("an array is no number")
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind not in arrays.REAL_KINDS:
        raise TypeError("it is not real")
    if mask_of(value) is not None:
        raise TypeError("it is masked")


def finite(name: str, value: object) -> float:
    """Return `value` as a float that is finite."""
    result = number(name, value)
    if not math.isfinite(result):
        raise ValueError(f"{name} is {result!r}; it should be finite")
    return result


def positive(name: str, value: object) -> float:
    """Return `value` as a float that is positive and finite."""
    result = number(name, value)
    if not (0.0 < result < math.inf):
        raise ValueError(f"{name} is {result!r}; it should be positive and finite")
    return result


def nonnegative(name: str, value: object) -> float:
    """Return `value` as a float that is at least 0 and finite."""
    result = number(name, value)
    # A negative number may be rounded to 0.
    if not (0.0 <= result < math.inf) or (result == 0.0 and value < 0):  # type: ignore[operator]  # it is a number
        raise ValueError(f"{name} is {result!r}; it should be at least 0 and finite")
    return result


def count(name: str, value: object, least: int) -> int:
    """Return `value` as an int that is at least `least`."""
    try:
        _require_one_real(value)
        result = operator.index(value)  # type: ignore[arg-type]  # what is not an integer is reported just below
    except (TypeError, RuntimeError) as error:
        raise TypeError(f"{name} is {shown(value)}; it should be an integer") from error
    if result < least:
        raise ValueError(f"{name} is {result}; it should be at least {least}")
    return result


def flag(name: str, value: object) -> bool:
    """Return `value` as a bool; TypeError for what is neither true nor false, such as the text "False"."""
    if isinstance(value, (bool, np.bool_)) or (type(value) is int and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{name} is {shown(value)}; it should be True or False")


def total_weight(values: Vector) -> Vector:
    """Return the sums of the sample weights, one or one for each model, if none of them is zero."""
    if np.count_nonzero(values) < values.size:
        model = f" of model {int(np.argmin(values != 0.0))}" if values.size > 1 else ""
        raise ValueError(f"sample_weight{model} is 0 everywhere; at least one weight should be positive")
    return values


def raise_for_culprit(examples: Data, theta: FloatArray, direction: FloatArray | None = None) -> None:
    """Raise ValueError for the first value that made the sums NaN or infinite; return if it was an overflow.

    Called only when the sums are not finite, so good data does not pay for the search.
    """
    require_parameters(examples, theta)
    if direction is not None:
        require_convertible("v", direction[0] if examples.k is None else direction.T, examples.dtype)
    if not isinstance(examples.y, OneAgainstRest):
        require_finite("y", examples.y)
        require_labels(examples.y)
    if examples.sample_weight is not None:
        require_convertible("sample_weight", examples.sample_weight, examples.dtype)
        require_not_negative(examples.sample_weight)
    for start in range(0, examples.X.shape[0], _ROWS_PER_SEARCH):
        require_convertible("X", examples.X[start : start + _ROWS_PER_SEARCH], examples.dtype, first_row=start)


def require_parameters(examples: Data, theta: FloatArray) -> None:
    """Raise ValueError for the first parameter that is NaN or infinite in the dtype of the computation."""
    one = examples.k is None
    require_convertible("w", theta[0, :-1] if one else theta[:, :-1].T, examples.dtype)
    require_convertible("b", theta[0, -1] if one else theta[:, -1], examples.dtype)


def require_labels(y: Array) -> None:
    """Raise ValueError for the first label outside [0, 1]."""
    if not (y.min() >= 0 and y.max() <= 1):
        require("y", y, (y >= 0) & (y <= 1), "labels should lie in [0, 1]")


def require_not_negative(sample_weight: Array) -> None:
    """Raise ValueError for the first weight that is negative."""
    require("sample_weight", sample_weight, sample_weight >= 0, NOT_NEGATIVE)


def _real_rows(name: str, values: ArrayLike) -> Array | Rows:
    """Return an array of real numbers, or what can be read as one by rows."""
    source = values if type(values) is np.ndarray else arrays.opened(name, values)
    dtype = source.dtype
    if dtype is _FLOAT64 or dtype is _FLOAT32 or isinstance(source, Rows):
        return source
    return _native(source) if dtype.kind in arrays.REAL_KINDS else arrays.widened(name, source)


def _real_array(name: str, values: ArrayLike) -> Array:
    array = values if type(values) is np.ndarray else arrays.whole(name, values)
    dtype = array.dtype
    if dtype is _FLOAT64 or dtype is _FLOAT32:
        return array
    return _native(array) if dtype.kind in arrays.REAL_KINDS else np.asarray(arrays.widened(name, array))


def _native(array: Array) -> Array:
    """Return an array of the native byte order without that being spelled out.

    A kernel may not recognize the order in the format of a buffer.
    """
    dtype = array.dtype
    return array.view(dtype.newbyteorder("=")) if dtype.byteorder in "<>" and dtype.isnative else array


def _vector(name: str, values: ArrayLike, length: int, meaning: str) -> Array:
    array = _real_array(name, values)
    if array.shape != (length,):
        raise ValueError(f"{name} has shape {array.shape}; it should have shape ({length},), {meaning}")
    return array


def require_convertible(name: str, values: Any, dtype: np.dtype[Any], first_row: int = 0) -> None:
    """Raise ValueError for the first value that is NaN or infinite, as it is or in the dtype of the computation."""
    require_finite(name, values, first_row=first_row)
    with np.errstate(all="ignore"):
        require_finite(name, np.asarray(values).astype(dtype, copy=False), f" after conversion to {dtype}", first_row)


def require_finite(name: str, values: Any, when: str = "", first_row: int = 0) -> None:
    """Raise ValueError for the first value that is NaN or infinite."""
    require(name, values, np.isfinite(values), "it should be finite", when, first_row)


def require(name: str, values: Array, fine: Array, wanted: str, when: str = "", first_row: int = 0) -> None:
    """Raise ValueError for the first value for which `fine` is false."""
    if np.all(fine):
        return
    if not np.ndim(values):
        raise ValueError(f"{name} is {values}{when}; {wanted}")
    first = np.unravel_index(int(np.argmin(fine)), fine.shape)
    index = (int(first[0]) + first_row, *(int(k) for k in first[1:]))
    _refuse(name, values[first], index, wanted, when)


def _refuse(name: str, value: Any, index: tuple[int, ...], wanted: str, when: str) -> NoReturn:
    raise ValueError(f"{name} has {value} at index {masks.place(index)}{when}; {wanted}")


def shown(value: object) -> str:
    """Return what a value is, for a message."""
    text = repr(value)
    return f"{type(value).__name__} {text}" if len(text) <= 40 else f"a {type(value).__name__}"
