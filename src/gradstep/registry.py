"""The one table of kernels: name -> kernel, and for those that cannot run here, why not."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import cast

from gradstep.contract import Kernel, KernelUnavailable, PartialSums


@dataclass(frozen=True)
class Entry:
    """What is known of a kernel before its module is imported."""

    module: str
    releases_gil: bool
    summary: str
    cure: str
    """What to do where the module cannot be imported."""


@dataclass(frozen=True)
class RegisteredKernel:
    """A kernel of the table whose module has been imported."""

    name: str
    releases_gil: bool
    partial_sums: PartialSums


KERNELS: dict[str, Entry] = {
    "python": Entry(
        module="gradstep.kernels.python_loop",
        releases_gil=False,
        summary="two explicit loops in pure Python",
        cure="reinstall gradstep",
    ),
    "numba": Entry(
        module="gradstep.kernels.numba_loop",
        releases_gil=True,
        summary="the loops, compiled by Numba at the first call",
        cure="install a numba release that supports this Python and NumPy: pip install --upgrade numba",
    ),
    "cython": Entry(
        module="gradstep.kernels.cython_loop",
        releases_gil=True,
        summary="the loops, compiled by Cython ahead of time",
        cure="reinstall gradstep where there is a C compiler and GRADSTEP_NO_EXTENSIONS is not set",
    ),
    "numpy": Entry(
        module="gradstep.kernels.numpy_vectorized",
        releases_gil=True,
        summary="vectorized NumPy, no explicit loop",
        cure="reinstall numpy",
    ),
}


@functools.cache
def load(name: str) -> Kernel:
    """Return the kernel called `name`.

    Raises
    ------
    ValueError
        If there is no kernel of this name; the message lists the known ones.
    KernelUnavailable
        If it cannot run here; the message says why and what would cure it.
    """
    entry = KERNELS.get(name)
    if entry is None:
        raise ValueError(f"kernel is {name!r}; it should be 'auto' or one of {', '.join(map(repr, KERNELS))}")
    try:
        module = importlib.import_module(entry.module)
    except ImportError as error:
        left_out = isinstance(error, ModuleNotFoundError) and error.name == entry.module
        reason = f"{error}: this installation was built without it" if left_out else error
        raise KernelUnavailable(f"the {name} kernel is not available: {reason}. Cure: {entry.cure}") from error
    return RegisteredKernel(name, entry.releases_gil, cast(PartialSums, module.partial_sums))


def available() -> dict[str, str | None]:
    """Tell which kernels can run here and, for the others, why not.

    Each kernel's module is imported, so the first call takes as long as importing Numba does.

    Returns
    -------
    dict of str to (str or None)
        For each kernel's name None if it can run, else the reason and the cure.

    Examples
    --------
    >>> import gradstep
    >>> gradstep.available()["python"] is None
    True
    """
    return {name: _reason_against(name) for name in KERNELS}


def _reason_against(name: str) -> str | None:
    try:
        load(name)
    except KernelUnavailable as error:
        return str(error)
    return None
