"""The statistics of a comparison, against known values and against what they promise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gradstep.compare.judge import statistics
from gradstep.compare.judge.statistics import bound, exponent, median_interval, paired_ratio, spread, student

CACHES = {"L1d": 32 << 10, "L2": 1 << 20, "L3": 32 << 20}


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.706), (2, 4.303), (3, 3.182), (6, 2.447), (7, 2.365), (30, 2.042), (98, 1.984)]
)
def test_quantile_of_student_is_that_of_the_tables(freedom, t):
    assert student(freedom) == pytest.approx(t, abs=5e-4)


def test_interval_of_seven_samples_is_their_range_and_of_more_it_is_narrower():
    assert median_interval([5, 1, 4, 2, 7, 3, 6]) == (4, 1, 7)
    wide, narrow = median_interval(range(1, 10)), median_interval(range(1, 102))
    assert (wide.lower, wide.upper) == (2, 8)
    assert narrow.value == 51
    # The order statistics that hold 95 % for 101 samples are the 41st and the 61st (binomial distribution).
    assert (narrow.lower, narrow.upper) == (pytest.approx(41, abs=1), pytest.approx(61, abs=1))


def test_interval_of_equal_samples_and_of_one_is_a_point():
    assert median_interval([2.0] * 7) == (2.0, 2.0, 2.0)
    assert median_interval([3.0]) == (3.0, 3.0, 3.0)


@pytest.mark.parametrize("count", [7, 9, 15])
def test_interval_covers_the_true_median_as_often_as_it_promises(count):
    # Skewed, as times are: the median of exp(normal) is 1.
    draws = np.exp(np.random.default_rng(count).standard_normal((200, count)))
    covered = np.mean([lower <= 1.0 <= upper for _, lower, upper in map(median_interval, draws)])
    # Three standard deviations of a share of 200 below the promise.
    assert covered >= statistics.LEVEL - 3 * np.sqrt(0.05 * 0.95 / 200)


def test_interval_is_the_same_each_time():
    samples = np.random.default_rng(1).standard_normal(31)
    first = median_interval(samples)
    assert median_interval(samples) == first


@pytest.mark.parametrize("samples", [[], [1.0, float("nan")], [float("inf")]])
def test_samples_that_are_none_are_refused(samples):
    with pytest.raises(ValueError, match="sample"):
        median_interval(samples)


def test_ratio_is_taken_within_rounds():
    # The second half of the rounds is ten times as slow; unpaired the two would overlap.
    base = np.array([1.0, 1.1, 0.9, 1.0, 10.0, 11.0, 9.0])
    ratio = paired_ratio(1.2 * base, base)
    assert ratio[:3] == pytest.approx((1.2, 1.2, 1.2))
    assert ratio.verdict == "slower"
    assert ratio.speed_up == pytest.approx((1 / 1.2,) * 3)
    assert paired_ratio(base, 1.2 * base).verdict == "faster"


def test_interval_that_spans_one_cannot_tell():
    ratio = paired_ratio([1.0, 1.1, 0.9, 1.2, 1.3, 1.1, 1.2], [1.0] * 7)
    assert ratio.lower < 1.0 < ratio.upper
    assert ratio.verdict == "cannot tell"
    speed_up = ratio.speed_up
    assert speed_up.lower < speed_up.value < speed_up.upper


def test_too_few_samples_cannot_tell_however_clear_they_look():
    assert paired_ratio([9.0] * 5, [1.0] * 5).verdict == "cannot tell"
    assert paired_ratio([9.0] * 6, [1.0] * 6).verdict == "slower"


def test_same_contender_twice_is_rarely_told_apart():
    generator = np.random.default_rng(5)
    noise = np.exp(0.05 * generator.standard_normal((2, 400, 7)))
    told = sum(paired_ratio(one, other).verdict != "cannot tell" for one, other in zip(*noise, strict=True))
    assert told <= 400 // 20


@pytest.mark.parametrize(
    ("samples", "base"), [([1.0, 2.0], [1.0]), ([], []), ([0.0], [1.0]), ([1.0], [-1.0]), ([1.0], [float("nan")])]
)
def test_ratio_of_what_cannot_be_paired_is_refused(samples, base):
    with pytest.raises(ValueError, match="sample"):
        paired_ratio(samples, base)


def test_exponent_is_the_slope_and_local_slopes_show_where_it_bends():
    sizes = [100, 1000, 10_000, 100_000]
    times = [[1.0] * 7, [1.0] * 7, [10.0] * 7, [100.0] * 7]
    found = exponent(sizes, times)
    assert found.local == (0.0, 1.0, 1.0)
    assert found.value == pytest.approx(np.polyfit(np.log(sizes), np.log([1, 1, 10, 100]), 1)[0])
    assert found.lower == found.value == found.upper
    assert exponent(sizes[::-1], times[::-1]) == found


def test_interval_of_an_exponent_covers_the_true_one():
    generator = np.random.default_rng(2)
    sizes = [10, 100, 1000, 10_000]
    covered = 0
    for _ in range(100):
        samples = [size**0.9 * np.exp(0.1 * generator.standard_normal(7)) for size in sizes]
        _, lower, upper, _ = exponent(sizes, samples)
        covered += lower <= 0.9 <= upper
        assert upper - lower < 0.2
    assert covered >= 100 * (statistics.LEVEL - 3 * np.sqrt(0.05 * 0.95 / 100))


@pytest.mark.parametrize(
    ("sizes", "samples"),
    [
        ([10], [[1.0]]),
        ([10, 10], [[1.0], [2.0]]),
        ([10, 20], [[1.0]]),
        ([0, 20], [[1.0], [1.0]]),
        ([1, 2], [[1.0], []]),
    ],
)
def test_exponent_of_too_little_is_refused(sizes, samples):
    with pytest.raises(ValueError):
        exponent(sizes, samples)


@pytest.mark.parametrize(
    ("facts", "kind", "part"),
    [
        ({"seconds": 10e-6, "fixed": 6e-6, "floor": 9e-6, "X_bytes": 800}, "call overhead", "60 %"),
        # A noisy smallest call may even have taken longer.
        ({"seconds": 10e-6, "fixed": 12e-6, "X_bytes": 8}, "call overhead", "100 %"),
        ({"seconds": 10e-6, "slope": 0.2, "floor": 1e-6, "X_bytes": 800}, "call overhead", "0.20"),
        ({"seconds": 10e-6, "slope": 0.2, "fixed": 1e-6, "floor": 1e-6, "X_bytes": 800}, "arithmetic", "10.0 times"),
        ({"seconds": 1.5e-3, "floor": 1e-3, "fixed": 5e-6, "X_bytes": 64 << 20}, "memory", "1.50 times"),
        ({"seconds": 1.5e-3, "floor": 1e-3, "fixed": 5e-6, "X_bytes": 8 << 20}, "cache", "from L3"),
        ({"seconds": 1.5e-5, "floor": 1e-5, "X_bytes": 1 << 19}, "cache", "from L2"),
        ({"seconds": 5e-3, "floor": 1e-3, "slope": 1.3, "X_bytes": 64 << 20}, "memory", "1.30"),
        ({"seconds": 5e-3, "floor": 1e-3, "slope": 1.3, "X_bytes": 8 << 20}, "arithmetic", "5.0 times"),
        ({"seconds": 5e-3, "floor": 1e-3, "slope": 1.0, "X_bytes": 64 << 20}, "arithmetic", "from memory"),
        ({"seconds": 5e-3, "X_bytes": 8 << 20}, "arithmetic", "not known"),
    ],
)
def test_bound_follows_from_the_facts(facts, kind, part):
    found = bound(caches=CACHES, **facts)
    assert found.kind == kind
    assert part in found.reason


def test_bound_without_known_caches_takes_it_to_lie_in_memory():
    assert bound(1.5e-3, floor=1e-3, X_bytes=800, caches={}).kind == "memory"


def test_spread_ignores_single_outliers():
    assert spread([1.0] * 19 + [50.0]) == 0.0
    assert spread([1.0, 1.5] * 10) == pytest.approx(0.5 / 1.25)


def test_sizes_are_resampled_independently():
    # Drawn alike, samples that differ by a factor only would give the same slope in every resample.
    samples = np.array([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6])
    found = exponent([10, 100], [samples, 10 * samples])
    assert found.lower < found.value - 0.05 < found.value + 0.05 < found.upper


def test_each_sample_is_drawn_equally_often():
    for stream, sample in itertools.product((0, 1), range(7)):
        assert np.mean(statistics._draws(7, stream) == sample) == pytest.approx(1 / 7, abs=0.01)
