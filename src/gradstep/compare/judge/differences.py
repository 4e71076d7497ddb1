"""What became faster or slower from one record to another, beyond what two runs of the same code differ by.

Two runs are not measured round by round, so nothing pairs their samples. The ratio of two medians is judged on its
logarithm by B. L. Welch's test ("The generalization of 'Student's' problem when several different population variances
are involved", Biometrika 34, 1947) with three variances: of the two medians, by the bootstrap, and of the drift between
the runs. The drift comes from what runs the same code in both: the read limits, and the noise watch. docs/record.md
explains why, and what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from gradstep.compare.judge import statistics
from gradstep.compare.judge.statistics import Interval, Verdict
from gradstep.compare.record.records import READ_LIMIT, Cell, Conditions, Record, Result

SHARE_FALSE = 0.05
"""The share of false discoveries: at most this part of what is called faster or slower is chance."""

LEAST_DRIFT = 0.02
"""The least standard deviation of the drift: no two processes lay out memory alike."""


class Key(Conditions, frozen=True, kw_only=True):
    """What a time is of; times of two records belong together where these agree.

    Attributes
    ----------
    contender : str
        As of `records.Result`.
    """

    contender: str


class Change(NamedTuple):
    """One time in both records.

    Attributes
    ----------
    key : Key
        What was timed.
    before, after : float
        The two medians, in seconds.
    ratio : Interval
        The time after over the time before, with the interval that covers the true ratio 95 % of the time, drift
        included.
    chance : float
        How often two runs of the same code would differ by as much, or more.
    verdict : str
        "faster", "slower", or "too close to call": the noise explains it.
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
        Of the times of the same code, after and before: one for each cell whose read limit is in both records, and
        one of the noise watch.
    """

    ratios: list[float]

    @property
    def deviation(self) -> float:
        """The standard deviation of the logarithm around 0, because a common shift is a drift too."""
        if not self.ratios:
            return LEAST_DRIFT
        squares = (math.log(ratio) ** 2 for ratio in self.ratios)
        return max(LEAST_DRIFT, math.sqrt(sum(squares) / len(self.ratios)))

    @property
    def freedom(self) -> int:
        """How many values the deviation rests on."""
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
        One for every time in both records, in the order of the first.
    drift : Drift
        How much the machine changed between the runs.
    only_before, only_after : list of tuple (Key, str)
        Times that the other record lacks, and the reason if it gives one.
    too_few : list of Key
        Times with too few samples in one record to judge them.
    warnings : list of str
        How the two runs differed besides the code.
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
        """Return what became slower by at least this ratio, beyond noise: by the lower end of the interval."""
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
    old, new = _results(before), _results(after)
    timed_before, timed_after = _timed(old), _timed(new)
    common = [key for key in timed_before if key in timed_after]
    if not common:
        raise ValueError("they have no time in common: nothing can be compared")
    drift = _drift(before, after)
    few = [
        key for key in common if min(len(timed_before[key].samples), len(timed_after[key].samples)) < statistics.FEWEST
    ]
    judged = [
        _change(key, timed_before[key].samples, timed_after[key].samples, drift) for key in common if key not in few
    ]
    return Differences(
        changes=_with_verdicts(judged),
        drift=drift,
        only_before=[(key, _why_not(new.get(key))) for key in timed_before if key not in timed_after],
        only_after=[(key, _why_not(old.get(key))) for key in timed_after if key not in timed_before],
        too_few=few,
        warnings=list(_warnings(before, after, drift)),
    )


def _results(record: Record) -> dict[Key, Result]:
    return {_key(cell, result.contender): result for cell in record.cells for result in cell.results}


def _key(cell: Cell, contender: str) -> Key:
    return Key(**{name: getattr(cell, name) for name in Conditions.__struct_fields__}, contender=contender)


def _timed(results: dict[Key, Result]) -> dict[Key, Result]:
    return {key: result for key, result in results.items() if result.status == "timed"}


def _why_not(other: Result | None) -> str:
    """Return what the other record says of a time that it lacks."""
    return "" if other is None else f"{other.status} there: {other.reason}"


def _drift(before: Record, after: Record) -> Drift:
    """Collect the times of what is the same code in both runs."""
    old, new = _read_limits(before), _read_limits(after)
    ratios = [new[key] / old[key] for key in old if key in new]
    if before.noise is not None and after.noise is not None and before.noise.X_bytes == after.noise.X_bytes:
        first, second = (
            float(np.median([seconds for _, seconds in each.samples])) for each in (before.noise, after.noise)
        )
        ratios.append(second / first)
    return Drift(ratios)


def _read_limits(record: Record) -> dict[Key, float]:
    limits = [(cell, cell.read_limit.median) for cell in record.cells if cell.read_limit is not None]
    return {_key(cell, READ_LIMIT): median for cell, median in limits if median is not None}


def _change(key: Key, before: Sequence[float], after: Sequence[float], drift: Drift) -> Change:
    """Judge one ratio by itself, by Welch's test; its verdict among many comes later."""
    from scipy import stats

    old, new = float(np.median(before)), float(np.median(after))
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
    chance = float(2.0 * stats.t.sf(abs(math.log(new / old)) / error, freedom))
    ratio = new / old
    return Change(key, old, new, Interval(ratio, ratio / spread, ratio * spread), chance, "too close to call")


def _with_verdicts(changes: Sequence[Change]) -> list[Change]:
    """Return the changes with their verdicts, of which few are chance.

    By the procedure of Y. Benjamini and Y. Hochberg ("Controlling the false discovery rate", Journal of the Royal
    Statistical Society B 57, 1995).
    """
    from scipy import stats

    if not changes:
        return []
    adjusted = stats.false_discovery_control([change.chance for change in changes])
    return [
        change._replace(verdict="slower" if change.ratio.value > 1.0 else "faster") if chance <= SHARE_FALSE else change
        for change, chance in zip(changes, adjusted, strict=True)
    ]


def _warnings(before: Record, after: Record, drift: Drift) -> Iterator[str]:
    """Say how the runs differed besides the code."""
    for name, record in (("first", before), ("second", after)):
        if not record.complete:
            yield f"the {name} run was interrupted"
    yield from _unlike("the machine", _machine(before), _machine(after))
    yield from _unlike("the versions", before.versions, after.versions)
    shared = before.peers.keys() & after.peers.keys()
    yield from _unlike("the peers", *({name: each.peers[name] for name in sorted(shared)} for each in (before, after)))
    yield from _unlike("the settings", msgspec.structs.asdict(before.settings), msgspec.structs.asdict(after.settings))
    if not drift.ratios:
        yield "no read limit is in both records, so it is not known how much the machine changed between the runs"


def _machine(record: Record) -> dict[str, object]:
    # An operating system that reserves some more pages does not make it another machine.
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
