"""The gradient of one model for Numba code: what ``@njit`` functions call, with the bits of `gradstep.gradient`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradstep import blocks, extras, validate
from gradstep.contract import FloatArray, Gradient, Vector
from gradstep.penalty import LEAST_SQUARES

try:
    from numba import types
    from numba.core.errors import TypingError
    from numba.extending import overload

    from gradstep.kernels.numba_compiler import compiler
    from gradstep.kernels.numba_contract import general, is_absent, is_array, type_of
    from gradstep.kernels.numba_loop import entry_of, partial_sums
except ModuleNotFoundError as error:
    raise extras.missing(error, "numba", "gradstep.njit") from error

__all__ = ["gradient", "partial_sums"]

_compiled = compiler()

_rows_of_block = _compiled(blocks.rows_of_block)

# NumPy adds at most this many numbers in a row, and halves longer ranges; and it converts this many at a time.
_ADDED_IN_A_ROW = 128
_CONVERTED_AT_ONCE = 8192


@_compiled
def _sum(values: FloatArray, first: int, count: int) -> float:
    """Return the sum of some numbers, added in NumPy's order."""
    # The ranges still to add, and the sums so far. A count of -1 means: add the last two sums.
    firsts, counts, sums = np.empty(128, np.intp), np.empty(128, np.intp), np.empty(64)
    firsts[0], counts[0] = first, count
    ranges, done = 1, 0
    while ranges:
        ranges -= 1
        first, count = firsts[ranges], counts[ranges]
        if count < 0:
            done -= 1
            sums[done - 1] += sums[done]
        elif count <= _ADDED_IN_A_ROW:
            sums[done] = _sum_in_a_row(values[first : first + count])
            done += 1
        else:
            half = count // 2 - count // 2 % 8
            counts[ranges] = -1
            firsts[ranges + 1], counts[ranges + 1] = first + half, count - half
            firsts[ranges + 2], counts[ranges + 2] = first, half
            ranges += 3
    total: float = sums[0]
    return total


@_compiled
def _sum_in_a_row(values: FloatArray) -> float:
    total, whole = 0.0, 0
    if len(values) >= 8:
        sums = np.zeros(8)
        whole = len(values) // 8 * 8
        for i in range(0, whole, 8):
            for lane in range(8):
                sums[lane] += values[i + lane]
        total = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
    for i in range(whole, len(values)):
        total += values[i]
    return total


@_compiled
def _sum_of_weights(values: FloatArray) -> float:
    """Return the sum of the weights of a block in float64, with the bits that the engine has."""
    if values.itemsize == 8:
        return _sum(values, 0, len(values))
    total = 0.0
    for first in range(0, len(values), _CONVERTED_AT_ONCE):
        total += _sum(values, first, min(_CONVERTED_AT_ONCE, len(values) - first))
    return total


@_compiled
def _root(waiting: FloatArray, blocks: int) -> Vector:
    """Return the sum of the nodes that wait for their other half, as `gradstep.tree` adds them."""
    level = 0
    while not blocks >> level & 1:
        level += 1
    total: Vector = waiting[level].copy()
    for higher in range(level + 1, 64):
        if blocks >> higher & 1:
            total = waiting[higher] + total
    return total


@_compiled
def _mean(total: Vector, w: FloatArray, l2: float) -> Gradient:
    """Divide the sums by the sum of the weights behind them, and add the penalty."""
    n = len(w)
    mean = total[: n + 2] / total[n + 2]
    J, db = mean[n + 1], mean[n]
    dw = np.empty(n, w.dtype)
    if l2 == 0.0:
        dw[:] = mean[:n]
        return Gradient(J, dw, db)
    squares = np.empty(n)
    for j in range(n):
        w_j = np.float64(w[j])
        squares[j] = w_j * w_j
        dw[j] = mean[j] + l2 * w_j
    sum_of_squares = _sum(squares, 0, n)
    penalty = 0.5 * l2 * sum_of_squares
    if not LEAST_SQUARES <= sum_of_squares < math.inf:
        # As in gradstep.penalty: the square may be out of range although the product is not.
        largest = np.float64(np.abs(w).max())
        root = math.sqrt(0.5) * math.sqrt(l2) * largest
        for j in range(n):
            squares[j] = (w[j] / largest) ** 2
        penalty = root * root * _sum(squares, 0, n) if largest > 0.0 else 0.0
    return Gradient(J + penalty, dw, db)


@_compiled
def _require_shapes(X: FloatArray, y: FloatArray, w: FloatArray) -> None:
    m, n = X.shape
    if m < 1 or n < 1:
        raise ValueError("X should have at least one row and one column")
    if len(y) != m:
        raise ValueError("y should have as many labels as X has rows")
    if len(w) != n:
        raise ValueError("w should have as many weights as X has columns")


