"""gradstep's own choice, made before it is measured, and each variant alone, to hold the choice against."""

from __future__ import annotations

import dataclasses
import time

from gradstep import registry, variants
from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.problems import Examples
from gradstep.variants import Pinned

# What has not been chosen by then is measured as it is: nearly all calls go the best way so far.
_MOST_CALLS, _MOST_SECONDS = 400, 2.0


def pinned(name: str) -> list[Pinned]:
    """Return each variant of the kernel of this name as a kernel."""
    kernel = registry.load(name)
    return [variants.pinned(kernel, variant) for variant in variants.of(kernel)]


def settle(call: Call) -> None:
    """Call as often as gradstep needs to choose a variant, and a number of threads, for calls like this one."""
    before, start, unchanged = variants.in_question(), time.perf_counter(), 0
    for _ in range(_MOST_CALLS):
        call()
        # Of the variants the first question comes in the call after that in which the number of threads was answered.
        unchanged = 0 if variants.in_question() > before else unchanged + 1
        if unchanged == 2 or time.perf_counter() - start > _MOST_SECONDS:
            return


def settled(contender: Contender) -> Contender:
    """Return the contender whose calls run what gradstep has chosen: its preparation lets it choose."""

    def prepare(examples: Examples) -> Call:
        call = contender.prepare(examples)
        with contender.setting(examples):
            settle(call)
        return call

    return dataclasses.replace(contender, prepare=prepare)
