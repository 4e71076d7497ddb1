"""The presets of a comparison: which problems, contenders and conditions each consists of."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradstep import registry, threads
from gradstep.compare.measure import peers

Numbers = Sequence[int] | None
Sizes = Callable[[Numbers, Numbers], list[tuple[int, int]]]
"""Given the requested m and n, or None for each, returns all (m, n)."""


@dataclass(frozen=True)
class Preset:
    """What is compared. An option of the command line replaces any of these.

    The `sizes` are those of the random problems; `data` names a data set of scikit-learn to measure as well. Among the
    numbers of threads, None chooses by the size of X. The run takes no longer than `budget` seconds.
    """

    summary: str
    sizes: Sizes
    budget: float
    data: str | None = None
    peers: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ("float64",)
    orders: tuple[str, ...] = ("C",)
    threads: Callable[[], tuple[int | None, ...]] = lambda: (1,)

    @property
    def kernels(self) -> tuple[str, ...]:
        """All that are registered by now, those of plug-ins too."""
        return tuple(registry.KERNELS)


def _grid(m_default: Sequence[int], n_default: Sequence[int]) -> Sizes:
    """Every m with every n."""
    return lambda m_list, n_list: list(itertools.product(m_list or m_default, n_list or n_default))


def _two_lines(m_default: Sequence[int], n_default: Sequence[int], m: int, n: int) -> Sizes:
    """Every m with one n, and every n with one m."""

    def sizes(m_list: Numbers, n_list: Numbers) -> list[tuple[int, int]]:
        along_m = [(each, n) for each in m_list or m_default]
        along_n = [(m, each) for each in n_list or n_default]
        return list(dict.fromkeys([*along_m, *along_n]))

    return sizes


QUICK, FULL, SCALING = "quick", "full", "scaling"

PRESETS: dict[str, Preset] = {
    QUICK: Preset(
        "a real data set and a grid of sizes, in less than half a minute",
        _grid((100, 1_000, 10_000, 100_000), (2, 10, 100)),
        budget=25.0,
        data="breast_cancer",
    ),
    SCALING: Preset(
        "m from 100 to 1e6 at n = 100, and n from 1 to 1e4 at m = 1000",
        _two_lines((100, 1_000, 10_000, 100_000, 1_000_000), (1, 10, 100, 1_000, 10_000), m=1_000, n=100),
        budget=120.0,
    ),
    FULL: Preset(
        "all kernels and installed peers, both dtypes and orders, one thread and all cores; half an hour",
        _grid((100, 1_000, 10_000, 100_000, 1_000_000), (1, 10, 100, 1_000)),
        budget=1800.0,
        data="breast_cancer",
        peers=(peers.ALL,),
        dtypes=("float64", "float32"),
        orders=("C", "F"),
        threads=lambda: tuple(dict.fromkeys((1, threads.usable_cores()))),
    ),
}
"""All presets, by name."""
