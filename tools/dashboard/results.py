"""Reads what asv measured of each commit; of some of them it measured the scaling twice."""

from __future__ import annotations

import ast
import datetime
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.repo import Repo, get_repo
from asv.results import Results, iter_results

from gradstep.registry import KERNELS

TIME, RATIO, SPEEDUP, BANDWIDTH = "time_step", "track_floor_ratio", "track_speedup_over_numpy", "track_bandwidth"
"""The benchmarks that exist along both axes."""


class Axis(NamedTuple):
    """An axis that the suite scales along: its benchmark class and the names of their parameters."""

    symbol: str
    counts: str
    suite: str
    exponent: str
    fixed: str
    size: str

    @property
    def benchmarks(self) -> list[str]:
        """The names of all benchmarks along this axis."""
        return [*(f"{self.suite}.{kind}" for kind in (TIME, RATIO, SPEEDUP, BANDWIDTH)), self.exponent]


class Measure(NamedTuple):
    """A benchmark that exists along both axes, and how the page shows it."""

    benchmark: str
    title: str
    explanation: str
    y_title: str
    tick_suffix: str
    # The value that means "no difference", drawn as a horizontal line.
    reference: float | None


class Point(NamedTuple):
    """One result of asv; `lower` and `upper` are its interval, or None where asv has none."""

    value: float
    lower: float | None
    upper: float | None
    samples: tuple[float, ...]


class Row(NamedTuple):
    """The place of a point: benchmark, kernel, the fixed number and the size."""

    benchmark: str
    kernel: str
    fixed: int
    size: int


Points = dict[Row, Point]

AXES = (
    Axis("m", "examples", "scaling.InM", "scaling.ExponentInM.track_exponent_in_m", "n", "log10_m"),
    Axis("n", "features", "scaling.InN", "scaling.ExponentInN.track_exponent_in_n", "m", "log10_n"),
)

MEASURES = (
    Measure(TIME, "Time of a step", "The whole call, on one thread.", "seconds", "s", None),
    Measure(
        RATIO,
        "Distance to the read limit",
        "The time of a step over the read limit. Below about 1 MB the overhead of a call counts most.",
        "× the read limit",
        "",
        1.0,
    ),
    Measure(
        SPEEDUP,
        "Speed-up over NumPy",
        "How many times faster than the NumPy kernel. No kernel can be faster than the read limit.",
        "× faster than NumPy",
        "",
        1.0,
    ),
)

# All benchmarks that this page draws against a size.
SCALING = [name for axis in AXES for name in axis.benchmarks]


class Benchmark(NamedTuple):
    """One benchmark of the suite: its name in asv, its title, and the unit of its values."""

    name: str
    title: str
    unit: str


class Entry(NamedTuple):
    """One result of a benchmark that is not drawn: its parameters, and its value or None if it failed."""

    at: dict[str, Any]
    value: float | None


@dataclass(frozen=True)
class Commit:
    """A commit of the history.

    Attributes
    ----------
    revision : int
        Its position among all commits, in asv's numbering.
    commit_hash, label, link : str
        The hash, its label on the page, and a link to the commit or "".
    """

    revision: int
    commit_hash: str
    label: str
    link: str


@dataclass(frozen=True)
class Measured:
    """What was measured of a commit.

    Attributes
    ----------
    commit : Commit
        Which one.
    points : Points
        How it scales.
    again : Points
        The same, measured a second time; empty where it was not.
    others : dict
        The results of the other benchmarks by name.
    """

    commit: Commit
    points: Points
    again: Points = field(default_factory=dict)
    others: dict[str, list[Entry]] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """The benchmarks that have a result."""
        return {row.benchmark for row in self.points} | set(self.others)


@dataclass(frozen=True)
class History:
    """The results of one machine and environment, oldest commit first, and the benchmarks of today's suite."""

    name: str
    commits: list[Measured]
    suite: list[Benchmark] = field(default_factory=list)


