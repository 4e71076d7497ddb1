"""Checks and measures contenders: whatever can take one step of gradient descent."""

from __future__ import annotations

import functools
import gc
import math
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradstep.compare.floor import NAME as FLOOR
from gradstep.compare.floor import Floor
from gradstep.compare.problems import ALPHA, AnyProblem, Examples, Problem
from gradstep.compare.records import Cell, Check, Result, Settings, timed
from gradstep.contract import KernelUnavailable, Step

# A sample lasts at least this long, thousands of times the resolution of the clock.
_SAMPLE_SECONDS = 2e-3

# Before each sample the process is looked at for so long until it is idle, but it is not waited for longer than this.
_LOOK_SECONDS = 1e-3
_LONGEST_WAIT = 0.5

# What a result may differ by from the independent evaluation, relative to the size of the terms that are summed up: a
# hundred thousand roundings in float64, and a hundred in float32, whose rows are summed up by blocks of thousands.
TOLERANCES = {"float64": 1e-11, "float32": 1e-5}

_ROWS_PER_REFERENCE_BLOCK = 65536

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
    """

    name: str
    prepare: Callable[[Examples], Call]
    setting: Callable[[Examples], AbstractContextManager[object]] = _no_setting
    as_step: Callable[[Any, Examples], Step] = _is_step
    version: str = ""


class Forecast:
    """Expects how long a call will take, from the times of the calls before."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[tuple[int, int, float]]] = {}

    def learn(self, name: str, m: int, n: int, seconds: float) -> None:
        """Note that a call of this contender took `seconds` on an (m, n) problem."""
        self._seconds.setdefault(name, []).append((m, n, seconds))

    def seconds(self, name: str, m: int, n: int) -> float:
        """Return the expected time of a call: the time per element of the most similar problem so far.

        The most similar one has the nearest n, because the costs per row weigh more where rows are short; among those
        the nearest number of elements.
        """
        known = self._seconds.get(name, [])
        if not known:
            return 0.0

        def distance(entry: tuple[int, int, float]) -> tuple[float, float]:
            known_m, known_n, _ = entry
            return abs(math.log(known_n / n)), abs(math.log(known_m * known_n / (m * n)))

        known_m, known_n, seconds = min(known, key=distance)
        return seconds / (known_m * known_n) * (m * n)


def first_call(contender: Contender, forecast: Forecast, dtype: str, order: str) -> float:
    """Return the time of a contender's first call, which imports and compiles; a second one feeds the forecast."""
    small = Problem(100, 10, dtype, order)
    examples = small.make()
    start = time.perf_counter()
    call = contender.prepare(examples)
    with contender.setting(examples):
        call()
        first = time.perf_counter() - start
        forecast.learn(contender.name, small.m, small.n, _seconds_for(call, 1))
    return first


def expected_seconds(name: str, problem: AnyProblem, settings: Settings, forecast: Forecast) -> float:
    """Return how long all calls of a contender on a problem should take: one that is checked, and the rounds."""
    one_call = forecast.seconds(name, problem.m, problem.n)
    return one_call + settings.rounds * max(one_call, _SAMPLE_SECONDS)


def measure(
    contenders: Sequence[Contender],
    problem: AnyProblem,
    settings: Settings,
    forecast: Forecast,
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
    settings : Settings
        The rounds, the limit and the seed.
    forecast : Forecast
        Decides who is skipped, and learns from this problem.
    on_progress : callable
        Called with the number of expected seconds that have been worked off.

    Returns
    -------
    Cell
        With one result per contender, in their order, and one of the floor, which takes part in every round.
    """
    results: dict[str, Result] = {}
    willing: dict[Contender, float] = {}
    for contender in contenders:
        expected = expected_seconds(contender.name, problem, settings, forecast)
        if expected > settings.limit:
            reason = f"about {expected:.2g} s expected, more than the limit of {settings.limit:g} s"
            results[contender.name] = Result(contender.name, "skipped", reason, expected)
        else:
            willing[contender] = expected
    try:
        runners = _checked(willing, problem, settings, results, on_progress) if willing else []
    except MemoryError as error:
        for contender in willing:
            results[contender.name] = Result(contender.name, "skipped", f"not enough memory: {error}")
        runners = []

    for runner in runners:
        runner.calibrate()
    shuffle = random.Random(settings.seed).shuffle
    for _ in range(settings.rounds):
        shuffle(runners)
        for runner in runners:
            runner.sample()
            on_progress(runner.expected_per_round)
    for runner in runners:
        result = timed(runner.name, runner.check, runner.samples, runner.calls)
        results[runner.name] = result
        forecast.learn(runner.name, problem.m, problem.n, min(runner.samples))
    in_order = [results[each.name] for each in contenders]
    return Cell(problem.name, problem.task, problem.m, problem.n, in_order, results.get(FLOOR))


def _checked(
    contenders: dict[Contender, float],
    problem: AnyProblem,
    settings: Settings,
    results: dict[str, Result],
    on_progress: Callable[[float], None],
) -> list[_Runner]:
    """Return those whose result is right, ready to be timed, and put the others into `results`."""
    examples = problem.make()
    reference = Reference.of(examples)
    runners = []
    for contender, expected in contenders.items():
        call = contender.prepare(examples)
        with contender.setting(examples):
            step = contender.as_step(call(), examples)
        check = reference.check(step, TOLERANCES[problem.dtype])
        if check.passed:
            setting = functools.partial(contender.setting, examples)
            runners.append(_Runner(contender.name, call, check, expected / settings.rounds, setting))
        else:
            results[contender.name] = Result(contender.name, "wrong", _how_wrong(check), check=check)
            on_progress(expected)
    if runners:
        _add_floor(runners, examples, settings, results)
    return runners


def _add_floor(runners: list[_Runner], examples: Examples, settings: Settings, results: dict[str, Result]) -> None:
    try:
        floor = Floor(examples.X, settings.threads)
    except (KernelUnavailable, ValueError) as error:
        results[FLOOR] = Result(FLOOR, "skipped", str(error))
        return
    check = floor.check()
    if not check.passed:
        results[FLOOR] = Result(FLOOR, "wrong", "the sum of what was read differs from the sum of X", check=check)
        return
    runners.append(_Runner(FLOOR, floor, check, 0.0, nullcontext))


class _Runner:
    """A contender that passed the check, with its samples."""

    def __init__(
        self,
        name: str,
        call: Call,
        check: Check,
        expected_per_round: float,
        setting: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self.name = name
        self.check = check
        self.expected_per_round = expected_per_round
        self.calls = 1
        self.samples: list[float] = []
        self._call = call
        self._setting = setting

    def calibrate(self) -> None:
        """Find how many calls fill a sample."""
        if self.expected_per_round > 10 * _SAMPLE_SECONDS:
            return
        with self._setting():
            while (elapsed := _seconds_for(self._call, self.calls)) < _SAMPLE_SECONDS:
                # A first estimate from a very short time is rough, so it grows by no more than ten at once.
                factor = 1.2 * _SAMPLE_SECONDS / max(elapsed, 1e-9)
                self.calls = math.ceil(self.calls * min(factor, 10.0))

    def sample(self) -> None:
        wait_until_idle()
        with self._setting():
            self.samples.append(_seconds_for(self._call, self.calls) / self.calls)


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
        for start in range(0, m, _ROWS_PER_REFERENCE_BLOCK):
            rows = slice(start, start + _ROWS_PER_REFERENCE_BLOCK)
            X_block, y_block = X[rows].astype(np.float64), y[rows].astype(np.float64)
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
