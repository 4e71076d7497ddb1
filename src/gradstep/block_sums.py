"""The sums over runs of blocks: by threads in turns, or by a kernel's own team; in place, or staged block by block."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple, cast

import numpy as np

from gradstep import staging, tree
from gradstep.contract import FloatArray, Kernel, PartialSums, TeamSums
from gradstep.staging import InPlace, Models
from gradstep.threads import has_teams, share, team, turns_for
from gradstep.tree import Node, Sums
from gradstep.validate import Data

# The blocks' sums of one turn of a thread take about this much memory at most, or are those of a single block.
_TURN_BYTES = 1 << 20

# The blocks' sums of one call of a team take about this much memory for each thread, or are those of at least so many
# blocks a thread: at the end of each call the threads wait for the slowest.
_SUMS_BYTES_PER_THREAD = 1 << 20
_LEAST_BLOCKS_PER_THREAD = 4


class Point(NamedTuple):
    """Where the sums of some models are wanted, as the kernel reads it."""

    theta: FloatArray
    """(k, n + 1)."""
    direction: FloatArray | None = None
    """(k, n + 1): the sums are those of the curvature along it."""
    models: Models | None = None
    """Which models the rows of theta are, where not all of them take part."""

    def rounded(self, dtype: np.dtype[Any]) -> Point:
        """Return the same point in the dtype of the computation."""
        theta, direction, models = self
        if theta.dtype is dtype and (direction is None or direction.dtype is dtype):
            return self
        # An overflow here makes the sums infinite or NaN, and these are reported.
        with np.errstate(all="ignore"):
            return Point(theta.astype(dtype), None if direction is None else direction.astype(dtype), models)


class BlockSums:
    """The blocks of some examples, ready to be summed at any point.

    Safe to use from several threads at the same time.

    Parameters
    ----------
    kernel : Kernel
        The implementation that sums each block.
    examples : Data
        The checked data, with weights that the computation can hold.
    in_place : tuple or None
        What the kernel reads in place of the examples, as `staging.in_place` returns it.
    block_rows : int
        The number of rows in a block.
    """

    # One is made for each small problem that has to be staged; with slots that takes a third of the time.
    __slots__ = ("_block_rows", "_examples", "_in_place", "_kernel", "_n_blocks", "_spare")

    def __init__(self, kernel: Kernel, examples: Data, in_place: InPlace | None, block_rows: int) -> None:
        self._kernel = kernel
        self._examples = examples
        self._in_place = in_place
        self._block_rows = block_rows
        self._n_blocks = -(-len(examples.X) // block_rows)
        self._spare: list[Sums] = []

    def nodes(self, first: int, last: int, point: Point, partial_sums: PartialSums) -> list[Node]:
        """Return the sums over the blocks from `first` up to, and without, `last`: the fewest nodes that cover them."""
        joining = tree.Joining()
        most = _most_blocks_of_a_turn(point)
        for begin in range(first, last, most):
            self._turn(begin, min(begin + most, last), point, partial_sums, joining)
        return joining.nodes()

    def total(self, point: Point, partial_sums: PartialSums, threads: int) -> Sums:
        """Return the sums over all blocks, by one variant of the kernel on this many threads."""
        if self._n_blocks == 1:
            k, width = point.theta.shape
            sums = np.empty((1, k, width + 1))
            self._sum(0, 1, point, sums, partial_sums)
            only: Sums = sums[0]
            return only
        in_place = self._in_place_at(point)
        if threads > 1 and in_place is not None and getattr(self._kernel, "takes_team", False) and has_teams():
            # A kernel that takes a team has functions of the longer signature.
            return self._by_team(point, cast(TeamSums, partial_sums), threads, in_place)
        return self._by_turns(point, partial_sums, threads)

    def _by_turns(self, point: Point, partial_sums: PartialSums, threads: int) -> Sums:
        """Let each thread call the kernel for runs of blocks, until none is left."""
        joining = tree.Joining()

        def work(first: int, last: int) -> None:
            self._turn(first, last, point, partial_sums, joining)

        least = -(-self._n_blocks // _most_blocks_of_a_turn(point))
        turns = least if threads == 1 else max(least, turns_for(self._n_blocks, threads))
        share(work, self._n_blocks, threads, turns)
        return joining.total()

    def _by_team(self, point: Point, total_sums: TeamSums, threads: int, in_place: InPlace) -> Sums:
        """Let the kernel share the blocks among a team itself."""
        k, width = point.theta.shape
        most = threads * max(_LEAST_BLOCKS_PER_THREAD, _SUMS_BYTES_PER_THREAD // (8 * k * (width + 1)))
        # Up to a power of two, so that each part is a node of the tree.
        level = (min(most, self._n_blocks) - 1).bit_length()
        joining = tree.Joining()
        with team(threads) as helpers:
            for first in range(0, self._n_blocks, 1 << level):
                last = min(first + (1 << level), self._n_blocks)
                spare = self._take_spare(last - first, k, width + 1)
                X, y, weight = self._part(in_place, first, last)
                sums = spare[: last - first]
                total_sums(X, y, point.theta, self._block_rows, sums, weight, point.direction, helpers)
                joining.add(Node(level, first >> level, sums[0].copy()))
                self._spare.append(spare)
        return joining.total()

    def _turn(self, first: int, last: int, point: Point, partial_sums: PartialSums, joining: tree.Joining) -> None:
        """Add the sums over some consecutive blocks: the fewest nodes that cover them."""
        k, width = point.theta.shape
        spare = self._take_spare(last - first, k, width + 1)
        sums = spare[: last - first]
        self._sum(first, last, point, sums, partial_sums)
        for node in tree.folded(first, sums):
            joining.add(node)
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

    def _sum(self, first: int, last: int, point: Point, sums: Sums, partial_sums: PartialSums) -> None:
        """Write the sums of each of some consecutive blocks."""
        in_place = self._in_place_at(point)
        if in_place is None:
            self._sum_staged(first, last, point, sums, partial_sums)
            return
        X, y, weight = self._part(in_place, first, last)
        partial_sums(X, y, point.theta, self._block_rows, sums, weight, point.direction)

    def _sum_staged(self, first: int, last: int, point: Point, sums: Sums, partial_sums: PartialSums) -> None:
        """Do the same block by block, copying what the kernel cannot read in place into small reused buffers."""
        X, y, weight, dtype, _ = self._examples
        most = min(self._block_rows, len(X))
        narrow_dtypes: Collection[str] = getattr(self._kernel, "narrow_dtypes", ())
        read_X = staging.rows_reader(X, narrow_dtypes, dtype, most)
        read_y = staging.by_model_reader(y, dtype, most, point.models)
        read_weight = None if weight is None else staging.by_model_reader(weight, dtype, most, point.models)
        for block in range(first, last):
            rows = self._rows(block, block + 1)
            c = None if read_weight is None else read_weight(rows)
            out = sums[block - first : block - first + 1]
            partial_sums(read_X(rows), read_y(rows), point.theta, most, out, c, point.direction)

    def _in_place_at(self, point: Point) -> InPlace | None:
        """Return what the kernel reads in place of the examples; None if it cannot, or not for such a point."""
        return self._in_place if point.models is None else None

    def _part(self, in_place: InPlace, first: int, last: int) -> InPlace:
        """Return the examples of some blocks."""
        if last - first == self._n_blocks:
            return in_place
        X, y, weight = in_place
        rows = self._rows(first, last)
        return X[rows], y[..., rows], None if weight is None else weight[..., rows]

    def _rows(self, first: int, last: int) -> slice:
        return slice(first * self._block_rows, last * self._block_rows)


def _most_blocks_of_a_turn(point: Point) -> int:
    return max(1, _TURN_BYTES // (8 * (point.theta.size + len(point.theta))))
