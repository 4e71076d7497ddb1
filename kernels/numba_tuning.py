"""How many rows go through both passes together, and which rows are prefetched: what changes the speed and no bit.

A group has a multiple of 16 rows, or 8 or 4, so that `numba_link.take` finds the lane of each row, and groups of every
size end where sums are flushed.
"""

from __future__ import annotations

from typing import NamedTuple

from gradstep.kernels.numba_compiler import compiler
from gradstep.kernels.numba_rows import FEW_FEATURES, LONG_ROW_BYTES, WIDE_ROW_BYTES

_compiled = compiler()


class Tuning(NamedTuple):
    """A variant of the sums. Which one is fastest depends on the processor, and the engine finds it out."""

    bytes_of_short_rows: int
    """The size of a group of short rows, about."""
    long_rows: int
    """The number of long rows in a group."""
    wide_rows: int
    """The number of wide rows in a group."""
    prefetched_bytes: int
    """Both passes prefetch the next rows where a row is at most this long. A single stream of loads does not saturate
    the memory of some processors; others lose."""


VARIANTS = {
    "short-ahead": Tuning(32_768, 32, 8, LONG_ROW_BYTES),
    "ahead": Tuning(24_576, 8, 4, WIDE_ROW_BYTES),
    "small": Tuning(16_384, 16, 8, 0),
    "large": Tuning(49_152, 64, 16, 0),
}
"""Those that win somewhere (docs/performance.md); the first is the default."""

TUNINGS = tuple(VARIANTS.values())

# The largest group of rows.
_MOST_ROWS = 512


@_compiled
def rows_at_a_time(n: int, row_bytes: int, tuning: Tuning) -> int:
    """Return the number of rows that stay in the cache from the first pass to the second (docs/performance.md)."""
    if n <= FEW_FEATURES:
        return _MOST_ROWS
    if row_bytes > WIDE_ROW_BYTES:
        return tuning.wide_rows
    if row_bytes > LONG_ROW_BYTES:
        return tuning.long_rows
    return min(128, max(8, tuning.bytes_of_short_rows // row_bytes // 16 * 16))


@_compiled
def rows_of_columns(row_bytes: int) -> int:
    """Return the same for columns, where a large group makes each column one long stream.

    It is the same for all variants: each column is summed group by group.
    """
    return min(_MOST_ROWS, max(64, 262144 // row_bytes // 16 * 16))
