"""Checks and measures contenders: whatever can take one step of gradient descent."""

from __future__ import annotations

import dataclasses
import functools
import gc
import math
import random
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradstep.compare.measure.floor import NAME as FLOOR
from gradstep.compare.measure.floor import Floor
from gradstep.compare.measure.problems import ALPHA, AnyProblem, Examples, Problem
from gradstep.compare.record.records import Cell, Check, FirstCall, Result, Settings, timed
from gradstep.contract import KernelUnavailable, Step

# A sample lasts at least this long, thousands of times the resolution of the clock.
_SAMPLE_SECONDS = 2e-3

# Before each sample the process is looked at for so long until it is idle, but it is not waited for longer than this.
_LOOK_SECONDS = 1e-3
_LONGEST_WAIT = 0.5

# What a result may differ by from the independent evaluation, relative to the size of the terms that are summed up: a
# hundred thousand roundings in float64, and a hundred in float32, whose rows are summed up by blocks of thousands.
TOLERANCES = {"float64": 1e-11, "float32": 1e-5}

# The reference converts blocks of X to float64: of 32 MiB, whatever the number of features.
_ELEMENTS_PER_REFERENCE_BLOCK = 1 << 22

# A contender is warm once a sample takes no less than this part of the one before; so many samples are tried at most,
# and none where a call is so long that the checked one has warmed it up.
_STABLE = 0.95
_LONGEST_WARM_UP = 15
_LONG_CALL = 0.05

Call = Callable[[], Any]


def _no_setting(examples: Examples) -> AbstractContextManager[object]:
    return nullcontext()


def _is_step(result: Any, examples: Examples) -> Step:
    step: Step = result
    return step


@dataclass(frozen=True)
class Contender:
    """Something that takes the step; nothing else of it is known here.

    Attributes
    ----------
    name : str
        The head of its column.
    prepare : callable
        Given `Examples`, returns the call that is timed: a function without arguments that takes one step with the
        learning rate `problems.ALPHA` and returns a `gradstep.Step`. What it does itself is not timed.
    setting : callable
        Given `Examples`, returns the context in which the calls of a sample are made, such as a number of threads of a
        library. Entering and leaving it is not timed.
    as_step : callable
        Turns what the call returns into a `gradstep.Step` for the check, where it returns something else.
    version : str
        Of the library, if it is not gradstep.
    load : callable
        Imports what it needs, and returns how many seconds that took when it was done first.
    compiles : bool
        Whether it compiles at run time, in its first call.
    copies : dict
        How many copies of X it keeps beside X, for an X in "C" and in "F" order.
    """

    name: str
    prepare: Callable[[Examples], Call]
    setting: Callable[[Examples], AbstractContextManager[object]] = _no_setting
    as_step: Callable[[Any, Examples], Step] = _is_step
    version: str = ""
    load: Callable[[], float] = lambda: 0.0
    compiles: bool = False
    copies: Mapping[str, int] = field(default_factory=dict, hash=False)


class Forecast:
    """Expects how long a call will take, from the times of the calls before."""

    def __init__(self) -> None:
        self._fixed: dict[Hashable, float] = {}
        self._seconds: dict[Hashable, list[tuple[int, int, float]]] = {}
        self._waits: dict[Hashable, float] = {}

    def learn_fixed(self, who: Hashable, seconds: float) -> None:
        """Note that the smallest call of this contender took `seconds`: what does not grow with the problem."""
        self._fixed[who] = seconds

    def learn(self, who: Hashable, m: int, n: int, seconds: float) -> None:
        """Note that a call of this contender took `seconds` on an (m, n) problem."""
        self._seconds.setdefault(who, []).append((m, n, seconds))

    def learn_wait(self, who: Hashable, seconds: float) -> None:
        """Note that it took so long until the process was idle, before each sample."""
        self._waits[who] = seconds

    def wait(self, who: Hashable) -> float:
        """Return how long it takes until the process is idle, before a sample."""
        return self._waits.get(who, 1.5 * _LOOK_SECONDS)

    def seconds(self, who: Hashable, m: int, n: int) -> float:
        """Return the expected time of a call: the fixed cost, and the time per element of the most similar problem.

        The most similar one has the nearest n, because the costs per row weigh more where rows are short; among those
        the nearest number of elements.
        """
        known = self._seconds.get(who, [])
        if not known:
            return 0.0

        def distance(entry: tuple[int, int, float]) -> tuple[float, float]:
            known_m, known_n, _ = entry
            return abs(math.log(known_n / n)), abs(math.log(known_m * known_n / (m * n)))

        known_m, known_n, seconds = min(known, key=distance)
        fixed = min(self._fixed.get(who, 0.0), seconds)
        return fixed + (seconds - fixed) / (known_m * known_n) * (m * n)


