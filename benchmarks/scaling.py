"""How the time of a step grows with m and with n on one thread, and how near the read limit it is."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Sequence
from functools import partial
from timeit import Timer

import numpy as np

from benchmarks.internals import ReadLimit
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

warm()

# How the tracked times are taken: this many samples, each at least this long.
TRACKED_ROUNDS = 7
TRACKED_SECONDS = 2e-3

# The slope of log time is taken over this many of the largest sizes; below them, the overhead of a call weighs more.
_SIZES_PER_SLOPE = 3

READ_LIMIT = "read limit"

# The median time of a call in seconds, by name: of each kernel and of the read limit.
Times = dict[str, float]


def measure(wanted: Iterable[Case]) -> dict[Case, Times]:
    """Measure each case: in every round all kernels and the read limit, interleaved.

    It calls only parts of gradstep that older commits have too, so that the suite can measure those.
    """
    return {case: _times(case) for case in wanted}


def _times(case: Case) -> Times:
    examples = case.make()
    kernels = [kernel for kernel in KERNEL_NAMES if is_measured(kernel, case)]
    timers = {kernel: Timer(partial(step, examples, kernel)) for kernel in kernels}
    timers[READ_LIMIT] = Timer(ReadLimit(examples.X))
    numbers = {name: _calls_per_sample(timer) for name, timer in timers.items()}
    samples: dict[str, list[float]] = {name: [] for name in timers}
    order = list(timers)
    shuffle = random.Random(0).shuffle
    for _ in range(TRACKED_ROUNDS):
        shuffle(order)
        for name in order:
            samples[name].append(timers[name].timeit(numbers[name]) / numbers[name])
    return {name: statistics.median(each) for name, each in samples.items()}


def _calls_per_sample(timer: Timer) -> int:
    timer.timeit(1)
    return max(1, math.ceil(TRACKED_SECONDS / timer.timeit(1)))


def measure_in_m() -> dict[Case, Times]:
    """Measure all cases of `InM` once for everything that is tracked there."""
    return measure(cases(IN_M, at_m))


def measure_in_n() -> dict[Case, Times]:
    """Measure all cases of `InN` once for everything that is tracked there."""
    return measure(cases(IN_N, at_n))


def over_read_limit(times: Times, kernel: str) -> float:
    """Return the time of a step over the read limit."""
    return times[kernel] / times[READ_LIMIT]


def bandwidth(case: Case, times: Times, kernel: str) -> float:
    """Return how many GB of X a step processes in a second."""
    return case.bytes / times[kernel] / 1e9


def speedup_over_numpy(times: Times, kernel: str) -> float:
    """Return how many times faster a kernel is than the NumPy kernel."""
    return times["numpy"] / times[kernel]


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

    def track_floor_ratio(self, times: dict[Case, Times], kernel: str, n: int, log10_m: int) -> float:
        """Track the time of a step over the read limit, both sampled in the same rounds."""
        return over_read_limit(times[at_m(n, log10_m)], kernel)

    def track_bandwidth(self, times: dict[Case, Times], kernel: str, n: int, log10_m: int) -> float:
        """Track the bytes of X over the time of a step."""
        case = at_m(n, log10_m)
        return bandwidth(case, times[case], kernel)

    def track_speedup_over_numpy(self, times: dict[Case, Times], kernel: str, n: int, log10_m: int) -> float:
        """Track the time of the NumPy kernel over that of a kernel, both sampled in the same rounds."""
        return speedup_over_numpy(times[at_m(n, log10_m)], kernel)


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

    def track_floor_ratio(self, times: dict[Case, Times], kernel: str, m: int, log10_n: int) -> float:
        """Track the time of a step over the read limit, both sampled in the same rounds."""
        return over_read_limit(times[at_n(m, log10_n)], kernel)

    def track_bandwidth(self, times: dict[Case, Times], kernel: str, m: int, log10_n: int) -> float:
        """Track the bytes of X over the time of a step."""
        case = at_n(m, log10_n)
        return bandwidth(case, times[case], kernel)

    def track_speedup_over_numpy(self, times: dict[Case, Times], kernel: str, m: int, log10_n: int) -> float:
        """Track the time of the NumPy kernel over that of a kernel, both sampled in the same rounds."""
        return speedup_over_numpy(times[at_n(m, log10_n)], kernel)


class ExponentInM:
    """The power of the number of examples that the time grows with: 1 is proportional."""

    params = (KERNEL_NAMES, FIXED_N)
    param_names = ("kernel", "n")
    version = "1"

    def track_exponent_in_m(self, times: dict[Case, Times], kernel: str, n: int) -> float:
        """Track the slope over the largest m."""
        series = [case for log10_m in LOG10_M if is_measured(kernel, case := at_m(n, log10_m))]
        return exponent([case.m for case in series], [times[case][kernel] for case in series])


class ExponentInN:
    """The power of the number of features that the time grows with: 1 is proportional."""

    params = (KERNEL_NAMES, FIXED_M)
    param_names = ("kernel", "m")
    version = "1"

    def track_exponent_in_n(self, times: dict[Case, Times], kernel: str, m: int) -> float:
        """Track the slope over the largest n."""
        series = [case for log10_n in LOG10_N if is_measured(kernel, case := at_n(m, log10_n))]
        return exponent([case.n for case in series], [times[case][kernel] for case in series])


# asv's default of a minute could be too short on a loaded machine.
measure_in_m.timeout = measure_in_n.timeout = 300.0

# asv looks at the function's attributes first: the tracked ones share measurements, not the arrays of time_step.
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
    _suite.track_floor_ratio.unit = "x the read limit"
    _suite.track_bandwidth.unit = "GB/s"
    _suite.track_speedup_over_numpy.unit = "x"
ExponentInM.track_exponent_in_m.unit = ExponentInN.track_exponent_in_n.unit = "slope of log time"
