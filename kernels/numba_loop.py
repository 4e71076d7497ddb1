"""The two explicit loops of `python_loop`, compiled by Numba when they are first called."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from gradstep.contract import FloatArray

# nogil: the engine runs blocks on several threads. cache: the next process loads the machine code instead of compiling.
# error_model="numpy": no branch for a division by zero, which 1 + e cannot be.
_compiled = numba.njit(nogil=True, cache=True, error_model="numpy")


@_compiled
def partial_sums(
    X: FloatArray,
    y: FloatArray,
    w: FloatArray,
    b: float,
    block_rows: int,
    out: NDArray[np.float64],
    sample_weight: FloatArray | None = None,
) -> None:
    """Write ``[sum dz x, sum dz, sum loss]`` of each block of rows into its row of `out`.

    May be called from other ``@njit`` code; the contract is in `gradstep.kernels`, the formula in `gradstep.contract`.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty((1, 4))
    >>> partial_sums(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0]), np.zeros(2), 0.0, 2, out)
    >>> out
    array([[-1.        , -1.        ,  0.        ,  1.38629436]])
    """
    m, n = X.shape
    for block in range(out.shape[0]):
        start = block * block_rows
        stop = min(start + block_rows, m)
        dw = out[block, :n]
        dw[:] = 0.0
        db = 0.0
        loss = 0.0
        for i in range(start, stop):
            z_i = float(b)
            for j in range(n):
                z_i += w[j] * X[i, j]

            y_i = float(y[i])
            c_i = 1.0
            if sample_weight is not None:
                c_i = float(sample_weight[i])

            # The same grouping as in python_loop: it keeps the relative accuracy of well-classified rows.
            e_i = math.exp(-abs(z_i))
            q_i = e_i / (1.0 + e_i)
            if z_i >= 0.0:
                dz_i = c_i * ((1.0 - y_i) - q_i)
                loss_i = c_i * ((z_i - y_i * z_i) + math.log1p(e_i))
            else:
                dz_i = c_i * (q_i - y_i)
                loss_i = c_i * (-y_i * z_i + math.log1p(e_i))
            if not (0.0 <= y_i <= 1.0 and c_i >= 0.0):
                loss_i = math.nan

            for j in range(n):
                dw[j] += dz_i * X[i, j]
            db += dz_i
            loss += loss_i

        out[block, n] = db
        out[block, n + 1] = loss
