"""What became faster or slower from one record to another, beyond what two runs of the same code differ by.

Two runs are not measured round by round, so nothing pairs their samples. The ratio of two medians is judged on its
logarithm by B. L. Welch's test ("The generalization of 'Student's' problem when several different population variances
are involved", Biometrika 34, 1947) with three variances: of the two medians, by the bootstrap, and of the drift between
the runs. The drift is read from what is the same code in both: the floors, and the noise watch. docs/record.md tells
why, and what was measured of it.
"""

from __future__ import annotations

import math
import statistics as standard
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from msgspec.structs import asdict

from gradstep.compare.judge import statistics
from gradstep.compare.judge.statistics import Interval
from gradstep.compare.record.records import Cell, Record, Result

SHARE_FALSE = 0.05
"""Of what is called faster or slower, at most so much should be chance: the rate of false discoveries."""

LEAST_DRIFT = 0.02
"""The standard deviation of the drift is never taken to be smaller: no two processes lay out memory alike."""

Verdict = Literal["faster", "slower", "cannot tell"]


class Key(NamedTuple):
    """What a time is of; times of two records belong together where these agree.

    Attributes
    ----------
    problem, m, n, dtype, order, threads
        As of `records.Cell`.
    contender : str
        As of `records.Result`.
    repetition : int
        0, unless a record has several such times, as the targets may; they are numbered in their order.
    """

    problem: str
    m: int
    n: int
    dtype: str
    order: str
    threads: int | None
    contender: str
    repetition: int = 0


class Change(NamedTuple):
    """One time in both records.

    Attributes
    ----------
    key : Key
        What was timed.
    before, after : float
        The two medians, in seconds.
    ratio : Interval
        How many times as long it takes now, with the interval that holds the true ratio in 95 % of all cases, drift
        included.
    chance : float
        How often two runs of the same code would differ by as much, or more.
    verdict : str
        "faster", "slower", or "cannot tell" from noise.
    """

    key: Key
    before: float
    after: float
    ratio: Interval
    chance: float
    verdict: Verdict


@dataclass(frozen=True)
class Drift:
    """How much the machine changed between two runs.

    Attributes
    ----------
    ratios : list of float
        Of the times of the same code, after and before: one for each cell whose floor is in both records, and one of
        the noise watch.
    """

    ratios: list[float]

    @property
    def deviation(self) -> float:
        """The standard deviation of the logarithm; around 0, because a common shift is a drift, too."""
        if not self.ratios:
            return LEAST_DRIFT
        squares = (math.log(ratio) ** 2 for ratio in self.ratios)
        return max(LEAST_DRIFT, math.sqrt(standard.fmean(squares)))

    @property
    def freedom(self) -> int:
        """On how many values the deviation rests."""
        return max(1, len(self.ratios))

    @property
    def least_ratio(self) -> float:
        """What a single ratio has to exceed so that the drift alone does not explain it.

        Examples
        --------
        >>> round(Drift([1.1, 1.0 / 1.1, 1.1, 1.0 / 1.1]).least_ratio, 2)
        1.3
        """
        return math.exp(statistics.student(self.freedom) * self.deviation)


@dataclass(frozen=True)
class Differences:
    """The comparison of two records.

    Attributes
    ----------
    changes : list of Change
        Of every time that is in both, in the order of the first record.
    drift : Drift
        How much the machine changed between the runs.
    only_before, only_after : list of tuple (Key, str)
        Times that the other record does not have, and why if it says so.
    too_few : list of Key
        Times of which one record has too few samples to judge them.
    warnings : list of str
        In what the two runs differed besides the code.
    """

    changes: list[Change]
    drift: Drift
    only_before: list[tuple[Key, str]]
    only_after: list[tuple[Key, str]]
    too_few: list[Key]
    warnings: list[str]

    def with_verdict(self, verdict: Verdict) -> list[Change]:
        """Return the changes of one kind, the largest first."""
        chosen = [change for change in self.changes if change.verdict == verdict]
        return sorted(chosen, key=lambda change: abs(math.log(change.ratio.value)), reverse=True)

    def slower_than(self, ratio: float) -> list[Change]:
        """Return what became at least so many times as slow, with the noise taken off: by the interval's lower end."""
        return [change for change in self.with_verdict("slower") if change.ratio.lower >= ratio]


def between(before: Record, after: Record) -> Differences:
    """Compare two records.

    Parameters
    ----------
    before, after : Record
        Of two runs; what is in both is matched by `Key`.

    Returns
    -------
    Differences
        Which times changed beyond noise, what is only in one record, and what else differed.

    Raises
    ------
    ValueError
        If the records have no time in common.
    """
    old, new = dict(_results(before)), dict(_results(after))
    timed_before, timed_after = _timed(old), _timed(new)
    common = [key for key in timed_before if key in timed_after]
    if not common:
        raise ValueError("the two records have no time in common: nothing can be compared")
    drift = _drift(before, after)
    few = [key for key in common if min(_count(timed_before[key]), _count(timed_after[key])) < statistics.FEWEST]
    judged = [
        _change(key, timed_before[key].samples, timed_after[key].samples, drift) for key in common if key not in few
    ]
    return Differences(
        changes=_without_chance_finds(judged),
        drift=drift,
        only_before=[(key, _why_not(new.get(key))) for key in timed_before if key not in timed_after],
        only_after=[(key, _why_not(old.get(key))) for key in timed_after if key not in timed_before],
        too_few=few,
        warnings=list(_warnings(before, after, drift)),
    )


