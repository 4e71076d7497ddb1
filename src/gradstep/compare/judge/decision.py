"""Whether it is known which contender of a cell is the fastest, and whether more rounds may still show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gradstep.compare.judge.statistics import FEWEST, Ratio, Rounds
from gradstep.compare.record.records import Cell

Decision = Literal["decided", "tie", "open"]

TIE = 1.05
"""Contenders are tied where the interval of the ratio of their times lies between this and its inverse."""

# Checking after every few rounds and stopping at the first yes is wrong more often than an interval says. Of 200 pairs
# of equal contenders (tests/test_decision.py) 13 end as decided with an interval of 95 %, and 5 with this one.
_LEVEL_TO_STOP = 0.995


def decision(alike: Sequence[Ratio], count: int) -> Decision:
    """Judge the fastest contender by the ratios to it that are too close to call, each from this many samples.

    Examples
    --------
    >>> decision([], 7), decision([Ratio(1.01, 0.99, 1.02, "too close to call")], 7)
    ('decided', 'tie')
    >>> decision([Ratio(1.03, 0.99, 1.07, "too close to call")], 7)
    'open'
    """
    if not alike:
        return "decided"
    return "tie" if count >= FEWEST and all(map(_is_tie, alike)) else "open"


def still_open(cell: Cell) -> bool:
    """Return whether more rounds may show which contender is the fastest.

    They are not needed where each of the others is slower or tied, even with the doubt that repeated checking adds.
    Those that are far slower take no part in added rounds, and count as slower.
    """
    samples = {result.contender: result.samples for result in cell.results if result.status == "timed"}
    most = max(map(len, samples.values()), default=0)
    timed = {name: each for name, each in samples.items() if len(each) == most}
    if len(timed) < 2:
        return False
    if most < FEWEST:
        return True
    rounds = Rounds(timed)
    first, *others = rounds.ranked(list(timed))
    ratios = [rounds.ratio(name, first, _LEVEL_TO_STOP) for name in others]
    return not all(ratio.verdict == "slower" or _is_tie(ratio) for ratio in ratios)


def _is_tie(ratio: Ratio) -> bool:
    return 1.0 / TIE <= ratio.lower and ratio.upper <= TIE
