"""Whether more rounds may still show which contender is the fastest."""

from __future__ import annotations

import numpy as np
from made_records import cell, result

from gradstep.compare.judge.decision import TIE, still_open
from gradstep.compare.judge.statistics import Rounds
from gradstep.compare.record.records import Result, changed


def noisy(name, seconds, noise, seed=0):
    generator = np.random.default_rng([seed, *name.encode()])
    return changed(result(name, 1.0), samples=list(seconds * np.exp(noise * generator.standard_normal(30))))


def is_open(*results):
    return still_open(cell(100, 2, {}, results=list(results)))


def test_rounds_may_help_until_the_fastest_is_decided_or_a_tie():
    first = noisy("cython", 1.0, 0.01)
    assert not is_open(first, noisy("numba", 1.2, 0.01))
    assert not is_open(first, noisy("numba", 1.001, 0.01))
    assert is_open(first, noisy("numba", 1.05, 0.4))
    # One other is decided and the next one is not.
    assert is_open(first, noisy("numba", 1.2, 0.01), noisy("numpy", 1.1, 0.4))
    few = [changed(each, samples=each.samples[:5]) for each in (first, noisy("numba", 2.0, 0.01))]
    assert is_open(*few)


def test_who_took_no_part_in_added_rounds_was_far_slower():
    python = changed(result("python", 100.0), samples=[100.0, 101.0])
    assert not is_open(noisy("cython", 1.0, 0.01), python)
    assert not is_open(noisy("cython", 1.0, 0.01), noisy("numba", 1.2, 0.01), python)
    assert is_open(noisy("cython", 1.0, 0.01), noisy("numba", 1.05, 0.4), python)


def test_tie_that_another_resample_may_deny_is_still_open():
    # The interval of 95 % ends just within the 5 %; the one that ends the asking does not.
    first, near = noisy("cython", 1.0, 0.04, seed=13), noisy("numba", 1.0, 0.04, seed=13)
    rounds = Rounds({each.contender: each.samples for each in (first, near)})
    low, high = rounds.ranked(["cython", "numba"])
    assert rounds.ratio(high, low).upper < TIE < rounds.ratio(high, low, 0.995).upper
    assert is_open(first, near)


def test_nothing_is_open_where_fewer_than_two_were_timed():
    skipped = Result("numpy", "skipped", "too long")
    assert not is_open(skipped)
    assert not is_open(skipped, noisy("cython", 1.0, 0.3))


def test_asking_again_and_again_rarely_finds_a_difference_that_is_none():
    generator = np.random.default_rng(7)
    runs, decided = 200, 0
    for _ in range(runs):
        samples = dict(zip(("numba", "cython"), np.exp(0.05 * generator.standard_normal((2, 60))), strict=True))
        count = 7
        while count < 60 and is_open(*(changed(result(name, 1.0), samples=samples[name][:count]) for name in samples)):
            count += count // 3
        rounds = Rounds({name: samples[name][:count] for name in samples})
        decided += rounds.ratio("numba", "cython").verdict != "too close to call"
    # Where an interval of 95 % ends the asking, it is 13.
    assert decided <= 0.04 * runs
