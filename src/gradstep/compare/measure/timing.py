"""The measurement of one cell: all contenders on one problem, checked and then timed in interleaved rounds."""

from __future__ import annotations

import dataclasses
import functools
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from types import MappingProxyType

from gradstep.compare.measure import forecast as forecasts
from gradstep.compare.measure import reference as references
from gradstep.compare.measure import sampling
from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.forecast import PREPARATION, Forecast, identity, rough
from gradstep.compare.measure.problems import AnyProblem, Examples, Problem, conditions
from gradstep.compare.measure.read_limit import ReadLimit
from gradstep.compare.measure.reference import Reference
from gradstep.compare.measure.sampling import Sampler
from gradstep.compare.record.records import READ_LIMIT, Cell, FirstCall, Result, Settings, timed
from gradstep.contract import KernelUnavailable


def first_call(contender: Contender, problem: Problem, threads: int | None, forecast: Forecast) -> FirstCall:
    """Return the times of a contender's import and first call; the calls after it feed the forecast."""
    examples, smallest = problem.make(), dataclasses.replace(problem, m=1, n=1).make()
    imported = contender.load()
    start = time.perf_counter()
    call = contender.prepare(examples)
    with contender.setting(examples):
        call()
        first = time.perf_counter() - start
        second = sampling.seconds_for(call, 1)
        later = sampling.shortest(call)
    call = contender.prepare(smallest)
    with contender.setting(smallest):
        call()
        fixed = sampling.shortest(call)
    who = identity(contender.name, problem, threads)
    forecast.learn(who, problem.m, problem.n, later)
    forecast.learn_fixed(who, fixed)
    compiled = max(0.0, first - second) if contender.compiles else None
    return FirstCall(contender.name, problem.dtype, problem.order, threads, imported, compiled, first, fixed)


def measure(
    contenders: Sequence[Contender],
    problem: AnyProblem,
    threads: int | None,
    settings: Settings,
    forecast: Forecast,
    *,
    skipped: Mapping[str, str] = MappingProxyType({}),
    on_progress: Callable[[float], None] = lambda seconds: None,
) -> Cell:
    """Check and time the contenders on one problem.

    Parameters
    ----------
    contenders : sequence of Contender
        Their samples are interleaved, in a new random order each round, so that a disturbance of the machine does not
        hit one contender alone.
    problem : Problem, RealProblem or GivenX
        Its arrays live only during this call.
    threads : int or None
        The number of threads that read X for the read limit; each contender sees to its own threads.
    settings : Settings
        The rounds, the limit and the seed.
    forecast : Forecast
        Decides which contenders are skipped, and learns from this problem.
    skipped : mapping
        The contenders that are not to be measured, and why.
    on_progress : callable
        Called with the number of expected seconds that are done.

    Returns
    -------
    Cell
        With one result per contender, in their order, and one of the read limit, which is timed in every round.
    """
    results: dict[str, Result] = {name: Result(name, "skipped", reason) for name, reason in skipped.items()}
    affordable: dict[Contender, float] = {}
    for contender in contenders:
        expected = forecasts.expected_seconds(contender.name, problem, threads, settings, forecast)
        if contender.name in skipped:
            continue
        if expected > settings.limit:
            reason = f"about {rough(expected)} expected, more than the limit of {settings.limit:g} s"
            results[contender.name] = Result(contender.name, "skipped", reason, expected)
        else:
            affordable[contender] = expected
    try:
        samplers = _checked(affordable, problem, threads, settings, forecast, results, on_progress)
    except MemoryError as error:
        for contender in affordable:
            results[contender.name] = Result(contender.name, "skipped", f"not enough memory: {error}")
        samplers = []
    _time(samplers, settings, on_progress)
    for sampler in samplers:
        results[sampler.name] = timed(sampler.name, sampler.check, sampler.samples, sampler.calls, sampler.warm_up)
        who = identity(sampler.name, problem, threads)
        forecast.learn(who, problem.m, problem.n, min(sampler.samples))
        forecast.learn_wait(who, sampler.waited / (len(sampler.samples) + len(sampler.warm_up)))
    return Cell(
        **conditions(problem, threads),
        task=problem.task,
        X_bytes=problem.X_bytes,
        results=[results[each.name] for each in contenders],
        read_limit=results.get(READ_LIMIT),
    )


def _time(samplers: list[Sampler], settings: Settings, on_progress: Callable[[float], None]) -> None:
    """Warm up all contenders, and then sample each once in every round."""
    shuffle = random.Random(settings.seed).shuffle
    sampling.warm_up(samplers, shuffle)
    for _ in range(settings.rounds):
        shuffle(samplers)
        for sampler in samplers:
            sampler.sample()
            on_progress(sampler.expected_per_round)


def _checked(
    contenders: dict[Contender, float],
    problem: AnyProblem,
    threads: int | None,
    settings: Settings,
    forecast: Forecast,
    results: dict[str, Result],
    on_progress: Callable[[float], None],
) -> list[Sampler]:
    """Return samplers of the contenders whose result is right and of the read limit; put the others into `results`."""
    if not contenders:
        return []
    start = time.perf_counter()
    examples = problem.make()
    reference = Reference.of(examples)
    forecast.learn(PREPARATION, problem.m, problem.n, time.perf_counter() - start)
    samplers = []
    for contender, expected in contenders.items():
        call = contender.prepare(examples)
        with contender.setting(examples):
            start = time.perf_counter()
            result = call()
            seconds = time.perf_counter() - start
        check = reference.check(contender.as_step(result, examples), references.tolerance(problem.dtype))
        if not check.passed:
            reason = "the result is not finite or has the wrong shape"
            if check.error is not None:
                reason = f"off by {check.error:.1e}, {check.tolerance:.0e} is allowed"
            results[contender.name] = Result(contender.name, "wrong", reason, check=check)
            on_progress(expected)
            continue
        # One long call may have been a hiccup; it counts as long only if the forecast agrees.
        who = identity(contender.name, problem, threads)
        seconds = min(seconds, forecast.seconds(who, problem.m, problem.n))
        setting = functools.partial(contender.setting, examples)
        samplers.append(Sampler(contender.name, call, check, seconds, expected / settings.rounds, setting))
    if samplers:
        samplers.extend(_read_limit(examples, threads, results))
    return samplers


def _read_limit(examples: Examples, threads: int | None, results: dict[str, Result]) -> list[Sampler]:
    """Return the sampler of the read limit; where there is none, put the reason into `results`."""
    try:
        read_limit = ReadLimit(examples.X, threads)
    except (KernelUnavailable, ValueError) as error:
        results[READ_LIMIT] = Result(READ_LIMIT, "skipped", str(error))
        return []
    check = read_limit.check()
    if check.passed:
        return [Sampler(READ_LIMIT, read_limit, check, 0.0, 0.0, nullcontext)]
    results[READ_LIMIT] = Result(READ_LIMIT, "wrong", "the sum of what was read differs from the sum of X", check=check)
    return []
