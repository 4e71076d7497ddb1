"""How a comparison of two commits judges the samples that asv took."""

import doctest
import random

import pytest

from tools import bench_compare
from tools.bench_compare import Row, Thresholds, judge

THRESHOLDS = Thresholds(factor=1.3, seconds=1e-6)
ROUNDS, SAMPLES = 6, 5


def rounds(shortest, seed, factors=(1.0,) * ROUNDS):
    """Return samples that are up to a fifth longer than the shortest one of their round."""
    generator = random.Random(seed)
    return [[shortest * factor * (1 + 0.2 * generator.random()) for _ in range(SAMPLES)] for factor in factors]


def is_slower(base, head):
    """Judge two measurements with the same outcome."""
    row = Row("row", base, head)
    return bench_compare.is_slower(row, row, THRESHOLDS)


@pytest.mark.parametrize("seed", range(20))
def test_half_as_long_again_is_seen(seed):
    assert is_slower(rounds(1e-3, seed), rounds(1.5e-3, -1 - seed))


@pytest.mark.parametrize("seed", range(20))
def test_same_speed_is_not(seed):
    assert not is_slower(rounds(1e-3, seed), rounds(1e-3, -1 - seed))


def test_faster_is_not():
    assert not is_slower(rounds(1.5e-3, 1), rounds(1e-3, 2))


def test_one_disturbed_round_of_the_old_commit_hides_nothing():
    assert is_slower(rounds(1e-3, 1, (1, 1, 9, 1, 1, 1)), rounds(1.5e-3, 2))


def test_disturbed_rounds_of_the_new_commit_are_no_slowdown():
    assert not is_slower(rounds(1e-3, 1), rounds(1e-3, 2, (1, 9, 9, 9, 9, 9)))


def test_one_long_sample_in_each_round_changes_nothing():
    quiet, disturbed = [[1e-3] * SAMPLES] * ROUNDS, [[1e-3] * (SAMPLES - 1) + [9e-3]] * ROUNDS
    assert judge(Row("row", quiet, disturbed)).ratio == 1.0


def test_what_is_not_slower_in_both_measurements_does_not_count():
    same = Row("row", rounds(1e-3, 1), rounds(1e-3, 2))
    slower = Row("row", rounds(1e-3, 3), rounds(3e-3, 4))
    assert bench_compare.is_slower(slower, slower, THRESHOLDS)
    assert not bench_compare.is_slower(slower, same, THRESHOLDS)
    assert not bench_compare.is_slower(same, slower, THRESHOLDS)


def test_less_than_the_factor_does_not_count():
    base, head = [[1.0] * SAMPLES] * ROUNDS, [[1.29] * SAMPLES] * ROUNDS
    assert judge(Row("row", base, head)).p < 0.01
    assert not is_slower(base, head)


def test_less_than_the_absolute_threshold_does_not_count():
    base, head = [[1e-6] * SAMPLES] * ROUNDS, [[1.9e-6] * SAMPLES] * ROUNDS
    assert judge(Row("row", base, head)).ratio > 1.8
    assert not is_slower(base, head)


def test_one_short_round_of_the_old_commit_is_not_significant():
    """The shortest sample alone would be a ratio of 2."""
    assert not is_slower(rounds(1e-3, 1, (0.5, 1, 1, 1, 1, 1)), rounds(1e-3, 1))


def test_example():
    failed, tried = doctest.testmod(bench_compare)
    assert tried > 0
    assert failed == 0
