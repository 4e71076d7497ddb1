"""The statistics of a comparison: intervals of medians, ratios round by round, exponents, and what bounds a time.

Everything here is a pure function of samples. The intervals are bootstrap percentile intervals (B. Efron, "Bootstrap
methods: another look at the jackknife", Annals of Statistics 7, 1979), expanded as T. Hesterberg proposes ("What
teachers should know about the bootstrap", The American Statistician 69, 2015, section "expanded percentile interval"):
instead of the quantiles alpha/2 and 1 - alpha/2 of the resampled statistic those of Phi(-sqrt(k/(k-1)) t) are taken,
where k is the number of samples and t the quantile of Student's distribution with k - 1 degrees of freedom. Without
this the interval of a median of 7 samples ends at the second smallest and the second largest and covers the true
median in 87.5 % of all cases only.

With 7 samples, the default of a run, the expanded interval of a median is the range of the samples; it covers the true
median in 1 - 2/2**7 = 98.4 % of all cases, if the samples are independent. It narrows from 9 samples on. With fewer
than `FEWEST` samples even the range covers it in less than 95 % of them, so that no verdict is given. Samples that
follow one another on a machine that other programs use are not quite independent: the intervals hold for this run,
and another run may differ by more than they say.
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
"""How often an interval should cover the true value."""

FEWEST = 6
"""With so many samples their range covers the median in 1 - 2/2**6 = 96.9 % of all cases; with five in 93.8 %."""

# The quantiles that are asked for lie at 0.004 and above: some twenty resampled values lie beyond them.
_RESAMPLES = 4999

NOISY = 0.10
"""A machine is called noisy if the floor's times spread by more than this, from the 10th to the 90th percentile."""

Verdict = Literal["faster", "slower", "cannot tell"]
BoundKind = Literal["call overhead", "arithmetic", "cache", "memory"]


class Interval(NamedTuple):
    """A value, and the interval that should cover the true one in 95 % of all cases."""

    value: float
    lower: float
    upper: float


class Ratio(NamedTuple):
    """A ratio of times with its interval.

    Attributes
    ----------
    value, lower, upper : float
        The ratio and its interval; below 1 where the samples are shorter than those of the base.
    verdict : str
        "faster" than the base, "slower", or "cannot tell": the interval spans 1, or there are too few samples.
    """

    value: float
    lower: float
    upper: float
    verdict: Verdict

    @property
    def speed_up(self) -> Interval:
        """How many times as fast as the base: the inverse of the ratio, and of its interval."""
        return Interval(1.0 / self.value, 1.0 / self.upper, 1.0 / self.lower)


class Exponent(NamedTuple):
    """How times grow with a size: like size ** value.

    Attributes
    ----------
    value, lower, upper : float
        The slope of the logarithm of the median time against that of the size, over all sizes, with its interval. The
        interval tells what the noise of the samples does to the slope, not how well a straight line fits.
    local : tuple of float
        The slope between each size and the next larger one.
    """

    value: float
    lower: float
    upper: float
    local: tuple[float, ...]


class Bound(NamedTuple):
    """What a time consists of, for the most part, and in words why that is said."""

    kind: BoundKind
    reason: str


def median_interval(samples: Sequence[float]) -> Interval:
    """Return the median of samples with its interval.

    Parameters
    ----------
    samples : sequence of float
        At least one.

    Returns
    -------
    Interval
        The same one each time: the seed of the resampling is fixed.

    Raises
    ------
    ValueError
        If there is no sample, or one is not finite.

    Examples
    --------
    >>> median_interval([3.0, 1.0, 2.0, 4.0, 7.0, 5.0, 6.0])
    Interval(value=4.0, lower=1.0, upper=7.0)
    """
    values = _checked(samples)
    return Interval(float(np.median(values)), *_percentiles(_resampled_medians(values, 0), values.size))


def log_median_error(samples: Sequence[float]) -> float:
    """Return the standard error of the logarithm of the median, by the bootstrap.

    Parameters
    ----------
    samples : sequence of float
        At least two, positive.

    Returns
    -------
    float
        The standard deviation of the resampled values, expanded by sqrt(k/(k-1)) for k samples like the intervals.

    Raises
    ------
    ValueError
        If there are fewer than two samples, or one is not positive and finite.

    Examples
    --------
    >>> round(log_median_error([2.0, 2.0, 2.0]), 12)
    0.0
    >>> round(log_median_error([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]), 3)
    0.101
    """
    values = _checked(samples)
    if values.size < 2 or values.min() <= 0.0:
        raise ValueError("the error of a median needs at least two samples, all positive")
    # The logarithm grows with its argument; of an even number of samples it takes the geometric mean of the middle two.
    resampled = _resampled_medians(np.log(values), 0)
    return float(resampled.std()) * math.sqrt(values.size / (values.size - 1))


