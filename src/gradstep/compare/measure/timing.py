"""The measurement of one cell: all contenders on one problem, checked and then timed in interleaved rounds."""

from __future__ import annotations

import dataclasses
import functools
import math
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from types import MappingProxyType

from gradstep.compare.measure import forecast as forecasts
from gradstep.compare.measure import reference as references
from gradstep.compare.measure import sampling
from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.forecast import PREPARATION, Forecast, Kind, Who, rough
from gradstep.compare.measure.problems import AnyProblem, Examples, Problem, conditions, task
from gradstep.compare.measure.read_limit import ReadLimit
from gradstep.compare.measure.reference import Reference
from gradstep.compare.measure.sampling import Sampler
from gradstep.compare.record.records import FAR_SLOWER, READ_LIMIT, Cell, FirstCall, Result, Settings, timed
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
    objective = None
    if contender.objective is not None and problem.models == 1:
        objective = sampling.shortest(contender.objective(smallest))
    who = Who(contender.name, Kind.of(problem, threads))
    forecast.learn(who, problem.m, problem.n, later)
    forecast.learn_fixed(who, fixed)
    compiled = max(0.0, first - second) if contender.compiles else None
    return FirstCall(
        contender.name,
        problem.dtype,
        problem.order,
        threads,
        imported,
        compiled,
        first,
        fixed,
        problem.models,
        objective,
    )


def measure(
    contenders: Sequence[Contender],
    problem: AnyProblem,
    threads: int | None,
    settings: Settings,
    forecast: Forecast,
    *,
    skipped: Mapping[str, str] = MappingProxyType({}),
) -> Cell:
    """Check and time the contenders on one problem; the arguments are those of `Timing`."""
    return Timing(contenders, problem, threads, settings, forecast, skipped=skipped).cell()


