"""Blocks, threads, staging and the tree of sums: turns a kernel's partial sums into the sums over all rows.

Where the blocks begin depends on n and the dtype of X alone, each block is summed by one call of a kernel, and the
blocks' sums are added in the order of a tree. So the result has the same bits for every number of threads, and parts of
it may be computed in other processes.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Collection
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike

from gradstep import staging, tree, validate, variants, weighing
from gradstep.contract import FloatArray, Kernel, PartialSums, TeamSums, Vector
from gradstep.one_against_rest import OneAgainstRest
from gradstep.staging import Models
from gradstep.threads import has_teams, named_threads, share, team, threads_for, turns_for
from gradstep.tree import Node, Sums, join
from gradstep.validate import Array, Data
from gradstep.variants import Way

__all__ = ["BLOCK_BYTES", "Node", "Pass", "block_rows", "join"]

# A block of X is about this large: it keeps a thread busy for tens of microseconds.
BLOCK_BYTES = 2 << 20

# Each block costs n + 2 float64 of partial sums; it is long enough to keep these within 1/64 of its own bytes.
_BLOCK_TO_SUMS = 64

# The blocks' sums of one turn of a thread take about this much memory at most, or are those of a single block.
_TURN_BYTES = 1 << 20

# The blocks' sums of one call of a team take about so much memory for each thread, or are those of so many blocks: a
# thread that has finished its last block waits for those of the others.
_SUMS_BYTES_PER_THREAD = 1 << 20
_LEAST_BLOCKS_PER_THREAD = 4

# Above this size, in bytes, X is in no cache: which way is the fastest depends no more on it, and all threads pay on
# every machine measured.
_MOST_CACHED_BYTES = 1 << 26


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


class Point(NamedTuple):
    """Where the sums of some models are wanted, as the kernel reads it."""

    theta: FloatArray
    """(k, n + 1)."""
    direction: FloatArray | None = None
    """(k, n + 1): the sums are those of the curvature along it."""
    models: Models | None = None
    """Whose labels and weights belong to the rows of theta, where not all models take part."""


_Weighed = tuple[Data, tuple[Array, Array, Array | None] | None, Vector]
"""Examples, what a kernel reads in place of them (see `staging.in_place`), and the total weight or each model's."""


