"""A real slowdown is flagged, and noise is not: `make test-regressions`. It measures, and takes many minutes."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# The other tests end after minutes.
pytestmark = pytest.mark.timeout(0)

ROOT = Path(__file__).parents[2]
SLOWER_KERNEL = "numpy"
TRIES = 5

# m = 100 and every n: the rows that take the least time. Another choice should have rows with n >= 100 of every kernel.
BENCH = os.environ.get("GRADSTEP_REGRESSIONS_BENCH", r"^scaling\.InN\.time_step\('\w+', 100,")

# With n >= 100, the first half of the rows is worked through again.
SLOWDOWN = """

_all_partial_sums = partial_sums


def partial_sums(X, y, theta, block_rows, out, sample_weight=None, direction=None):
    _all_partial_sums(X, y, theta, block_rows, out, sample_weight, direction)
    m, n = X.shape
    if n >= 100:
        half = m // 2
        weights = None if sample_weight is None else sample_weight[..., :half]
        unused = np.empty((-(-half // block_rows), *out.shape[1:]))
        _all_partial_sums(X[:half], y[..., :half], theta, block_rows, unused, weights, direction)
"""
COMMENT = "\n# A comment, which costs no time.\n"


def git(clone, *arguments):
    """Run git and return what it prints."""
    done = subprocess.run(["git", *arguments], cwd=clone, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def commit_with(clone, base, addition):
    """Return a commit on top of another one that adds something to the end of a kernel's file."""
    git(clone, "checkout", "--quiet", base)
    kernel = clone / "kernels/numpy_vectorized.py"
    kernel.write_text(kernel.read_text(encoding="utf-8") + addition, encoding="utf-8")
    git(clone, "-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "commit", "--quiet", "-am", "Try")
    return git(clone, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of what is committed here, and its commit; asv builds its environment there once for all tests."""
    folder = tmp_path_factory.mktemp("regressions") / "clone"
    subprocess.run(["git", "clone", "--quiet", "--shared", ROOT, folder], check=True)
    return folder, git(folder, "rev-parse", "HEAD")


def compare(clone, base, head):
    """Return the exit status of the comparison and what it has found."""
    record = clone / ".asv/found.json"
    command = [sys.executable, "-m", "tools.bench_compare", base, "--head", head, "--bench", BENCH, "--json", record]
    done = subprocess.run(command, cwd=clone, check=False)
    assert done.returncode in (0, 1), "the commits could not be compared"
    return done.returncode, json.loads(record.read_text(encoding="utf-8"))


def parameters(name):
    """Return the kernel and the number of features of a row."""
    suite, values = re.fullmatch(r"scaling\.(InM|InN)\.time_step\((.*)\)", name).groups()
    kernel, fixed, power = ast.literal_eval(f"({values})")
    return kernel, fixed if suite == "InM" else 10**power


def test_slower_kernel_is_flagged_in_exactly_its_rows(clone):
    folder, base = clone
    status, found = compare(folder, base, commit_with(folder, base, SLOWDOWN))
    expected = {name for name in found["first"] if parameters(name)[0] == SLOWER_KERNEL and parameters(name)[1] >= 100}
    assert expected
    assert set(found["slower"]) == expected
    assert status == 1


def test_comment_flags_nothing(clone):
    folder, base = clone
    head = commit_with(folder, base, COMMENT)
    for number in range(TRIES):
        status, found = compare(folder, base, head)
        assert not found["slower"], f"try {number + 1} of {TRIES}"
        assert status == 0