def _results(record: Record) -> Iterator[tuple[Key, Result]]:
    seen: dict[Key, int] = {}
    for cell in record.cells:
        for result in cell.results:
            key = _key(cell, result)
            yield key._replace(repetition=seen.setdefault(key, 0)), result
            seen[key] += 1


def _key(cell: Cell, result: Result) -> Key:
    return Key(cell.problem, cell.m, cell.n, cell.dtype, cell.order, cell.threads, result.contender)


def _timed(results: dict[Key, Result]) -> dict[Key, Result]:
    return {key: result for key, result in results.items() if result.status == "timed"}


def _count(result: Result) -> int:
    return len(result.samples)


def _why_not(other: Result | None) -> str:
    """Return what the other record says of a time that it does not have."""
    return "" if other is None else f"{other.status} there: {other.reason}"


def _drift(before: Record, after: Record) -> Drift:
    """Collect the times of what is the same code in both runs."""
    old, new = dict(_floors(before)), dict(_floors(after))
    ratios = [new[key] / old[key] for key in old if key in new]
    if before.noise is not None and after.noise is not None and before.noise.X_bytes == after.noise.X_bytes:
        first, second = (
            standard.median(seconds for _, seconds in each.samples) for each in (before.noise, after.noise)
        )
        ratios.append(second / first)
    return Drift(ratios)


def _floors(record: Record) -> Iterator[tuple[Key, float]]:
    seen: dict[Key, int] = {}
    for cell in record.cells:
        if cell.read_limit is not None and cell.read_limit.median is not None:
            key = _key(cell, cell.read_limit)
            yield key._replace(repetition=seen.setdefault(key, 0)), cell.read_limit.median
            seen[key] += 1


def _change(key: Key, before: Sequence[float], after: Sequence[float], drift: Drift) -> Change:
    """Judge one ratio by itself, by Welch's test; its verdict is not yet that of many."""
    old, new = standard.median(before), standard.median(after)
    parts = [
        (statistics.log_median_error(before) ** 2, len(before) - 1),
        (statistics.log_median_error(after) ** 2, len(after) - 1),
        (drift.deviation**2, drift.freedom),
    ]
    variance = sum(part for part, _ in parts)
    # Satterthwaite's degrees of freedom, rounded down.
    freedom = max(1, int(variance**2 / sum(part**2 / freedom for part, freedom in parts)))
    error = math.sqrt(variance)
    spread = math.exp(statistics.student(freedom) * error)
    chance = 1.0 - statistics.share_within(abs(math.log(new / old)) / error, freedom)
    ratio = new / old
    return Change(key, old, new, Interval(ratio, ratio / spread, ratio * spread), chance, "cannot tell")


def _without_chance_finds(changes: Sequence[Change]) -> list[Change]:
    """Return the changes with their verdicts, so that of those called faster or slower few are chance.

    By the procedure of Y. Benjamini and Y. Hochberg ("Controlling the false discovery rate", Journal of the Royal
    Statistical Society B 57, 1995): with N changes, the k with the smallest chances count, for the largest k whose
    chance is at most k/N of the rate.
    """
    chances = sorted(change.chance for change in changes)
    small = [chance for k, chance in enumerate(chances, 1) if chance <= SHARE_FALSE * k / len(chances)]
    limit = max(small, default=-1.0)
    return [
        change._replace(verdict="slower" if change.ratio.value > 1.0 else "faster")
        if change.chance <= limit
        else change
        for change in changes
    ]


def _warnings(before: Record, after: Record, drift: Drift) -> Iterator[str]:
    """Tell in what the runs differed besides the code."""
    for name, record in (("first", before), ("second", after)):
        if not record.complete:
            yield f"the {name} run was interrupted"
    yield from _unlike("the machine", _machine(before), _machine(after))
    yield from _unlike("the versions", before.versions, after.versions)
    shared = before.peers.keys() & after.peers.keys()
    yield from _unlike("the peers", *({name: each.peers[name] for name in sorted(shared)} for each in (before, after)))
    yield from _unlike("the settings", asdict(before.settings), asdict(after.settings))
    if not drift.ratios:
        yield "no floor is in both records, so it is not known how much the machine changed between the runs"


def _machine(record: Record) -> dict[str, object]:
    # A kernel of the system that keeps some more pages for itself makes no other machine.
    return {**vars(record.machine), "memory": f"{record.machine.memory / 2**30:.0f} GiB"}


def _unlike(what: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            yield f"{what} differed: {name} was {_said(before.get(name))} and is {_said(after.get(name))}"


def _said(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_said, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(part)}" for name, part in value.items()) or "none"
    return str(value)
