"""The bench of the targets: the sizes, the data, and what has been measured so far."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import gradstep
from gradstep.compare.measure import peers, timing
from gradstep.compare.measure.contenders import Contender, kernel_contender
from gradstep.compare.measure.forecast import Forecast
from gradstep.compare.measure.problems import AnyProblem
from gradstep.compare.measure.run import Progress
from gradstep.compare.record.records import Cell, Result, Settings
from gradstep.machine import last_level_cache

MIB = 1 << 20

TIMES_CACHE = 8
"""X has to be this many times as large as the last-level cache to count as read from memory."""

# With a larger X the table would take more than ten minutes. A virtual machine names the cache of the whole processor,
# but owns a part of it. If X stays below TIMES_CACHE times that cache, the run says so.
_LARGEST_X = 512 << 20


@dataclass(frozen=True)
class Scale:
    """How large the problems are.

    Attributes
    ----------
    data_bytes : int
        Of an X that is read from memory, together with its y: with two features, y is a third of it.
    narrow_elements : int
        Of an X that is compared in a narrow and in a wide dtype; the narrow one should exceed the cache as well.
    many_rows : int
        Of the problem with two features.
    largest : int
        The largest number of elements over which the choice of threads is judged.
    rounds : int
        Samples of each time.
    """

    data_bytes: int
    narrow_elements: int
    many_rows: int = 2_000_000
    largest: int = 10**8
    rounds: int = 9

    @classmethod
    def of_this_machine(cls) -> Scale:
        """Return the sizes that the targets name, as far as the memory allows."""
        beyond_cache = min(TIMES_CACHE * last_level_cache(), _LARGEST_X)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
        # The peers need several vectors of length m beside X, and some of them a copy of X.
        return cls(min(beyond_cache, memory // 16), min(beyond_cache, memory // 32), largest=min(10**8, memory // 64))

    def rows(self, n: int) -> int:
        """Return the number of rows of an X with n columns that is read from memory."""
        return max(8, self.data_bytes // (8 * (n + 1)))


class Measured(NamedTuple):
    """What was measured for a row of the table."""

    value: float
    quartiles: tuple[float, float] | None = None
    against: str = ""


class NotMeasured(Exception):
    """A row cannot be measured; the message says why."""


class Bench:
    """Makes the data, measures each cell once, and keeps the results."""

    def __init__(self, scale: Scale, chosen_peers: Sequence[peers.Peer], progress: Progress) -> None:
        self.scale = scale
        self.peers = list(chosen_peers)
        self.unavailable = {name: reason for name, reason in gradstep.available().items() if reason is not None}
        self.cells: list[Cell] = []
        self._progress = progress
        self._measured: dict[tuple[object, ...], Cell] = {}

    @property
    def limits_blas(self) -> bool:
        """Whether the threads of BLAS can be set: what NumPy's formula needs as well is installed."""
        return any(peer.name == "numpy-formula" for peer in self.peers)

    @cached_property
    def _values(self) -> NDArray[np.float64]:
        return np.random.default_rng(0).standard_normal(self.scale.data_bytes // 8)

    def in_memory(self, n: int) -> NDArray[np.float64]:
        """Return an X with n columns that has to be read from memory; the same values for every n."""
        m = self.scale.rows(n)
        return np.resize(self._values, (m, n)) if m * n > self._values.size else self._values[: m * n].reshape(m, n)

    def cell(
        self,
        key: tuple[object, ...],
        problem: Callable[[], AnyProblem],
        contenders: Callable[[], Sequence[Contender]],
        threads: int | None,
        rounds: int | None = None,
    ) -> Cell:
        """Return the cell of this key; the first request measures it."""
        if key not in self._measured:
            given = problem()
            self._progress.begin(f"{given.name}, m = {given.m:,}, n = {given.n:,}")
            settings = Settings([], rounds=rounds or self.scale.rounds)
            # An empty forecast skips no contender.
            cell = timing.measure(list(contenders()), given, threads, settings, Forecast())
            self._measured[key] = cell
            self.cells.append(cell)
        return self._measured[key]

    def kernels(self, names: Sequence[str], threads: int | None) -> list[Contender]:
        """Return the kernels that can run here."""
        contenders = [kernel_contender(name, threads) for name in names if name not in self.unavailable]
        if not self.limits_blas:
            return contenders
        return [peers.with_blas_threads(contender, threads) for contender in contenders]

    def timed(self, cell: Cell, name: str) -> Result:
        """Return the times of a contender in a cell."""
        results = [*cell.results, *([cell.read_limit] if cell.read_limit is not None else [])]
        for result in results:
            if result.contender == name and result.status == "timed":
                return result
            if result.contender == name:
                raise NotMeasured(f"{name}: {result.reason}")
        raise NotMeasured(self.unavailable.get(name, f"{name} was not measured"))

    def ratio(self, cell: Cell, name: str, base: str, against: str = "") -> Measured:
        """Return the ratio of the medians, with the quartiles of the ratios of each round."""
        above, below = self.timed(cell, name), self.timed(cell, base)
        ratios = [one / other for one, other in zip(above.samples, below.samples, strict=True)]
        quartiles = None
        if len(ratios) > 1:
            lower, _, upper = statistics.quantiles(ratios, n=4, method="inclusive")
            quartiles = (lower, upper)
        return Measured(median(above) / median(below), quartiles, against)


def median(result: Result) -> float:
    """Return the median time of a contender; NotMeasured if there is none."""
    if result.median is None:
        raise NotMeasured(f"{result.contender} was not timed")
    return result.median
