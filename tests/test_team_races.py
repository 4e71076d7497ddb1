"""The C code of teams under ThreadSanitizer, which sees every access that is not in order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import processes
import pytest

RACES = Path(__file__).parent / "races"
KERNELS = Path(__file__).parents[1] / "kernels"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the semaphores that stand in for locks are those of Linux"
)


def under_thread_sanitizer(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Compile the program and run it; skip the test where the compiler has no ThreadSanitizer."""
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        pytest.skip("there is no C compiler")
    program = folder / "races"
    line = [compiler, "-O1", "-g", "-fsanitize=thread", "-pthread", f"-I{RACES}", f"-I{KERNELS}", *flags]
    built = subprocess.run(
        [*line, str(RACES / "team_races.c"), "-o", str(program)], capture_output=True, text=True, check=False
    )
    if built.returncode and "tsan" in built.stderr:
        pytest.skip("the compiler has no ThreadSanitizer")
    assert built.returncode == 0, built.stderr
    return subprocess.run(
        [*_fixed_layout(), str(program)], capture_output=True, text=True, check=False, timeout=processes.PATIENCE
    )


def _fixed_layout() -> list[str]:
    """Return what starts a program without the random layout of memory in which some ThreadSanitizers find no place."""
    start = ["setarch", "-R"]
    can = shutil.which("setarch") and not subprocess.run([*start, "true"], capture_output=True, check=False).returncode
    return start if can else []


def test_teams_have_no_races(tmp_path):
    done = under_thread_sanitizer(tmp_path, "-Wall", "-Wextra", "-Werror", "-Wno-unused-function")
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0


def test_a_planted_race_is_seen(tmp_path):
    done = under_thread_sanitizer(tmp_path, "-DPLANTED_RACE")
    assert "ThreadSanitizer: data race" in done.stderr
    assert done.returncode != 0
