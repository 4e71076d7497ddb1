"""Lets asv measure commits: the whole suite once, and the scaling of the newest commit twice, so that noise is seen."""

from __future__ import annotations

import copy
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence

from asv.benchmarks import Benchmarks
from asv.commands.run import Run
from asv.config import Config
from asv.console import log
from asv.machine import Machine, MachineCollection
from asv.repo import get_repo
from asv.results import iter_results
from asv.util import UserError

from tools.dashboard.results import SCALING, second_folder

CONFIG = "asv.conf.json"

# asv's exit status when a benchmark failed; any other status except 0 means that asv could not run at all.
SOME_FAILED = 2


class DashboardError(Exception):
    """The dashboard could not be made."""


def measure(conf: Config, commits: str, bench: str | None, machine: str | None) -> list[str]:
    """Let asv measure a range of commits, and return what failed.

    Earlier measurements are kept unless they failed.

    Raises
    ------
    DashboardError
        If asv cannot run, the range holds no commit, or no benchmark has such a name.
    """
    hashes = get_repo(conf).get_hashes_from_range(commits)
    if not hashes:
        raise DashboardError(f"the range {commits} holds no commit")
    if changed := uncommitted():
        sys.stderr.write(
            f"{CONFIG} and benchmarks/ come from this folder, everything else from the measured commits. "
            f"Not committed and therefore not measured: {', '.join(changed)}\n"
        )
    add_machine(machine)
    log.enable()
    names = _named(conf, hashes, bench, machine) if bench else None
    failed = _run(conf, hashes, names, machine)
    wanted = SCALING if names is None else [name for name in names if name in SCALING]
    # asv lists the newest commit first.
    return failed + (_run(_second(conf), hashes[:1], wanted, machine) if wanted else [])


def _second(conf: Config) -> Config:
    """Return the configuration with which a commit is measured a second time."""
    second = copy.copy(conf)
    second.results_dir = str(second_folder(conf))
    return second


def _named(conf: Config, hashes: Sequence[str], bench: str, machine: str | None) -> list[str]:
    """Return the names of the benchmarks that a pattern selects.

    A benchmark is measured whole. asv could leave out some of its parameters, and would then count it as measured.
    """
    _asv_run(conf, hashes[:1], ["just-discover"], machine)
    known = Benchmarks.load(conf)
    try:
        names = list(Benchmarks(conf, known.values(), regex=bench))
    except re.error as error:
        raise DashboardError(f"{bench!r} is no regular expression: {error}") from error
    if not names:
        raise DashboardError(f"no benchmark matches {bench!r}; there are {', '.join(sorted(known))}")
    return names


def _run(conf: Config, hashes: Sequence[str], names: Sequence[str] | None, machine: str | None) -> list[str]:
    """Let asv measure commits and return what failed."""
    patterns = None if names is None else [rf"^{re.escape(name)}(\(|$)" for name in names]
    status = _asv_run(conf, hashes, patterns, machine)
    failed = list(failures(conf, set(hashes))) if status in (0, SOME_FAILED) else []
    if status != 0 and not failed:
        raise DashboardError(f"asv could not measure: status {status}")
    return failed


def _asv_run(conf: Config, hashes: Sequence[str], patterns: Sequence[str] | None, machine: str | None) -> int:
    status = Run.run(
        conf,
        range_spec=list(hashes),
        bench=patterns,
        machine=machine,
        skip_successful=True,
        # The intervals of the exponents need the samples, which asv itself does not draw.
        record_samples=True,
    )
    log.flush()
    return status or 0


def failures(conf: Config, commits: set[str]) -> Iterator[str]:
    """Yield what failed at these commits. In asv's files None marks a failure and NaN a skip."""
    benchmarks = Benchmarks.load(conf)
    for results in iter_results(conf.results_dir):
        if results.commit_hash not in commits:
            continue
        for name in sorted(results.get_result_keys(benchmarks)):
            params = benchmarks[name]["params"]
            values = results.get_result_value(name, params)
            rows = [at for at, value in zip(itertools.product(*params), values, strict=True) if value is None]
            if len(rows) == len(values):
                yield f"{results.commit_hash[:8]} {name}"
            else:
                yield from (f"{results.commit_hash[:8]} {name}({', '.join(at)})" for at in rows)


def add_machine(name: str | None) -> None:
    """Describe this machine to asv unless it is known; asv itself would ask questions.

    Raises
    ------
    DashboardError
        If the file in which asv keeps its machines cannot be written.
    """
    name = name or Machine.get_unique_machine_name()
    try:
        MachineCollection.load(name)
    except UserError:
        _save_machine({**Machine.get_defaults(), "machine": name})


def _save_machine(machine: dict[str, str]) -> None:
    try:
        MachineCollection.save(machine["machine"], machine)
    except OSError as error:
        place = MachineCollection.get_machine_file_path()
        raise DashboardError(f"asv keeps what it knows of this machine in {place}: {error}") from error


def uncommitted() -> list[str]:
    """Return the tracked files with uncommitted changes, as git lists them."""
    command = ["git", "status", "--porcelain", "--untracked-files=no"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [line[3:] for line in done.stdout.splitlines()]
