"""How many rows a block has."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gradstep import blocks, validate

WIDTHS = st.one_of(st.integers(1, 200), st.integers(1, 10**7))
DTYPES = st.sampled_from(["float64", "float32", "float16", "int8", "uint16", "int64", "bool", "longdouble"])


@given(WIDTHS, DTYPES)
def test_partial_sums_of_a_block_are_at_most_a_64th_of_it(n, dtype):
    rows = blocks.block_rows(n, dtype)
    assert (n + 2) * 8 <= rows * n * np.dtype(dtype).itemsize / 64


@given(WIDTHS, DTYPES)
def test_blocks_have_the_usual_size_or_the_least_that_is_allowed(n, dtype):
    rows, given_bytes = blocks.block_rows(n, dtype), np.dtype(dtype).itemsize
    # In the dtype that narrow data are widened to, because a staged block has to fit the cache, too.
    row_bytes = n * max(given_bytes, validate.compute_dtype(dtype).itemsize)
    assert rows % 8 == 0
    assert (rows + 1) * row_bytes > blocks.BLOCK_BYTES
    if (rows - 7) * row_bytes > blocks.BLOCK_BYTES:
        assert (n + 2) * 8 > (rows - 8) * n * given_bytes / 64
