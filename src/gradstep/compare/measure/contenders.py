"""The contenders: whatever can take one step of gradient descent, a kernel of gradstep or a peer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import gradstep
from gradstep import registry
from gradstep.compare.measure.problems import ALPHA, Examples
from gradstep.contract import KernelName, Step

Call = Callable[[], Any]


@dataclass(frozen=True)
class Contender:
    """Something that takes the step. The code that measures it knows no more about it than this.

    Attributes
    ----------
    name : str
        The head of its column.
    prepare : callable
        Given `Examples`, returns the call that is timed: a function without arguments that takes one step with the
        learning rate `problems.ALPHA` and returns a `gradstep.Step`. The preparation itself is not timed.
    setting : callable
        Given `Examples`, returns the context in which the calls of a sample are made, such as a library's number of
        threads. Entering and leaving it is not timed.
    as_step : callable
        Turns the result of the call into a `gradstep.Step` for the check, if the call returns something else.
    version : str
        The version of the library; empty for gradstep's own kernels.
    load : callable
        Imports what the contender needs, and returns how many seconds the first import took.
    compiles : bool
        Whether it compiles at run time, in its first call.
    copies : dict
        How many copies of X it keeps beside X, for an X in "C" and in "F" order.
    """

    name: str
    prepare: Callable[[Examples], Call]
    setting: Callable[[Examples], AbstractContextManager[object]] = lambda examples: nullcontext()
    as_step: Callable[[Any, Examples], Step] = lambda result, examples: result
    version: str = ""
    load: Callable[[], float] = lambda: 0.0
    compiles: bool = False
    copies: Mapping[str, int] = field(default_factory=dict, hash=False)


def kernel_contender(name: str, threads: int | None = 1) -> Contender:
    """Return the contender that calls `gradstep.step` with one kernel."""

    def prepare(examples: Examples) -> Call:
        X, y, w, b = examples
        kernel = cast(KernelName, name)

        def call() -> Step:
            return gradstep.step(X, y, w, b, ALPHA, kernel=kernel, threads=threads)

        return call

    return Contender(name, prepare, load=lambda: _import_kernel(name), compiles=registry.KERNELS[name].compiles)


_import_seconds: dict[str, float] = {}


def _import_kernel(name: str) -> float:
    start = time.perf_counter()
    registry.load(name)
    return _import_seconds.setdefault(name, time.perf_counter() - start)
