"""The four kernels and their one contract: a kernel turns rows into partial sums, one for each block of rows.

Every module here defines one function::

    partial_sums(X, y, w, b, block_rows, out, sample_weight=None) -> None

========================  ==========================================================================================
``X``                     (m, n) float32 or float64; unit stride along rows (C order) or along columns (F order), the
                          other stride any multiple of the size of a number, zero and negative ones too
``y``                     (m,) contiguous, in [0, 1], dtype of the computation: that of X
``w``                     (n,) contiguous, dtype of the computation
``b``                     float
``block_rows``            rows in a block, at least 1; the last block may be shorter
``out``                   (ceil(m / block_rows), n + 2) float64, C-contiguous; row k receives
                          ``[sum dz x, sum dz, sum loss]`` over block k. Every element is written.
``sample_weight``         (m,) contiguous, dtype of the computation, or None for all ones
========================  ==========================================================================================

All are aligned and of native byte order, m and n are at least 1, and all but ``out`` may be read-only. The compiled
kernels follow raw addresses: they check all this in each call and raise ValueError for what breaks it.

With, for each row i, its weight c_i and z_i = w . x_i + b::

    e_i    = exp(-|z_i|)          q_i = e_i / (1 + e_i)
    dz_i   = c_i [(1 - y_i) - q_i]  if z_i >= 0  else  c_i [q_i - y_i]
    loss_i = c_i [(max(z_i, 0) - y_i z_i) + log1p(e_i)]

The brackets matter: grouped like this, a well-classified row keeps its full relative accuracy (docs/numerics.md).

A label outside [0, 1] or a negative weight makes the loss of its block NaN, and so does a NaN anywhere: the engine
needs one test of the sums to know whether to search the input for the faulty value. A kernel allocates nothing of
length m, writes to no input, starts no thread and gives no warning. Compiled kernels release the GIL for the whole
call. A module may also define ``narrow_dtypes``, a set of dtype names: it reads an X of these in place and computes in
float32 (for float16) or float64 (for the others), which is then the dtype of y, w and sample_weight.

A block's sums depend on the rows of that block alone, so they have the same bits on any thread.
"""
