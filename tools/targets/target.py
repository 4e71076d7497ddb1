"""What a row of the table of targets is, and a section of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from tools.targets.bench import THREADS, Bench, Measured, Scale
from tools.targets.results import Unit

Bound = float | Callable[[Scale], float]


@dataclass(frozen=True)
class Target:
    """A row of the table.

    Attributes
    ----------
    group, case, threads : str
        What is compared with what, in which case, and on how many threads; the last one may be empty.
    must, aim : float or callable
        What has to be reached and what is hoped for; functions of the scale if they depend on the size of X.
    unit : str
        As of `tools.targets.results.TargetResult`.
    measure : callable
        Given a `Bench`, returns a `Measured` or raises `NotMeasured`.
    """

    group: str
    case: str
    threads: str
    must: Bound
    aim: Bound
    unit: Unit
    measure: Callable[[Bench], Measured]


def rows(
    group: str,
    measure: Callable[..., Measured],
    bounds: Mapping[int, tuple[float, float]],
    *,
    threads: Iterable[int] = THREADS,
    unit: Unit = "ratio",
) -> list[Target]:
    """Return a row for each number of threads and each n.

    Parameters
    ----------
    group, unit : str
        As of `Target`.
    measure : callable
        As of `Target`, given `n` and `threads` as well.
    bounds : mapping
        n -> what has to be reached there, and what is hoped for.
    threads : iterable of int
        Keys of `THREADS`.
    """
    return [
        Target(group, f"n = {n:,}", THREADS[count], must, aim, unit, partial(measure, n=n, threads=count))
        for count in threads
        for n, (must, aim) in bounds.items()
    ]


@dataclass(frozen=True)
class Section:
    """Rows on one theme, and how long measuring them may take.

    Attributes
    ----------
    seconds : float
        The rows that are not measured by then are left out.
    targets : tuple of Target
        The rows.
    cells : int
        How many problems they are measured on, apart from those with a fixed number of rounds: each has its share of
        the time.
    """

    seconds: float
    targets: tuple[Target, ...]
    cells: int = 1
