"""How much memory the process of a step holds at most; `peakmem_reference` is what it holds without the step."""

from __future__ import annotations

from benchmarks.problems import KERNEL_NAMES, Case, Shelf, step, warm
from gradstep.compare.measure.problems import Examples

# 16 MB of X, which more than a copy of X or of z would show against.
ELEMENTS = 2_000_000
N = [2, 100, 10_000]

warm()


def at(n: int) -> Case:
    """Return the case of a number of features."""
    return Case(ELEMENTS // n, n)


def ready(shelf: Shelf, n: int) -> Examples:
    """Read the arrays, with the libraries' code in memory.

    A forked process has none of it until it is called; it is no part of what a step needs.
    """
    warm()
    return shelf[at(n)]


class Memory:
    """The peak of the whole process, with the arrays of the problem in it; the step takes one thread."""

    version = "1"

    def setup_cache(self) -> Shelf:
        """Write the arrays once for all benchmarks; their seed is fixed."""
        return Shelf().put(map(at, N))

    def peakmem_step(self, shelf: Shelf, kernel: str, n: int) -> None:
        """Read the arrays and take one step."""
        step(ready(shelf, n), kernel)

    peakmem_step.params = (KERNEL_NAMES, N)
    peakmem_step.param_names = ("kernel", "n")

    def peakmem_reference(self, shelf: Shelf, n: int) -> None:
        """Read the arrays and take no step."""
        ready(shelf, n)

    peakmem_reference.params = (N,)
    peakmem_reference.param_names = ("n",)