def read_histories(conf: Config) -> list[History]:
    """Return the results of all published commits, by machine and environment.

    Raises
    ------
    ValueError
        If there is no result.
    """
    repo = get_repo(conf)
    published = {commit for branch in conf.branches for commit in repo.get_branch_commits(branch)}
    if not Path(conf.results_dir, "benchmarks.json").exists():
        raise ValueError(f"{conf.results_dir} has no results")
    benchmarks = Benchmarks.load(conf)
    found = [results for results in iter_results(conf.results_dir) if results.commit_hash in published]
    again = {_identity(results): dict(_points(results, benchmarks)) for results in _second_results(conf)}
    revisions = repo.get_revisions({results.commit_hash for results in found})
    by_name: dict[str, list[Measured]] = {}
    for results in found:
        commit = _commit(conf, repo, revisions, results)
        points, others = dict(_points(results, benchmarks)), _others(results, benchmarks)
        if points or others:
            measured = Measured(commit, points, again.get(_identity(results), {}), others)
            by_name.setdefault(_environment(results), []).append(measured)
    if not by_name:
        raise ValueError(f"{conf.results_dir} has no results of this history")
    suite = [Benchmark(name, each.get("pretty_name") or name, each["unit"]) for name, each in benchmarks.items()]
    return [
        History(name, sorted(commits, key=lambda entry: entry.commit.revision), suite)
        for name, commits in sorted(by_name.items())
    ]


def second_folder(conf: Config) -> Path:
    """Return the folder of what was measured a second time; in asv's own folder it would replace the first results."""
    return Path(conf.results_dir).with_name("again")


def _second_results(conf: Config) -> Iterator[Results]:
    folder = second_folder(conf)
    if folder.exists():
        yield from iter_results(str(folder))


def _identity(results: Results) -> tuple[str, str, str]:
    return results.params["machine"], results.env_name, results.commit_hash


def _environment(results: Results) -> str:
    """Return the machine and the versions that the configuration fixes."""
    versions = [f"{name} {version}" for name, version in sorted(results.params.items()) if _is_version(name, version)]
    cpu = results.params.get("cpu")
    return ", ".join(filter(None, [results.params["machine"], cpu, f"Python {results.params['python']}", *versions]))


def _is_version(name: str, value: str | None) -> bool:
    return bool(value) and name not in {"arch", "cpu", "machine", "num_cpu", "os", "ram", "python"}


def _commit(conf: Config, repo: Repo, revisions: dict[str, int], results: Results) -> Commit:
    day = datetime.datetime.fromtimestamp(results.date / 1000, datetime.UTC).date().isoformat()
    name = repo.get_name_from_hash(results.commit_hash) or ""
    # Without a tag or branch on the commit, git gives a distance from one (main~3), which is no use here.
    tag = f" {name}" if name and not set(name) & set("~^") else ""
    link = "" if conf.show_commit_url == "#" else conf.show_commit_url + results.commit_hash
    return Commit(revisions[results.commit_hash], results.commit_hash, f"{results.commit_hash[:8]} {day}{tag}", link)


def _points(results: Results, benchmarks: Benchmarks) -> Iterator[tuple[Row, Point]]:
    """Yield the points of one results file for all kernels of the registry; a kernel that has left it is not drawn.

    Skipped and failed benchmarks have none.
    """
    known = results.get_result_keys(benchmarks)
    for axis in AXES:
        for name in (each for each in axis.benchmarks if each in known):
            size = None if name == axis.exponent else axis.size
            for at, value, stats, samples in _rows(results, benchmarks[name]):
                if value is None or at["kernel"] not in KERNELS:
                    continue
                row = Row(name, at["kernel"], at[axis.fixed], 10 ** at[size] if size else 0)
                yield row, Point(value, *interval(stats), tuple(samples or ()))


def _others(results: Results, benchmarks: Benchmarks) -> dict[str, list[Entry]]:
    """Return the results of one file that are not drawn against a size."""
    return {
        name: [Entry(at, value) for at, value, *_ in _rows(results, benchmarks[name])]
        for name in benchmarks
        if name in results.get_result_keys(benchmarks) and name not in SCALING
    }


def _rows(results: Results, benchmark: dict[str, Any]) -> Iterator[tuple[dict[str, Any], float | None, Any, Any]]:
    """Yield the parameters, the value, the statistics and the samples of each row; what asv skipped is left out."""
    name, params = benchmark["name"], benchmark["params"]
    for values, value, stats, samples in zip(
        product(*params),
        results.get_result_value(name, params),
        results.get_result_stats(name, params),
        results.get_result_samples(name, params),
        strict=True,
    ):
        if value is not None and math.isnan(value):
            continue
        # asv stores each parameter as its repr.
        yield dict(zip(benchmark["param_names"], map(ast.literal_eval, values), strict=True)), value, stats, samples


def interval(stats: dict[str, float] | None) -> tuple[float | None, float | None]:
    """Return asv's interval, or the quartiles where it is infinite or, with few samples, includes 0."""
    for low, high in (("ci_99_a", "ci_99_b"), ("q_25", "q_75")):
        if stats and low in stats and 0.0 < stats[low] <= stats[high] < math.inf:
            return stats[low], stats[high]
    return None, None
