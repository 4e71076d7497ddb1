"""The verdict of a record: the fastest kernel on each problem, how far ahead it is, and the fastest peer beside it."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gradstep.compare.judge.decision import TIE, Decision, decision
from gradstep.compare.judge.findings import CellFindings, Findings
from gradstep.compare.judge.statistics import Ratio
from gradstep.compare.record.records import Cell, Record

Auto = Callable[[int, int], str]
"""Return the kernel that "auto" takes here for m and n."""


class Standing(NamedTuple):
    """The fastest of some contenders on one problem.

    Attributes
    ----------
    cell : Cell
        The problem.
    fastest : str
        The contender with the smallest median.
    decision : str
        "decided"; "tie", where the others that are too close to call are within `TIE`; or "open".
    others : tuple of str
        Those that are too close to call; none where it is decided.
    lead : float or None
        The time of the next one over its time; None where nothing else was timed.
    """

    cell: Cell
    fastest: str
    decision: Decision
    others: tuple[str, ...]
    lead: float | None

    @property
    def names(self) -> tuple[str, ...]:
        """All that may be the fastest."""
        return self.fastest, *self.others


class Against(NamedTuple):
    """A kernel, by default the fastest, beside the fastest peer: on one problem, the peer's time over the kernel's."""

    cell: Cell
    kernel: str
    peer: str
    ratio: Ratio


class Span(NamedTuple):
    """The smallest and the largest of some ratios of times: above 1 where the contender it is about is faster."""

    lowest: float
    highest: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Span:
        """Return the span of some ratios, at least one."""
        return cls(min(ratios), max(ratios))


class Choice(NamedTuple):
    """The kernel for the code of a user, and what "auto" takes on the problems of the record; None where not known."""

    kernel: str
    auto: str | None


@dataclass(frozen=True)
class Verdict:
    """What a record says at first sight.

    Attributes
    ----------
    cells : tuple of Cell
        Where anything was timed.
    kernels : tuple of Standing
        One for each problem on which a kernel was timed.
    peers : tuple of Standing
        The same of the peers.
    leader : str or None
        The kernel that is the fastest most often; None if none was timed.
    over : dict of Span
        For python and numpy: the time of each over the leader's, where both were timed.
    lead : Span or None
        The time of the next kernel over the leader's, where the leader is decided.
    against : tuple of Against
        One for each problem on which both a kernel and a peer were timed.
    choice : Choice or None
        The kernel for the code of a user; None if none was timed.
    """

    cells: tuple[Cell, ...]
    kernels: tuple[Standing, ...]
    peers: tuple[Standing, ...]
    leader: str | None
    over: dict[str, Span]
    lead: Span | None
    against: tuple[Against, ...]
    choice: Choice | None


def verdict(found: Findings, auto: Auto | None = None) -> Verdict:
    """Return what a record says at first sight.

    Parameters
    ----------
    found : Findings
        The judged record.
    auto : callable, optional
        What "auto" takes on the machine of the record; without it the code names a kernel.
    """
    timed = [each for each in found.cells if each.timed]
    kernels = tuple(_standings(timed, lambda name: name not in found.record.peers))
    leader = _leader(kernels)
    return Verdict(
        cells=tuple(each.cell for each in timed),
        kernels=kernels,
        peers=tuple(_standings(timed, lambda name: name in found.record.peers)),
        leader=leader,
        over={} if leader is None else _over(timed, leader),
        lead=_lead(kernels, leader),
        against=tuple(each for each in (against_peers(found.record, each) for each in timed) if each is not None),
        choice=None if leader is None else _choice(timed, kernels, leader, auto),
    )


def _standings(timed: Sequence[CellFindings], counts: Callable[[str], bool]) -> list[Standing]:
    standings = []
    for each in timed:
        names = sorted(filter(counts, each.times), key=lambda name: each.times[name].value)
        if names:
            standings.append(_standing(each, names))
    return standings


def _standing(each: CellFindings, names: Sequence[str]) -> Standing:
    """Judge contenders, of which the one with the smallest median comes first."""
    first, *others = names
    ratios = {name: each.rounds.ratio(name, first) for name in others}
    close = {name: ratio for name, ratio in ratios.items() if ratio.verdict != "slower"}
    count = min(each.rounds.median(name).size for name in names)
    lead = ratios[others[0]].value if others else None
    return Standing(each.cell, first, decision(list(close.values()), count), tuple(close), lead)


def _lead(kernels: Sequence[Standing], leader: str | None) -> Span | None:
    wins = [each for each in kernels if each.decision == "decided" and each.fastest == leader]
    leads = [each.lead for each in wins if each.lead is not None]
    return Span.of(leads) if leads else None


def _leader(kernels: Sequence[Standing]) -> str | None:
    """Return the kernel that is decided most often; among equals the one with the smallest median most often."""
    wins = collections.Counter(each.fastest for each in kernels if each.decision == "decided")
    firsts = collections.Counter(each.fastest for each in kernels)
    return max(firsts, key=lambda name: (wins[name], firsts[name]), default=None)


def _over(timed: Sequence[CellFindings], leader: str) -> dict[str, Span]:
    """Compare the leader with the two kernels that need no compiler, wherever both were timed."""
    spans = {}
    for name in ("python", "numpy"):
        both = [each.times for each in timed if {name, leader} <= each.times.keys()]
        if name != leader and both:
            spans[name] = Span.of([times[name].value / times[leader].value for times in both])
    return spans


def against_peers(record: Record, found: CellFindings, kernel: str | None = None) -> Against | None:
    """Return how a kernel, by default the fastest, compares with the fastest peer; None where either was not timed."""
    kernels = [name for name in found.times if name not in record.peers and kernel in (None, name)]
    peers = [name for name in found.times if name in record.peers]
    if not kernels or not peers:
        return None
    first, peer = (min(names, key=lambda name: found.times[name].value) for names in (kernels, peers))
    return Against(found.cell, first, peer, found.rounds.ratio(peer, first))


def _choice(timed: Sequence[CellFindings], kernels: Sequence[Standing], leader: str, auto: Auto | None) -> Choice:
    """Recommend what "auto" takes, unless some problem has a faster kernel by more than a tie."""
    taken = set() if auto is None else {auto(each.cell.m, each.cell.n) for each in kernels}
    if len(taken) != 1:
        return Choice(leader, None)
    (name,) = taken
    fastest = {each.cell.conditions: each.fastest for each in kernels}
    compared = [(each.times, fastest[each.cell.conditions]) for each in timed if name in each.times]
    is_good = all(times[name].value <= TIE * times[first].value for times, first in compared)
    return Choice(name if is_good and compared else leader, name)