class Pass:
    """One pass over checked data with one kernel; prepared once, called many times.

    Safe to call from several threads at the same time.

    Parameters
    ----------
    kernel : Kernel
        The implementation that sums each block.
    examples : Data
        The checked data.
    threads : int or None
        The number of threads; None chooses by the size of X. It never changes a bit of the result.
    """

    def __init__(self, kernel: Kernel, examples: Data, threads: int | None) -> None:
        X, y, sample_weight, dtype, _ = examples
        m, n = X.shape
        self._kernel = kernel
        self._narrow_dtypes: Collection[str] = getattr(kernel, "narrow_dtypes", ())
        self._given = examples
        self._wanted = threads
        # Most calls are for small problems: they skip what shares out larger ones, a quarter of a microsecond of five.
        # Whatever its dtype, such a problem has one block, and no variant is tried on it.
        self._is_small = 8 * m * n < variants.LEAST_BYTES and 8 * m * n <= BLOCK_BYTES
        self._block_rows = m if self._is_small else block_rows(n, X.dtype)
        self.n_blocks: int = 1 if self._is_small else -(-m // self._block_rows)
        self._y_is_narrowed = y.dtype is not dtype and y.dtype.kind == "f" and y.dtype.itemsize > dtype.itemsize
        # Known from the first pass on. A functools.cached_property would take a microsecond to look.
        self._known: _Weighed | None = None
        self._total: Vector | None = None
        if sample_weight is None:
            self._total = total = _number(m)
            self._known = examples, staging.in_place(examples, self._narrow_dtypes), total
        self.threads = self._threads(threads)
        self._spare: list[Sums] = []
        if not self._is_small:
            is_free = threads is None and named_threads() is None
            self._chooses_threads = is_free and self.threads > 1 and X.nbytes <= _MOST_CACHED_BYTES
            self._tries_ways = X.nbytes >= variants.LEAST_BYTES
            self._has_team = getattr(kernel, "takes_team", False) and has_teams()
            self._trials: dict[tuple[bool, bool], variants.Trial] = {}

    # Those of a small problem.
    _chooses_threads = _tries_ways = False

    def __reduce__(self) -> tuple[type[Pass], tuple[Kernel, Data, int | None]]:
        """Pickle and copy as what it was made of: all that is known of the ways holds for this process."""
        return Pass, (self._kernel, self._given, self._wanted)

    def _threads(self, wanted: int | None) -> int:
        if wanted is None:
            wanted = named_threads()
        if self.n_blocks == 1 or not self._kernel.releases_gil:
            return 1
        if wanted is None:
            wanted, _ = threads_for(self._given.X.nbytes)
        return min(wanted, self.n_blocks)

    def _weigh(self) -> _Weighed:
        """Return and keep the examples with weights that the computation can hold."""
        weight = self._given.sample_weight
        if weight is None:
            raise AssertionError("examples without weights need no weighing")
        examples, totals = weighing.held(self._given, weight, self._block_rows)
        self._known = examples, staging.in_place(examples, self._narrow_dtypes), totals
        return self._known

    @property
    def total_weight(self) -> Vector:
        """Sum of the sample weights as the sums have them, or of each model's; m without weights."""
        if self._total is None:
            self._total = validate.total_weight((self._known or self._weigh())[2])
        return self._total

    def means(self, theta: FloatArray, direction: FloatArray | None = None, models: Models | None = None) -> Sums:
        """Return each model's sums over all rows divided by its total weight, of shape (k, n + 2).

        The mean loss is finite wherever that of each row is, although their sum may overflow.

        Parameters
        ----------
        theta, direction, models
            As in `Point`, which would take a small problem 0.2 microseconds to make.

        Raises
        ------
        ValueError
            If a value of the input is NaN or infinite, a label lies outside [0, 1] or a weight is negative, or the
            ratio of two weights is beyond the dtype of the computation.
        """
        sums = self._sums(theta, direction, models)
        if self._y_is_narrowed or not (math.isfinite(sums.item(-1)) and (len(sums) == 1 or _all_finite(sums))):
            self._check_values(sums, theta, direction)
            if not _all_finite(sums):
                return self._with_small_means(sums, theta, direction, models)
        if direction is not None and not all(sums[:, -1].tolist()):
            # Where a score is infinite its curvature is 0, whatever the rest of its row.
            validate.require_parameters(self._given, theta)
        total = self._total
        return np.divide(sums, self._divisor(models) if total is None or total.ndim else total, sums)

    def _divisor(self, models: Models | None) -> Vector:
        """Return the total weight, or a column of those of some models."""
        totals = self.total_weight
        if totals.ndim == 0:
            return totals
        return (totals if models is None else totals[models])[:, np.newaxis]

    def _with_small_means(
        self, sums: Sums, theta: FloatArray, direction: FloatArray | None, models: Models | None
    ) -> Sums:
        """Return the means of sums, from another pass for those models of which a sum overflows."""
        with np.errstate(all="ignore"):
            small = self._with_small_weights()._means_as_they_are(theta, direction, models)
            return np.where(np.isfinite(sums[:, -1:]), sums / self._divisor(models), small)

    def _means_as_they_are(self, theta: FloatArray, direction: FloatArray | None, models: Models | None) -> Sums:
        with np.errstate(all="ignore"):
            return np.divide(self._sums(theta, direction, models), self._divisor(models))

    def _with_small_weights(self) -> Pass:
        """Return the same pass with weights whose total is at most 1, so that no sum exceeds its largest term."""
        (X, y, weight, dtype, k), _, totals = self._known or self._weigh()
        if weight is None:
            weight = np.broadcast_to(np.ones(1), X.shape[0])
        _, exponents = np.frexp(totals)
        with np.errstate(all="ignore"):
            small = np.ldexp(weight.astype(np.float64, copy=False), -exponents)
        return Pass(self._kernel, Data(X, y, small, dtype, k), self.threads)

    def _check_values(self, sums: Sums, theta: FloatArray, direction: FloatArray | None) -> None:
        """Raise ValueError for the first value that is wrong, by what the sums show."""
        # Every number of the input is a factor or a term of its row's loss, so one that is not finite shows there.
        if not _all_finite(sums):
            validate.raise_for_culprit(self._given, theta, direction)
        if self._y_is_narrowed and not isinstance(self._given.y, OneAgainstRest):
            # A label just outside [0, 1] may be rounded to 0 or 1.
            validate.require_labels(self._given.y)
            self._y_is_narrowed = False

    def block_sums(self, first: int, last: int, point: Point) -> list[Node]:
        """Return the sums over the blocks from `first` up to, and without, `last`: the fewest nodes that cover them.

        Parts that were computed anywhere, from blocks that begin at the same rows, are added up by `join`.
        """
        point = self._native(point)
        partial_sums = self.way(point).partial_sums
        joining = tree.Joining()
        most = self._most_blocks_of_a_turn(point)
        for begin in range(first, last, most):
            self._turn(begin, min(begin + most, last), point, partial_sums, joining)
        return joining.nodes()

    def _sums(self, theta: FloatArray, direction: FloatArray | None, models: Models | None) -> Sums:
        _, in_place, _ = self._known or self._weigh()
        if not self._is_small or in_place is None or models is not None:
            return self._sums_at(self._native(Point(theta, direction, models)))
        if theta.dtype is not self._given.dtype:
            theta, direction, _ = self._native(Point(theta, direction))
        k, width = theta.shape
        sums = np.empty((1, k, width + 1))
        X, y, weight = in_place
        self._kernel.partial_sums(X, y, theta, self._block_rows, sums, weight, direction)
        of_models: Sums = sums[0]
        return of_models

    def _sums_at(self, point: Point) -> Sums:
        """Return the sums over all rows at a point in the dtype of the computation."""
        if not self._tries_ways:
            return self._sums_by(self._kernel.partial_sums, self.threads, point)
        trial = self._trial(point)
        if trial.choice.settled:
            return self._sums_by(trial.best.partial_sums, trial.best.threads, point)
        turn = trial.choice.next()
        way = trial.ways[turn]
        start = time.perf_counter()
        sums = self._sums_by(way.partial_sums, way.threads, point)
        trial.choice.took(turn, time.perf_counter() - start)
        return sums

    def _sums_by(self, partial_sums: PartialSums, threads: int, point: Point) -> Sums:
        """Return the sums over all blocks, by one variant of the kernel on so many threads."""
        if self.n_blocks == 1:
            sums = np.empty((1, len(point.theta), point.theta.shape[1] + 1))
            self._sum_blocks(0, 1, point, sums, partial_sums)
            only: Sums = sums[0]
            return only
        in_place = self._in_place(point) if threads > 1 and self._has_team else None
        if in_place is not None:
            return self._sums_by_team(cast(TeamSums, partial_sums), threads, point, in_place)
        joining = tree.Joining()

        def work(first: int, last: int) -> None:
            self._turn(first, last, point, partial_sums, joining)

        least = -(-self.n_blocks // self._most_blocks_of_a_turn(point))
        turns = least if threads == 1 else max(least, turns_for(self.n_blocks, threads))
        share(work, self.n_blocks, threads, turns)
        return joining.total()

    def _sums_by_team(
        self, total_sums: TeamSums, threads: int, point: Point, in_place: tuple[Array, Array, Array | None]
    ) -> Sums:
        """Return the sums over all blocks, by a kernel that shares them among a team itself."""
        k, width = point.theta.shape
        most = threads * max(_LEAST_BLOCKS_PER_THREAD, _SUMS_BYTES_PER_THREAD // (8 * k * (width + 1)))
        # Up to a power of two, so that each part is a node of the tree.
        level = (min(most, self.n_blocks) - 1).bit_length()
        joining = tree.Joining()
        with team(threads) as helpers:
            for first in range(0, self.n_blocks, 1 << level):
                last = min(first + (1 << level), self.n_blocks)
                spare = self._take_spare(last - first, k, width + 1)
                X, y, weight = self._part(in_place, first, last)
                sums = spare[: last - first]
                total_sums(X, y, point.theta, self._block_rows, sums, weight, point.direction, helpers)
                joining.add(Node(level, first >> level, sums[0].copy()))
                self._spare.append(spare)
        return joining.total()

    def _trial(self, point: Point) -> variants.Trial:
        """Return what is known of the ways for such a point."""
        sort = len(point.theta) == 1, point.direction is None
        known = self._trials.get(sort)
        if known is None:
            known, is_final = variants.trial_of(self._kernel, (*self._work, *sort), self.threads, self._chooses_threads)
            if is_final:
                self._trials[sort] = known
        return known

    @functools.cached_property
    def _work(self) -> tuple[Any, ...]:
        """What decides, beside the point and the number of threads, which way is the fastest."""
        X = self._given.X
        return (
            self._kernel.partial_sums,
            X.dtype.char,
            staging.lies_by_rows(X),
            X.shape[1],
            min(X.nbytes, _MOST_CACHED_BYTES).bit_length(),
            (self._known or self._weigh())[1] is None,
        )

    def way(self, point: Point) -> Way:
        """Return the variant of the kernel and the number of threads that sum, the fastest ones known so far."""
        return self._trial(point).best if self._tries_ways else variants.ways(self._kernel, self.threads)[0]

    def _most_blocks_of_a_turn(self, point: Point) -> int:
        return max(1, _TURN_BYTES // (8 * (point.theta.size + len(point.theta))))

    def _turn(self, first: int, last: int, point: Point, partial_sums: PartialSums, joining: tree.Joining) -> None:
        """Add the sums over some consecutive blocks: the fewest nodes that cover them."""
        k, width = point.theta.shape
        spare = self._take_spare(last - first, k, width + 1)
        self._sum_blocks(first, last, point, spare[: last - first], partial_sums)
        begin = first
        while begin < last:
            length = _largest_node(begin, last - begin)
            sums = spare[begin - first : begin - first + length]
            with np.errstate(all="ignore"):
                tree.fold(sums)
            level = length.bit_length() - 1
            joining.add(Node(level, begin >> level, sums[0].copy()))
            begin += length
        self._spare.append(spare)

    def _take_spare(self, blocks: int, k: int, width: int) -> Sums:
        """Return an array for the sums of some blocks: one of an earlier turn where it fits."""
        try:
            spare = self._spare.pop()
        except IndexError:
            spare = None
        if spare is not None and len(spare) >= blocks and spare.shape[1:] == (k, width):
            return spare
        return np.empty((blocks, k, width))

    def _native(self, point: Point) -> Point:
        """Return the point as the kernel reads it, rounded to the dtype of the computation."""
        theta, direction, models = point
        dtype = self._given.dtype
        if theta.dtype is dtype and (direction is None or direction.dtype is dtype):
            return point
        # An overflow here makes the sums infinite or NaN, and these are reported.
        with np.errstate(all="ignore"):
            return Point(theta.astype(dtype), None if direction is None else direction.astype(dtype), models)

    def _rows(self, first: int, last: int) -> slice:
        return slice(first * self._block_rows, last * self._block_rows)

    def _in_place(self, point: Point) -> tuple[Array, Array, Array | None] | None:
        """Return what the kernel reads in place of the examples; None if it cannot, or not for such a point."""
        return None if point.models is not None else (self._known or self._weigh())[1]

    def _sum_blocks(self, first: int, last: int, point: Point, sums: Sums, partial_sums: PartialSums) -> None:
        in_place = self._in_place(point)
        if in_place is None:
            self._sum_staged_blocks(first, last, point, sums, partial_sums)
            return
        X, y, weight = self._part(in_place, first, last)
        partial_sums(X, y, point.theta, self._block_rows, sums, weight, point.direction)

    def _part(
        self, in_place: tuple[Array, Array, Array | None], first: int, last: int
    ) -> tuple[Array, Array, Array | None]:
        """Return the examples of some blocks."""
        if last - first == self.n_blocks:
            return in_place
        X, y, weight = in_place
        rows = self._rows(first, last)
        return X[rows], y[..., rows], None if weight is None else weight[..., rows]

    def _sum_staged_blocks(self, first: int, last: int, point: Point, sums: Sums, partial_sums: PartialSums) -> None:
        """Sum block by block, copying what the kernel cannot read in place into small reused buffers."""
        (X, y, weight, dtype, _), _, _ = self._known or self._weigh()
        most = min(self._block_rows, len(X))
        read_X = staging.rows_reader(X, self._narrow_dtypes, dtype, most)
        read_y = staging.by_model_reader(y, dtype, most, point.models)
        read_weight = None if weight is None else staging.by_model_reader(weight, dtype, most, point.models)
        for block in range(first, last):
            rows = self._rows(block, block + 1)
            c = None if read_weight is None else read_weight(rows)
            out = sums[block - first : block - first + 1]
            partial_sums(read_X(rows), read_y(rows), point.theta, most, out, c, point.direction)


@functools.lru_cache(maxsize=64)
def _number(m: int) -> Vector:
    """Return m as a 0-d array: to divide by a float takes NumPy twice as long, and to make an array as long again."""
    return np.array(float(m))


def _all_finite(sums: Sums) -> bool:
    """Whether the last column, which shows whether any value of the input was wrong, is finite."""
    return math.isfinite(sums.item(-1)) if len(sums) == 1 else bool(np.isfinite(sums[:, -1]).all())


def _largest_node(first: int, blocks: int) -> int:
    """Return the largest number of at most so many blocks that are a node of the tree from block `first` on."""
    largest = 1 << (blocks.bit_length() - 1)
    return min(largest, first & -first) if first else largest
