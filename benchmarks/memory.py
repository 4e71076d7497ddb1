"""The peak memory of a process that takes a step; `peakmem_reference` is that of a process without the step."""

from __future__ import annotations

from benchmarks.internals import Examples
from benchmarks.problems import KERNEL_NAMES, Case, Shelf, step, warm

# 16 MB of X: large enough for a copy of X to show, or of z where n is small.
ELEMENTS = 2_000_000
N = [2, 100, 10_000]

warm()


def at(n: int) -> Case:
    """Return the case of a number of features."""
    return Case(ELEMENTS // n, n)


def ready(shelf: Shelf, n: int) -> Examples:
    """Read the arrays, with the libraries' code in memory.

    A forked process has none of that code until its first call, and a step does not need it for its data.
    """
    warm()
    return shelf[at(n)]


class Memory:
    """The peak of the whole process, including the arrays of the problem; the step runs on one thread."""

    version = "1"

    def setup_cache(self) -> Shelf:
        """Write the arrays once for all benchmarks; their seed is fixed."""
        return Shelf().put(map(at, N))

    def peakmem_step(self, shelf: Shelf, kernel: str, n: int) -> None:
        """Read the arrays and take one step."""
        step(ready(shelf, n), kernel)

    peakmem_step.pretty_name = "Peak memory of a process that takes a step"
    peakmem_step.params = (KERNEL_NAMES, N)
    peakmem_step.param_names = ("kernel", "n")

    def peakmem_reference(self, shelf: Shelf, n: int) -> None:
        """Read the arrays and take no step."""
        ready(shelf, n)

    peakmem_reference.pretty_name = "Peak memory of a process that takes none"
    peakmem_reference.params = (N,)
    peakmem_reference.param_names = ("n",)
