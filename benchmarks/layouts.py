"""How the dtype and the memory order of X change the time of a step, on one thread."""

from __future__ import annotations

from benchmarks.problems import (
    KERNEL_NAMES,
    NARROW_DTYPES,
    REPEAT,
    ROUNDS,
    SAMPLE_TIME,
    WARMUP_TIME,
    Case,
    Shelf,
    cases,
    skipped,
    step,
    warm,
)

DTYPES = ["float64", "float32", *NARROW_DTYPES]
ORDERS = ["C", "F"]
N = 100

PARAMS = (KERNEL_NAMES, DTYPES, ORDERS, [3, 4])

warm(DTYPES, ORDERS)


def at(dtype: str, order: str, log10_m: int) -> Case:
    """Return the case of a combination of the parameters."""
    return Case(10**log10_m, N, dtype, order)


class Layouts:
    """Every dtype that a kernel reads or widens, by rows and by columns, with n = 100."""

    params = PARAMS
    param_names = ("kernel", "dtype", "order", "log10_m")
    skip_params = skipped(PARAMS, at)
    version = "1"
    rounds, repeat, sample_time, warmup_time = ROUNDS, REPEAT, SAMPLE_TIME, WARMUP_TIME

    def setup_cache(self) -> Shelf:
        """Write the arrays once for all benchmarks; their seed is fixed."""
        return Shelf().put(cases(PARAMS, at))

    def time_step(self, shelf: Shelf, kernel: str, dtype: str, order: str, log10_m: int) -> None:
        """Take one step."""
        step(shelf[at(dtype, order, log10_m)], kernel)

    time_step.pretty_name = f"Dtypes and memory orders of X, n = {N}"
