"""What a run can afford: which contenders fit into the time, and which problems into the memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from gradstep.compare.measure.problems import AnyProblem
from gradstep.compare.measure.timing import Contender

Item = TypeVar("Item")

# Vectors of length m that contenders make at the same time, in units of 8 bytes a row.
_VECTORS = 8

# So much of the memory that is free stays free.
_SPARE = 0.1


def affordable(costs: Mapping[Item, float], shared: Mapping[Item, tuple[object, float]], seconds: float) -> set[Item]:
    """Return the items that fit into a time, the cheapest first, so that as many as can be are done.

    Parameters
    ----------
    costs : mapping
        Item -> its expected seconds.
    shared : mapping
        Item -> what it needs to have been done, which several items share, and the seconds of that. It is paid once.
    seconds : float
        The time there is.

    Examples
    --------
    >>> sorted(affordable({"a": 1.0, "b": 9.0, "c": 2.0}, {"c": ("data", 1.0)}, 5.0))
    ['a', 'c']
    """
    chosen: set[Item] = set()
    paid: set[object] = set()
    for item in sorted(costs, key=costs.__getitem__):
        need, price = shared.get(item, (None, 0.0))
        cost = costs[item] + (0.0 if need in paid else price)
        if cost <= seconds:
            seconds -= cost
            chosen.add(item)
            paid.add(need)
    return chosen


def needed_bytes(problem: AnyProblem, contenders: Iterable[Contender]) -> int:
    """Return the memory that a problem takes at its peak: X, what contenders copy of it, and vectors of length m.

    An X in Fortran order is made in C order and then copied.

    Examples
    --------
    >>> from gradstep.compare.measure.problems import Problem
    >>> needed_bytes(Problem(1000, 100), []) == 1000 * (100 * 8 + 64)
    True
    """
    copies = sum(each.copies.get(problem.order, 0) for each in contenders)
    return problem.X_bytes * (1 + max(copies, problem.order == "F")) + problem.m * 8 * _VECTORS


def shortage(problem: AnyProblem, contenders: Iterable[Contender], available: int) -> str | None:
    """Return in words why a problem does not fit into the memory that is available; None if it does."""
    needed = needed_bytes(problem, contenders)
    if needed <= (1.0 - _SPARE) * available:
        return None
    return f"{needed / 2**30:.1f} GiB are needed and {available / 2**30:.1f} GiB of memory are free"
