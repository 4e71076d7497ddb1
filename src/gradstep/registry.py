"""The table of kernels: what is known of each before its module is imported, and which of them can run here.

A fifth kernel is one file that defines ``partial_sums``, and one entry here: help, tables, pictures and tests read it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from gradstep import environment, extras, imports, processor
from gradstep.contract import Kernel, KernelUnavailable, PartialSums
from gradstep.environment import BadVariable
from gradstep.text import words


class Entry(NamedTuple):
    """What is known of a kernel before its module is imported."""

    load_module: Callable[[], ModuleType]
    releases_gil: bool
    """Whether several threads can be inside it at the same time."""
    summary: str
    fix: str
    """What to do where the module cannot be imported."""
    colour: str
    """Of its lines in pictures."""
    marker: str
    """Of its points in pictures, as Matplotlib names it."""
    compiles: bool = False
    """Whether it compiles at run time, in its first call."""
    extra: str | None = None
    """The extra of gradstep that installs what it needs besides NumPy."""
    narrow_dtypes: frozenset[str] = frozenset()
    """The dtypes of X, narrower than that of the computation, that it reads in place; X of others is staged."""
    takes_team: bool = False
    """Whether it lets helper threads take part without the interpreter: its functions are `TeamSums`."""
    load_variants: Callable[[], Mapping[str, PartialSums]] | None = None
    """Returns its variants by name, the default first; None for those that the module has, if it has any."""


class RegisteredKernel(NamedTuple):
    """A kernel of the table whose module has been imported."""

    name: str
    releases_gil: bool
    partial_sums: PartialSums
    narrow_dtypes: frozenset[str]
    takes_team: bool = False

    @property
    def variants(self) -> Mapping[str, PartialSums]:
        """Functions of the same contract that give the same bits at another speed, by name, the default first."""
        pinned = _pinned(self.name)
        return _variants(self.name) if pinned is None else {pinned: self.partial_sums}

    def __reduce__(self) -> tuple[Callable[[str], Kernel], tuple[str]]:
        """Pickle as the name: another machine may lack the instructions of the build that is the best one here."""
        return load, (self.name,)

    def __repr__(self) -> str:
        entry = KERNELS.get(self.name)
        return f"<kernel {self.name!r}: {entry.summary}>" if entry is not None else f"<kernel {self.name!r}>"


class Availability(dict[str, str | None]):
    """A dictionary of kernels, each with None or the reason why it cannot run here, that reads like a sentence."""

    def __repr__(self) -> str:
        can = [name for name, reason in self.items() if reason is None]
        return "\n".join([_sentence(can), *(reason for reason in self.values() if reason is not None)])


def _sentence(can: list[str]) -> str:
    if not can:
        return "No kernel can run here."
    *others, last = can
    return f"{', '.join(others)} and {last} can run here." if others else f"{last} can run here."


KERNELS: dict[str, Entry] = {
    "python": Entry(
        load_module=partial(import_module, "gradstep.kernels.python_loop"),
        releases_gil=False,
        summary="two explicit loops in pure Python",
        fix="reinstall gradstep",
        colour="#767676",
        marker="s",
    ),
    "numba": Entry(
        load_module=partial(import_module, "gradstep.kernels.numba_loop"),
        releases_gil=True,
        summary="the loops, compiled by Numba at the first call",
        fix="unset Numba's environment variables, or install a release of Numba that supports this Python and NumPy: "
        "pip install --upgrade numba",
        colour="#0072B2",
        marker="D",
        compiles=True,
        extra="numba",
        takes_team=True,
    ),
    "cython": Entry(
        load_module=processor.load_best,
        releases_gil=True,
        summary="the loops in Cython, compiled ahead of time for several instruction sets",
        fix="reinstall gradstep where there is a C compiler and GRADSTEP_NO_EXTENSIONS is not set",
        colour="#D55E00",
        marker="o",
        narrow_dtypes=frozenset({"float16", "int8", "uint8", "bool"}),
        takes_team=True,
        load_variants=processor.variants,
    ),
    "numpy": Entry(
        load_module=partial(import_module, "gradstep.kernels.numpy_vectorized"),
        releases_gil=True,
        summary="vectorized NumPy, no explicit loop",
        fix="reinstall numpy",
        colour="#E69F00",
        marker="^",
    ),
}
"""In the order of tables. A test or a plug-in may add an entry."""


@functools.cache
def load(name: str) -> Kernel:
    """Return the kernel called `name`.

    Raises
    ------
    ValueError
        If there is no kernel of this name; the message lists the known ones.
    KernelUnavailable
        If it cannot run here; the message names the reason and the fix.
    """
    entry = KERNELS.get(name)
    if entry is None:
        raise ValueError(f"kernel is {name!r}; it should be 'auto' or one of {', '.join(map(repr, KERNELS))}")
    sums = _partial_sums(name, entry)
    return RegisteredKernel(name, entry.releases_gil, sums, entry.narrow_dtypes, entry.takes_team)


def _partial_sums(name: str, entry: Entry) -> PartialSums:
    pinned = _pinned(name)
    if pinned is not None:
        return _pinned_variant(name, pinned)
    return _as_registered(name, _module(name, entry).partial_sums)


def _as_registered(name: str, sums: PartialSums) -> PartialSums:
    return partial(_compile_and_run, name, sums) if KERNELS[name].compiles else sums


def _variants(name: str) -> dict[str, PartialSums]:
    """Return the variants of a kernel that can run here; a kernel without variants is one with a single one."""
    entry = KERNELS[name]
    module = _module(name, entry)
    if entry.load_variants is not None:
        variants = entry.load_variants()
    else:
        variants = getattr(module, "variants", {name: module.partial_sums})
    return {variant: _as_registered(name, sums) for variant, sums in variants.items()}


def _pinned(name: str) -> str | None:
    """Return the name of the variant of a kernel that the environment variable ``GRADSTEP_VARIANT`` pins."""
    named = environment.variable("GRADSTEP_VARIANT")
    if named is None:
        return None
    kernel, _, variant = named.partition(":")
    if kernel not in KERNELS or not variant:
        names = ", ".join(map(repr, KERNELS))
        raise environment.bad(
            "GRADSTEP_VARIANT",
            f"it should be KERNEL:VARIANT, as `gradstep info` lists them, with one of {names} as the kernel",
        )
    return variant if kernel == name else None


def is_pinned(name: str) -> bool:
    """Return whether the environment variable ``GRADSTEP_VARIANT`` names a variant of a kernel.

    Raises
    ------
    BadVariable
        If it names none of any kernel.
    """
    return _pinned(name) is not None


def _pinned_variant(name: str, pinned: str) -> PartialSums:
    try:
        variants = _variants(name)
    except KernelUnavailable as error:
        raise KernelUnavailable(f"GRADSTEP_VARIANT is '{name}:{pinned}', but {error}") from error
    if pinned not in variants:
        raise KernelUnavailable(
            f"GRADSTEP_VARIANT is '{name}:{pinned}', but the variants of the {name} kernel here are "
            f"{', '.join(variants)}. Fix: unset it"
        )
    return variants[pinned]


def _module(name: str, entry: Entry) -> ModuleType:
    try:
        return imports.attempt(entry.load_module, raises=(KernelUnavailable, BadVariable))
    except imports.ImportFailed as failed:
        raise _unavailable(name, failed.error) from failed.error


def _compile_and_run(name: str, sums: PartialSums, *arguments: Any, **named: Any) -> None:
    """Call a kernel that may compile itself now, and report a compiler that fails as an unavailable kernel."""
    try:
        sums(*arguments, **named)
    except (KernelUnavailable, TypeError, ValueError, MemoryError):
        # What a kernel raises about its arguments.
        raise
    except Exception as error:  # a compiler fails in any way
        if imports.of_a_signal(error):
            raise
        raise _unavailable(name, error) from error


def _unavailable(name: str, error: BaseException) -> KernelUnavailable:
    return KernelUnavailable(f"the {name} kernel is not available: {_reason_and_fix(error, KERNELS[name])}")


def _reason_and_fix(error: BaseException, entry: Entry) -> str:
    reason = words(error)
    if isinstance(error, ModuleNotFoundError):
        if str(error.name).startswith("gradstep.kernels."):
            return f"{reason}: this installation was built without it. Fix: {entry.fix}"
        if entry.extra is not None:
            return f"{reason}. Fix: {extras.install(entry.extra)}"
    return f"{reason.rstrip('.')}. Fix: {entry.fix}"


def available() -> dict[str, str | None]:
    """Return which kernels can run here and, for the others, why not.

    Each kernel's module is imported, so the first call takes as long as importing Numba does.

    Returns
    -------
    dict of str to (str or None)
        For each kernel's name None if it can run, else the reason and the fix. At a prompt it reads like a sentence.

    Examples
    --------
    >>> import gradstep
    >>> gradstep.available()["python"] is None
    True
    >>> gradstep.available()  # doctest: +SKIP
    python, numba, cython and numpy can run here.
    """
    return Availability({name: _reason_against(name) for name in KERNELS})


def _reason_against(name: str) -> str | None:
    try:
        load(name)
    except (KernelUnavailable, BadVariable) as error:
        return str(error)
    return None
