"""The bench of the targets: the sizes, the data, and what has been measured so far."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import gradstep
from gradstep import registry, variants
from gradstep import threads as cores
from gradstep.compare.measure import peers
from gradstep.compare.measure.contenders import Contender, kernel_contender
from gradstep.compare.measure.forecast import Forecast
from gradstep.compare.measure.problems import AnyProblem
from gradstep.compare.measure.run import Progress
from gradstep.compare.measure.timing import Timing
from gradstep.compare.record.records import Cell, Result, Settings
from gradstep.machine import last_level_cache
from tools.targets.choosing import settled
from tools.targets.results import Regret

MIB = 1 << 20

TIMES_CACHE = 4
"""X has to be this many times as large as the last-level cache to count as read from memory."""

# A larger cache than this is shared with other virtual machines: this one owns a part of it, and reads X as slowly as
# from memory.
_LARGEST_CACHE = 64 << 20

ALL = 0
"""Stands for all cores, where a number of threads is expected."""

THREADS = {1: "1 thread", ALL: "all cores"}


def cores_of(threads: int) -> int:
    """Return a number of threads, where `ALL` stands for all cores."""
    return cores.usable_cores() if threads == ALL else threads


@dataclass(frozen=True)
class Scale:
    """How large the problems are, and how often each is timed.

    Attributes
    ----------
    data_bytes : int
        Of an X that is read from memory, together with its y: with two features, y is a third of it.
    narrow_elements : int
        Of an X that is compared in a narrow and in a wide dtype; the narrow one should exceed the cache as well.
    largest : int
        The largest number of elements over which the choice of threads, of kernels and of variants is judged.
    rounds, most_rounds : int
        The least number of samples of each time, and the most where there is time for more.
    short_rounds : int
        Samples of a short call. They are cheap, and many of them even out the changes of a processor's clock.
    draws : int
        How many sizes are drawn at random.
    """

    data_bytes: int
    narrow_elements: int
    largest: int = 10**7
    rounds: int = 5
    most_rounds: int = 21
    short_rounds: int = 51
    draws: int = 60

    @classmethod
    def of_this_machine(cls) -> Scale:
        """Return sizes beyond the cache, as far as the memory allows, with which the table takes ten minutes."""
        beyond_cache = TIMES_CACHE * min(last_level_cache(), _LARGEST_CACHE)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
        # The peers need several vectors of length m besides X, and some of them a copy of X.
        data_bytes = min(beyond_cache, memory // 16)
        return cls(data_bytes, min(beyond_cache, memory // 32), largest=min(10**7, data_bytes // 8))

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


class TimeIsOver(NotMeasured):
    """A section has taken its time."""

    def __init__(self) -> None:
        super().__init__("the time for its section is over")


class Bench:
    """Makes the data, measures each cell once, and keeps the results.

    Attributes
    ----------
    scale : Scale
        The sizes.
    peers : list of Peer
        The peers that gradstep is compared with.
    unavailable : dict
        The kernels that cannot run here, and why.
    cells : list of Cell
        What was measured so far.
    regrets : list of Regret
        What the choice costs at sizes that were drawn at random, as far as that was measured.
    """

    def __init__(self, scale: Scale, chosen_peers: Sequence[peers.Peer], progress: Progress) -> None:
        self.scale = scale
        self.peers = list(chosen_peers)
        self.unavailable = {name: reason for name, reason in gradstep.available().items() if reason is not None}
        self.cells: list[Cell] = []
        self.regrets: list[Regret] = []
        self._progress = progress
        self._measured: dict[tuple[object, ...], Cell] = {}
        self._deadline = math.inf
        self._cells_left = 1

    @property
    def limits_blas(self) -> bool:
        """Whether the threads of BLAS can be set: what NumPy's formula needs as well is installed."""
        return any(peer.name == "numpy-formula" for peer in self.peers)

    @cached_property
    def _values(self) -> NDArray[np.float64]:
        return np.random.default_rng(0).standard_normal(self.scale.data_bytes // 8)

    def allow(self, seconds: float, cells: int) -> None:
        """Limit the time of what is measured from now on: once it is over, only what has been measured is used.

        This many cells share the time evenly; those with a fixed number of rounds do not count.
        """
        self._deadline = time.perf_counter() + seconds
        self._cells_left = cells

    @property
    def seconds_left(self) -> float:
        """How long measuring may still take."""
        return self._deadline - time.perf_counter()

    def require_time(self) -> None:
        """Raise TimeIsOver if no time is left."""
        if self.seconds_left <= 0.0:
            raise TimeIsOver

    def require_kernel(self, name: str) -> None:
        """Raise NotMeasured if a kernel cannot run here."""
        if name in self.unavailable:
            raise NotMeasured(self.unavailable[name])

    def in_memory(self, n: int) -> NDArray[np.float64]:
        """Return an X with n columns that has to be read from memory; the same values for every n."""
        return self.values(self.scale.rows(n), n)

    def values(self, m: int, n: int) -> NDArray[np.float64]:
        """Return an X of this shape; the same values for every shape."""
        return np.resize(self._values, (m, n)) if m * n > self._values.size else self._values[: m * n].reshape(m, n)

    def cell(
        self,
        key: tuple[object, ...],
        problem: Callable[[], AnyProblem],
        contenders: Callable[[], Sequence[Contender]],
        threads: int | None,
        rounds: int | None = None,
    ) -> Cell:
        """Return the cell of this key; the first request measures it.

        With a number of rounds there are no more and no less of them, as short calls need it.
        """
        if key not in self._measured:
            self.require_time()
            given = problem()
            self._progress.begin(f"{given.name}, m = {given.m:,}, n = {given.n:,}")
            cell = self._timed(list(contenders()), given, threads, rounds)
            self._measured[key] = cell
            self.cells.append(cell)
        return self._measured[key]

    def _timed(
        self, contenders: Sequence[Contender], problem: AnyProblem, threads: int | None, rounds: int | None
    ) -> Cell:
        end = time.perf_counter() + self.seconds_left / max(1, self._cells_left)
        self._cells_left -= rounds is None
        settings = Settings([], rounds=rounds or self.scale.rounds)
        # An empty forecast skips no contender.
        timing = Timing(contenders, problem, threads, settings, Forecast())
        while rounds is None and timing.rounds < self.scale.most_rounds and time.perf_counter() < end:
            timing.add(1)
        return timing.cell()

    def kernels(self, names: Sequence[str], threads: int | None) -> list[Contender]:
        """Return the kernels that can run here, once each has found its fastest variant."""
        able = [name for name in names if name not in self.unavailable]
        return [self.with_blas_threads(_kernel(name, threads), threads) for name in able]

    def with_blas_threads(self, contender: Contender, threads: int | None) -> Contender:
        """Return the contender with BLAS limited to its threads, where that can be done."""
        return peers.with_blas_threads(contender, threads) if self.limits_blas else contender

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
        # What is far slower misses the added rounds.
        ratios = [one / other for one, other in zip(above.samples, below.samples, strict=False)]
        return Measured(median(above) / median(below), quartiles(ratios), against)


def _kernel(name: str, threads: int | None) -> Contender:
    contender = kernel_contender(name, threads)
    return settled(contender) if threads is None or len(variants.of(registry.load(name))) > 1 else contender


def quartiles(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the lower and the upper quartile; None of a single value."""
    if len(values) < 2:
        return None
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, upper


def median(result: Result) -> float:
    """Return the median time of a contender; NotMeasured if there is none."""
    if result.median is None:
        raise NotMeasured(f"{result.contender} was not timed")
    return result.median