PREPARATION = "preparation"
"""Stands for a contender in the forecast: making the arrays of a problem and the reference for the check."""


def identity(name: str, problem: AnyProblem, threads: int | None) -> Hashable:
    """Return what a forecast distinguishes: a contender in one dtype, order and number of threads."""
    return name, problem.dtype, problem.order, threads


def first_call(contender: Contender, problem: Problem, threads: int | None, forecast: Forecast) -> FirstCall:
    """Return the times of a contender's import and first call; the calls after it feed the forecast."""
    examples, smallest = problem.make(), dataclasses.replace(problem, m=1, n=1).make()
    imported = contender.load()
    start = time.perf_counter()
    call = contender.prepare(examples)
    with contender.setting(examples):
        call()
        first = time.perf_counter() - start
        second = _seconds_for(call, 1)
        later = _shortest(call)
    call = contender.prepare(smallest)
    with contender.setting(smallest):
        call()
        fixed = _shortest(call)
    who = identity(contender.name, problem, threads)
    forecast.learn(who, problem.m, problem.n, later)
    forecast.learn_fixed(who, fixed)
    compiled = max(0.0, first - second) if contender.compiles else None
    return FirstCall(contender.name, problem.dtype, problem.order, threads, imported, compiled, first, fixed)


def _shortest(call: Call) -> float:
    """Return the time of a warm call: the shortest of some means, each of as many calls as fill a short while."""
    one_call = _seconds_for(call, 1)
    if one_call > _LONG_CALL:
        return one_call
    calls = max(1, min(100, int(_SAMPLE_SECONDS / 5 / max(one_call, 1e-9))))
    return min(_seconds_for(call, calls) / calls for _ in range(5))


def expected_seconds(
    name: str, problem: AnyProblem, threads: int | None, settings: Settings, forecast: Forecast
) -> float:
    """Return how long a contender should take on a problem: the call that is checked, the warm-up and the rounds."""
    who = identity(name, problem, threads)
    one_call = forecast.seconds(who, problem.m, problem.n)
    warm_up = 0 if one_call > _LONG_CALL else 3
    return one_call + (settings.rounds + warm_up) * (max(one_call, _SAMPLE_SECONDS) + forecast.wait(who))


