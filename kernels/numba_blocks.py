"""The sums of some blocks, in groups of a few rows, which go through both passes of all models while in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gradstep.kernels.numba_compiler import compiler, copy_rows, padded, vector
from gradstep.kernels.numba_job import Job, read_job
from gradstep.kernels.numba_link import LANES, costs, curvatures, flush, take, weigh
from gradstep.kernels.numba_rows import FEW_FEATURES, Rows, add, copy_columns, move, scores
from gradstep.kernels.numba_tuning import TUNINGS, rows_at_a_time, rows_of_columns

_compiled = compiler()

# A smaller X, in bytes, is still in the L2 cache since its last use and needs no prefetch.
_CACHED_BYTES = 1 << 20

# dw has the precision of the computation over this many rows of a block and is then added in float64. So many factors
# 1 + e have a product that fits into a float64.
_ROWS_PER_FLUSH = 512

# About what stays in the L1 cache while one model after another reads it.
_BYTES_OF_TILE = 32_768


class Shape(NamedTuple):
    """How a job's rows are read, and what memory that takes."""

    by_rows: bool
    short_rows: bool
    """They are copied into columns first."""
    most: int
    """The most rows of a group."""
    lines: int
    """Each model has a line of z, and so has its direction, if there is one."""
    span: int
    """From one line to the next, in numbers."""
    row: int
    """From one model's parameters to the next, in numbers."""
    numbers: int
    """So many of the computation's type come first."""
    doubles: int
    """So many float64 follow: e, the losses and the lanes."""


@_compiled
def shape_of(job: Job, size: int) -> Shape:
    """Return how a job's rows are read, whose numbers have this size."""
    n, k = job.n, job.k
    by_rows = job.column_stride == 1 if n > 1 else job.row_stride != 1
    short_rows = by_rows and n <= FEW_FEATURES
    tuning = TUNINGS[job.variant]
    most = min(job.m, rows_at_a_time(n, n * size, tuning) if by_rows else rows_of_columns(n * size))
    lines = 2 * k if job.direction else k
    span, row = padded(most), padded(n + 1)
    doubles = 2 * span + k * 3 * LANES
    numbers = (lines + k + (FEW_FEATURES if short_rows else 0)) * span + (lines + k) * row
    return Shape(by_rows, short_rows, most, lines, span, row, numbers, doubles)


