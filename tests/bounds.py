"""The largest error of a right kernel: the bounds derived in docs/numerics.md, implemented once.

The names are those of the document. The bounds hold for every order of summation, with exp and log1p each within two
units in the last place. They are evaluated in float64, whose relative error of at most 1e-12 is far below the slack of
the constants, which are rounded up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

U64 = float(np.finfo(np.float64).eps) / 2
ETA64 = float(np.finfo(np.float64).smallest_subnormal)


def gamma(k: float, u: float) -> float:
    """Return k u / (1 - k u), which bounds the relative effect of k roundings (Higham 2002, lemma 3.1)."""
    if not k * u < 1:
        raise ValueError(f"{k} roundings of {u} have no bound")
    return k * u / (1 - k * u)


@dataclass(frozen=True)
class RowErrors:
    """Bounds for the rows of a problem, each an array of length m, without the weights of the rows.

    The unit roundoff ``u`` and the smallest positive number ``eta`` belong to the dtype of the computation.
    """

    u: float
    eta: float
    X: np.ndarray
    c: np.ndarray
    delta: np.ndarray
    """The error of z."""
    e_max: np.ndarray
    """The largest exp(-|z|) within delta of z: e+ of the document."""
    flushed: np.ndarray
    """The absolute error of exp(-|z|) where it may be subnormal: f of the document."""
    dz: np.ndarray
    """|sigmoid(z) - y|, exact."""
    loss: np.ndarray
    """The loss, exact."""
    dz_error: np.ndarray
    """G of the document."""
    loss_error: np.ndarray
    """F of the document."""

    def sums(self, start: int, stop: int, block_rows: int) -> np.ndarray:
        """Bound the error of ``[sum dz x, sum dz, sum loss]`` over rows start to stop, summed in blocks."""
        rows = slice(start, stop)
        r = min(block_rows, stop - start)
        across = gamma(-(-(stop - start) // block_rows) - 1, U64)
        nu, nu_log = (within + across + within * across for within in (gamma(r + 1, self.u), gamma(3 * r + 2, self.u)))
        c, X = self.c[rows], np.abs(self.X[rows])
        dz = (1 + nu) * (c * self.dz_error[rows] + self.eta) + nu * c * self.dz[rows]
        loss = (1 + nu_log) * (c * self.loss_error[rows] + self.eta) + nu_log * c * self.loss[rows]
        underflow = (stop - start) * self.eta
        return np.array([*(dz @ X + underflow), dz.sum(), loss.sum()])

    def magnitudes(self, start: int, stop: int) -> np.ndarray:
        """Return the sums of the absolute values of all terms."""
        rows = slice(start, stop)
        dz = self.c[rows] * self.dz[rows]
        return np.array([*(dz @ np.abs(self.X[rows])), dz.sum(), self.c[rows] @ self.loss[rows]])


def row_errors(
    X: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    b: float,
    sample_weight: np.ndarray | None,
    per_row: Any,
    z_is_exact: bool = False,
) -> RowErrors:
    """Bound the errors of dz and the loss of every row.

    X, y, w and sample_weight have the dtype of the computation; `per_row` is the oracle's result for them. Set
    `z_is_exact` if every product and sum in z is exact, as with n = 1, w = 1, b = 0.
    """
    limits = np.finfo(X.dtype)
    u, tau, eta = float(limits.eps) / 2, float(limits.tiny), float(limits.smallest_subnormal)
    X, y, w = (values.astype(np.float64) for values in (X, y, w))
    z, g, loss = (np.array([float(value) for value in values]) for values in (per_row.z, per_row.dz, per_row.loss))
    g, abs_z, n = np.abs(g), np.abs(z), X.shape[1]

    delta = np.zeros_like(z) if z_is_exact else gamma(n + 2, u) * (np.abs(X) @ np.abs(w) + abs(b)) + n * eta
    e_max = np.exp(-np.maximum(abs_z - delta, 0.0))
    q_max = e_max / (1.0 + e_max)
    # A kernel may return 0 for an exponential below the smallest normal number.
    flushed = np.where(abs_z + delta >= -np.log(2.0 * tau), tau, 2 * eta)
    shift = np.minimum(1.0, delta * np.minimum(0.25, e_max))
    sign_is_sure = abs_z > delta
    label_part = np.where(sign_is_sure, np.where(z >= 0.0, 1.0 - y, y), np.maximum(y, 1.0 - y))
    dz_error = shift + gamma(8, u) * (q_max + label_part) + flushed

    fractional = (y > 0.0) & (y < 1.0)
    # Multiplying by gamma first prevents overflow where |z| is close to the largest number.
    linear_error = np.where(fractional, (y + (z >= -delta)) * (gamma(3, u) * (abs_z + delta)), 0.0)
    log_error = gamma(8, u) * np.log1p(e_max) + flushed
    loss_error = delta * np.minimum(1.0, g + shift) + linear_error + log_error + 2 * eta
    c = np.ones_like(z) if sample_weight is None else sample_weight.astype(np.float64)
    return RowErrors(u, eta, X, c, delta, e_max, flushed, g, loss, dz_error, loss_error)


def _means(errors: RowErrors | CurvatureErrors, weighted: bool, block_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Bound the sums divided by the total weight, and the errors of these quotients."""
    m = len(errors.c)
    sums_error, magnitudes = errors.sums(0, m, block_rows), errors.magnitudes(0, m)
    # Without weights C = m is exact, and the division is the only rounding; with them C sums m rounded numbers.
    division = gamma(m + 2, U64) + 2 * errors.u if weighted else gamma(1, U64)
    quotient = (magnitudes + sums_error) / errors.c.sum()
    return quotient, (1 + division) * sums_error / errors.c.sum() + division * quotient


