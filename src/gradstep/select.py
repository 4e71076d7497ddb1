"""Which kernel "auto" takes: a rule, or on request a measurement."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from gradstep import engine, environment, registry, validate
from gradstep.contract import Kernel, KernelUnavailable

# Importing Numba and loading or compiling its kernel takes about a second, NumPy needs some 10 nanoseconds per element:
# where Cython is missing, Numba is worth its start from about this many elements on.
_NUMBA_FROM_ELEMENTS = 10_000

# Pure Python takes about 100 nanoseconds per element, so it is not tried on larger problems.
_PYTHON_TO_ELEMENTS = 10_000

_MEASURED_BYTES = 1 << 26
_MEASURED_ROUNDS = 7


class Choice(NamedTuple):
    """A kernel, and the reason for it in words."""

    kernel: Kernel
    reason: str


def resolve(kernel: str | Kernel, m: int, n: int) -> Kernel:
    """Return the kernel meant by an argument ``kernel=``: a name, "auto", or a kernel itself."""
    if kernel == "auto":
        return _choose(m, n)[0]
    if isinstance(kernel, str):
        return registry.load(kernel)
    if not hasattr(kernel, "partial_sums"):
        raise TypeError(f"kernel is a {type(kernel).__name__}; it should be a name or a gradstep.Kernel")
    return kernel


def choose(m: int, n: int) -> Choice:
    """Apply the rule for "auto" to a problem of m examples and n features.

    The environment's choice if ``GRADSTEP_KERNEL`` names one. Else Cython, which is compiled already. Where it is
    missing: Numba from 10,000 elements on, if it is installed; else NumPy.
    """
    return Choice(*_choose(m, n))


def _choose(m: int, n: int) -> tuple[Kernel, str]:
    """Return what `choose` does, as a plain tuple: making a named one takes longer than choosing."""
    named = environment.variable("GRADSTEP_KERNEL")
    if named is not None and named != "auto":
        return _named_in_environment(named), "GRADSTEP_KERNEL says so"
    try:
        return registry.load("cython"), "compiled ahead of time, and the fastest or nearly so at all sizes measured"
    except KernelUnavailable:
        if environment.variable("GRADSTEP_ISA") is not None or registry.is_pinned("cython"):
            # What is named never falls back.
            raise
        return _choose_without_cython(m * n)


def _named_in_environment(name: str) -> Kernel:
    if name not in registry.KERNELS:
        names = ", ".join(map(repr, registry.KERNELS))
        raise environment.bad("GRADSTEP_KERNEL", f"it should be 'auto' or one of {names}")
    try:
        return registry.load(name)
    except KernelUnavailable as error:
        raise KernelUnavailable(f"GRADSTEP_KERNEL is {name!r}: {error}") from error


def _choose_without_cython(elements: int) -> tuple[Kernel, str]:
    if elements < _NUMBA_FROM_ELEMENTS:
        return registry.load("numpy"), "cython is not available, and Numba's start would cost more than it saves"
    try:
        return registry.load("numba"), "cython is not available"
    except KernelUnavailable:
        if registry.is_pinned("numba"):
            raise
        return registry.load("numpy"), "neither cython nor numba is available"


def fastest(m: int, n: int, dtype: DTypeLike = "float64", *, measure: bool = False) -> Kernel:
    """Return the fastest kernel for m examples and n features.

    Parameters
    ----------
    m, n : int
        Number of examples and of features.
    dtype : dtype-like
        Of the data.
    measure : bool
        False applies the rule that "auto" follows. True times every available kernel on one thread, on random data of
        this shape (of fewer rows where it would be larger than 64 MiB), compilation excluded.

    Returns
    -------
    Kernel
        May be given to the other functions as ``kernel=``.

    Raises
    ------
    ValueError
        If m or n is less than 1.
    TypeError
        If `dtype` is not one of real numbers.

    Examples
    --------
    >>> import gradstep
    >>> kernel = gradstep.fastest(1000, 100)
    >>> kernel.name in gradstep.available()
    True
    """
    m = validate.count("m", m, 1)
    n = validate.count("n", n, 1)
    dtype = validate.real_dtype("dtype", dtype)
    if not measure:
        return choose(m, n).kernel
    return _measured_fastest(m, n, dtype)


def _measured_fastest(m: int, n: int, dtype: np.dtype[np.generic]) -> Kernel:
    rows = max(1, min(m, _MEASURED_BYTES // (n * dtype.itemsize)))
    generator = np.random.default_rng(0)
    X = generator.standard_normal((rows, n)).astype(dtype)
    y = (generator.random(rows) < 0.5).astype(X.dtype)
    at_w = engine.Point(np.append(generator.standard_normal(n) / n**0.5, 0.0).reshape(1, -1))
    passes = {
        name: engine.Pass(registry.load(name), validate.data(X, y), threads=1)
        for name, reason in registry.available().items()
        if reason is None and (name != "python" or rows * n <= _PYTHON_TO_ELEMENTS)
    }
    passes = {name: run for name, run in passes.items() if _runs(run, at_w)}

    durations: dict[str, list[int]] = {name: [] for name in passes}
    for _ in range(_MEASURED_ROUNDS):
        for name, run in passes.items():
            start = time.perf_counter_ns()
            run.means(*at_w)
            durations[name].append(time.perf_counter_ns() - start)
    return registry.load(min(durations, key=lambda name: float(np.median(durations[name]))))


def _runs(run: engine.Pass, point: engine.Point) -> bool:
    """Make the first call, in which a kernel may compile; return whether it could."""
    try:
        run.means(*point)
    except KernelUnavailable:
        return False
    return True
