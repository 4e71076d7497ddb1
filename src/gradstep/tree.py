"""The order of all additions: a binary tree over the number of the block, whoever computes which part of it.

Node (level, i) is the sum of the nodes (level - 1, 2 i) and (level - 1, 2 i + 1); one whose right half does not exist
is its left half. At level 0 the nodes are the blocks' sums. Every node has the same bits on any thread, in
any process and on any machine, so they may be computed apart and joined in any order.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Sums = NDArray[np.float64]


class Node(NamedTuple):
    """The sums over the blocks from ``number * 2**level`` up to, and without, ``(number + 1) * 2**level``."""

    level: int
    number: int
    sums: Sums

    @property
    def first(self) -> int:
        """The number of its first block."""
        return self.number << self.level

    @property
    def last(self) -> int:
        """The number of the block after its last."""
        return (self.number + 1) << self.level


def fold(sums: Sums) -> None:
    """Add up consecutive blocks in the order of the tree; the first of them begins a node that holds all of them.

    Examples
    --------
    >>> sums = np.array([[1.0], [2.0], [4.0], [8.0], [16.0]])
    >>> fold(sums)
    >>> sums[0]
    array([31.])
    """
    count = len(sums)
    step = 1
    while step < count:
        left = sums[: count - step : 2 * step]
        np.add(left, sums[step :: 2 * step], out=left)
        step *= 2


def folded(first: int, sums: Sums) -> Iterator[Node]:
    """Yield the fewest nodes that cover some consecutive blocks.

    Parameters
    ----------
    first : int
        The number of the first of these blocks.
    sums : ndarray of shape (blocks, ...)
        The sums of each; written to.

    Examples
    --------
    >>> sums = np.array([[1.0], [2.0], [4.0]])
    >>> [(node.level, node.number, node.sums.item()) for node in folded(7, sums)]
    [(0, 7, 1.0), (1, 4, 6.0)]
    """
    begin, last = first, first + len(sums)
    while begin < last:
        length = _largest_node(begin, last - begin)
        part = sums[begin - first : begin - first + length]
        with np.errstate(all="ignore"):
            fold(part)
        level = length.bit_length() - 1
        yield Node(level, begin >> level, part[0].copy())
        begin += length


def _largest_node(first: int, blocks: int) -> int:
    """Return the size of the largest node that begins with block `first` and has at most this many blocks."""
    largest = 1 << (blocks.bit_length() - 1)
    return min(largest, first & -first) if first else largest


class Joining:
    """Nodes that come in any order and from any thread: two halves of a node are joined as soon as both are there."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, int], Sums] = {}
        self._lock = threading.Lock()

    def add(self, node: Node) -> None:
        """Take over a node; its array is written to from now on."""
        level, number, sums = node
        while True:
            with self._lock:
                other = self._waiting.pop((level, number ^ 1), None)
                if other is None:
                    self._waiting[level, number] = sums
                    return
            with np.errstate(all="ignore"):
                np.add(sums, other, out=sums)
            level, number = level + 1, number >> 1

    def nodes(self) -> list[Node]:
        """Return the nodes that wait for their other half, in the order of their blocks."""
        return sorted((Node(*place, sums) for place, sums in self._waiting.items()), key=lambda node: node.first)

    def total(self) -> Sums:
        """Return the sum of all nodes, the root of the tree.

        Raises
        ------
        ValueError
            If a block is missing: the nodes should cover the blocks from 0 on.
        """
        nodes = self.nodes()
        expected = 0
        for node in nodes:
            if node.first != expected:
                raise ValueError(f"the sums of block {expected} are missing")
            expected = node.last
        # What is left of each node is its left half, and the nodes behind it are what there is of its right half.
        total = nodes[-1].sums
        with np.errstate(all="ignore"):
            for node in reversed(nodes[:-1]):
                total = np.add(node.sums, total)
        return total


def join(nodes: Iterable[Node]) -> Sums:
    """Return the sums over all blocks, from nodes that cover each of them once, in any order.

    Parameters
    ----------
    nodes : iterable of Node
        As `gradstep.engine.Pass.block_sums` returns them for parts of the blocks. Not written to.

    Returns
    -------
    ndarray of shape (k, n + 2)
        The same bits as the sums over all blocks in one place.

    Raises
    ------
    ValueError
        If there is no node, or a block is missing.

    Examples
    --------
    >>> join([Node(0, 2, np.array([[4.0]])), Node(1, 0, np.array([[3.0]]))])
    array([[7.]])
    """
    joining = Joining()
    for node in nodes:
        joining.add(node._replace(sums=node.sums.copy()))
    if not joining.nodes():
        raise ValueError("there is no node to join")
    return joining.total()
