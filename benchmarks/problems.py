"""The table of problems that asv and tests/test_performance.py measure, and where a benchmark finds their arrays."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from itertools import product
from pathlib import Path

import numpy as np

import gradstep
from benchmarks.internals import ALPHA, Examples, GivenX, Problem
from gradstep.registry import KERNELS

KERNEL_NAMES = list(KERNELS)

# The largest X: it should be read from memory, and yet leave time for all other problems in a run of a few minutes.
MOST_BYTES = 128_000_000

# Pure Python takes about 0.15 microseconds an element. Beyond this size its benchmarks would take longer than all
# others together, and its time per element no longer changes.
MOST_PYTHON_ELEMENTS = 1_000_000

# The series in m at fixed n, and those in n at fixed m. Powers of ten, because asv's x axis is linear: the exponent on
# it and a logarithmic y axis make a log-log chart.
LOG10_M = [2, 3, 4, 5, 6]
FIXED_N = [2, 16, 100, 1000]
LOG10_N = [0, 1, 2, 3, 4]
FIXED_M = [100, 10_000]

# How asv samples a step: in two rounds, each in a process of its own and after a warm-up that reads the arrays. A round
# has three to five samples of at least 10 ms, fewer if they take long. That makes at least six, as asv's test of
# significance needs, and keeps the whole suite below three minutes on two cores.
ROUNDS = 2
REPEAT = (3, 5, 0.3)
SAMPLE_TIME = 0.01
WARMUP_TIME = 0.05

# The parameters of these series; their benchmarks are in scaling.py.
IN_M = (KERNEL_NAMES, FIXED_N, LOG10_M)
IN_N = (KERNEL_NAMES, FIXED_M, LOG10_N)

NARROW_DTYPES = ["float16", "uint8"]

_SEED = 0


@dataclass(frozen=True)
class Case:
    """One problem of the table.

    Attributes
    ----------
    m, n : int
        The number of examples and of features.
    dtype : str
        Of X: "float64", "float32", "float16" or "uint8".
    order : str
        "C" or "F".
    """

    m: int
    n: int
    dtype: str = "float64"
    order: str = "C"

    @property
    def elements(self) -> int:
        """The number of values in X."""
        return self.m * self.n

    @property
    def bytes(self) -> int:
        """The size of X."""
        return self.elements * np.dtype(self.dtype).itemsize

    @property
    def file(self) -> str:
        """A name that no other case has."""
        return "-".join(map(str, astuple(self)))

    def make(self) -> Examples:
        """Make the arrays; the same ones each time."""
        if self.dtype not in NARROW_DTYPES:
            return Problem(self.m, self.n, self.dtype, self.order, _SEED).make()
        generator = np.random.default_rng([_SEED, self.m, self.n])
        values = generator.integers(0, 256, (self.m, self.n), np.uint8)
        return GivenX(self.dtype, np.asarray(values, self.dtype, order=self.order)).make()


def at_m(n: int, log10_m: int) -> Case:
    """Return the case of a point of a series in m."""
    return Case(10**log10_m, n)


def at_n(m: int, log10_n: int) -> Case:
    """Return the case of a point of a series in n."""
    return Case(m, 10**log10_n)


def is_measured(kernel: str, case: Case) -> bool:
    """Whether a kernel is measured on a case: X must not be too large, nor the kernel too slow."""
    return case.bytes <= MOST_BYTES and (kernel != "python" or case.elements <= MOST_PYTHON_ELEMENTS)


def skipped(params: Sequence[Sequence[object]], case_of: Callable[..., Case]) -> list[tuple[object, ...]]:
    """Return the combinations of `params`, the kernel first, that are not measured: asv's `skip_params`."""
    return [(kernel, *others) for kernel, *others in product(*params) if not is_measured(str(kernel), case_of(*others))]


def cases(params: Sequence[Sequence[object]], case_of: Callable[..., Case]) -> list[Case]:
    """Return the cases on which at least one kernel is measured, each once, from the smallest to the largest."""
    found = {
        case_of(*others): None for kernel, *others in product(*params) if is_measured(str(kernel), case_of(*others))
    }
    return sorted(found, key=lambda case: (case.bytes, astuple(case)))


class Shelf:
    """The arrays of cases as files in a folder, from which each benchmark's process reads what it needs.

    asv passes the result of `setup_cache` to every process as a pickle; with the arrays in it, each process would read
    them all.

    Parameters
    ----------
    folder : path
        Where the files are; by default the current folder, which asv makes for `setup_cache` and removes afterwards.
    """

    def __init__(self, folder: str | os.PathLike[str] = ".") -> None:
        self._folder = Path(folder).resolve()

    def put(self, wanted: Iterable[Case]) -> Shelf:
        """Make the arrays of these cases, one after the other."""
        for case in wanted:
            X, y, w, b = case.make()
            for name, array in {"X": X, "y": y, "w": w, "b": np.float64(b)}.items():
                np.save(self._path(case, name), array)
        return self

    def __getitem__(self, case: Case) -> Examples:
        """Return the arrays of a case; the last ones are kept, so that a benchmark reads them once."""
        return _read(self, case)

    def load(self, case: Case) -> Examples:
        """Read the arrays of a case."""
        X, y, w, b = (np.load(self._path(case, name)) for name in "Xywb")
        return Examples(X, y, w, float(b))

    def _path(self, case: Case, name: str) -> Path:
        return self._folder / f"{case.file}-{name}.npy"

    def __hash__(self) -> int:
        return hash(self._folder)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shelf) and self._folder == other._folder


@functools.lru_cache(maxsize=1)
def _read(shelf: Shelf, case: Case) -> Examples:
    return shelf.load(case)


def step(examples: Examples, kernel: str, threads: int | None = 1) -> gradstep.Step:
    """Take one step: the whole public call, with its checks, the pass over X and the update."""
    X, y, w, b = examples
    return gradstep.step(X, y, w, b, ALPHA, kernel=kernel, threads=threads)


def warm(dtypes: Iterable[str] = ("float64",), orders: Iterable[str] = ("C",)) -> None:
    """Take a small step with every kernel that can run, so that imports and Numba's compilation are over."""
    for kernel, reason_against in gradstep.available().items():
        if reason_against is not None:
            continue
        for dtype, order in product(dtypes, orders):
            step(Case(8, 8, dtype, order).make(), kernel)