def paired_ratio(samples: Sequence[float], base_samples: Sequence[float]) -> Ratio:
    """Return the ratio of samples to those of a base, taken round by round, so that what slows a round down cancels.

    Parameters
    ----------
    samples, base_samples : sequence of float
        Positive; element k of both was measured in round k.

    Returns
    -------
    Ratio
        The median of the rounds' ratios; rounds are resampled.

    Raises
    ------
    ValueError
        If the numbers of samples differ, there is none, or one is not positive and finite.

    Examples
    --------
    >>> ratio = paired_ratio([1.0, 2.0, 4.0, 1.1, 2.2, 4.4, 1.0], [2.0, 4.0, 8.0, 2.0, 4.0, 8.0, 2.0])
    >>> ratio.value, ratio.verdict, ratio.speed_up.value
    (0.5, 'faster', 2.0)
    """
    above, below = _checked(samples), _checked(base_samples)
    if above.size != below.size:
        raise ValueError(f"there are {above.size} samples and {below.size} of the base; rounds cannot be paired")
    if above.min() <= 0.0 or below.min() <= 0.0:
        raise ValueError("a sample is not positive; ratios need positive times")
    value, lower, upper = median_interval((above / below).tolist())
    return Ratio(value, lower, upper, verdict(lower, upper, above.size))


def verdict(lower: float, upper: float, count: int) -> Verdict:
    """Return what the interval of a ratio of times says, which came from so many samples.

    Examples
    --------
    >>> verdict(1.01, 1.2, 7), verdict(0.9, 1.2, 7), verdict(0.5, 0.6, 3)
    ('slower', 'cannot tell', 'cannot tell')
    """
    if count < FEWEST or lower <= 1.0 <= upper:
        return "cannot tell"
    return "faster" if upper < 1.0 else "slower"


def exponent(sizes: Sequence[float], samples_by_size: Sequence[Sequence[float]]) -> Exponent:
    """Return how times grow with a size: the slope of log time, by least squares over the medians.

    Parameters
    ----------
    sizes : sequence of float
        Positive, at least two different ones, in any order.
    samples_by_size : sequence of sequences of float
        The samples at each size, positive. They are resampled for each size by itself.

    Returns
    -------
    Exponent
        The slope, its interval, and the slopes between neighbours.

    Raises
    ------
    ValueError
        If there are fewer than two sizes, two of them are equal, or a size or sample is not positive.

    Examples
    --------
    >>> exponent([10, 100, 1000], [[1.0] * 7, [10.0] * 7, [100.0] * 7])
    Exponent(value=1.0, lower=1.0, upper=1.0, local=(1.0, 1.0))
    """
    if len(sizes) < 2 or len(set(sizes)) < len(sizes) or len(sizes) != len(samples_by_size):
        raise ValueError("an exponent needs the samples of at least two sizes, all different")
    order = sorted(range(len(sizes)), key=lambda k: sizes[k])
    groups = [_checked(samples_by_size[k]) for k in order]
    if min(sizes) <= 0.0 or min(group.min() for group in groups) <= 0.0:
        raise ValueError("a size or a sample is not positive; their logarithms are needed")
    log_sizes = np.log([float(sizes[k]) for k in order])
    log_times = np.log([np.median(group) for group in groups])
    weights = log_sizes - log_sizes.mean()
    weights /= weights @ (log_sizes - log_sizes.mean())
    # Each size draws from a stream of its own; drawn alike, a large draw at one size would go with a large one at all.
    resampled = np.log([_resampled_medians(group, stream) for stream, group in enumerate(groups)])
    lower, upper = _percentiles(weights @ resampled, min(group.size for group in groups))
    local = np.diff(log_times) / np.diff(log_sizes)
    # Rounded where only the rounding of the logarithms is left.
    return Exponent(
        round(float(weights @ log_times), 12),
        round(lower, 12),
        round(upper, 12),
        tuple(round(float(slope), 12) for slope in local),
    )


# What half of a time consists of bounds it.
_HALF = 0.5

# A time that grows with this power of the size or less is mostly one that does not depend on the size.
_FLAT = 0.5

# A time that grows with this power or more has left a cache behind.
_STEEP = 1.15

_CACHES = ("L1d", "L2", "L3")


