"""A made history: a repository of a few commits and results of asv's for them, written without measuring anything."""

import ast
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMITS = 8
# From this commit on, counted from 0, one kernel is this many times slower.
SLOWER_FROM, SLOWER, SLOWER_KERNEL = 5, 1.8, "numba"

# The last commit is measured twice; the second time everything is this much larger.
SECOND = 1.2

# Seconds for a call, for a row and for an element.
COSTS = {"python": (1e-6, 4e-7, 1e-7), "numba": (4e-6, 8e-9, 4e-10), "cython": (2e-6, 6e-9, 3e-10)}
COSTS["numpy"] = (5e-5, 3e-8, 8e-10)


def environment(home):
    """Return variables with which asv keeps its machine file in a folder of the test."""
    return {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), "GIT_CONFIG_GLOBAL": os.devnull}


def make_repository(folder):
    """Make a repository with this checkout's configuration of asv and return the hashes of its commits."""
    text = (ROOT / "asv.conf.json").read_text(encoding="utf-8")
    (folder / "asv.conf.json").write_text(
        text.replace('"benchmark_dir": "benchmarks"', f'"benchmark_dir": {json.dumps(str(ROOT / "benchmarks"))}'),
        encoding="utf-8",
    )
    git(folder, "init", "--quiet")
    for number in range(COMMITS):
        day = f"2026-01-{number + 1:02}T12:00:00Z"
        command = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "commit", "--quiet"]
        git(folder, *command, "--allow-empty", "-m", f"Commit {number}", date=day)
    return git(folder, "rev-list", "--reverse", "HEAD").split()


def git(folder, *arguments, date=None):
    """Run git and return what it prints."""
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, **dates},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def discover(folder, home):
    """Let asv look for the benchmarks and write down their names, parameters and versions."""
    asv(folder, home, "machine", "--yes")
    asv(folder, home, "run", "--environment", f"existing:{sys.executable}", "--bench", "just-discover")


def asv(folder, home, *arguments):
    """Run a command of asv."""
    done = subprocess.run(
        [sys.executable, "-m", "asv", *arguments],
        cwd=folder,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def seconds(kernel, m, n, commit):
    """Return how long a step takes in this history."""
    call, row, element = COSTS[kernel]
    slower = SLOWER if kernel == SLOWER_KERNEL and commit >= SLOWER_FROM else 1.0
    return slower * (call + row * m + element * m * n)


def value(benchmark, at, commit):
    """Return a result; what the page on scaling does not show never changes."""
    size = "log10_m" if "log10_m" in at else "log10_n"
    fixed = "n" if size == "log10_m" else "m"
    if not benchmark.startswith("scaling."):
        return 1e-3
    if "exponent" in benchmark:
        return 1.0 + 0.001 * commit
    m, n = (10 ** at[size], at[fixed]) if size == "log10_m" else (at[fixed], 10 ** at[size])
    taken = seconds(at["kernel"], m, n, commit)
    return {
        "time_step": taken,
        "track_floor_ratio": taken / (8 * m * n / 30e9),
        "track_bandwidth": 8 * m * n / taken / 1e9,
        "track_speedup_over_numpy": seconds("numpy", m, n, commit) / taken,
    }[benchmark.rsplit(".", 1)[1]]


def write_results(folder, hashes):
    """Write a file of results for each commit, with asv's own classes; the last commit is measured twice."""
    conf = configuration(folder)
    for commit, commit_hash in enumerate(hashes):
        write(folder, conf.results_dir, commit_hash, commit)
    again = Path(conf.results_dir).with_name("again")
    for file in ("benchmarks.json", "*/machine.json"):
        (original,) = Path(conf.results_dir).glob(file)
        copy = again / original.relative_to(conf.results_dir)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(original, copy)
    write(folder, str(again), hashes[-1], len(hashes) - 1, SECOND)


def configuration(folder):
    """Return asv's configuration of the repository, wherever the test runs."""
    from asv.config import Config

    conf = Config.load(folder / "asv.conf.json")
    conf.results_dir = str(folder / conf.results_dir)
    conf.html_dir = str(folder / conf.html_dir)
    return conf


def write(folder, results_dir, commit_hash, commit, factor=1.0, benchmarks=r""):
    """Write the results of the benchmarks whose names match, every value multiplied by a factor."""
    from asv.benchmarks import Benchmarks
    from asv.results import Results
    from asv.runner import BenchmarkResult

    known = Benchmarks.load(configuration(folder))
    machine = json.loads(next((folder / ".asv/results").glob("*/machine.json")).read_text(encoding="utf-8"))
    machine.pop("version", None)
    date = int(git(folder, "show", "--no-patch", "--format=%at", commit_hash)) * 1000
    results = Results({**machine, "python": "3.13", "numpy": "2.4"}, {}, commit_hash, date, "3.13", "made", {})
    for name, benchmark in known.items():
        if not re.search(benchmarks, name):
            continue
        values = [
            factor * value(name, dict(zip(benchmark["param_names"], map(ast.literal_eval, texts), strict=True)), commit)
            for texts in itertools.product(*benchmark["params"])
        ]
        timed = ".time" in name
        # Of the first commit there are two samples, from which asv makes an interval that includes 0.
        spread = [1 + 0.01 * k for k in range(-4, 5)] if commit else [0.2, 1.8]
        samples = [[x * each for each in spread] if timed else None for x in values]
        results.add_result(
            benchmark,
            BenchmarkResult(values, samples, [1 if x else None for x in samples], 0, "", None),
            record_samples=True,
        )
    results.save(results_dir)


def run_dashboard(made, *arguments):
    """Run the command of `make dashboard` on a history; its output is what it prints on both streams."""
    repository, home, _ = made
    command = [sys.executable, "-m", "tools.dashboard", *arguments]
    return subprocess.run(
        command,
        cwd=repository,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
