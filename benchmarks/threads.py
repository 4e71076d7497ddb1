"""What more threads are worth, with n = 100."""

from __future__ import annotations

import functools

from threadpoolctl import threadpool_limits

from benchmarks.problems import REPEAT, ROUNDS, SAMPLE_TIME, WARMUP_TIME, Case, Shelf, cases, skipped, step, warm
from gradstep.compare.measure import timing
from gradstep.registry import KERNELS
from gradstep.threads import usable_cores

N = 100

# One thread is all that the others ever use.
THREADED_KERNELS = [name for name, entry in KERNELS.items() if entry.releases_gil]
THREADS = {"1": 1, "2": 2, "auto": None}

PARAMS = (THREADED_KERNELS, list(THREADS), [3, 4, 5])

warm()


def at(_threads: str, log10_m: int) -> Case:
    """Return the case of a combination of the parameters."""
    return Case(10**log10_m, N)


@functools.cache
def free_blas() -> None:
    """Let BLAS have all cores, as it has where nobody says otherwise; asv.conf.json holds it to one.

    It stays like that: asv has a process for each combination of the parameters. OpenBLAS starts its threads here, and
    they spin for a while before they sleep: measured beside them, every kernel takes twice as long.
    """
    threadpool_limits(usable_cores(), user_api="blas")
    timing.wait_until_idle()


class Threads:
    """One thread, two, and as many as gradstep takes by itself."""

    params = PARAMS
    param_names = ("kernel", "threads", "log10_m")
    skip_params = skipped(PARAMS, at)
    version = "1"
    rounds, repeat, sample_time, warmup_time = ROUNDS, REPEAT, SAMPLE_TIME, WARMUP_TIME

    def setup_cache(self) -> Shelf:
        """Write the arrays once for all benchmarks; their seed is fixed."""
        return Shelf().put(cases(PARAMS, at))

    def time_step(self, shelf: Shelf, kernel: str, threads: str, log10_m: int) -> None:
        """Take one step."""
        free_blas()
        step(shelf[at(threads, log10_m)], kernel, THREADS[threads])
