"""The statistics of a comparison, against known values and against what they promise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradstep.compare.judge import statistics
from gradstep.compare.judge.statistics import Median, Rounds, draws, exponent, spread, student


def interval_of(samples):
    return Rounds({"x": samples}).time("x")


def ratio_of(samples, base, stream=0):
    return Rounds({"x": samples, "base": base}, stream).ratio("x", "base")


def exponent_of(sizes, samples_by_size):
    medians = [Median.of(samples, stream) for stream, samples in enumerate(samples_by_size)]
    return exponent(sizes, medians)


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.706), (2, 4.303), (3, 3.182), (6, 2.447), (7, 2.365), (30, 2.042), (98, 1.984)]
)
def test_quantile_of_student_is_that_of_the_tables(freedom, t):
    assert student(freedom) == pytest.approx(t, abs=5e-4)


def test_interval_of_seven_samples_is_their_range_and_of_more_it_is_narrower():
    assert interval_of([5, 1, 4, 2, 7, 3, 6]) == (4, 1, 7)
    wide, narrow = interval_of(range(1, 10)), interval_of(range(1, 102))
    assert (wide.lower, wide.upper) == (2, 8)
    assert narrow.value == 51
    # The order statistics that hold 95 % for 101 samples are the 41st and the 61st (binomial distribution).
    assert (narrow.lower, narrow.upper) == (pytest.approx(41, abs=1), pytest.approx(61, abs=1))


def test_interval_of_equal_samples_and_of_one_is_a_point():
    assert interval_of([2.0] * 7) == (2.0, 2.0, 2.0)
    assert interval_of([3.0]) == (3.0, 3.0, 3.0)


@pytest.mark.parametrize("count", [7, 9, 15])
def test_interval_covers_the_true_median_as_often_as_it_promises(count):
    # Skewed, as times are: the median of exp(normal) is 1.
    draws = np.exp(np.random.default_rng(count).standard_normal((200, count)))
    covered = np.mean([lower <= 1.0 <= upper for _, lower, upper in map(interval_of, draws)])
    # Three standard deviations of a share of 200 below the promise.
    assert covered >= statistics.LEVEL - 3 * np.sqrt(0.05 * 0.95 / 200)


def test_interval_is_the_same_each_time():
    samples = np.random.default_rng(1).lognormal(size=31)
    first = interval_of(samples)
    assert interval_of(samples) == first


@pytest.mark.parametrize("samples", [[], [1.0, float("nan")], [float("inf")]])
def test_samples_that_are_none_are_refused(samples):
    with pytest.raises(ValueError, match="sample"):
        interval_of(samples)


def test_ratio_is_that_of_the_medians_and_rounds_are_drawn_together():
    # The second half of the rounds is ten times slower; resampled apart, the two would overlap.
    base = np.array([1.0, 1.1, 0.9, 1.0, 10.0, 11.0, 9.0])
    ratio = ratio_of(1.2 * base, base)
    assert ratio[:3] == pytest.approx((1.2, 1.2, 1.2))
    assert ratio.verdict == "slower"
    assert ratio.speed_up == pytest.approx((1 / 1.2,) * 3)
    assert ratio_of(base, 1.2 * base).verdict == "faster"


@given(st.data(), st.integers(1, 9))
def test_order_by_time_and_by_speed_up_is_the_same(data, count):
    rounds = st.lists(st.floats(1e-9, 1e3), min_size=count, max_size=count)
    samples = data.draw(st.fixed_dictionaries(dict.fromkeys(("base", "one", "other"), rounds)))
    cell = Rounds(samples)
    by_time = sorted(samples, key=lambda name: cell.time(name).value)
    for base in samples:
        speed_ups = [cell.ratio(name, base).speed_up.value for name in by_time]
        assert speed_ups == sorted(speed_ups, reverse=True)
        assert [cell.ratio(name, base).value for name in by_time] == [
            cell.time(name).value / cell.time(base).value for name in by_time
        ]


def test_contender_that_missed_the_last_rounds_is_drawn_on_its_own():
    base = [1.0, 1.1, 0.9, 1.0, 10.0, 11.0, 9.0]
    rounds = Rounds({"base": base, "whole": [2 * each for each in base], "missed": [20 * each for each in base[:6]]})
    assert rounds.ratio("whole", "base")[:3] == pytest.approx((2.0, 2.0, 2.0))
    missed = rounds.ratio("missed", "base")
    assert missed.value == rounds.time("missed").value / rounds.time("base").value
    # Both vary tenfold, and nothing says that they do so together.
    assert missed.lower < 5.0
    assert missed.upper > 20.0
    # The fewer rounds decide whether there are enough.
    assert Rounds({"base": base, "few": [9.0] * 5}).ratio("few", "base").verdict == "too close to call"


def test_interval_of_a_higher_level_is_wider():
    generator = np.random.default_rng(3)
    rounds = Rounds({"one": generator.lognormal(size=40), "other": generator.lognormal(size=40)})
    usual, stricter = rounds.ratio("one", "other"), rounds.ratio("one", "other", 0.995)
    assert stricter.lower < usual.lower < usual.upper < stricter.upper
    assert rounds.ratio("one", "other", statistics.LEVEL) == usual


def test_interval_that_spans_one_is_too_close_to_call():
    ratio = ratio_of([1.0, 1.1, 0.9, 1.2, 1.3, 1.1, 1.2], [1.0] * 7)
    assert ratio.lower < 1.0 < ratio.upper
    assert ratio.verdict == "too close to call"
    speed_up = ratio.speed_up
    assert speed_up.lower < speed_up.value < speed_up.upper


def test_too_few_samples_are_too_close_to_call_however_clear_they_look():
    assert ratio_of([9.0] * 5, [1.0] * 5).verdict == "too close to call"
    assert ratio_of([9.0] * 6, [1.0] * 6).verdict == "slower"


def test_same_contender_twice_is_rarely_decided():
    generator = np.random.default_rng(5)
    noise = np.exp(0.05 * generator.standard_normal((2, 400, 7)))
    decided = sum(ratio_of(one, other).verdict != "too close to call" for one, other in zip(*noise, strict=True))
    assert decided <= 400 // 20


@pytest.mark.parametrize(
    ("samples", "base"), [([], []), ([1.0], []), ([0.0], [1.0]), ([1.0], [-1.0]), ([1.0], [float("nan")])]
)
def test_ratio_of_samples_that_are_no_times_is_refused(samples, base):
    with pytest.raises(ValueError, match="sample"):
        ratio_of(samples, base)


def test_exponent_is_the_slope_over_all_sizes():
    sizes = [100, 1000, 10_000, 100_000]
    times = [[1.0] * 7, [1.0] * 7, [10.0] * 7, [100.0] * 7]
    found = exponent_of(sizes, times)
    assert found.value == pytest.approx(np.polyfit(np.log(sizes), np.log([1, 1, 10, 100]), 1)[0])
    assert found.lower == found.value == found.upper
    assert exponent_of(sizes[::-1], times[::-1]) == found


def test_interval_of_an_exponent_covers_the_true_one():
    generator = np.random.default_rng(2)
    sizes = [10, 100, 1000, 10_000]
    covered = 0
    for _ in range(100):
        samples = [size**0.9 * np.exp(0.1 * generator.standard_normal(7)) for size in sizes]
        _, lower, upper = exponent_of(sizes, samples)
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
        exponent_of(sizes, samples)


def test_spread_ignores_single_outliers():
    assert spread([1.0] * 19 + [50.0]) == 0.0
    assert spread([1.0, 1.5] * 10) == pytest.approx(0.5 / 1.25)


def test_sizes_are_resampled_independently():
    # Drawn alike, samples that differ by a factor only would give the same slope in every resample.
    samples = np.array([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6])
    found = exponent_of([10, 100], [samples, 10 * samples])
    assert found.lower < found.value - 0.05 < found.value + 0.05 < found.upper


def test_each_sample_is_drawn_equally_often():
    for stream, sample in itertools.product((0, 1), range(7)):
        assert np.mean(draws(7, stream) == sample) == pytest.approx(1 / 7, abs=0.01)
