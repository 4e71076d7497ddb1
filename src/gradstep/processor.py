"""Which builds of the Cython kernel run: the best ones that the processor has, or the one that GRADSTEP_ISA names.

All builds come from one source and give the same bits, so the next best one runs where a build cannot be loaded. A
build is imported only after the baseline build, which runs on every processor of its architecture, has found that the
processor has the instructions.
"""

from __future__ import annotations

import contextlib
from functools import partial
from types import ModuleType

from gradstep import environment, imports
from gradstep.contract import KernelUnavailable, PartialSums
from gradstep.text import words

_MODULES = {
    "baseline": "gradstep.kernels.cython_loop_baseline",
    "avx2": "gradstep.kernels.cython_loop_avx2",
    "avx512": "gradstep.kernels.cython_loop_avx512",
}

_LOADERS = {name: partial(imports.extension, module) for name, module in _MODULES.items()}

NAMES = tuple(_MODULES)
"""The instruction sets that there are builds for, the best last."""


def supported() -> list[str]:
    """Return the instruction sets that this processor has, the best last.

    Raises
    ------
    ImportError
        If the extension has not been built.
    """
    try:
        baseline = build("baseline")
    except imports.ImportFailed as failed:
        if isinstance(failed.error, ImportError):
            raise failed.error.with_traceback(None) from None
        raise ImportError(words(failed.error)) from failed.error
    names: list[str] = baseline.instruction_sets_of_processor()
    return names


def chosen() -> tuple[str, str]:
    """Return the name of the instruction set that the Cython kernel uses, and why.

    Raises
    ------
    ValueError
        If the environment variable ``GRADSTEP_ISA`` holds an unknown name.
    KernelUnavailable
        If it names one that this processor lacks, or whose build cannot be loaded.
    ImportError
        If it names none, and the extension has not been built.
    """
    named = environment.variable("GRADSTEP_ISA")
    if named is None:
        return _best()
    if named not in NAMES:
        raise environment.bad("GRADSTEP_ISA", f"it should be one of {', '.join(NAMES)}")
    try:
        names = supported()
    except ImportError as error:
        raise KernelUnavailable(
            f"GRADSTEP_ISA is {named!r}, but there is no cython kernel: {error}. Fix: unset it"
        ) from error
    if named not in names:
        raise KernelUnavailable(
            f"GRADSTEP_ISA is {named!r}, but this processor has only {', '.join(names)}. Fix: unset it"
        )
    try:
        build(named)
    except imports.ImportFailed as failed:
        raise KernelUnavailable(
            f"GRADSTEP_ISA is {named!r}, but its build of the cython kernel cannot be loaded: {words(failed.error)}. "
            "Fix: reinstall gradstep, or unset it"
        ) from failed.error
    return named, "GRADSTEP_ISA says so"


def _best() -> tuple[str, str]:
    lost = []
    for name in reversed(supported()):
        try:
            build(name)
        except imports.ImportFailed as failed:
            lost.append(f"{name} cannot be loaded ({words(failed.error)})")
        else:
            return name, "; ".join(["the best one that this processor has", *lost])
    raise AssertionError("what says which instruction sets there are is the baseline build")


WORTH_TRYING = {
    "baseline": ("baseline-prefetch", "baseline-plain"),
    "avx2": ("avx2-prefetch", "avx2-prefetch-24k", "avx2-plain"),
    "avx512": ("avx512-prefetch", "avx512-prefetch-24k", "avx2-prefetch", "avx2-plain"),
}
"""The variants that may be the fastest where the best instruction set is the key, the default first.

Narrower vectors win on some processors: where 512 bits are computed in two halves, or where loads that straddle two
cache lines are slow (docs/performance.md).
"""


def variants() -> dict[str, PartialSums]:
    """Return the variants of the Cython kernel that may be the fastest here, the default first.

    Those of a build that cannot be imported are left out: the others have the same bits.

    Raises
    ------
    ValueError, KernelUnavailable or ImportError
        As `chosen` does.
    """
    best, _ = chosen()
    if environment.variable("GRADSTEP_ISA") is not None:
        return dict(build(best).variants)
    found = dict(build(best).variants)
    for other in {name.partition("-")[0] for name in WORTH_TRYING[best]} - {best}:
        with contextlib.suppress(imports.ImportFailed):
            found |= build(other).variants
    return {name: found[name] for name in WORTH_TRYING[best] if name in found}


def load(name: str) -> ModuleType:
    """Return the Cython kernel as built for the instruction set `name`, which the processor must have."""
    if name not in supported():
        raise KernelUnavailable(f"this processor has no {name}, only {', '.join(supported())}")
    return build(name)


def load_best() -> ModuleType:
    """Return the Cython kernel as built for the chosen instruction set."""
    return build(chosen()[0])


def build(name: str) -> ModuleType:
    """Import and return a build, whether or not this processor can run it.

    Raises
    ------
    ImportFailed
        If it is missing, damaged or of another architecture.
    """
    return imports.attempt(_LOADERS[name])
