"""The contenders: whatever can take one step of gradient descent, a kernel of gradstep or a peer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

import gradstep
from gradstep import engine, registry, validate, variants
from gradstep.compare.measure.problems import ALPHA, Examples
from gradstep.contract import KernelName, Step, Steps

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
        learning rate `problems.ALPHA` and returns a `gradstep.Step`, or `gradstep.Steps` of several models. The
        preparation itself is not timed.
    setting : callable
        Given `Examples`, returns the context in which the calls of a sample are made, such as a library's number of
        threads. Entering and leaving it is not timed.
    as_step : callable
        Turns the result of the call into such a step for the check, if the call returns something else.
    objective : callable or None
        Given `Examples` of one model, returns the call that computes cost and gradient without checking X and y again;
        None where there is no such call.
    variant : callable
        Given `Examples`, returns which of its variants with the same bits ran last on them; None where it has one.
    version : str
        The version of the library; empty for gradstep's own kernels.
    load : callable
        Imports what the contender needs, and returns how many seconds the first import took.
    one_time : callable
        Returns about how many seconds the import, if it is still to come, and the next call of a new kind will take: a
        guess from what can be known before, with which a budget is planned.
    compiles : bool
        Whether it compiles at run time, in its first call.
    copies : dict
        How many copies of X it keeps besides X, for an X in "C" and in "F" order.
    """

    name: str
    prepare: Callable[[Examples], Call]
    setting: Callable[[Examples], AbstractContextManager[object]] = lambda examples: nullcontext()
    as_step: Callable[[Any, Examples], Step | Steps] = lambda result, examples: result
    objective: Callable[[Examples], Call] | None = None
    variant: Callable[[Examples], str | None] = lambda examples: None
    version: str = ""
    load: Callable[[], float] = lambda: 0.0
    one_time: Callable[[], float] = lambda: 0.0
    compiles: bool = False
    copies: Mapping[str, int] = field(default_factory=dict, hash=False)


def kernel_contender(name: str, threads: int | None = 1) -> Contender:
    """Return the contender that calls `gradstep.step` with one kernel."""
    # By name, as users do; the registry may have names that the Literal lacks.
    kernel = cast(KernelName, name)

    def prepare(examples: Examples) -> Call:
        X, y, w, b = examples

        def call() -> Step | Steps:
            taken: Step | Steps = gradstep.step(X, y, w, b, ALPHA, kernel=kernel, threads=threads)
            return taken

        return call

    def objective(examples: Examples) -> Call:
        X, y, w, b = examples
        return partial(gradstep.objective(X, y, kernel=kernel, threads=threads), np.append(w, b))

    compiles = registry.KERNELS[name].compiles
    one_time = partial(_one_time, name) if compiles else lambda: 0.0
    return Contender(
        name,
        prepare,
        objective=objective,
        variant=partial(variant_in_use, name, threads),
        load=partial(_import_kernel, name),
        one_time=one_time,
        compiles=compiles,
    )


def variant_in_use(name: str, threads: int | None, examples: Examples) -> str | None:
    """Return the fastest variant of a kernel on such examples, as far as it is known; None for one without variants."""
    kernel = registry.load(name)
    if list(variants.of(kernel)) == [name]:
        return None
    models = None if examples.w.ndim == 1 else examples.models
    step = engine.Pass(kernel, validate.data(examples.X, examples.y, k=models), threads)
    return step.way(engine.Point(np.zeros((examples.models, examples.X.shape[1] + 1)))).variant


_import_seconds: dict[str, float] = {}


def _import_kernel(name: str) -> float:
    start = time.perf_counter()
    registry.load(name)
    return _import_seconds.setdefault(name, time.perf_counter() - start)


# What importing a compiler, compiling a kernel, and loading what an earlier process compiled take.
_IMPORT, _COMPILE, _LOAD = 0.6, 6.0, 0.3


def _one_time(name: str) -> float:
    """Return what a kernel that compiles itself will take. Whether a cache has it shows once it is imported."""
    if name not in _import_seconds:
        return _IMPORT + _LOAD
    return _LOAD if _has_cached_more(registry.KERNELS[name].load_module()) else _COMPILE


def _has_cached_more(module: Any) -> bool:
    """Whether earlier processes have compiled a kernel for more kinds of arguments than this one has so far.

    Where several kinds are cached, which ones is not known.
    """
    if not hasattr(module, "compiled_sums"):
        return False
    function = module.compiled_sums()
    folder = function.stats.cache_path
    if folder is None:
        return False
    changed = Path(function.__code__.co_filename).stat().st_mtime
    # One file of machine code for each kind; Numba compiles again what is older than its source.
    cached = [each for each in Path(folder).glob(f"*.{function.__name__}-*.nbc") if each.stat().st_mtime > changed]
    return len(cached) > len(function.signatures)