def bound(
    seconds: float,
    *,
    X_bytes: int,
    caches: Mapping[str, int],
    floor: float | None = None,
    fixed: float | None = None,
    slope: float | None = None,
) -> Bound:
    """Tell what bounds a time, from what was measured.

    Parameters
    ----------
    seconds : float
        The time.
    X_bytes : int
        The size of X.
    caches : mapping
        The sizes in bytes of the caches "L1d", "L2" and "L3", as far as they are known.
    floor : float, optional
        The time only to read X with the same threads.
    fixed : float, optional
        The time of the smallest call, with one example and one feature.
    slope : float, optional
        The local exponent: between the next smaller number of examples and this one.

    Returns
    -------
    Bound
        By these rules, of which the first that applies counts. "call overhead": the smallest call takes half of the
        time or, where that is not known, the time grows with the square root of the size or less. "memory" or "cache",
        where X lies: only reading X takes half of the time. "memory": X is larger than all caches, and the time grows
        with the power 1.15 of the size or more. "arithmetic": none of these.

    Examples
    --------
    >>> bound(2e-6, X_bytes=800, caches={"L1d": 32768}, floor=1e-7, fixed=1.5e-6)
    Bound(kind='call overhead', reason='75 % of the time is that of the smallest call')
    >>> bound(3e-3, X_bytes=80_000_000, caches={"L2": 1 << 20, "L3": 32 << 20}, floor=2e-3).kind
    'memory'
    """
    if fixed is not None and fixed >= _HALF * seconds:
        share = min(fixed / seconds, 1.0)
        return Bound("call overhead", f"{share:.0%} of the time is that of the smallest call".replace("%", " %"))
    if fixed is None and slope is not None and slope <= _FLAT:
        return Bound("call overhead", f"the time hardly grows with the size (power {slope:.2f})")
    place = _place_of(X_bytes, caches)
    kind: BoundKind = "memory" if place == "memory" else "cache"
    if floor is not None and floor >= _HALF * seconds:
        return Bound(kind, f"{seconds / floor:.2f} times as long as only reading X from {place}")
    if slope is not None and slope >= _STEEP and place == "memory":
        return Bound("memory", f"X is larger than the caches, and the time grows faster than X (power {slope:.2f})")
    if floor is None:
        return Bound("arithmetic", "far more than the smallest call; the time only to read X is not known")
    return Bound("arithmetic", f"{seconds / floor:.1f} times as long as only reading X from {place}")


def _place_of(X_bytes: int, caches: Mapping[str, int]) -> str:
    """Return the smallest cache that holds X, or memory."""
    holding = [name for name in _CACHES if X_bytes <= caches.get(name, 0)]
    return holding[0] if holding else "memory"


def spread(samples: Sequence[float]) -> float:
    """Return how far samples lie apart: from the 10th to the 90th percentile, relative to the median.

    Examples
    --------
    >>> round(spread([1.0, 1.0, 1.0, 1.0, 2.0]), 2)
    0.6
    """
    values = _checked(samples)
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return float((high - low) / middle)


def _checked(samples: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64)
    if values.size == 0:
        raise ValueError("there is no sample")
    if not np.isfinite(values).all():
        raise ValueError("a sample is not finite")
    return values


@functools.lru_cache(maxsize=128)
def _draws(count: int, stream: int) -> NDArray[np.intp]:
    """Return which samples each resample takes: the same ones in every call."""
    return np.random.default_rng([count, stream]).integers(0, count, (_RESAMPLES, count))


def _resampled_medians(values: NDArray[np.float64], stream: int) -> NDArray[np.float64]:
    medians: NDArray[np.float64] = np.median(values[_draws(values.size, stream)], axis=1)
    return medians


def _percentiles(resampled: NDArray[np.float64], count: int) -> tuple[float, float]:
    """Return the ends of the interval; to the outside, where they lie between two resampled values."""
    tail = _tail(count)
    lower = np.quantile(resampled, tail, method="lower")
    return float(lower), float(np.quantile(resampled, 1.0 - tail, method="higher"))


@functools.cache
def _tail(count: int) -> float:
    """Return Hesterberg's expanded share of resampled values that lie outside the interval at each end."""
    if count == 1:
        return 0.0
    stretch = math.sqrt(count / (count - 1)) * student(count - 1)
    return statistics.NormalDist().cdf(-stretch)


def student(freedom: int) -> float:
    """Return the t that Student's distribution exceeds in absolute value in 5 % of all cases.

    Examples
    --------
    >>> round(student(6), 3)
    2.447
    """
    low, high = 0.0, 13.0
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if share_within(middle, freedom) < LEVEL else (low, middle)
    return high


def share_within(t: float, freedom: int) -> float:
    """Return P(|T| <= t) of Student's distribution.

    By equations 26.7.3 and 26.7.4 of Abramowitz and Stegun, "Handbook of Mathematical Functions".

    Examples
    --------
    >>> round(share_within(2.447, 6), 4)
    0.95
    """
    theta = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2 == 1
    term = math.cos(theta) if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= math.cos(theta) ** 2 * (k - 1) / k
        total += term
    inside = math.sin(theta) * total
    return 2.0 / math.pi * (theta + inside) if odd else inside
