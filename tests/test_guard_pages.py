"""No kernel reads or writes a byte too far: arrays start right after, or end right before, an inaccessible page."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import guard_pages
import processes
import pytest
from availability import load_or_explain

from gradstep import processor, registry

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pages are protected with mprotect, which is POSIX")

# The signals of an access to a guarded page: the first on Linux, either on macOS.
FAULTS = ("SIGSEGV", "SIGBUS")


def run(subject: str, folder: Path) -> tuple[int, str, str]:
    """Run one subject in its own process; return its exit code, its output and the last case."""
    record = folder / "case"
    command = [sys.executable, "-W", "error", "-X", "faulthandler", guard_pages.__file__, subject, str(record)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=processes.PATIENCE, check=False)
    return done.returncode, done.stdout + done.stderr, record.read_text().strip()


def assert_fine(subject: str, folder: Path, calls: int) -> None:
    code, said, case = run(subject, folder)
    assert code == 0, f"{subject} ended with {code} at {case}:\n{said}"
    assert said == f"{calls}\n"


def calls(shapes: list[tuple[int, int]]) -> int:
    return 3 * sum(1 for _ in guard_pages.cases(shapes))


@pytest.fixture(params=processor.NAMES)
def build(request: pytest.FixtureRequest) -> str:
    """The name of each build of the Cython kernel that this processor can run."""
    load_or_explain("cython")
    if request.param not in processor.supported():
        pytest.skip(f"this processor has no {request.param}")
    return request.param


@pytest.mark.parametrize("name", [name for name in registry.KERNELS if name != "cython"])
def test_kernels(name, tmp_path):
    load_or_explain(name)
    assert_fine(name, tmp_path, calls(guard_pages.shapes_for(name)))


def test_builds_of_the_cython_kernel(build, tmp_path):
    assert_fine(f"cython:{build}", tmp_path, calls(guard_pages.SHAPES))


def test_narrow_dtypes(build, tmp_path):
    cases = guard_pages.cases(guard_pages.SHAPES[::5], guard_pages.NARROW_DTYPES)
    assert set(guard_pages.NARROW_DTYPES) == registry.KERNELS["cython"].narrow_dtypes
    assert_fine(f"narrow:{build}", tmp_path, 3 * sum(1 for _ in cases))


def test_read(build, tmp_path):
    assert_fine(f"read:{build}", tmp_path, len(guard_pages.READ_LENGTHS) * (1 + 8 + 1 + 16))


@pytest.mark.parametrize("name", guard_pages.FAULTY)
def test_a_kernel_that_reads_or_writes_too_far_is_caught(name, tmp_path):
    code, said, case = run(f"planted:{name}", tmp_path)
    assert code < 0 and signal.Signals(-code).name in FAULTS, said
    assert case.startswith("Case(")


@pytest.mark.parametrize("name", guard_pages.WRONG)
def test_a_kernel_that_writes_elsewhere_or_depends_on_the_address_is_caught(name, tmp_path):
    code, said, _ = run(f"planted:{name}", tmp_path)
    assert code == 1
    assert said.endswith(f"AssertionError: {guard_pages.WRONG[name][1]}\n")