def product_errors(
    errors: CurvatureErrors, weighted: bool, block_rows: int, direction: np.ndarray, l2: float
) -> np.ndarray:
    """Bound the errors of ``[Hv, v'Hv]``, which are float64 whatever the dtype of the computation."""
    quotient, mean_error = _means(errors, weighted, block_rows)
    v_w = np.abs(direction[:-1].astype(np.float64))
    penalty = np.array([*(l2 * v_w), 0.0, l2 * float(v_w @ v_w)])
    # What underflows in the division, in the products of v, and in their product with l2: at most half of eta in each.
    lost = ETA64 * (1 + l2 * len(v_w))
    return mean_error + gamma(2, U64) * (quotient + penalty) + gamma(len(v_w) + 3, U64) * penalty + lost


@dataclass(frozen=True)
class CurvatureErrors:
    """Bounds for the rows of a problem with a direction, each an array of length m, without the weights of the rows."""

    u: float
    eta: float
    X: np.ndarray
    c: np.ndarray
    slope: np.ndarray
    """|s u|, exact."""
    square: np.ndarray
    """s u^2, exact."""
    slope_error: np.ndarray
    """P of the document."""
    square_error: np.ndarray
    """Q of the document."""
    omega: np.ndarray
    """1 + |u| and its error: what an underflow in the first product is multiplied by at most."""

    def sums(self, start: int, stop: int, block_rows: int) -> np.ndarray:
        """Bound the error of ``[sum s u x, sum s u, sum s u^2]`` over rows start to stop, summed in blocks."""
        rows = slice(start, stop)
        r = min(block_rows, stop - start)
        across, within = gamma(-(-(stop - start) // block_rows) - 1, U64), gamma(r + 2, self.u)
        nu = within + across + within * across
        c, X, omega = self.c[rows], np.abs(self.X[rows]), self.omega[rows]
        lost = self.eta * (1 + c) * omega
        slope = (1 + nu) * (c * self.slope_error[rows] + lost) + nu * c * self.slope[rows]
        square = (1 + nu) * (c * self.square_error[rows] + lost * omega) + nu * c * self.square[rows]
        underflow = (stop - start) * self.eta
        return np.array([*(slope @ X + underflow), slope.sum(), square.sum()])

    def magnitudes(self, start: int, stop: int) -> np.ndarray:
        """Return the sums of the absolute values of all terms."""
        rows = slice(start, stop)
        slope = self.c[rows] * self.slope[rows]
        return np.array([*(slope @ np.abs(self.X[rows])), slope.sum(), self.c[rows] @ self.square[rows]])


def curvature_errors(errors: RowErrors, direction: np.ndarray, curved: Any) -> CurvatureErrors:
    """Bound the errors of s u and s u^2 of every row; `curved` is the oracle's result for these rows and direction.

    The derivation is in docs/numerics.md, "The product with a direction".
    """
    v = np.abs(direction.astype(np.float64))
    s, score = (np.array([float(value) for value in values]) for values in (curved.s, curved.u))
    score, n = np.abs(score), errors.X.shape[1]
    delta_u = gamma(n + 2, errors.u) * (np.abs(errors.X) @ v[:-1] + v[-1]) + n * errors.eta
    shift = np.minimum(0.25, errors.delta * np.minimum(0.1, errors.e_max))
    s_error = shift + gamma(10, errors.u) * errors.e_max / (1.0 + errors.e_max) ** 2 + errors.flushed
    slope_error = s_error * (score + delta_u) + s * delta_u
    square_error = s_error * (score + delta_u) ** 2 + s * delta_u * (2 * score + delta_u)
    return CurvatureErrors(
        errors.u,
        errors.eta,
        errors.X,
        errors.c,
        s * score,
        s * score**2,
        slope_error,
        square_error,
        1 + score + delta_u,
    )


@dataclass(frozen=True)
class GradientErrors:
    """Bounds on the errors of J, dw and db."""

    J: float
    dw: np.ndarray
    db: float


def gradient_errors(errors: RowErrors, weighted: bool, block_rows: int, w: np.ndarray, l2: float) -> GradientErrors:
    """Bound the error of the cost and its gradient; `w` has the dtype that the caller gave it, as in the penalty."""
    quotient, mean_error = _means(errors, weighted, block_rows)
    wide_w = np.abs(w.astype(np.float64))
    penalty, penalty_gradient = l2 / 2 * float(wide_w @ wide_w), l2 * wide_w
    J = mean_error[-1] + gamma(len(w) + 3, U64) * penalty + gamma(1, U64) * (quotient[-1] + penalty)
    # dw is rounded to the dtype of w at the end, where the result may be subnormal. What underflows in the division, in
    # the squares of w and in the product with l2 is at most half of eta in each.
    limits = np.finfo(w.dtype)
    u_w, eta_w = float(limits.eps) / 2, float(limits.smallest_subnormal)
    lost = ETA64 * (1 + l2 * len(w))
    dw = mean_error[:-2] + (gamma(2, U64) + gamma(1, u_w)) * (quotient[:-2] + penalty_gradient) + lost + eta_w
    return GradientErrors(float(J) + lost, dw, float(mean_error[-2]) + lost)
