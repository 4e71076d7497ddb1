"""The textbook algorithm: two explicit loops in pure Python, the readable specification of the other kernels."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from math import exp, log1p, nan
from typing import Any

from gradstep.contract import FloatArray

Vector = FloatArray | Sequence[float]


def partial_sums(
    X: FloatArray | Sequence[Sequence[float]],
    y: Vector,
    w: Vector,
    b: float,
    block_rows: int,
    out: FloatArray | MutableSequence[Any],
    sample_weight: Vector | None = None,
) -> None:
    """Write ``[sum dz x, sum dz, sum loss]`` of each block of rows into its row of `out`.

    Works on nested lists as well as on arrays; the contract is in `gradstep.kernels`, the formula in
    `gradstep.contract`.

    Examples
    --------
    >>> out = [None]
    >>> partial_sums([[1.0, 2.0], [3.0, 4.0]], [0.0, 1.0], [0.0, 0.0], 0.0, 2, out)
    >>> out
    [[-1.0, -1.0, 0.0, 1.3862943611198906]]
    """
    m = len(y)
    n = len(w)
    w_list = _as_list(w)

    for block, start in enumerate(range(0, m, block_rows)):
        stop = min(start + block_rows, m)
        X_block = _as_list(X[start:stop])
        y_block = _as_list(y[start:stop])
        c_block = [1.0] * (stop - start) if sample_weight is None else _as_list(sample_weight[start:stop])

        dw = [0.0] * n
        db = 0.0
        loss = 0.0
        for x_i, y_i, c_i in zip(X_block, y_block, c_block, strict=True):
            z_i = b
            for j in range(n):
                z_i += w_list[j] * x_i[j]

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
            if not (0.0 <= y_i <= 1.0 and c_i >= 0.0):
                loss_i = nan

            for j in range(n):
                dw[j] += dz_i * x_i[j]
            db += dz_i
            loss += loss_i

        out[block] = [*dw, db, loss]


def _as_list(values: Any) -> list[Any]:
    """Convert an array to (nested) lists of Python floats, over which a loop is several times faster."""
    return values.tolist() if hasattr(values, "tolist") else list(values)