def _sums_for(  # noqa: PLR0915 - Numba compiles again what a function calls: each level costs a second
    zero: Any, size: int
) -> Callable[[int, int, int, int], int]:
    """Return what sums the blocks of a job whose numbers are like a zero, of this size."""

    @_compiled
    def sum_blocks(place: int, begin: int, end: int, scratch: int) -> int:  # noqa: PLR0912, PLR0915 - Numba compiles again what a function calls: each level costs a second
        """Sum the blocks from `begin` up to `end` of the job at an address, with memory for what `shape_of` says."""
        job = read_job(place)
        m, n, k = job.m, job.n, job.k
        by_rows, short_rows, most, lines, span, row, n_numbers, n_doubles = shape_of(job, size)
        row_stride, column_stride = job.row_stride, job.column_stride
        by_columns = short_rows or not by_rows
        prefetched_bytes = TUNINGS[job.variant].prefetched_bytes
        prefetches = n * size <= prefetched_bytes and not by_columns and m * n * size > _CACHED_BYTES
        # An axis that goes backwards starts at its highest address: the first number is `origin` after the lowest.
        origin = -(min(0, (m - 1) * row_stride) + min(0, (n - 1) * column_stride))
        length = (m - 1) * abs(row_stride) + (n - 1) * abs(column_stride) + 1
        numbers = vector(job.X - origin * size, length, zero)

        # Views without an owner: to count the references of each slice would take longer than a group of few rows.
        # Each model has a line of z, dz, dw and products, and one of its parameters; a direction's follow those of all
        # models, and so do its scores. One model after another uses e and last.
        # In this order: with e before the lines, rows of two features take 1.3 times as long (4K aliasing).
        memory = vector(scratch, n_numbers, zero)
        doubles = vector(scratch + n_numbers * size, n_doubles, 0.0)
        parameters, dw = memory[: lines * row], memory[lines * row : (lines + k) * row]
        z, dz = memory[(lines + k) * row :], memory[(lines + k) * row + lines * span :]
        columns = dz[k * span :]
        e, last, lanes = doubles[:span], doubles[span : 2 * span], doubles[2 * span :]
        dw[:] = 0.0
        lanes[:] = 0.0
        copy_rows(vector(job.theta, k * (n + 1), zero), n + 1, parameters, row)
        if job.direction:
            copy_rows(vector(job.direction, k * (n + 1), zero), n + 1, parameters[k * row :], row)

        x = columns if short_rows else numbers
        stride = span if short_rows else (row_stride if by_rows else column_stride)
        start, row_step = (0, 0) if short_rows else (origin, row_stride if by_rows else 1)
        for block in range(begin, end):
            sums = vector(job.out + block * k * (n + 2) * 8, k * (n + 2), 0.0)
            sums[:] = 0.0
            first, stop = block * job.block_rows, min((block + 1) * job.block_rows, m)
            unflushed = 0
            while first < stop:
                rows = min(most, stop - first, _ROWS_PER_FLUSH - unflushed)
                following = origin + (first + rows) * row_stride if prefetches and first + rows < m else -1
                if short_rows:
                    copy_columns(numbers, origin + first * row_stride, row_stride, n, rows, columns, span)
                group = Rows(x, start + first * row_step, stride, by_columns)
                vectors, numbers_of_vector = (n, rows) if by_columns else (rows, n)
                # Sums of whole fours of vectors have the same bits as those of all.
                tile = vectors if k == 1 else max(4, _BYTES_OF_TILE // (numbers_of_vector * size) // 4 * 4)
                for i in range(0, vectors, tile):
                    for j in range(lines):
                        scores(
                            group,
                            i,
                            min(i + tile, vectors),
                            parameters[j * row : j * row + n + 1],
                            z[j * span : j * span + rows],
                            following if j == 0 else -1,
                        )
                for j in range(k):
                    z_j, dz_j = z[j * span : j * span + rows], dz[j * span : j * span + rows]
                    y_j = vector(job.y + j * job.y_step + first * size, rows, zero)
                    if job.direction:
                        curvatures(z_j, z[(k + j) * span : (k + j) * span + rows], y_j, e, dz_j, last)
                    else:
                        costs(z_j, y_j, e, dz_j, last)
                    if job.weights:
                        c_j = vector(job.weights + j * job.weights_step + first * size, rows, zero)
                        weigh(e, dz_j, last, c_j)
                    take(lanes[j * 3 * LANES : (j + 1) * 3 * LANES], unflushed % LANES, e, dz_j, last, rows)
                for i in range(0, vectors, tile):
                    for j in range(k):
                        add(
                            group,
                            i,
                            min(i + tile, vectors),
                            dz[j * span : j * span + rows],
                            dw[j * row : j * row + n],
                            sums[j * (n + 2) : (j + 1) * (n + 2)],
                            following if j == 0 else -1,
                        )
                first += rows
                unflushed += rows
                if unflushed == _ROWS_PER_FLUSH or first == stop:
                    for j in range(k):
                        sums_j = sums[j * (n + 2) : (j + 1) * (n + 2)]
                        move(dw[j * row : j * row + n], sums_j)
                        flush(lanes[j * 3 * LANES : (j + 1) * 3 * LANES], sums_j)
                    unflushed = 0
        return 0

    return sum_blocks


SUMS = {"float32": _sums_for(np.float32(0), 4), "float64": _sums_for(np.float64(0), 8)}
"""What sums the blocks of a job, by the dtype of the computation."""
