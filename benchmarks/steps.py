"""One step of gradient descent on one thread, for each kernel and over the numbers of examples and features."""

import gradstep
from gradstep.compare.problems import ALPHA, Examples, Problem
from gradstep.registry import KERNELS

EXAMPLES = [100, 10_000, 100_000]
FEATURES = [2, 16, 100]

# Pure Python takes about 0.1 microseconds for an element: beyond this size its benchmarks would take longer than all
# others together, and its time per element no longer changes.
PYTHON_TO_ELEMENTS = 100_000


def _step(examples: Examples, kernel: str) -> gradstep.Step:
    X, y, w, b = examples
    return gradstep.step(X, y, w, b, ALPHA, kernel=kernel, threads=1)


# Here and not in a method `setup`: asv would then make only one call per sample, too few for a step of a microsecond.
# Numba's compilation is over when the first benchmark of the process starts.
for _kernel, _reason_against in gradstep.available().items():
    if _reason_against is None:
        _step(Problem(2, 2).make(), _kernel)


class Steps:
    """The whole call, as users make it: checks, the kernel's pass over X, the update."""

    params = (list(KERNELS), EXAMPLES, FEATURES)
    param_names = ("kernel", "m", "n")
    skip_params = tuple(("python", m, n) for m in EXAMPLES for n in FEATURES if m * n > PYTHON_TO_ELEMENTS)

    # Set by hand: raise it when what is measured changes, and old results are no longer shown beside new ones.
    version = "1"

    def setup_cache(self) -> dict[tuple[int, int], Examples]:
        """Make the problems once for all benchmarks; their seed is fixed."""
        return {(m, n): Problem(m, n).make() for m in EXAMPLES for n in FEATURES}

    def time_step(self, problems: dict[tuple[int, int], Examples], kernel: str, m: int, n: int) -> None:
        """Take one step."""
        _step(problems[m, n], kernel)