def rough(seconds: float) -> str:
    """Return a forecast in words, with no more digits than it deserves.

    Examples
    --------
    >>> rough(0.0234), rough(1.42), rough(1234.5)
    ('0.023 s', '1.4 s', '1,234 s')
    """
    return f"{seconds:,.0f} s" if seconds >= 9.5 else f"{seconds:.2g} s"


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
        Their samples are taken in turns, in a new random order each round, so that a disturbance of the machine does
        not hit one of them alone.
    problem : Problem or RealProblem
        Its arrays live only during this call.
    threads : int or None
        With how many X is read for the floor; what the contenders do is their own affair.
    settings : Settings
        The rounds, the limit and the seed.
    forecast : Forecast
        Decides who is skipped, and learns from this problem.
    skipped : mapping
        Those of the contenders that shall not be measured, and why.
    on_progress : callable
        Called with the number of expected seconds that have been worked off.

    Returns
    -------
    Cell
        With one result per contender, in their order, and one of the floor, which takes part in every round.
    """
    results: dict[str, Result] = {name: Result(name, "skipped", reason) for name, reason in skipped.items()}
    willing: dict[Contender, float] = {}
    for contender in contenders:
        expected = expected_seconds(contender.name, problem, threads, settings, forecast)
        if contender.name in skipped:
            continue
        if expected > settings.limit:
            reason = f"about {rough(expected)} expected, more than the limit of {settings.limit:g} s"
            results[contender.name] = Result(contender.name, "skipped", reason, expected)
        else:
            willing[contender] = expected
    try:
        runners = _checked(willing, problem, threads, settings, forecast, results, on_progress) if willing else []
    except MemoryError as error:
        for contender in willing:
            results[contender.name] = Result(contender.name, "skipped", f"not enough memory: {error}")
        runners = []

    shuffle = random.Random(settings.seed).shuffle
    _warm_up(runners, shuffle)
    for _ in range(settings.rounds):
        shuffle(runners)
        for runner in runners:
            runner.sample(runner.samples)
            on_progress(runner.expected_per_round)
    for runner in runners:
        results[runner.name] = timed(runner.name, runner.check, runner.samples, runner.calls, runner.warm_up)
        who = identity(runner.name, problem, threads)
        forecast.learn(who, problem.m, problem.n, min(runner.samples))
        forecast.learn_wait(who, runner.waited / (len(runner.samples) + len(runner.warm_up)))
    return Cell(
        problem=problem.name,
        task=problem.task,
        m=problem.m,
        n=problem.n,
        dtype=problem.dtype,
        order=problem.order,
        threads=threads,
        X_bytes=problem.X_bytes,
        results=[results[each.name] for each in contenders],
        read_limit=results.get(FLOOR),
    )


def _warm_up(runners: list[_Runner], shuffle: Callable[[list[_Runner]], None]) -> None:
    """Take samples that do not count, in turns, from each contender until they last long enough and no longer fall."""
    cold = [runner for runner in runners if not runner.is_warm()]
    while cold:
        shuffle(cold)
        for runner in cold:
            runner.warm()
        cold = [runner for runner in cold if not runner.is_warm()]


def _checked(
    contenders: dict[Contender, float],
    problem: AnyProblem,
    threads: int | None,
    settings: Settings,
    forecast: Forecast,
    results: dict[str, Result],
    on_progress: Callable[[float], None],
) -> list[_Runner]:
    """Return those whose result is right, ready to be timed, and put the others into `results`."""
    start = time.perf_counter()
    examples = problem.make()
    reference = Reference.of(examples)
    forecast.learn(PREPARATION, problem.m, problem.n, time.perf_counter() - start)
    runners = []
    for contender, expected in contenders.items():
        call = contender.prepare(examples)
        with contender.setting(examples):
            start = time.perf_counter()
            result = call()
            seconds = time.perf_counter() - start
        check = reference.check(contender.as_step(result, examples), TOLERANCES[problem.dtype])
        if check.passed:
            setting = functools.partial(contender.setting, examples)
            # One long call may have been a hiccup; it is believed if it was expected.
            who = identity(contender.name, problem, threads)
            seconds = min(seconds, forecast.seconds(who, problem.m, problem.n))
            runners.append(_Runner(contender.name, call, check, seconds, expected / settings.rounds, setting))
        else:
            results[contender.name] = Result(contender.name, "wrong", _how_wrong(check), check=check)
            on_progress(expected)
    if runners:
        _add_floor(runners, examples, threads, results)
    return runners


def _add_floor(runners: list[_Runner], examples: Examples, threads: int | None, results: dict[str, Result]) -> None:
    try:
        floor = Floor(examples.X, threads)
    except (KernelUnavailable, ValueError) as error:
        results[FLOOR] = Result(FLOOR, "skipped", str(error))
        return
    check = floor.check()
    if not check.passed:
        results[FLOOR] = Result(FLOOR, "wrong", "the sum of what was read differs from the sum of X", check=check)
        return
    runners.append(_Runner(FLOOR, floor, check, 0.0, 0.0, nullcontext))


class _Runner:
    """A contender that passed the check, with its samples."""

    def __init__(
        self,
        name: str,
        call: Call,
        check: Check,
        call_seconds: float,
        expected_per_round: float,
        setting: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self.name = name
        self.check = check
        self.expected_per_round = expected_per_round
        self.calls = 1
        self.samples: list[float] = []
        self.warm_up: list[float] = []
        self.waited = 0.0
        self._lengthened = False
        self._call = call
        self._call_seconds = call_seconds
        self._setting = setting

    def is_warm(self) -> bool:
        """Whether the times no longer fall, or the calls are so long that they never were cold."""
        if self._call_seconds > _LONG_CALL or len(self.warm_up) >= _LONGEST_WARM_UP:
            return True
        return len(self.warm_up) > 1 and not self._lengthened and self.warm_up[-1] >= _STABLE * self.warm_up[-2]

    def warm(self) -> None:
        """Take a sample that does not count, and make the next ones longer if it was too short."""
        self.sample(self.warm_up)
        elapsed = self.warm_up[-1] * self.calls
        self._lengthened = elapsed < _SAMPLE_SECONDS
        if self._lengthened:
            # An estimate from a very short time is rough, so it grows by no more than ten at once.
            factor = 1.2 * _SAMPLE_SECONDS / max(elapsed, 1e-9)
            self.calls = math.ceil(self.calls * min(factor, 10.0))

    def sample(self, samples: list[float]) -> None:
        start = time.perf_counter()
        wait_until_idle()
        self.waited += time.perf_counter() - start
        with self._setting():
            samples.append(_seconds_for(self._call, self.calls) / self.calls)


def wait_until_idle() -> None:
    """Return when no thread of this process works any more.

    The threads of some libraries spin for a while after a call, those of OpenBLAS for about 0.1 s, and would take the
    processor from whoever is timed next.
    """
    deadline = time.perf_counter() + _LONGEST_WAIT
    while time.perf_counter() < deadline:
        used = time.process_time()
        time.sleep(_LOOK_SECONDS)
        if time.process_time() - used < 0.3 * _LOOK_SECONDS:
            return


def _seconds_for(call: Call, calls: int) -> float:
    """Return the time of so many calls, during which no garbage is collected."""
    enabled = gc.isenabled()
    gc.collect(0)
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - start
    finally:
        if enabled:
            gc.enable()


@dataclass(frozen=True)
class Reference:
    """The step in plain float64 NumPy, which shares no code with any kernel, and the size of what is summed up in it.

    Attributes
    ----------
    w, b, J
        The result.
    w_size : ndarray of shape (n,)
        Of each component of w the absolute values of all terms, summed up: ``|w_j| + alpha/m sum_i |dz_i x_ij|``.
    b_size : float
        The same of b.
    """

    w: NDArray[np.float64]
    b: float
    J: float
    w_size: NDArray[np.float64]
    b_size: float

    @classmethod
    def of(cls, examples: Examples) -> Reference:
        """Evaluate the formula of `gradstep.contract`."""
        X, y, w, b = examples
        m, n = X.shape
        w = w.astype(np.float64)
        dw, dw_size = np.zeros(n), np.zeros(n)
        db = db_size = loss = 0.0
        block_rows = max(1, _ELEMENTS_PER_REFERENCE_BLOCK // n)
        for start in range(0, m, block_rows):
            rows = slice(start, start + block_rows)
            X_block, y_block = X[rows].astype(np.float64, copy=False), y[rows].astype(np.float64, copy=False)
            z = X_block @ w + b
            with np.errstate(over="ignore"):
                dz = 1.0 / (1.0 + np.exp(-z)) - y_block
            dw += dz @ X_block
            dw_size += np.abs(dz) @ np.abs(X_block)
            db += float(dz.sum())
            db_size += float(np.abs(dz).sum())
            loss += float((np.logaddexp(0.0, z) - y_block * z).sum())
        scale = ALPHA / m
        return cls(w - scale * dw, b - scale * db, loss / m, np.abs(w) + scale * dw_size, abs(b) + scale * db_size)

    def check(self, step: Step, tolerance: float) -> Check:
        """Compare a result with this one."""
        w = np.asarray(step.w, dtype=np.float64)
        if w.shape != self.w.shape:
            return Check(False, None, tolerance)
        # J is a mean of terms that are not negative, so its size is J itself.
        differences = np.concatenate([np.abs(w - self.w), [abs(step.b - self.b), abs(step.J - self.J)]])
        sizes = np.concatenate([self.w_size, [self.b_size, self.J]])
        error = float((differences / np.maximum(sizes, np.finfo(np.float64).tiny)).max())
        if not math.isfinite(error):
            return Check(False, None, tolerance)
        return Check(error <= tolerance, error, tolerance)


def _how_wrong(check: Check) -> str:
    if check.error is None:
        return "the result is not finite or has the wrong shape"
    return f"off by {check.error:.1e}, {check.tolerance:.0e} is allowed"
