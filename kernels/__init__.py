"""The four kernels and their one contract: a kernel turns rows into partial sums, one for each block of rows.

Every module here defines one function::

    partial_sums(X, y, theta, block_rows, out, sample_weight=None, direction=None) -> None

========================  ==========================================================================================
``X``                     (m, n) float32 or float64; unit stride along rows (C order) or along columns (F order), the
                          other stride any multiple of the size of a number, zero and negative ones too
``theta``                 (k, n + 1) C-contiguous, dtype of the computation (that of X): row j is ``[w, b]`` of model j
``y``                     (m,) for all models or (k, m) with one row a model, in [0, 1], dtype of the computation; unit
                          stride along the examples, the stride between models as free as that of X
``block_rows``            rows in a block, at least 1; the last block may be shorter
``out``                   (ceil(m / block_rows), k, n + 2) float64, C-contiguous. Every element is written.
``sample_weight``         None for all ones, or an array like y
``direction``             None, or (k, n + 1) like theta: row j is ``v = [v_w, v_b]``, the direction of model j
========================  ==========================================================================================

All are aligned, of native byte order and without masked values, m, n and k are at least 1, and all but ``out`` may be
read-only; ``out`` shares no memory with another. The compiled kernels follow raw addresses: they check all this in each
call and raise ValueError for what breaks it, or TypeError for what is no array. The others check what they would
compute a wrong number with.

With, for each row i and model, its weight c_i and z_i = w . x_i + b::

    e_i    = exp(-|z_i|)          q_i = e_i / (1 + e_i)
    dz_i   = c_i [(1 - y_i) - q_i]  if z_i >= 0  else  c_i [q_i - y_i]
    loss_i = c_i [(max(z_i, 0) - y_i z_i) + log1p(e_i)]
    s_i    = c_i q_i / (1 + e_i)          u_i = v_w . x_i + v_b

``out[block, j]`` receives over the rows of the block

- without a direction ``[sum dz x, sum dz, sum loss]``: the cost of model j and its gradient;
- with a direction ``[sum s u x, sum s u, sum s u^2]``: the product of the Hessian of its cost with v, and v' H v.

The brackets matter: grouped like this, a well-classified row keeps its full relative accuracy (docs/numerics.md).

A label outside [0, 1] or a negative weight makes the last column of its block NaN, and so does a NaN anywhere: the
engine needs one test of the sums to know whether to search the input for the faulty value. A kernel allocates nothing
of length m, writes to no input, starts no thread and gives no warning. Compiled kernels release the GIL for the whole
call. A block's sums depend on the rows of that block and on one model alone, so they have the same bits on any thread
and in any company of models.

A kernel may read an X of narrower dtypes in place, those that its entry in `gradstep.registry` names. It then computes
in float32 (for float16) or float64 (for the others), which is the dtype of all other inputs.

A module may define ``variants`` besides ``partial_sums``: a dictionary of functions of this contract that give the same
bits at another speed, by name, with ``partial_sums`` first. The engine finds out which is the fastest while they work.

A compiled kernel may take one more argument, ``team``: helper threads from `gradstep.team`. The call then lets them
claim blocks, needs no interpreter until all are done, and adds the blocks' sums in the order of `gradstep.tree`:
``out[0]`` receives the sums over all rows, and the rest of ``out`` is scratch. Its entry in the registry says so.
"""
