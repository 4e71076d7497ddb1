"""What more threads gain, with n = 100."""

from __future__ import annotations

import functools

from threadpoolctl import threadpool_limits

from benchmarks.internals import usable_cores, wait_until_idle
from benchmarks.problems import REPEAT, ROUNDS, SAMPLE_TIME, WARMUP_TIME, Case, Shelf, cases, skipped, step, warm
from gradstep.registry import KERNELS

N = 100

# The other kernels always run on one thread.
THREADED_KERNELS = [name for name, entry in KERNELS.items() if entry.releases_gil]
THREADS = {"1": 1, "2": 2, "auto": None}

PARAMS = (THREADED_KERNELS, list(THREADS), [3, 4, 5])

warm()


def at(_threads: str, log10_m: int) -> Case:
    """Return the case of a combination of the parameters."""
    return Case(10**log10_m, N)


@functools.cache
def free_blas() -> None:
    """Let BLAS use all cores, as it does by default; asv.conf.json limits it to one.

    There is no need to undo it: asv has a process for each combination of the parameters. OpenBLAS starts its threads
    here, and they spin for a while before they sleep; measured beside them, every kernel takes twice as long.
    """
    threadpool_limits(usable_cores(), user_api="blas")
    wait_until_idle()


class Threads:
    """One thread, two, and as many as gradstep chooses."""

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

    time_step.pretty_name = f"Threads, n = {N}"
