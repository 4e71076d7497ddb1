"""Variants of kernels, as the targets need them: each one alone, and gradstep's own choice once it has been made."""

from __future__ import annotations

import dataclasses
import time
from typing import NamedTuple

from gradstep import registry
from gradstep import variants as choices
from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.problems import Examples
from gradstep.contract import PartialSums

LEAST_CALLS, MOST_CALLS = 24, 150
"""gradstep finds out which variant is the fastest within the first number of passes over a large X, of many blocks;
where a pass is few of them, or one, within the second."""

_SECONDS = 0.6


class Pinned(NamedTuple):
    """One variant of a kernel, as a kernel of its own: with nothing to choose."""

    name: str
    releases_gil: bool
    partial_sums: PartialSums
    narrow_dtypes: frozenset[str]


def pinned(name: str) -> list[Pinned]:
    """Return each variant of the kernel of this name as a kernel."""
    kernel = registry.load(name)
    narrow = registry.KERNELS[name].narrow_dtypes
    return [
        Pinned(name if variant == name else f"{name} {variant}", kernel.releases_gil, sums, narrow)
        for variant, sums in choices.of(kernel).items()
    ]


def settle(call: Call) -> None:
    """Call as often as gradstep needs to choose a variant, and a number of threads, for calls like this one."""
    start = time.perf_counter()
    for number in range(MOST_CALLS):
        if number >= LEAST_CALLS and time.perf_counter() - start > _SECONDS:
            return
        call()


def settled(contender: Contender) -> Contender:
    """Return the contender whose calls run what gradstep has chosen: its preparation lets it choose."""

    def prepare(examples: Examples) -> Call:
        call = contender.prepare(examples)
        with contender.setting(examples):
            settle(call)
        return call

    return dataclasses.replace(contender, prepare=prepare)
