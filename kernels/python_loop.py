"""The textbook algorithm: two explicit loops in pure Python, the readable specification of the other kernels."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log1p, nan
from typing import Any

from gradstep.contract import FloatArray, Shape, require_contract, require_unmasked

Vector = FloatArray | Sequence[float]
Matrix = FloatArray | Sequence[Sequence[float]]

_MOST_AXES = 3


def partial_sums(
    X: Matrix,
    y: Vector | Matrix,
    theta: Matrix,
    block_rows: int,
    out: Any,
    sample_weight: Vector | Matrix | None = None,
    direction: Matrix | None = None,
) -> None:
    """Write the sums over each block of rows, for each model, into `out`.

    Works on nested lists as well as on arrays; the contract is in `gradstep.kernels`, the formula in
    `gradstep.contract`.

    Examples
    --------
    >>> out = [[None]]
    >>> partial_sums([[1.0, 2.0], [3.0, 4.0]], [0.0, 1.0], [[0.0, 0.0, 0.0]], 2, out)
    >>> out
    [[[-1.0, -1.0, 0.0, 1.3862943611198906]]]
    """
    shape = _shape(X)
    require_contract(
        shape,
        _shape(y),
        _shape(theta),
        block_rows,
        # Nested lists need hold no numbers yet.
        (_shape(out) + tuple(n + 2 for n in shape[1:]))[:3],
        None if sample_weight is None else _shape(sample_weight),
        None if direction is None else _shape(direction),
    )
    require_unmasked(X=X, y=y, theta=theta, sample_weight=sample_weight, direction=direction)
    models = _as_list(theta)
    directions = None if direction is None else _as_list(direction)
    m = len(X)
    for block, start in enumerate(range(0, m, block_rows)):
        rows = slice(start, min(start + block_rows, m))
        X_block = _as_list(X[rows])
        for j, (*w, b) in enumerate(models):
            y_block = _as_list(_of_model(y, j)[rows])
            c_block = [1.0] * len(X_block) if sample_weight is None else _as_list(_of_model(sample_weight, j)[rows])
            z = _scores(X_block, w, b)
            if directions is None:
                slopes, lasts = _costs(z, y_block, c_block)
            else:
                *v_w, v_b = directions[j]
                slopes, lasts = _curvatures(z, _scores(X_block, v_w, v_b), y_block, c_block)
            out[block][j] = [*_sum_of_rows(X_block, slopes), sum(slopes), sum(lasts)]


def _shape(values: Any) -> Shape:
    """Return the shape of an array, or of nested lists, in which the first row is one as the others are."""
    if hasattr(values, "shape"):
        return tuple(values.shape)
    lengths = [len(values)]
    while lengths[-1] and len(lengths) < _MOST_AXES and hasattr(values := values[0], "__len__"):
        lengths.append(len(values))
    return tuple(lengths)


def _scores(X: list[list[float]], w: list[float], b: float) -> list[float]:
    """Return ``w . x + b`` of each row."""
    n = len(w)
    scores = []
    for x_i in X:
        z_i = b
        for j in range(n):
            z_i += w[j] * x_i[j]
        scores.append(z_i)
    return scores


def _costs(z: list[float], y: list[float], c: list[float]) -> tuple[list[float], list[float]]:
    """Return dz and the loss of each row."""
    slopes, losses = [], []
    for z_i, y_i, c_i in zip(z, y, c, strict=True):
        # exp(-|z|) cannot overflow. Mächler (2012), "Accurately Computing log(1 - exp(-|a|))", and docs/numerics.md
        # explain why the terms are grouped like this.
        e_i = exp(-abs(z_i))
        q_i = e_i / (1.0 + e_i)
        if z_i >= 0.0:
            dz_i = c_i * ((1.0 - y_i) - q_i)
            loss_i = c_i * ((z_i - y_i * z_i) + log1p(e_i))
        else:
            dz_i = c_i * (q_i - y_i)
            loss_i = c_i * (-y_i * z_i + log1p(e_i))
        slopes.append(dz_i)
        losses.append(loss_i if 0.0 <= y_i <= 1.0 and c_i >= 0.0 else nan)
    return slopes, losses


def _curvatures(z: list[float], u: list[float], y: list[float], c: list[float]) -> tuple[list[float], list[float]]:
    """Return s u and s u^2 of each row, where s is the derivative of dz with respect to z."""
    slopes, squares = [], []
    for z_i, u_i, y_i, c_i in zip(z, u, y, c, strict=True):
        e_i = exp(-abs(z_i))
        # sigmoid'(z) = q (1 - q), without the subtraction.
        s_i = c_i * (e_i / (1.0 + e_i) / (1.0 + e_i))
        slopes.append(s_i * u_i)
        squares.append(s_i * u_i * u_i if 0.0 <= y_i <= 1.0 and c_i >= 0.0 else nan)
    return slopes, squares


def _sum_of_rows(X: list[list[float]], slopes: list[float]) -> list[float]:
    """Return the sum of the rows, each times its slope."""
    n = len(X[0])
    total = [0.0] * n
    for x_i, slope_i in zip(X, slopes, strict=True):
        for j in range(n):
            total[j] += slope_i * x_i[j]
    return total


def _of_model(values: Any, j: int) -> Any:
    """Return the labels or weights of model j: its own row where there is one for each model."""
    return values[j] if hasattr(values[0], "__len__") else values


def _as_list(values: Any) -> list[Any]:
    """Convert an array to (nested) lists of Python floats, over which a loop is several times faster."""
    return values.tolist() if hasattr(values, "tolist") else list(values)
