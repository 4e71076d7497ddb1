"""Measures commits with asv and publishes its site with a page on scaling: `make dashboard`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.machine import Machine, MachineCollection
from asv.repo import get_repo
from asv.results import iter_results
from asv.util import ProcessError, UserError

from gradstep.registry import KERNELS
from tools import scaling_page
from tools.vendor_scripts import VendorError, vendor

CONFIG = "asv.conf.json"
STORE = Path(".asv/vendor")

# asv's exit status when a benchmark failed; any other status except 0 means that asv could not run at all.
SOME_FAILED = 2

_LAST_ENTRY = '<li id="nav-li-regressions"><a href="#/regressions">Regressions</a></li>'


class DashboardError(Exception):
    """The site could not be made."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and publish; return the exit status."""
    options = _parser().parse_args(arguments)
    conf = Config.load(CONFIG)
    try:
        failed = [] if options.no_run else measure(conf, options.range, options.bench, options.machine)
        publish(conf)
        if options.vendor:
            _vendor(conf)
    except (DashboardError, VendorError, UserError, ProcessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name in failed:
        sys.stderr.write(f"failed: {name}\n")
    sys.stdout.write(f"Published in {conf.html_dir}; `make dashboard-serve` shows it.\n")
    return 1 if failed else 0


def measure(conf: Config, commits: str, bench: str | None, machine: str | None) -> list[str]:
    """Let asv measure a range of commits, and return what failed.

    Earlier measurements are kept unless they failed.

    Raises
    ------
    DashboardError
        If asv cannot run, or the range holds no commit.
    """
    repo = get_repo(conf)
    hashes = repo.get_hashes_from_range(commits)
    if not hashes:
        raise DashboardError(f"the range {commits} holds no commit")
    if changed := uncommitted():
        sys.stderr.write(
            f"{CONFIG} and benchmarks/ come from this folder, everything else from the measured commits. "
            f"Not committed and therefore not measured: {', '.join(changed)}\n"
        )
    add_machine(machine)
    # The intervals of the exponents need the samples, which asv itself does not draw.
    command = ["run", "--skip-existing-successful", "--record-samples", *_machine(machine)]
    command += ["--bench", bench] if bench else []
    command += [commits]
    status = asv(*command)
    failed = list(failures(conf, set(hashes))) if status in (0, SOME_FAILED) else []
    if status != 0 and not failed:
        raise DashboardError(f"`asv {' '.join(command)}` ended with status {status}")
    return failed


def publish(conf: Config) -> None:
    """Let asv write its site, add the page on scaling and link the two.

    Raises
    ------
    DashboardError
        If asv cannot publish, there is nothing to show, or asv's page has an unknown layout.
    """
    status = asv("publish", "--no-pull")
    if status != 0:
        raise DashboardError(f"`asv publish` ended with status {status}")
    try:
        scaling_page.write(conf)
    except ValueError as error:
        raise DashboardError(str(error)) from error
    index = Path(conf.html_dir, "index.html")
    index.write_text(linked(index.read_text(encoding="utf-8")), encoding="utf-8")


def linked(index: str) -> str:
    """Return asv's page with a link to the page on scaling, after the links to asv's own pages.

    Raises
    ------
    DashboardError
        If the page has no such list of links.
    """
    if index.count(_LAST_ENTRY) != 1:
        raise DashboardError("asv's index.html has changed: there is no place for the link to the page on scaling")
    title = f"How one step scales: {', '.join(KERNELS)}"
    entry = f'<li id="nav-li-scaling"><a href="{scaling_page.NAME}" title="{title}">Scaling</a></li>'
    return index.replace(_LAST_ENTRY, _LAST_ENTRY + entry)


def failures(conf: Config, commits: set[str]) -> Iterator[str]:
    """Yield what failed at these commits. In asv's files None marks a failure and NaN a skip."""
    benchmarks = Benchmarks.load(conf)
    for results in iter_results(conf.results_dir):
        if results.commit_hash not in commits:
            continue
        for name in sorted(results.get_result_keys(benchmarks)):
            params = benchmarks[name]["params"]
            values = results.get_result_value(name, params)
            rows = [at for at, value in zip(product(*params), values, strict=True) if value is None]
            if len(rows) == len(values):
                yield f"{results.commit_hash[:8]} {name}"
            else:
                yield from (f"{results.commit_hash[:8]} {name}({', '.join(at)})" for at in rows)


def add_machine(name: str | None) -> None:
    """Register this machine with asv, without questions, unless asv knows it."""
    try:
        MachineCollection.load(name or Machine.get_unique_machine_name())
    except UserError:
        asv("machine", "--yes", *_machine(name))


def asv(*arguments: str) -> int:
    """Run a command of asv and return its exit status."""
    # Keep our output ahead of asv's.
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "asv", *arguments], check=False).returncode


def uncommitted() -> list[str]:
    """Return the tracked files with uncommitted changes, as git lists them."""
    command = ["git", "status", "--porcelain", "--untracked-files=no"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [line[3:] for line in done.stdout.splitlines()]


def _machine(name: str | None) -> list[str]:
    return ["--machine", name] if name else []


def _vendor(conf: Config) -> None:
    replaced = vendor(Path(conf.html_dir, "index.html"), STORE)
    sys.stdout.write(f"Replaced by other files of the same libraries: {', '.join(replaced)}.\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.dashboard", description=__doc__)
    parser.add_argument(
        "--range", default="HEAD^!", help="the commits, as git names a range; by default the current one"
    )
    parser.add_argument("--bench", metavar="REGEX", help="measure only the benchmarks whose names match this")
    parser.add_argument("--machine", metavar="NAME", help="the name of this machine in asv; by default its host name")
    parser.add_argument("--vendor", action="store_true", help="store asv's scripts beside its page; npm fetches them")
    parser.add_argument("--no-run", action="store_true", help="measure nothing, publish the existing results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
