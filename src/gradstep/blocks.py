"""Where the blocks of rows begin: every block of an array has as many rows as n and the dtype of X alone decide."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from gradstep import validate

# A block of X is about this large: it keeps a thread busy for tens of microseconds.
BLOCK_BYTES = 2 << 20

# Each block costs n + 2 float64 of partial sums; it is long enough to keep these within 1/64 of its own bytes.
_BLOCK_TO_SUMS = 64


def block_rows(n: int, dtype: DTypeLike) -> int:
    """Return the number of rows in a block of an array of n columns of `dtype`; the last block may be shorter."""
    given = np.dtype(dtype)
    # A row as the kernel computes with it: a staged block should fit the cache as well.
    return rows_of_block(n, given.itemsize, max(given.itemsize, validate.compute_dtype(given).itemsize))


def rows_of_block(n: int, itemsize: int, computed_itemsize: int) -> int:
    """Return the same for numbers of these sizes, in bytes; Numba compiles it for `gradstep.njit`."""
    least = -(-_BLOCK_TO_SUMS * (n + 2) * 8 // (n * itemsize))
    rows = max(least, BLOCK_BYTES // (n * computed_itemsize))
    # Kernels take eight rows at a time: a few left over at the end of each block took up to 7 % longer.
    return -(-rows // 8) * 8
