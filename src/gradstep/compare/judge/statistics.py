"""The statistics of a comparison: medians, ratios of medians and exponents, each with its interval.

Everything here is a pure function of samples. The intervals are bootstrap percentile intervals (B. Efron, "Bootstrap
methods: another look at the jackknife", Annals of Statistics 7, 1979), expanded as T. Hesterberg proposes ("What
teachers should know about the bootstrap", The American Statistician 69, 2015, section "expanded percentile interval"):
the quantiles alpha/2 and 1 - alpha/2 of the resampled statistic are replaced by those of Phi(-sqrt(k/(k-1)) t), where k
is the number of samples and t the quantile of Student's distribution with k - 1 degrees of freedom. Without this, the
interval of a median of 7 samples ends at the second smallest and the second largest and covers the true median only
87.5 % of the time.

With 7 samples, the default of a run, the expanded interval of a median is the range of the samples. It covers the true
median 1 - 2/2**7 = 98.4 % of the time if the samples are independent. It narrows from 9 samples on. With fewer than
`FEWEST` samples even the range covers it less than 95 % of the time, so there is no verdict. Consecutive samples on a
machine that runs other programs are not quite independent: the intervals hold for this run, and another run may differ
by more.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""How often an interval covers the true value."""

FEWEST = 6
"""The range of this many samples covers the median 1 - 2/2**6 = 96.9 % of the time; that of five 93.8 %."""

# The quantiles of verdicts lie at 0.004 and above: some twenty resampled values lie beyond them.
_RESAMPLES = 4999

NOISY = 0.10
"""A machine counts as noisy if the times of the same reading spread by more, from the 10th to the 90th percentile."""

Verdict = Literal["faster", "slower", "too close to call"]


class Interval(NamedTuple):
    """A value, and the interval that covers the true one 95 % of the time."""

    value: float
    lower: float
    upper: float


class Ratio(NamedTuple):
    """A ratio of times with its interval.

    Attributes
    ----------
    value, lower, upper : float
        The ratio and its interval; below 1 where the time is shorter than that of the base.
    verdict : str
        "faster" than the base, "slower", or "too close to call": the interval spans 1, or there are too few samples.
    """

    value: float
    lower: float
    upper: float
    verdict: Verdict

    @property
    def speed_up(self) -> Interval:
        """How many times faster than the base: the inverse of the ratio, and of its interval."""
        return Interval(1.0 / self.value, 1.0 / self.upper, 1.0 / self.lower)


class Median(NamedTuple):
    """A median with everything that intervals are made from.

    Attributes
    ----------
    value : float
        The median of the samples.
    resampled : ndarray
        The medians of the resamples.
    size : int
        The number of samples.
    """

    value: float
    resampled: NDArray[np.float64]
    size: int

    @classmethod
    def of(cls, samples: Sequence[float], stream: int = 0) -> Median:
        """Return the median of samples, resampled from this stream; ValueError unless all are positive and finite."""
        return cls._of(_positive(samples), stream)

    @classmethod
    def _of(cls, values: NDArray[np.float64], stream: int) -> Median:
        resampled: NDArray[np.float64] = np.median(values[draws(values.size, stream)], axis=1)
        return cls(float(np.median(values)), resampled, values.size)


