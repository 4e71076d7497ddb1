"""The peak memory of one step beyond its inputs, measured in a fresh process.

``python -m tools.targets.footprint M N THREADS MODELS`` prints it in bytes. Linux only: the peak is read from /proc.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import gradstep
from gradstep.compare.measure.problems import ALPHA

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
# From proc(5): sets the peak ("high water mark") to what is resident now.
_RESET_PEAK = "5"


class NoFootprint(RuntimeError):
    """The peak memory cannot be measured here; the message says why."""


def measure(m: int, n: int, threads: int, models: int = 1) -> int:
    """Return how many bytes one step needs at its peak beyond what was resident before, in a process of its own.

    With several models it is a step of all of them, in one pass.

    Raises
    ------
    NoFootprint
        If the system does not report the peak, or the process failed.
    """
    if not _STATUS.exists():
        raise NoFootprint("the system does not report the peak memory of a process in /proc")
    command = [sys.executable, "-m", __spec__.name, *map(str, (m, n, threads, models))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoFootprint(f"the measuring process failed: {done.stderr.strip().splitlines()[-1:]}")
    return int(done.stdout)


def measure_here(m: int, n: int, threads: int, models: int = 1) -> int:
    """Return the same for a step in this process."""
    generator = np.random.default_rng(0)
    X = np.empty((m, n))
    generator.standard_normal(out=X)
    y = (np.arange(m) % 2).astype(np.float64)
    w, b = (np.zeros(n), 0.0) if models == 1 else (np.zeros((n, models)), np.zeros(models))
    # Imports, compilation and the thread pool are not part of a step.
    rows = min(m, max(1, (4 << 20) // (8 * n)))
    gradstep.step(X[:rows], y[:rows], w, b, ALPHA, kernel="cython", threads=threads)
    _return_free_memory()
    _RESET.write_text(_RESET_PEAK, encoding="ascii")
    before = _resident("VmRSS")
    gradstep.step(X, y, w, b, ALPHA, kernel="cython", threads=threads)
    return max(0, _resident("VmHWM") - before)


def _return_free_memory() -> None:
    """Give back to the system what the process has freed: a step that used it again would seem to need nothing."""
    # Of glibc; other C libraries keep less.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _resident(field: str) -> int:
    found = re.search(rf"^{field}:\s*(\d+) kB$", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise NoFootprint(f"the system does not report {field}")
    return int(found[1]) * 1024


if __name__ == "__main__":
    sys.stdout.write(f"{measure_here(*map(int, sys.argv[1:]))}\n")
