# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: embedsignature=True
"""The two explicit loops of `python_loop`, compiled to C ahead of time."""

from libc.math cimport NAN, exp, fabs, log1p

ctypedef fused real:
    float
    double


def partial_sums(
    const real[:, :] X,
    const real[::1] y,
    const real[::1] w,
    double b,
    Py_ssize_t block_rows,
    double[:, ::1] out,
    const real[::1] sample_weight=None,
):
    """Write ``[sum dz x, sum dz, sum loss]`` of each block of rows into its row of `out`.

    The contract is in `gradstep.kernels`, the formula in `gradstep.contract`.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty((1, 4))
    >>> partial_sums(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0]), np.zeros(2), 0.0, 2, out)
    >>> out
    array([[-1.        , -1.        ,  0.        ,  1.38629436]])
    """
    cdef Py_ssize_t m = X.shape[0], n = X.shape[1]
    cdef Py_ssize_t block, start, stop, i, j
    cdef bint weighted = sample_weight is not None
    cdef double z_i, y_i, c_i, e_i, q_i, dz_i, loss_i, db, loss

    with nogil:
        for block in range(out.shape[0]):
            start = block * block_rows
            stop = min(start + block_rows, m)
            out[block, :] = 0.0
            db = 0.0
            loss = 0.0
            for i in range(start, stop):
                z_i = b
                for j in range(n):
                    z_i += w[j] * X[i, j]

                y_i = y[i]
                c_i = sample_weight[i] if weighted else 1.0

                # The same grouping as in python_loop: it keeps the relative accuracy of well-classified rows.
                e_i = exp(-fabs(z_i))
                q_i = e_i / (1.0 + e_i)
                if z_i >= 0.0:
                    dz_i = c_i * ((1.0 - y_i) - q_i)
                    loss_i = c_i * ((z_i - y_i * z_i) + log1p(e_i))
                else:
                    dz_i = c_i * (q_i - y_i)
                    loss_i = c_i * (-y_i * z_i + log1p(e_i))
                if not (0.0 <= y_i <= 1.0 and c_i >= 0.0):
                    loss_i = NAN

                for j in range(n):
                    out[block, j] += dz_i * X[i, j]
                db += dz_i
                loss += loss_i
            out[block, n] = db
            out[block, n + 1] = loss
