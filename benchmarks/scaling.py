"""How the time of a step grows with m and with n on one thread, and how near the floor it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.problems import (
    FIXED_M,
    FIXED_N,
    IN_M,
    IN_N,
    KERNEL_NAMES,
    LOG10_M,
    LOG10_N,
    REPEAT,
    ROUNDS,
    SAMPLE_TIME,
    WARMUP_TIME,
    Case,
    Shelf,
    at_m,
    at_n,
    cases,
    is_measured,
    skipped,
    step,
    warm,
)
from gradstep.compare import kernel_contender, timing
from gradstep.compare.problems import Problem
from gradstep.compare.records import Cell, Result, Settings

warm()

ROUNDS_OF_A_CELL = 7

# The slope of log time is taken over so many of the largest sizes: below, what a call costs at any size weighs more.
_SIZES_PER_SLOPE = 3


def measure(wanted: Iterable[Case]) -> dict[Case, Cell]:
    """Measure each case: all kernels and the floor, which only reads X, take turns within each round."""
    return {case: _cell(case) for case in wanted}


def _cell(case: Case) -> Cell:
    contenders = [kernel_contender(kernel) for kernel in KERNEL_NAMES if is_measured(kernel, case)]
    settings = Settings([], threads=1, rounds=ROUNDS_OF_A_CELL)
    return timing.measure(contenders, Problem(case.m, case.n), settings, timing.Forecast())


def measure_in_m() -> dict[Case, Cell]:
    """Measure all cases of `InM` once for all that is tracked there."""
    return measure(cases(IN_M, at_m))


def measure_in_n() -> dict[Case, Cell]:
    """Measure all cases of `InN` once for all that is tracked there."""
    return measure(cases(IN_N, at_n))


def seconds(cell: Cell, name: str) -> float:
    """Return the median time of a kernel or of the floor.

    Raises
    ------
    ValueError
        If its result was wrong or it could not run.
    """
    results: Sequence[Result] = [*cell.results, *([cell.floor] if cell.floor is not None else [])]
    for result in results:
        if result.contender == name and result.median is not None:
            return result.median
    reasons = [result.reason for result in results if result.contender == name]
    raise ValueError(f"{name} was not timed at m = {cell.m}, n = {cell.n}: {reasons}")


def floor_ratio(cell: Cell, kernel: str) -> float:
    """Return the time of a step over that of only reading X."""
    return seconds(cell, kernel) / seconds(cell, timing.FLOOR)


def bandwidth(case: Case, cell: Cell, kernel: str) -> float:
    """Return how many GB of X a step works off in a second."""
    return case.bytes / seconds(cell, kernel) / 1e9


def speedup_over_numpy(cell: Cell, kernel: str) -> float:
    """Return how many times as fast as the NumPy kernel a kernel is."""
    return seconds(cell, "numpy") / seconds(cell, kernel)


def exponent(sizes: Sequence[int], times: Sequence[float]) -> float:
    """Return the slope of log time against log size over the largest sizes, by least squares."""
    slope, _ = np.polyfit(np.log(sizes[-_SIZES_PER_SLOPE:]), np.log(times[-_SIZES_PER_SLOPE:]), 1)
    return float(slope)


class InM:
    """Against the number of examples, at several fixed numbers of features."""

    params = IN_M
    param_names = ("kernel", "n", "log10_m")
    skip_params = skipped(IN_M, at_m)
    version = "1"
    rounds, repeat, sample_time, warmup_time = ROUNDS, REPEAT, SAMPLE_TIME, WARMUP_TIME

    def setup_cache(self) -> Shelf:
        """Write the arrays once for all benchmarks; their seed is fixed."""
        return Shelf().put(cases(IN_M, at_m))

    def time_step(self, shelf: Shelf, kernel: str, n: int, log10_m: int) -> None:
        """Take one step."""
        step(shelf[at_m(n, log10_m)], kernel)

    def track_floor_ratio(self, cells: dict[Case, Cell], kernel: str, n: int, log10_m: int) -> float:
        """Track the time of a step over that of only reading X, both measured in turns."""
        return floor_ratio(cells[at_m(n, log10_m)], kernel)

    def track_bandwidth(self, cells: dict[Case, Cell], kernel: str, n: int, log10_m: int) -> float:
        """Track the bytes of X over the time of a step."""
        case = at_m(n, log10_m)
        return bandwidth(case, cells[case], kernel)

    def track_speedup_over_numpy(self, cells: dict[Case, Cell], kernel: str, n: int, log10_m: int) -> float:
        """Track the time of the NumPy kernel over that of a kernel, both measured in turns."""
        return speedup_over_numpy(cells[at_m(n, log10_m)], kernel)


class InN:
    """Against the number of features, at several fixed numbers of examples."""

    params = IN_N
    param_names = ("kernel", "m", "log10_n")
    skip_params = skipped(IN_N, at_n)
    version = "1"
    rounds, repeat, sample_time, warmup_time = ROUNDS, REPEAT, SAMPLE_TIME, WARMUP_TIME

    def setup_cache(self) -> Shelf:
        """Write the arrays once for all benchmarks; their seed is fixed."""
        return Shelf().put(cases(IN_N, at_n))

    def time_step(self, shelf: Shelf, kernel: str, m: int, log10_n: int) -> None:
        """Take one step."""
        step(shelf[at_n(m, log10_n)], kernel)

    def track_floor_ratio(self, cells: dict[Case, Cell], kernel: str, m: int, log10_n: int) -> float:
        """Track the time of a step over that of only reading X, both measured in turns."""
        return floor_ratio(cells[at_n(m, log10_n)], kernel)

    def track_bandwidth(self, cells: dict[Case, Cell], kernel: str, m: int, log10_n: int) -> float:
        """Track the bytes of X over the time of a step."""
        case = at_n(m, log10_n)
        return bandwidth(case, cells[case], kernel)

    def track_speedup_over_numpy(self, cells: dict[Case, Cell], kernel: str, m: int, log10_n: int) -> float:
        """Track the time of the NumPy kernel over that of a kernel, both measured in turns."""
        return speedup_over_numpy(cells[at_n(m, log10_n)], kernel)


class ExponentInM:
    """With which power of the number of examples the time grows: 1 is proportional."""

    params = (KERNEL_NAMES, FIXED_N)
    param_names = ("kernel", "n")
    version = "1"

    def track_exponent_in_m(self, cells: dict[Case, Cell], kernel: str, n: int) -> float:
        """Track the slope over the largest m."""
        series = [case for log10_m in LOG10_M if is_measured(kernel, case := at_m(n, log10_m))]
        return exponent([case.m for case in series], [seconds(cells[case], kernel) for case in series])


class ExponentInN:
    """With which power of the number of features the time grows: 1 is proportional."""

    params = (KERNEL_NAMES, FIXED_M)
    param_names = ("kernel", "m")
    version = "1"

    def track_exponent_in_n(self, cells: dict[Case, Cell], kernel: str, m: int) -> float:
        """Track the slope over the largest n."""
        series = [case for log10_n in LOG10_N if is_measured(kernel, case := at_n(m, log10_n))]
        return exponent([case.n for case in series], [seconds(cells[case], kernel) for case in series])


# asv looks for attributes at the function first: what is tracked shares measurements, not the arrays of time_step.
for _in_m in (
    InM.track_floor_ratio,
    InM.track_bandwidth,
    InM.track_speedup_over_numpy,
    ExponentInM.track_exponent_in_m,
):
    _in_m.setup_cache = measure_in_m
for _in_n in (
    InN.track_floor_ratio,
    InN.track_bandwidth,
    InN.track_speedup_over_numpy,
    ExponentInN.track_exponent_in_n,
):
    _in_n.setup_cache = measure_in_n
for _suite in (InM, InN):
    _suite.track_floor_ratio.unit = "x read"
    _suite.track_bandwidth.unit = "GB/s"
    _suite.track_speedup_over_numpy.unit = "x"
ExponentInM.track_exponent_in_m.unit = ExponentInN.track_exponent_in_n.unit = "slope of log time"