class Timing:
    """The measurement of one cell: what was timed so far, and everything that more rounds need.

    Parameters
    ----------
    contenders : sequence of Contender
        Their samples are interleaved, in a new random order each round, so that a disturbance of the machine does not
        hit one contender alone.
    problem : Problem, RealProblem or GivenX
        Its arrays live as long as this object.
    threads : int or None
        The number of threads that read X for the read limit; each contender sees to its own threads.
    settings : Settings
        The rounds, the limit and the seed.
    forecast : Forecast
        Decides which contenders are skipped, and learns from this problem.
    skipped : mapping
        The contenders that are not to be measured, and why.
    seconds_left : callable
        Returns how much time there still is.
    on_progress : callable
        Called with the number of expected seconds that are done.

    Attributes
    ----------
    unaffordable : dict
        The contenders for whose rounds the time did not suffice once a call had shown how long they take, and why.
    """

    def __init__(
        self,
        contenders: Sequence[Contender],
        problem: AnyProblem,
        threads: int | None,
        settings: Settings,
        forecast: Forecast,
        *,
        skipped: Mapping[str, str] = MappingProxyType({}),
        seconds_left: Callable[[], float] = lambda: math.inf,
        on_progress: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.unaffordable: dict[str, str] = {}
        self._names = [each.name for each in contenders]
        self._problem = problem
        self._threads = threads
        self._settings = settings
        self._forecast = forecast
        self._seconds_left = seconds_left
        self._on_progress = on_progress
        self._shuffle = random.Random(settings.seed).shuffle
        self._results = {name: Result(name, "skipped", reason) for name, reason in skipped.items()}
        self._samplers = self._checked([each for each in contenders if each.name not in skipped])
        self._take_first_rounds()
        self._still_timed = self._not_far_slower()

    @property
    def rounds(self) -> int:
        """How many rounds there were."""
        return max((len(sampler.samples) for sampler in self._samplers), default=0)

    @property
    def round_seconds(self) -> float:
        """About how long one more round takes."""
        return sum(sampler.seconds for sampler in self._still_timed)

    def add(self, rounds: int) -> None:
        """Take more rounds of all but the contenders that are far slower than the fastest."""
        for _ in range(rounds):
            self._take_round(self._still_timed)

    def cell(self) -> Cell:
        """Return what was measured so far: a result for each contender, in their order, and one of the read limit."""
        results = dict(self._results)
        for sampler in self._samplers:
            name, samples = sampler.name, list(sampler.samples)
            results[name] = timed(name, sampler.check, samples, sampler.calls, sampler.warm_up, sampler.variant())
        return Cell(
            **conditions(self._problem, self._threads),
            task=task(self._problem),
            X_bytes=self._problem.X_bytes,
            results=[results[name] for name in self._names],
            read_limit=results.get(READ_LIMIT),
        )

    def _who(self, name: str) -> Who:
        return Who(name, Kind.of(self._problem, self._threads))

    def _take_first_rounds(self) -> None:
        """Warm up all contenders, and take the rounds of the settings, or as many as there is time for."""
        self._drop_what_does_not_fit()
        sampling.warm_up(list(self._samplers), self._shuffle, self._seconds_left)
        for number in range(self._settings.rounds):
            if number and sum(sampler.seconds for sampler in self._samplers) > self._seconds_left():
                break
            self._take_round(self._samplers)
        for sampler in self._samplers:
            who = self._who(sampler.name)
            self._forecast.learn(who, self._problem.m, self._problem.n, min(sampler.samples))
            self._forecast.learn_wait(who, sampler.waited / (len(sampler.samples) + len(sampler.warm_up)))

    def _take_round(self, samplers: list[Sampler]) -> None:
        self._shuffle(samplers)
        for sampler in samplers:
            sampler.sample()
            self._on_progress(sampler.expected_per_round)

    def _drop_what_does_not_fit(self) -> None:
        """Leave out the slowest contenders while the rounds do not fit; the last one stays if a single round does."""
        contenders = sorted((each for each in self._samplers if each.name != READ_LIMIT), key=lambda each: each.seconds)
        while contenders:
            rounds = self._settings.rounds if len(contenders) > 1 else 1
            if rounds * sum(sampler.seconds for sampler in self._samplers) <= self._seconds_left():
                return
            slowest = contenders.pop()
            self._samplers.remove(slowest)
            reason = f"a call took {rough(slowest.seconds)}, and the budget has no time left for {rounds}"
            self.unaffordable[slowest.name] = reason
            self._results[slowest.name] = Result(slowest.name, "skipped", reason, rounds * slowest.seconds)
        self._samplers.clear()

    def _not_far_slower(self) -> list[Sampler]:
        medians = {sampler.name: statistics.median(sampler.samples) for sampler in self._samplers}
        shortest = min((median for name, median in medians.items() if name != READ_LIMIT), default=0.0)
        return [sampler for sampler in self._samplers if medians[sampler.name] <= FAR_SLOWER * shortest]

    def _checked(self, contenders: Sequence[Contender]) -> list[Sampler]:
        """Return samplers of the contenders whose result is right and of the read limit; the others have results."""
        affordable: dict[Contender, float] = {}
        for contender in contenders:
            expected = forecasts.expected_seconds(
                contender.name, self._problem, self._threads, self._settings, self._forecast
            )
            if expected > self._settings.limit:
                reason = f"about {rough(expected)} expected, more than the limit of {self._settings.limit:g} s"
                self._results[contender.name] = Result(contender.name, "skipped", reason, expected)
            else:
                affordable[contender] = expected
        if not affordable:
            return []
        try:
            start = time.perf_counter()
            examples = self._problem.make()
            reference = Reference.of(examples)
            preparation = time.perf_counter() - start
            checked = [self._check(each, expected, examples, reference) for each, expected in affordable.items()]
            samplers = [sampler for sampler in checked if sampler is not None]
            start = time.perf_counter()
            samplers += self._read_limit(examples) if samplers else []
            preparation += time.perf_counter() - start
            self._forecast.learn(PREPARATION, self._problem.m, self._problem.n * self._problem.models, preparation)
        except MemoryError as error:
            for contender in affordable:
                self._results[contender.name] = Result(contender.name, "skipped", f"not enough memory: {error}")
            return []
        return samplers

    def _check(self, contender: Contender, expected: float, examples: Examples, reference: Reference) -> Sampler | None:
        """Return the sampler of a contender; None, and a result that says why, if its own result is wrong."""
        call = contender.prepare(examples)
        with contender.setting(examples):
            start = time.perf_counter()
            result = call()
            first = time.perf_counter() - start
        check = reference.check(contender.as_step(result, examples), references.tolerance(self._problem.dtype))
        if not check.passed:
            reason = "the result is not finite or has the wrong shape"
            if check.error is not None:
                reason = f"off by {check.error:.1e}, {check.tolerance:.0e} is allowed"
            self._results[contender.name] = Result(contender.name, "wrong", reason, check=check)
            self._on_progress(expected)
            return None
        # One long call may have been disturbed; it counts as long only if the forecast agrees.
        usual = self._forecast.seconds(self._who(contender.name), self._problem.m, self._problem.n)
        return Sampler(
            contender.name,
            call,
            check,
            call_seconds=min(first, usual),
            expected_per_round=expected / self._settings.rounds,
            setting=functools.partial(contender.setting, examples),
            variant=functools.partial(contender.variant, examples),
            first_seconds=first,
        )

    def _read_limit(self, examples: Examples) -> list[Sampler]:
        """Return the sampler of the read limit; where there is none, its result says why."""
        try:
            read_limit = ReadLimit(examples.X, self._threads)
        except (KernelUnavailable, ValueError) as error:
            self._results[READ_LIMIT] = Result(READ_LIMIT, "skipped", str(error))
            return []
        check = read_limit.check()
        if check.passed:
            return [Sampler(READ_LIMIT, read_limit, check, 0.0, 0.0, nullcontext)]
        reason = "the sum of what was read differs from the sum of X"
        self._results[READ_LIMIT] = Result(READ_LIMIT, "wrong", reason, check=check)
        return []
