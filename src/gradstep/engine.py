"""One pass over the rows with one kernel: the means over all of them, on as many threads and in the way that pays.

`blocks` says where the blocks of rows begin, `block_sums` has them summed, and `tree` adds up their sums. None of this
depends on the threads, so the result has the same bits for every number of them, and parts of it may be computed in
other processes.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Collection
from typing import Any

import numpy as np

from gradstep import blocks, staging, validate, variants, weighing
from gradstep.block_sums import BlockSums, Point
from gradstep.blocks import block_rows
from gradstep.contract import FloatArray, Kernel, Vector
from gradstep.one_against_rest import OneAgainstRest
from gradstep.staging import InPlace, Models
from gradstep.threads import named_threads, threads_for
from gradstep.tree import Node, Sums, join
from gradstep.validate import Data
from gradstep.variants import Way

__all__ = ["Node", "Pass", "Point", "block_rows", "join"]

# An X of more bytes than this is in no cache. Its size no longer decides which way is the fastest, and all threads pay
# on every machine that was measured.
_MOST_CACHED_BYTES = 1 << 26


_Weighed = tuple[Data, InPlace | None, Vector]
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
        # Most calls are for small problems. They skip what larger ones need to be shared among threads, which saves a
        # quarter of a microsecond of five. In any dtype such a problem has one block, and no variant is tried on it.
        self._is_small = 8 * m * n < variants.LEAST_BYTES and 8 * m * n <= blocks.BLOCK_BYTES
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
        self._block_sums: BlockSums | None = None
        if not self._is_small:
            is_free = threads is None and named_threads() is None
            self._chooses_threads = is_free and self.threads > 1 and X.nbytes <= _MOST_CACHED_BYTES
            self._tries_ways = X.nbytes >= variants.LEAST_BYTES
            self._trials: dict[tuple[bool, bool], variants.Trial] = {}

    # For a small problem, which sets neither of them.
    _chooses_threads = _tries_ways = False

    def __reduce__(self) -> tuple[type[Pass], tuple[Kernel, Data, int | None]]:
        """Pickle and copy as the arguments it was made from: what is known of the ways holds for this process only."""
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
        """The sum of the sample weights as the sums use them, or of each model's; m without weights."""
        if self._total is None:
            self._total = validate.total_weight((self._known or self._weigh())[2])
        return self._total

    def means(self, theta: FloatArray, direction: FloatArray | None = None, models: Models | None = None) -> Sums:
        """Return each model's sums over all rows divided by its total weight, of shape (k, n + 2).

        The mean loss is finite wherever that of each row is, although their sum may overflow.

        Parameters
        ----------
        theta, direction, models
            As in `Point`; making one takes 0.2 microseconds, too long for a small problem.

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
        """Return the means; for models whose sums overflow they come from another pass, with smaller weights."""
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
        point = point.rounded(self._given.dtype)
        return self._blocks().nodes(first, last, point, self.way(point).partial_sums)

    def _blocks(self) -> BlockSums:
        """Return the blocks of the examples with the weights that the computation can hold."""
        known = self._block_sums
        if known is None:
            examples, in_place, _ = self._known or self._weigh()
            known = self._block_sums = BlockSums(self._kernel, examples, in_place, self._block_rows)
        return known

    def _sums(self, theta: FloatArray, direction: FloatArray | None, models: Models | None) -> Sums:
        _, in_place, _ = self._known or self._weigh()
        if not self._is_small or in_place is None or models is not None:
            return self._sums_at(Point(theta, direction, models).rounded(self._given.dtype))
        if theta.dtype is not self._given.dtype:
            theta, direction, _ = Point(theta, direction).rounded(self._given.dtype)
        k, width = theta.shape
        sums = np.empty((1, k, width + 1))
        X, y, weight = in_place
        self._kernel.partial_sums(X, y, theta, self._block_rows, sums, weight, direction)
        of_models: Sums = sums[0]
        return of_models

    def _sums_at(self, point: Point) -> Sums:
        """Return the sums over all rows at a point in the dtype of the computation."""
        if not self._tries_ways:
            return self._blocks().total(point, self._kernel.partial_sums, self.threads)
        trial = self._trial(point)
        if trial.choice.settled:
            return self._blocks().total(point, trial.best.partial_sums, trial.best.threads)
        turn = trial.choice.next()
        way = trial.ways[turn]
        start = time.perf_counter()
        sums = self._blocks().total(point, way.partial_sums, way.threads)
        trial.choice.took(turn, time.perf_counter() - start)
        return sums

    def _trial(self, point: Point) -> variants.Trial:
        """Return what is known of the ways for points like this one."""
        sort = len(point.theta) == 1, point.direction is None
        known = self._trials.get(sort)
        if known is None:
            known, is_final = variants.trial_of(self._kernel, (*self._work, *sort), self.threads, self._chooses_threads)
            if is_final:
                self._trials[sort] = known
        return known

    @functools.cached_property
    def _work(self) -> tuple[Any, ...]:
        """What decides which way is the fastest, apart from the point and the number of threads."""
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


@functools.lru_cache(maxsize=64)
def _number(m: int) -> Vector:
    """Return m as a 0-d array: NumPy divides by a float at half the speed, and making the array takes as long again."""
    return np.array(float(m))


def _all_finite(sums: Sums) -> bool:
    """Whether the last column, which shows whether any value of the input was wrong, is finite."""
    return math.isfinite(sums.item(-1)) if len(sums) == 1 else bool(np.isfinite(sums[:, -1]).all())