class Rounds:
    """The times of several contenders, measured in the same rounds.

    A resample draws whole rounds, the same ones for every contender. So the ratio of two medians keeps what the
    contenders of a round have in common, and one ratio and two times never contradict each other: the ratio of the
    medians orders contenders as the medians do. A contender that was not timed in the last rounds is drawn on its own:
    then the ratio keeps nothing in common, which makes its interval wider, never too narrow.

    Parameters
    ----------
    samples : mapping
        For each contender its samples, all positive; element k of each comes from round k.
    stream : int
        The stream of random numbers. Rounds that are compared with one another need different ones.

    Raises
    ------
    ValueError
        If a contender has no sample, or one that is not positive and finite.

    Examples
    --------
    >>> rounds = Rounds({"numpy": [2.0, 4.0, 8.0, 2.0, 4.0, 8.0, 2.0], "cython": [1.0, 2.0, 4.0, 1.0, 2.0, 4.0, 1.0]})
    >>> rounds.time("numpy")
    Interval(value=4.0, lower=2.0, upper=8.0)
    >>> rounds.ratio("cython", "numpy").speed_up
    Interval(value=2.0, lower=2.0, upper=2.0)
    """

    def __init__(self, samples: Mapping[str, Sequence[float]], stream: int = 0) -> None:
        self._medians = {name: Median.of(each, stream) for name, each in samples.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._medians

    def ranked(self, names: Sequence[str]) -> list[str]:
        """Return names in order of their median times, the fastest first."""
        return sorted(names, key=lambda name: self._medians[name].value)

    def median(self, name: str) -> Median:
        """Return the median time of a contender with its resamples."""
        return self._medians[name]

    def time(self, name: str) -> Interval:
        """Return the median time of a contender with its interval."""
        median = self._medians[name]
        return Interval(median.value, *_percentiles(median.resampled, median.size))

    def ratio(self, name: str, base: str, level: float = LEVEL) -> Ratio:
        """Return the median time of a contender over that of a base, with the interval of this level."""
        above, below = self._medians[name], self._medians[base]
        count = min(above.size, below.size)
        lower, upper = _percentiles(above.resampled / below.resampled, count, level)
        return Ratio(above.value / below.value, lower, upper, verdict(lower, upper, count))


def verdict(lower: float, upper: float, count: int) -> Verdict:
    """Return what the interval of a ratio of times from `count` samples says.

    Examples
    --------
    >>> verdict(1.01, 1.2, 7), verdict(0.9, 1.2, 7), verdict(0.5, 0.6, 3)
    ('slower', 'too close to call', 'too close to call')
    """
    if count < FEWEST or lower <= 1.0 <= upper:
        return "too close to call"
    return "faster" if upper < 1.0 else "slower"


def exponent(sizes: Sequence[float], medians: Sequence[Median]) -> Interval:
    """Return the power of the size that times grow with: the slope of log time over log size, by least squares.

    The sizes are positive and all different, at least two; each median comes from a stream of its own. The interval
    shows what the noise of the samples does to the slope, not how well a straight line fits.

    Raises
    ------
    ValueError
        If the sizes are not as described.

    Examples
    --------
    >>> exponent([10, 100, 1000], [Median.of([10.0**k] * 7, stream=k) for k in range(3)])
    Interval(value=1.0, lower=1.0, upper=1.0)
    """
    if len(sizes) < 2 or len(set(sizes)) < len(sizes) or len(sizes) != len(medians):
        raise ValueError("an exponent needs the times of at least two sizes, all different")
    if min(sizes) <= 0.0:
        raise ValueError("a size is not positive; its logarithm is needed")
    weights = np.log(np.asarray(sizes, dtype=np.float64))
    weights -= weights.mean()
    weights /= weights @ weights
    slope = float(weights @ np.log([median.value for median in medians]))
    resampled = weights @ np.log([median.resampled for median in medians])
    lower, upper = _percentiles(resampled, min(median.size for median in medians))
    # Rounded where only the rounding of the logarithms is left.
    return Interval(*(round(each, 12) for each in (slope, lower, upper)))


def log_median_error(samples: Sequence[float]) -> float:
    """Return the standard error of the logarithm of the median of at least two samples, all positive.

    It is the standard deviation of the resampled values, expanded by sqrt(k/(k-1)) for k samples like the intervals.

    Examples
    --------
    >>> round(log_median_error([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]), 3)
    0.101
    """
    values = _positive(samples)
    if values.size < 2:
        raise ValueError("the error of a median needs at least two samples")
    # The logarithm is monotone; of an even number of samples it takes the geometric mean of the middle two.
    resampled = Median._of(np.log(values), 0).resampled
    return float(resampled.std()) * math.sqrt(values.size / (values.size - 1))


def spread(samples: Sequence[float]) -> float:
    """Return how far samples lie apart: from the 10th to the 90th percentile, relative to the median.

    Examples
    --------
    >>> round(spread([1.0, 1.0, 1.0, 1.0, 2.0]), 2)
    0.6
    """
    low, middle, high = np.quantile(_positive(samples), [0.1, 0.5, 0.9])
    return float((high - low) / middle)


@functools.cache
def student(freedom: int, level: float = LEVEL) -> float:
    """Return the t that Student's distribution exceeds in absolute value 5 % of the time, or 1 - level of it.

    Examples
    --------
    >>> round(student(6), 3)
    2.447
    """
    # scipy.stats has the same function and takes a second to import.
    from scipy import special

    return float(special.stdtrit(freedom, 0.5 + 0.5 * level))


def _positive(samples: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64)
    if values.size == 0:
        raise ValueError("there is no sample")
    if not np.isfinite(values).all() or values.min() <= 0.0:
        raise ValueError("a sample is not positive and finite")
    return values


# Few, because those of many rounds are large; a cell needs two.
@functools.lru_cache(maxsize=8)
def draws(count: int, stream: int) -> NDArray[np.intp]:
    """Return which of `count` samples each resample takes, one row per resample: the same ones for the same count."""
    return np.random.default_rng([count, stream]).integers(0, count, (_RESAMPLES, count))


def _percentiles(resampled: NDArray[np.float64], count: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the ends of the interval, rounded outwards where they lie between two resampled values."""
    tail = _tail(count, level)
    lower = np.quantile(resampled, tail, method="lower")
    return float(lower), float(np.quantile(resampled, 1.0 - tail, method="higher"))


@functools.cache
def _tail(count: int, level: float) -> float:
    """Return Hesterberg's expanded share of resampled values beyond each end of the interval."""
    if count == 1:
        return 0.0
    stretch = math.sqrt(count / (count - 1)) * student(count - 1, level)
    return statistics.NormalDist().cdf(-stretch)