def gradient(
    X: FloatArray,
    y: FloatArray,
    w: FloatArray,
    b: float,
    sample_weight: FloatArray | None = None,
    l2: float = 0.0,
) -> Gradient:
    """Return the cost of one model and its derivatives; for ``@njit`` code and Python alike.

    It runs on the thread that calls it, without the GIL, and reads its arrays in place. It is compiled once for each
    set of argument types, and kept on disk.

    Parameters
    ----------
    X : ndarray of shape (m, n), float32 or float64
        The examples, in C or F order or a slice of such an array with contiguous rows or columns.
    y : ndarray of shape (m,), in the dtype of X
        The labels, in [0, 1].
    w : ndarray of shape (n,), float32 or float64
        The weights.
    b : float
        The intercept.
    sample_weight : ndarray of shape (m,), in the dtype of X, optional
        The weight of each example. Its mean should be within 2**-256 to 2**256, for float32 within 2**-32 to 2**32.
    l2 : float
        The strength of the penalty ``l2/2 ||w||^2``.

    Returns
    -------
    Gradient
        ``(J, dw, db)``, with the same bits as ``gradstep.gradient(..., kernel="numba")``.

    Raises
    ------
    ValueError
        For shapes, dtypes and layouts other than these, and for values out of range: NaN, infinity, labels outside
        [0, 1], negative or all-zero weights. The message cannot say where: `gradstep.gradient` does.
    TypeError
        For what is no array or no number. In ``@njit`` code, types other than these do not compile.
    """
    b, l2 = validate.number("b", b), validate.number("l2", l2)
    try:
        weight = None if sample_weight is None else (type(sample_weight), sample_weight.dtype, sample_weight.ndim)
        entry = _entries[type(X), X.dtype, X.ndim, type(y), y.dtype, y.ndim, type(w), w.dtype, w.ndim, weight]
    except (KeyError, AttributeError, TypeError):
        entry = _entry_for(X, y, w, sample_weight)
    found: Gradient = entry(X, y, w, b, sample_weight, l2)
    return found


@_compiled
def _gradient(
    X: FloatArray, y: FloatArray, w: FloatArray, b: float, sample_weight: FloatArray | None, l2: float
) -> Gradient:
    m, n = X.shape
    _require_shapes(X, y, w)
    if not 0.0 <= l2 < math.inf:
        raise ValueError("l2 should be a finite number of at least 0")
    theta = np.empty((1, n + 1), X.dtype)
    theta[0, :n] = w
    theta[0, n] = b
    rows = _rows_of_block(n, X.itemsize, X.itemsize)
    blocks = (m - 1) // rows + 1
    # Row `level` waits for the other half of its node; behind the n + 2 sums there is the sum of the weights.
    waiting = np.empty((65, n + 3))
    out = np.empty((1, 1, n + 2))
    for block in range(blocks):
        first, stop = block * rows, min((block + 1) * rows, m)
        node = np.empty(n + 3)
        if sample_weight is None:
            partial_sums(X[first:stop], y[first:stop], theta, rows, out)
            node[n + 2] = stop - first
        else:
            if len(sample_weight) != m:
                raise ValueError("sample_weight should have as many weights as X has rows")
            partial_sums(X[first:stop], y[first:stop], theta, rows, out, sample_weight[first:stop])
            node[n + 2] = _sum_of_weights(sample_weight[first:stop])
        node[: n + 2] = out[0, 0]
        level = 0
        while block >> level & 1:
            node = waiting[level] + node
            level += 1
        waiting[level] = node
    total = _root(waiting, blocks)
    if not math.isfinite(total[n + 1]):
        raise ValueError(
            "X, y, w, b or sample_weight has a NaN, an infinity, a label outside [0, 1] or a negative weight, "
            "or the sums overflow; gradstep.gradient says which and where"
        )
    most = 2.0**256 if X.itemsize == 8 else 2.0**32
    if not 1.0 / most <= total[n + 2] / m <= most:
        raise ValueError("the mean of sample_weight should be within 2**-256 to 2**256, for float32 2**-32 to 2**32")
    return _mean(total, w, l2)


def _fault_of_types(X: Any, y: Any, w: Any, sample_weight: Any) -> str:
    """Return what the arrays' Numba types have that `gradient` does not take, '' if it takes all of them."""
    if not is_array(X, (2,), types.float32, types.float64):
        return "X should be aligned, float32 or float64, with 2 axes"
    if not is_array(y, (1,), X.dtype):
        return "y should be aligned, have the dtype of X, and 1 axis"
    if not is_array(w, (1,), types.float32, types.float64):
        return "w should be aligned, float32 or float64, with 1 axis"
    if not (is_array(sample_weight, (1,), X.dtype) or is_absent(sample_weight)):
        return "sample_weight should be None, or aligned, have the dtype of X, and 1 axis"
    return ""


@overload(gradient, strict=False)
def _called_from_njit_code(X: Any, y: Any, w: Any, b: Any, sample_weight: Any = None, l2: Any = 0.0) -> Any:
    fault = _fault_of_types(X, y, w, sample_weight)
    if fault:
        raise TypingError(fault)
    for name, type_ in (("b", b), ("l2", l2)):
        if not isinstance(type_, (types.Float, types.Integer, types.Boolean, types.Omitted, float)):
            raise TypingError(f"{name} should be a real number")
    return lambda X, y, w, b, sample_weight=None, l2=0.0: _gradient(X, y, w, b, sample_weight, l2)


# What Python calls has a signature for each dtype, which takes arrays of any layout, read-only or not.
_gradients: Any = _compiled(_gradient.py_func)  # type: ignore[attr-defined]  # Numba has no types
_entries: dict[tuple[Any, ...], Any] = {}
"""The machine code by the kinds of arguments; `gradstep.kernels.numba_loop` says why they are not left to Numba."""


def _entry_for(X: Any, y: Any, w: Any, sample_weight: Any) -> Any:
    """Return the machine code for arguments of these types; raise what names the one that it does not take."""
    named = {"X": X, "y": y, "w": w, "sample_weight": sample_weight}
    of_arrays = [type_of(name, values) for name, values in named.items()]
    fault = _fault_of_types(*of_arrays)
    if fault:
        raise ValueError(fault)
    *others, of_weight = map(general, of_arrays)
    signature = (*others, types.float64, of_weight, types.float64)
    entry = entry_of(_gradients, signature)
    kinds = [() if values is None else (type(values), values.dtype, values.ndim) for values in named.values()]
    if all(kind[:1] in ((), (np.ndarray,)) for kind in kinds):
        of_X, of_y, of_w, weight = kinds
        _entries[*of_X, *of_y, *of_w, weight or None] = entry
    return entry
