"""Measures two commits interleaved with asv and reports the rows that became slower: `make bench-compare BASE=ref`."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

# asv's own test of significance, which `asv continuous` applies to the pooled samples of all rounds.
from asv._stats import mann_whitney_u
from asv.benchmarks import Benchmarks
from asv.commands.run import Run
from asv.config import Config
from asv.console import log
from asv.repo import NoSuchNameError, get_repo
from asv.results import Results, iter_results
from asv.util import ProcessError, UserError

from tools.dashboard.measure import CONFIG, SOME_FAILED, add_machine, uncommitted

DEFAULT_BENCH = "time_step"

# Separate from the history, which a comparison must not change.
RESULTS = Path(".asv/compare")

# asv starts a new process in each round. A fixed number of samples per round shows which samples share a process.
# Samples are short: on a busy machine a long one never runs undisturbed.
SAMPLES_PER_ROUND = 10
SECONDS_PER_SAMPLE = 0.002

# The level of the Mann-Whitney test on the rounds of both measurements.
SIGNIFICANCE = 0.05


class CompareError(Exception):
    """The commits could not be compared."""


class Thresholds(NamedTuple):
    """How much slower a row must be to count.

    Attributes
    ----------
    factor : float
        The smallest ratio of the new time to the old one.
    seconds : float
        The smallest difference.
    """

    factor: float
    seconds: float


class Row(NamedTuple):
    """A row of the suite on both commits: its name with parameters and the samples of each round."""

    name: str
    base: list[list[float]]
    head: list[list[float]]


class Verdict(NamedTuple):
    """The result of comparing the rounds of a row.

    Attributes
    ----------
    base, head : float
        The shortest sample, in seconds.
    p : float
        The probability of such a difference by chance.
    """

    base: float
    head: float
    p: float

    @property
    def ratio(self) -> float:
        """The time of the new commit over that of the old one."""
        return self.head / self.base

    def exceeds(self, thresholds: Thresholds) -> bool:
        """Whether the new commit is slower by more than both thresholds."""
        return self.ratio >= thresholds.factor and self.head - self.base >= thresholds.seconds


def judge(row: Row) -> Verdict:
    """Compare the rounds of a row.

    Only the shortest samples are compared, since other work on the machine can only add to a time. Each round counts
    once, with its shortest sample, because samples of one process resemble each other more than samples of two.

    Examples
    --------
    >>> judge(Row("f", [[1.0, 1.2], [1.1, 1.3], [1.2, 1.4]], [[2.0, 2.1], [2.2, 9.0], [2.1, 2.2]]))
    Verdict(base=1.0, head=2.0, p=0.1)
    """
    base, head = ([min(samples) for samples in rounds] for rounds in (row.base, row.head))
    _, p = mann_whitney_u(base, head)
    return Verdict(min(base), min(head), round(p, 6))


def is_slower(first: Row, second: Row, thresholds: Thresholds) -> bool:
    """Whether a row is slower by more than the thresholds in both measurements, and significantly so in all rounds."""
    both = Row(first.name, first.base + second.base, first.head + second.head)
    by_more = all(judge(row).exceeds(thresholds) for row in (first, second))
    return by_more and judge(both).p < SIGNIFICANCE


class Comparison:
    """Two commits that asv measures interleaved.

    Parameters
    ----------
    base, head : str
        Their hashes.
    rounds : int
        The number of rounds for each.
    machine : str, optional
        The name of this machine in asv.
    """

    def __init__(self, base: str, head: str, rounds: int, machine: str | None = None) -> None:
        self._base, self._head, self._rounds, self._machine = base, head, rounds, machine

    def measure(self, bench: Sequence[str]) -> list[Row]:
        """Measure the benchmarks whose names match one of the patterns, and return their rows.

        Raises
        ------
        CompareError
            If asv cannot measure, or a benchmark fails on the new commit and not on the old one.
        """
        # Samples of an earlier comparison must not mix with this one.
        shutil.rmtree(RESULTS, ignore_errors=True)
        conf = Config.load(CONFIG)
        conf.results_dir = str(RESULTS)
        log.enable()
        status = Run.run(
            conf,
            range_spec=[self._head, self._base],
            bench=list(bench),
            attribute={"rounds": self._rounds, "repeat": SAMPLES_PER_ROUND, "sample_time": SECONDS_PER_SAMPLE},
            record_samples=True,
            interleave_rounds=True,
            machine=self._machine,
        )
        log.flush()
        if status not in (None, SOME_FAILED):
            raise CompareError(f"asv could not measure the commits: status {status}")
        return list(self._rows(conf))

    def _rows(self, conf: Config) -> Iterator[Row]:
        benchmarks = Benchmarks.load(conf)
        found = {results.commit_hash: results for results in iter_results(conf.results_dir)}
        base, head = (_samples(found[commit], benchmarks) for commit in (self._base, self._head))
        if failed := [name for name, samples in head.items() if samples is None and base.get(name) is not None]:
            raise CompareError("failed on the new commit, but not on the old one: " + ", ".join(failed))
        for name, samples in head.items():
            old = base.get(name)
            if samples and old:
                yield Row(name, self._by_round(old), self._by_round(samples))

    def _by_round(self, samples: Sequence[float]) -> list[list[float]]:
        if len(samples) != self._rounds * SAMPLES_PER_ROUND:
            raise CompareError(
                f"asv took {len(samples)} samples, not {SAMPLES_PER_ROUND} in each of {self._rounds} rounds"
            )
        starts = range(0, len(samples), SAMPLES_PER_ROUND)
        return [list(samples[start : start + SAMPLES_PER_ROUND]) for start in starts]


def _samples(results: Results, benchmarks: Benchmarks) -> dict[str, list[float] | None]:
    """Return the samples of each row by name, or None if it failed; rows without samples are left out."""
    found: dict[str, list[float] | None] = {}
    for key in results.get_result_keys(benchmarks):
        params = benchmarks[key]["params"]
        values, samples = results.get_result_value(key, params), results.get_result_samples(key, params)
        for at, value, taken in zip(product(*params), values, samples, strict=True):
            name = f"{key}({', '.join(at)})" if at else key
            if value is None:
                found[name] = None
            elif taken is not None:
                found[name] = taken
    return found


class Findings(NamedTuple):
    """The result of a comparison.

    Attributes
    ----------
    first : list of (str, Verdict)
        Every row with the verdict of the first measurement.
    slower : list of (str, Verdict)
        The rows that are slower in both measurements, with the verdict of the second.
    """

    first: list[tuple[str, Verdict]]
    slower: list[tuple[str, Verdict]]


def compare(comparison: Comparison, bench: str, thresholds: Thresholds) -> Findings:
    """Measure the rows that match a pattern, then once more only those that look slower.

    Raises
    ------
    CompareError
        If they cannot be measured, or no row matches.
    """
    first = {row.name: row for row in comparison.measure([bench])}
    if not first:
        raise CompareError("no benchmark that takes samples of a time was selected, or none ran on both commits")
    verdicts = [(name, judge(row)) for name, row in first.items()]
    sys.stdout.write(f"{table(verdicts)}\n")
    suspects = [name for name, verdict in verdicts if verdict.exceeds(thresholds)]
    if not suspects:
        return Findings(verdicts, [])
    sys.stdout.write(f"{len(suspects)} of {len(first)} rows look slower and are measured once more.\n")
    second = comparison.measure([f"^{re.escape(name)}$" for name in suspects])
    sys.stdout.write(f"{table((row.name, judge(row)) for row in second)}\n")
    return Findings(verdicts, [(row.name, judge(row)) for row in second if is_slower(first[row.name], row, thresholds)])


def table(verdicts: Iterable[tuple[str, Verdict]]) -> str:
    """Return one line for each row, largest ratio first."""
    lines = [f"{'old':>10} {'new':>10} {'ratio':>6} {'p':>7}"]
    for name, verdict in sorted(verdicts, key=lambda entry: -entry[1].ratio):
        times = f"{verdict.base * 1e6:8.1f}us {verdict.head * 1e6:8.1f}us"
        lines.append(f"{times} {verdict.ratio:6.2f} {verdict.p:7.4f} {name}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two commits; return 1 if a row became slower, 2 if the commits could not be compared."""
    options = _parser().parse_args(arguments)
    thresholds = Thresholds(options.factor, options.microseconds / 1e6)
    repo = get_repo(Config.load(CONFIG))
    try:
        base, head = (repo.get_hash_from_name(name) for name in (options.base, options.head))
        if base == head:
            raise CompareError(f"{options.base} and {options.head} are the same commit")
        if changed := uncommitted():
            sys.stderr.write(f"Not committed and therefore not measured: {', '.join(changed)}\n")
        add_machine(options.machine)
        found = compare(Comparison(base, head, options.rounds, options.machine), options.bench, thresholds)
    except (CompareError, NoSuchNameError, ProcessError, UserError) as error:
        sys.stderr.write(f"The commits could not be compared: {error}\n")
        return 2
    if options.json:
        record = {part: {name: verdict._asdict() for name, verdict in rows} for part, rows in found._asdict().items()}
        Path(options.json).write_text(json.dumps(record, indent=1), encoding="utf-8")
    if not found.slower:
        sys.stdout.write(f"Nothing has become slower since {options.base}.\n")
        return 0
    sys.stdout.write(f"Slower since {options.base}, in both measurements:\n{table(found.slower)}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.bench_compare", description=__doc__)
    parser.add_argument("base", help="the old commit")
    parser.add_argument("--head", default="HEAD", help="the new commit; by default the current one")
    parser.add_argument(
        "--bench", metavar="REGEX", default=DEFAULT_BENCH, help="the rows to measure; by default %(default)s"
    )
    parser.add_argument("--factor", type=float, default=1.3, help="the smallest ratio that counts (%(default)s)")
    parser.add_argument(
        "--microseconds", type=float, default=1.0, help="the smallest difference that counts (%(default)s)"
    )
    parser.add_argument("--rounds", type=_rounds, default=6, help="the number of rounds for each commit (%(default)s)")
    parser.add_argument("--machine", metavar="NAME", help="the name of this machine in asv; by default its host name")
    parser.add_argument("--json", metavar="FILE", help="write the results to this file")
    return parser


def _rounds(text: str) -> int:
    """Read the number of rounds; with fewer than four no difference can pass the test."""
    rounds = int(text)
    if rounds < 4:
        raise argparse.ArgumentTypeError("at least 4 rounds are needed")
    return rounds


if __name__ == "__main__":
    sys.exit(main())
