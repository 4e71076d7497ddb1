"""What gradstep costs before its first result; each sample is taken in a process of its own."""

from __future__ import annotations

from benchmarks.problems import KERNEL_NAMES, warm

# Puts Numba's machine code on the disk, where the processes with a warm cache find it.
warm()

_ARRAYS = """
import numpy as np
X, y, w = np.ones((100, 10)), np.ones(100), np.zeros(10)
import gradstep
"""

# Numba keeps its machine code in this folder, which is removed when the process ends.
_EMPTY_CACHE = """
import atexit, os, tempfile
folder = tempfile.TemporaryDirectory()
atexit.register(folder.cleanup)
os.environ["NUMBA_CACHE_DIR"] = folder.name
"""

_PARAMS = (KERNEL_NAMES, ["warm", "empty"])


class Import:
    """Importing gradstep."""

    version = "1"
    rounds, repeat, warmup_time = 2, 5, 0

    def timeraw_import(self) -> str:
        """Import gradstep in a fresh process."""
        return "import gradstep"

    timeraw_import.pretty_name = "Importing gradstep"


class FirstCall:
    """The first step after the import: it imports the kernel, and Numba loads its machine code or compiles."""

    params = _PARAMS
    param_names = ("kernel", "numba_cache")
    skip_params = tuple((kernel, "empty") for kernel in KERNEL_NAMES if kernel != "numba")
    version = "1"
    # Three samples in each round, but only one of Numba's compilation, which takes seconds.
    rounds, repeat, warmup_time = 2, (1, 3, 2.0), 0

    def timeraw_first_call(self, kernel: str, numba_cache: str) -> tuple[str, str]:
        """Take the first step in a fresh process."""
        setup = _EMPTY_CACHE + _ARRAYS if numba_cache == "empty" else _ARRAYS
        return f"gradstep.step(X, y, w, 0.0, 0.1, kernel={kernel!r}, threads=1)", setup

    timeraw_first_call.pretty_name = "First step of a process"
