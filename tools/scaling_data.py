"""Reads the results of asv that scaling.html shows: what the suite measures, and the points of each commit."""

from __future__ import annotations

import ast
import datetime
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.repo import Repo, get_repo
from asv.results import Results, iter_results

from gradstep.registry import KERNELS


class Axis(NamedTuple):
    """An axis that the suite scales along: its benchmark class and the names of their parameters."""

    symbol: str
    counts: str
    suite: str
    exponent: str
    fixed: str
    size: str


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
    Measure(
        "time_step",
        "Time of a step",
        "The whole call on one thread. The bands are asv's 99 % intervals of the median, or the quartiles where there "
        "are too few samples for one.",
        "seconds",
        "s",
        None,
    ),
    Measure(
        "track_floor_ratio",
        "Distance to the read limit",
        "The time of a step over the read limit, the time just to read X once; the two are measured interleaved.",
        "× the read limit",
        "",
        1.0,
    ),
    Measure(
        "track_speedup_over_numpy",
        "Speed-up over NumPy",
        "The time of the NumPy kernel over the time of the kernel, measured interleaved: 2 is 2× faster.",
        "speed-up",
        "",
        1.0,
    ),
)


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
class History:
    """The results of one machine and environment: the points of each commit, oldest first."""

    name: str
    commits: list[tuple[Commit, Points]]


def read_histories(conf: Config) -> list[History]:
    """Return the results of all published commits, by machine and environment.

    Raises
    ------
    ValueError
        If no result belongs to a benchmark of this page.
    """
    repo = get_repo(conf)
    benchmarks = Benchmarks.load(conf)
    published = {commit for branch in conf.branches for commit in repo.get_branch_commits(branch)}
    by_name: dict[str, list[tuple[Commit, Points]]] = {}
    found = [results for results in iter_results(conf.results_dir) if results.commit_hash in published]
    revisions = repo.get_revisions({results.commit_hash for results in found})
    for results in found:
        points = dict(_points(results, benchmarks))
        if points:
            commit = _commit(conf, repo, revisions, results)
            by_name.setdefault(_environment(results), []).append((commit, points))
    if not by_name:
        raise ValueError(
            f"{conf.results_dir} has no result of {', '.join(axis.suite for axis in AXES)} in this history"
        )
    return [
        History(name, sorted(commits, key=lambda entry: entry[0].revision)) for name, commits in sorted(by_name.items())
    ]


def _environment(results: Results) -> str:
    """Return the machine and the versions that the configuration fixes."""
    versions = [f"{name} {version}" for name, version in sorted(results.params.items()) if _is_version(name, version)]
    return ", ".join([results.params["machine"], f"Python {results.params['python']}", *versions])


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
    """Yield the points of one results file; skipped and failed benchmarks have none."""
    known = results.get_result_keys(benchmarks)
    for axis in AXES:
        for measure in MEASURES:
            name = f"{axis.suite}.{measure.benchmark}"
            if name in known:
                yield from _points_of(results, benchmarks[name], axis.fixed, axis.size)
        if axis.exponent in known:
            yield from _points_of(results, benchmarks[axis.exponent], axis.fixed, None)


def _points_of(
    results: Results, benchmark: dict[str, Any], fixed: str, size: str | None
) -> Iterator[tuple[Row, Point]]:
    """Yield the points of one benchmark for all kernels of the registry; a kernel that has left it is not drawn."""
    name, params, names = benchmark["name"], benchmark["params"], benchmark["param_names"]
    for values, value, stats, samples in zip(
        product(*params),
        results.get_result_value(name, params),
        results.get_result_stats(name, params),
        results.get_result_samples(name, params),
        strict=True,
    ):
        if value is None or math.isnan(value):
            continue
        # asv stores each parameter as its repr.
        at = {key: ast.literal_eval(text) for key, text in zip(names, values, strict=True)}
        if at["kernel"] not in KERNELS:
            continue
        row = Row(name, at["kernel"], at[fixed], 10 ** at[size] if size else 0)
        yield row, Point(value, *interval(stats), tuple(samples or ()))


def interval(stats: dict[str, float] | None) -> tuple[float | None, float | None]:
    """Return asv's interval, or the quartiles where it is infinite or, with few samples, includes 0."""
    for low, high in (("ci_99_a", "ci_99_b"), ("q_25", "q_75")):
        if stats and low in stats and 0.0 < stats[low] <= stats[high] < math.inf:
            return stats[low], stats[high]
    return None, None
