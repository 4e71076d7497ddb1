"""The one table of kernels: name -> kernel, and for those that cannot run here, why not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import cast

from gradstep import processor
from gradstep.contract import Kernel, KernelUnavailable, PartialSums


@dataclass(frozen=True)
class Entry:
    """What is known of a kernel before its module is imported."""

    load_module: Callable[[], ModuleType]
    releases_gil: bool
    summary: str
    cure: str
    """What to do where the module cannot be imported."""
    colour: str
    """Of its lines in pictures."""
    marker: str
    """Of its points in pictures, as Matplotlib names it."""
    compiles: bool = False
    """Whether it compiles at run time, in its first call."""


@dataclass(frozen=True)
class RegisteredKernel:
    """A kernel of the table whose module has been imported."""

    name: str
    releases_gil: bool
    partial_sums: PartialSums
    narrow_dtypes: frozenset[str]
    """The dtypes narrower than the computation's that it reads in place; others are staged."""


KERNELS: dict[str, Entry] = {
    "python": Entry(
        load_module=partial(import_module, "gradstep.kernels.python_loop"),
        releases_gil=False,
        summary="two explicit loops in pure Python",
        cure="reinstall gradstep",
        colour="#767676",
        marker="s",
    ),
    "numba": Entry(
        load_module=partial(import_module, "gradstep.kernels.numba_loop"),
        releases_gil=True,
        summary="the loops, compiled by Numba at the first call",
        cure="install a numba release that supports this Python and NumPy: pip install --upgrade numba",
        colour="#0072B2",
        marker="D",
        compiles=True,
    ),
    "cython": Entry(
        load_module=processor.load_best,
        releases_gil=True,
        summary="the loops in Cython, compiled ahead of time for several instruction sets",
        cure="reinstall gradstep where there is a C compiler and GRADSTEP_NO_EXTENSIONS is not set",
        colour="#D55E00",
        marker="o",
    ),
    "numpy": Entry(
        load_module=partial(import_module, "gradstep.kernels.numpy_vectorized"),
        releases_gil=True,
        summary="vectorized NumPy, no explicit loop",
        cure="reinstall numpy",
        colour="#E69F00",
        marker="^",
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
        module = entry.load_module()
    except ImportError as error:
        left_out = isinstance(error, ModuleNotFoundError) and str(error.name).startswith("gradstep.kernels.")
        reason = f"{error}: this installation was built without it" if left_out else error
        raise KernelUnavailable(f"the {name} kernel is not available: {reason}. Cure: {entry.cure}") from error
    narrow_dtypes: frozenset[str] = getattr(module, "narrow_dtypes", frozenset())
    return RegisteredKernel(name, entry.releases_gil, cast(PartialSums, module.partial_sums), narrow_dtypes)


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
