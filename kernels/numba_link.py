"""What a score becomes: the terms of the cost or of its curvature of each row, and their sums over the rows."""

from __future__ import annotations

import numpy as np

from gradstep.contract import FloatArray
from gradstep.kernels.numba_compiler import compiler
from gradstep.kernels.numba_contract import Sums

_compiled = compiler()

# Independent running products of the factors 1 + e hide the latency of the multiplication.
LANES = 16


@_compiled
def costs(z: FloatArray, y: FloatArray, e: FloatArray, dz: FloatArray, last: FloatArray) -> None:
    """Write e, dz and the loss without its log1p(e) of each row; a label outside [0, 1] makes the loss NaN."""
    for i in range(len(y)):
        z_i = float(z[i])
        y_i = float(y[i])
        e_i = exp_of_negative(-abs(z_i))
        q_i = e_i / (1.0 + e_i)
        e[i] = e_i
        # Grouped as in python_loop, which keeps the relative accuracy of well-classified rows.
        dz[i] = (1.0 - y_i) - q_i if z_i >= 0.0 else q_i - y_i
        loss_i = max(z_i, 0.0) - y_i * z_i
        last[i] = loss_i if (y_i >= 0.0) & (y_i <= 1.0) else np.nan


@_compiled
def curvatures(z: FloatArray, u: FloatArray, y: FloatArray, e: FloatArray, dz: FloatArray, last: FloatArray) -> None:
    """Write s u as dz and s u^2 of each row, which has no logarithm, so 0 as e; y does the same as in `costs`."""
    for i in range(len(y)):
        u_i = float(u[i])
        y_i = float(y[i])
        e_i = exp_of_negative(-abs(float(z[i])))
        # sigmoid'(z) = q (1 - q), without the subtraction.
        slope_i = e_i / (1.0 + e_i) / (1.0 + e_i) * u_i
        e[i] = 0.0
        dz[i] = slope_i
        last[i] = slope_i * u_i if (y_i >= 0.0) & (y_i <= 1.0) else np.nan


@_compiled
def weigh(e: FloatArray, dz: FloatArray, last: FloatArray, c: FloatArray) -> None:
    """Move log1p(e) from e to the loss, and multiply dz and the loss by the weights; a negative one makes it NaN."""
    for i in range(len(c)):
        dz[i] *= c[i]
        last_i = last[i] + log1p_of_unit(e[i])
        last[i] = last_i * c[i] if c[i] >= 0.0 else np.nan
        e[i] = 0.0


@_compiled
def take(lanes: FloatArray, first: int, e: FloatArray, dz: FloatArray, last: FloatArray, rows: int) -> None:
    """Take some rows into the running products of 1 + e and sums of dz and losses, `LANES` of each.

    Row i goes to the lane (first + i) % LANES, so that the size of a group changes no bit: where `first` is not 0, the
    rows should end at a multiple of `LANES`, or before it.

    Many rows share one logarithm: the products are stored minus 1, and (1 + s)(1 + e) - 1 = s + e (1 + s) keeps the
    digits of a small e that 1 + e drops (docs/numerics.md).
    """
    products, of_dz, of_last = lanes[:LANES], lanes[LANES : 2 * LANES], lanes[2 * LANES : 3 * LANES]
    whole = 0
    if first == 0:
        whole = rows // LANES * LANES
        for i in range(0, whole, LANES):
            for k in range(LANES):
                products[k] += e[i + k] * (1.0 + products[k])
                of_dz[k] += dz[i + k]
                of_last[k] += last[i + k]
    for i in range(whole, rows):
        k = first + i - whole
        products[k] += e[i] * (1.0 + products[k])
        of_dz[k] += dz[i]
        of_last[k] += last[i]


@_compiled
def flush(lanes: FloatArray, sums: Sums) -> None:
    """Add the sum of dz and the loss to the last two of the block's sums, and clear the lanes."""
    s = of_dz = of_last = 0.0
    for k in range(LANES):
        s += lanes[k] * (1.0 + s)
        of_dz += lanes[LANES + k]
        of_last += lanes[2 * LANES + k]
    lanes[:] = 0.0
    sums[-2] += of_dz
    sums[-1] += of_last + np.log1p(s)


@_compiled
def exp_of_negative(x: float) -> float:
    """Return exp(x) for x <= 0; method and constants are those of kernels/vector/simd_math.h."""
    shifted = x * 1.4426950408889634 + (6755399441055744.0 + 1023.0)
    k = shifted - (6755399441055744.0 + 1023.0)
    two_to_k = np.int64(np.float64(shifted).view(np.int64) << 52).view(np.float64)
    r = (x - k * 0.69314718055989033) - k * 5.4979230187083712e-14
    r2 = r * r
    high = (1.3888888943597781e-03 + 1.9841269506770898e-04 * r) + r2 * (
        (2.4801493136097612e-05 + 2.7557586274666723e-06 * r)
        + r2 * (2.7630233951018168e-07 + 2.5000069565431402e-08 * r)
    )
    quotient = (0.50000000000000111 + 0.16666666666666413 * r) + r2 * (
        (0.041666666666530267 + 0.0083333333334943364 * r) + r2 * high
    )
    result = (1.0 + (r + r2 * quotient)) * two_to_k
    return 0.0 if x < -708.39641853226408 else result


@_compiled
def log1p_of_unit(e: float) -> float:
    """Return log1p(e) for e in [0, 1]; method and constants are those of kernels/vector/simd_math.h."""
    s = e / (2.0 + e)
    z = s * s
    w = z * z
    high = (0.18181744478957745 + 0.15386548395324401 * z) + w * (
        (0.13301121340837416 + 0.12104945244094129 * z) + w * (0.083449698253721505 + 0.17009760103148455 * z)
    )
    quotient = (0.66666666666666308 + 0.40000000000155117 * z) + w * (
        (0.2857142854811795 + 0.22222223953649675 * z) + w * high
    )
    return e - s * (e - z * quotient)
