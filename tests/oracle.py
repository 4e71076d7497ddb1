"""The reference: cost, gradient and curvature of logistic regression in mpmath, from the exact values of the inputs.

It shares no code with the kernels and none with NumPy's arithmetic: every input becomes an mpmath number without
rounding, and every result is accurate to about 90 decimal digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

_DIGITS = 90


@dataclass(frozen=True)
class Rows:
    """The unweighted contribution of each row, and the inputs as exact numbers."""

    z: list[Any]
    dz: list[Any]
    loss: list[Any]
    X: list[list[Any]]
    c: list[Any]

    def sums(self, start: int, stop: int) -> list[Any]:
        """Return ``[sum dz x, sum dz, sum loss]`` over the rows from start to stop, each row times its weight."""
        with mpmath.workdps(_DIGITS):
            weighted = [c * dz for c, dz in zip(self.c[start:stop], self.dz[start:stop], strict=True)]
            columns = zip(*self.X[start:stop], strict=True)
            dw = [mpmath.fdot(weighted, column) for column in columns]
            return [*dw, mpmath.fsum(weighted), mpmath.fdot(self.c[start:stop], self.loss[start:stop])]


@dataclass(frozen=True)
class CurvedRows:
    """The unweighted curvature of each row and its score along the direction, and the inputs as exact numbers."""

    s: list[Any]
    u: list[Any]
    X: list[list[Any]]
    c: list[Any]

    def sums(self, start: int, stop: int) -> list[Any]:
        """Return ``[sum s u x, sum s u, sum s u^2]`` over the rows from start to stop, each row times its weight."""
        with mpmath.workdps(_DIGITS):
            factors = zip(self.c[start:stop], self.s[start:stop], self.u[start:stop], strict=True)
            slopes = [c * s * u for c, s, u in factors]
            columns = zip(*self.X[start:stop], strict=True)
            product = [mpmath.fdot(slopes, column) for column in columns]
            return [*product, mpmath.fsum(slopes), mpmath.fdot(slopes, self.u[start:stop])]


@dataclass(frozen=True)
class Reference:
    """The cost and its gradient, as mpmath numbers."""

    J: Any
    dw: list[Any]
    db: Any


def exact(values: np.ndarray) -> list[Any]:
    """Convert an array to (nested) lists of mpmath numbers, which represent every float64 and float32 exactly."""
    return [exact(row) for row in values] if values.ndim > 1 else [mpmath.mpf(value) for value in values.tolist()]


def rows(X: np.ndarray, y: np.ndarray, w: np.ndarray, b: float, sample_weight: np.ndarray | None = None) -> Rows:
    """Return z, sigmoid(z) - y and the loss of every row."""
    with mpmath.workdps(_DIGITS):
        X_exact, w_exact, b_exact = exact(X), exact(w), mpmath.mpf(b)
        z = [mpmath.fdot(x_i, w_exact) + b_exact for x_i in X_exact]
        dz, loss = zip(*(_row(z_i, y_i) for z_i, y_i in zip(z, exact(y), strict=True)), strict=True)
        c = [mpmath.mpf(1)] * len(z) if sample_weight is None else exact(sample_weight)
        return Rows(z, list(dz), list(loss), X_exact, c)


def curved_rows(per_row: Rows, direction: np.ndarray) -> CurvedRows:
    """Return sigmoid'(z) and the score along the direction [v_w, v_b] of every row."""
    with mpmath.workdps(_DIGITS):
        *v_w, v_b = exact(direction)
        u = [mpmath.fdot(x_i, v_w) + v_b for x_i in per_row.X]
        # sigmoid' is even, and this form of it has no cancellation.
        odds = [mpmath.exp(-abs(z)) for z in per_row.z]
        return CurvedRows([e / (1 + e) ** 2 for e in odds], u, per_row.X, per_row.c)


def product(curved: CurvedRows, direction: np.ndarray, l2: float) -> list[Any]:
    """Return ``[Hv, v'Hv]``, the product of the Hessian of the cost with the direction, and the curvature along it."""
    with mpmath.workdps(_DIGITS):
        *along, along_b, square = curved.sums(0, len(curved.s))
        C, l2_exact, v_w = mpmath.fsum(curved.c), mpmath.mpf(l2), exact(direction)[:-1]
        return [
            *(along_j / C + l2_exact * v_j for along_j, v_j in zip(along, v_w, strict=True)),
            along_b / C,
            square / C + l2_exact * mpmath.fdot(v_w, v_w),
        ]


def _row(z: Any, y: Any) -> tuple[Any, Any]:
    """Return sigmoid(z) - y and log(1 + exp(z)) - y z, with no cancellation for y = 0 and y = 1."""
    if z > 0:
        # Swap the classes: sigmoid(z) = 1 - sigmoid(-z), so the rows (z, y) and (-z, 1 - y) have the same loss.
        dz, loss = _row(-z, 1 - y)
        return -dz, loss
    odds = mpmath.exp(z)
    return odds / (1 + odds) - y, mpmath.log1p(odds) - y * z


def reference(per_row: Rows, w: np.ndarray, l2: float) -> Reference:
    """Return the cost and its gradient; `w` has the dtype that the caller gave it, as in the penalty."""
    with mpmath.workdps(_DIGITS):
        *dw, db, loss = per_row.sums(0, len(per_row.z))
        C, l2_exact, w_exact = mpmath.fsum(per_row.c), mpmath.mpf(l2), exact(w)
        return Reference(
            loss / C + l2_exact / 2 * mpmath.fdot(w_exact, w_exact),
            [dw_j / C + l2_exact * w_j for dw_j, w_j in zip(dw, w_exact, strict=True)],
            db / C,
        )
