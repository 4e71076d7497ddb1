"""What more threads are worth, with n = 100."""

from __future__ import annotations

from benchmarks.problems import Case, Shelf, cases, skipped, step, warm
from gradstep.registry import KERNELS

N = 100

# One thread is all that the others ever use.
THREADED_KERNELS = [name for name, entry in KERNELS.items() if entry.releases_gil]
THREADS = {"1": 1, "2": 2, "auto": None}

PARAMS = (THREADED_KERNELS, list(THREADS), [3, 4, 5])

warm()


def at(threads: str, log10_m: int) -> Case:
    """Return the case of a combination of the parameters."""
    return Case(10**log10_m, N)


class Threads:
    """One thread, two, and as many as gradstep takes by itself."""

    params = PARAMS
    param_names = ("kernel", "threads", "log10_m")
    skip_params = skipped(PARAMS, at)
    version = "1"

    def setup_cache(self) -> Shelf:
        """Write the arrays once for all benchmarks; their seed is fixed."""
        return Shelf().put(cases(PARAMS, at))

    def time_step(self, shelf: Shelf, kernel: str, threads: str, log10_m: int) -> None:
        """Take one step."""
        step(shelf[at(threads, log10_m)], kernel, THREADS[threads])
