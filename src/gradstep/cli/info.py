"""The command ``gradstep info``: what is installed, and what "auto" chooses."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from functools import partial

import click

import gradstep
from gradstep import processor, registry, select, variants
from gradstep.cli import facts, variant_times
from gradstep.contract import KernelUnavailable
from gradstep.environment import BadVariable
from gradstep.machine import processor_name, versions
from gradstep.threads import threads_for, usable_cores

_INFO_HELP = """Show versions, processor, threads and kernels.

For each kernel: whether it can run here or, if not, the reason and the fix. "auto" is what the functions of
gradstep choose when neither a kernel nor a number of threads is named.

\b
Environment variables
  GRADSTEP_KERNEL    the kernel that "auto" takes
  GRADSTEP_THREADS   the number of threads that "auto" takes
  OMP_NUM_THREADS    the most threads that "auto" takes, where GRADSTEP_THREADS names no number
  OMP_THREAD_LIMIT   the same
  GRADSTEP_ISA       the instruction set of the cython kernel: baseline, avx2 or avx512
  GRADSTEP_VARIANT   the variant of a kernel, as KERNEL:VARIANT; else the fastest is found out while they work

\b
Examples
  gradstep info
  gradstep info --measure
"""


@click.command("info", help=_INFO_HELP)
@click.option("--measure", is_flag=True, help="Time the variants of each kernel on this machine; takes some seconds.")
def info_command(measure: bool) -> None:
    """Show versions, processor, threads and kernels."""
    errors: list[Exception] = []
    measured = variant_times.measured() if measure else ()
    facts.show([*_facts(errors), *measured])
    if errors:
        # The reader of the facts sees each error in its place; a script sees the first one, and the exit code.
        raise errors[0]


def _facts(errors: list[Exception]) -> Iterator[tuple[str, str]]:
    """Yield the facts, with an error in the place of each one that cannot be had; append the errors to `errors`."""

    def or_error(fact: Callable[[], str]) -> str:
        try:
            return fact()
        except (BadVariable, KernelUnavailable) as error:
            errors.append(error)
            return str(error)

    for name, version in versions().items():
        yield name, version or "not installed"
    # Machine.here() would need psutil, for the memory.
    yield "processor", f"{processor_name()} ({platform.machine()})"
    yield "cores", f"{usable_cores()} usable of {os.cpu_count() or 1}"
    yield "system", f"{platform.system()} {platform.release()}"
    for size, words in ((1 << 16, "64 KiB"), (1 << 30, "1 GiB")):
        yield "threads", or_error(partial(_threads, size, words))
    yield "instructions", or_error(_instruction_set)
    for name, problem in gradstep.available().items():
        yield f"kernel {name}", problem or f"available: {registry.KERNELS[name].summary}"
        if problem is None:
            yield from _variants(name)
        elif _names_a_variant_of(name):
            errors.append(KernelUnavailable(problem))
    for m, n in ((100, 10), (1_000_000, 100)):
        yield "auto takes", or_error(partial(_choice, m, n))


def _names_a_variant_of(name: str) -> bool:
    """Return whether the environment asks for a variant of a kernel, so that its absence is an error."""
    try:
        return registry.is_pinned(name)
    except BadVariable:
        # Told where "auto" chooses.
        return False


def _variants(name: str) -> Iterator[tuple[str, str]]:
    """Yield the variants of a kernel, if it has several."""
    names = list(variants.of(registry.load(name)))
    if len(names) > 1:
        yield "", f"variants with the same bits: {', '.join(names)}"


def _threads(size: int, words: str) -> str:
    number, reason = threads_for(size)
    return f"{number} for an X of {words}: {reason}"


def _choice(m: int, n: int) -> str:
    choice = select.choose(m, n)
    return f"{choice.kernel.name} for m = {m:,}, n = {n}: {choice.reason}"


def _instruction_set() -> str:
    """Return which build of the Cython kernel runs, and why, or that none is built."""
    try:
        name, reason = processor.chosen()
    except ImportError as error:
        return f"none: {error}"
    return f"{name} in the cython kernel: {reason}"
