"""The record of a comparison run, as dataclasses and as JSON.

The JSON file has the keys of `Record`; what they hold is told at each class, and in docs/record.md. All times are in
seconds. A reader should look at ``schema`` first: it grows by one whenever a key is added, changes its meaning or goes
away.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

from gradstep.compare.record import schema
from gradstep.compare.record.machine import Machine
from gradstep.files import write_whole

SCHEMA = schema.VERSION

Status = Literal["timed", "wrong", "skipped"]
Unit = Literal["ratio", "factor", "MiB"]
Verdict = Literal["aim", "must", "missed", "not measured"]


@dataclass(frozen=True)
class Check:
    """The comparison of one result with an independent evaluation.

    Attributes
    ----------
    passed : bool
        Whether every component lies within the tolerance.
    error : float or None
        The largest error of a component of (w, b, J), relative to the size of the terms that are summed up in it; None
        if the result is not finite or has the wrong shape.
    tolerance : float
        What is allowed.
    """

    passed: bool
    error: float | None
    tolerance: float


@dataclass(frozen=True)
class Result:
    """One contender on one problem.

    Attributes
    ----------
    contender : str
        Its name.
    status : str
        "timed"; "wrong": its result failed the check, so it was not timed; or "skipped".
    reason : str or None
        Why it was skipped or is wrong.
    expected : float or None
        If it was skipped: how long its calls would have taken.
    check : Check or None
        The check of its result; None if it was skipped.
    samples : list of float
        Every sample: the mean time of one call within `calls_per_sample` calls. Sample k was taken in round k, of this
        contender and of all others of the cell.
    warm_up : list of float
        The samples that were taken before, until the time no longer fell; part of no result.
    calls_per_sample : int or None
        How many calls one sample lasts.
    median, interquartile_range : float or None
        Of the samples.
    """

    contender: str
    status: Status
    reason: str | None = None
    expected: float | None = None
    check: Check | None = None
    samples: list[float] = field(default_factory=list)
    warm_up: list[float] = field(default_factory=list)
    calls_per_sample: int | None = None
    median: float | None = None
    interquartile_range: float | None = None


def timed(
    contender: str, check: Check, samples: list[float], calls_per_sample: int, warm_up: Sequence[float] = ()
) -> Result:
    """Return the result of a contender that passed the check and was timed."""
    spread = 0.0
    if len(samples) > 1:
        lower, _, upper = statistics.quantiles(samples, n=4, method="inclusive")
        spread = upper - lower
    return Result(
        contender,
        "timed",
        check=check,
        samples=samples,
        warm_up=list(warm_up),
        calls_per_sample=calls_per_sample,
        median=statistics.median(samples),
        interquartile_range=spread,
    )


@dataclass(frozen=True)
class Cell:
    """All contenders on one problem, in one dtype, memory order and number of threads.

    Attributes
    ----------
    problem : str
        "random", or the name of the data set or file.
    task : str
        What the labels mean.
    m, n : int
        The number of examples and of features.
    dtype : str
        Of X.
    order : str
        Of X: "C" or "F".
    threads : int or None
        With how many everybody was called; None if each call chose by the size of X.
    X_bytes : int
        The size of X in memory.
    results : list of Result
        One for each contender, in the order of the settings.
    floor : Result or None
        Only reading X with the same threads, in the same rounds; None if nobody was timed.
    """

    problem: str
    task: str
    m: int
    n: int
    dtype: str
    order: str
    threads: int | None
    X_bytes: int
    results: list[Result]
    floor: Result | None = None


@dataclass(frozen=True)
class TargetResult:
    """One target of gradstep, and what was measured.

    Attributes
    ----------
    group, case : str
        What is compared with what, and in which case.
    must, aim : float
        The bounds: what has to be reached, and what is hoped for.
    unit : str
        "ratio": of two times, small is good. "factor": times as fast, large is good. "MiB": small is good.
    measured : float or None
        The ratio of the medians, or the memory; None if it could not be measured.
    quartiles : tuple of two floats, or None
        Of the ratios of each round.
    against : str
        The contender that was compared with, if it was the fastest of several.
    reason : str or None
        Why it was not measured.
    """

    group: str
    case: str
    must: float
    aim: float
    unit: Unit
    measured: float | None = None
    quartiles: tuple[float, float] | None = None
    against: str = ""
    reason: str | None = None

    @property
    def verdict(self) -> Verdict:
        """What became of the target."""
        if self.measured is None:
            return "not measured"
        if self._reaches(self.aim):
            return "aim"
        return "must" if self._reaches(self.must) else "missed"

    def _reaches(self, bound: float) -> bool:
        if self.measured is None:
            return False
        return self.measured >= bound if self.unit == "factor" else self.measured <= bound


@dataclass(frozen=True)
class Settings:
    """What was asked for.

    Attributes
    ----------
    contenders : list of str
        Those that took part, in the order of the columns.
    dtypes, orders : list of str
        Of the data.
    threads : list of int or None
        None if each call chose by the size of X.
    rounds : int
        The number of samples per contender and problem.
    limit : float
        A contender was skipped where its calls were expected to take longer.
    seed : int
        Fixes the random problems and the order of the samples.
    alpha : float
        The learning rate of the steps.
    preset : str or None
        The name of the set of problems and contenders.
    budget : float or None
        How long the run should last at most.
    base : str or None
        The contender that others are compared with; None takes python where it was timed, else numpy.
    """

    contenders: list[str]
    dtypes: list[str] = field(default_factory=lambda: ["float64"])
    orders: list[str] = field(default_factory=lambda: ["C"])
    threads: list[int | None] = field(default_factory=lambda: [1])
    rounds: int = 7
    limit: float = 20.0
    seed: int = 0
    alpha: float = 1.0
    preset: str | None = None
    budget: float | None = None
    base: str | None = None


@dataclass(frozen=True)
class FirstCall:
    """What a contender takes before it is fast; never part of a sample.

    Attributes
    ----------
    contender : str
        Its name.
    dtype, order : str
        Of X; compilers compile for each of them.
    threads : int or None
        As of a cell.
    imported : float or None
        Importing what it needs that was not imported yet; None where that was done for an earlier line.
    compiled : float or None
        Of contenders that compile at run time: the first call less the second, which is compilation, or loading what
        an earlier process compiled. None of others.
    first : float
        The whole first call with 100 examples and 10 features.
    smallest : float
        A call with one example and one feature, once it is warm: what a call costs whatever the size.
    """

    contender: str
    dtype: str
    order: str
    threads: int | None
    imported: float | None
    compiled: float | None
    first: float
    smallest: float


Cause = Literal["memory", "budget"]


@dataclass(frozen=True)
class LeftOut:
    """A problem, or one contender on it, that was planned and not measured.

    Attributes
    ----------
    problem, m, n, dtype, order, threads
        As of `Cell`.
    contender : str or None
        Who was left out; None if everybody was, and there is no such cell.
    cause : str
        "memory": it would not have fitted; "budget": the time would not have sufficed.
    reason : str
        The same in words, with numbers.
    """

    problem: str
    m: int
    n: int
    dtype: str
    order: str
    threads: int | None
    contender: str | None
    cause: Cause
    reason: str


@dataclass(frozen=True)
class Noise:
    """The same floor, measured again and again through the run: what varies in it is the machine.

    Attributes
    ----------
    X_bytes : int
        How much each sample reads.
    samples : list of tuple (float, float)
        When it was taken, in seconds since the run began, and how long the reading took.
    """

    X_bytes: int
    samples: list[tuple[float, float]]


@dataclass(frozen=True)
class Record:
    """One comparison run.

    Attributes
    ----------
    schema : int
        The version of this format.
    created : str
        When the run began, ISO 8601 in UTC.
    seconds : float
        How long it lasted.
    complete : bool
        False if it was interrupted; then the cells are those that had been measured.
    commit : str or None
        The git commit of the checkout that gradstep was imported from, followed by "-dirty" if a file of it was
        changed; None if gradstep was installed in another way.
    timed : str
        What one call is, in words.
    machine : Machine
        What it ran on.
    versions : dict
        Name -> version, None for what is not installed; "cython" is the one that compiled the kernel.
    settings : Settings
        What was asked for.
    first_calls : list of FirstCall
        Import, compilation and the first call of each contender.
    unavailable : dict
        Contender -> why it could not take part.
    notes : list of str
        What else a reader should know, such as a data set that was left out.
    left_out : list of LeftOut
        What the memory or the budget did not allow for.
    cells : list of Cell
        The measurements, in the order they were asked for.
    peers : dict
        Those of the contenders that are not kernels of gradstep, and their versions.
    targets : list of TargetResult
        What the measurements say about gradstep's targets, if that was asked for (``--preset targets``).
    noise : Noise or None
        How quiet the machine was; None where the floor cannot be measured.
    """

    schema: int
    created: str
    seconds: float
    complete: bool
    commit: str | None
    timed: str
    machine: Machine
    versions: dict[str, str | None]
    settings: Settings
    first_calls: list[FirstCall]
    unavailable: dict[str, str]
    notes: list[str]
    left_out: list[LeftOut]
    cells: list[Cell]
    peers: dict[str, str] = field(default_factory=dict)
    targets: list[TargetResult] = field(default_factory=list)
    noise: Noise | None = None

    def wrong(self) -> list[tuple[Cell, Result]]:
        """Return the results that failed the check."""
        return [(cell, result) for cell in self.cells for result in cell.results if result.status == "wrong"]


def save(record: Record, path: Path) -> None:
    """Write the record as JSON, whole or not at all."""
    write_whole(path, as_json(record))


def as_json(record: Record) -> str:
    """Return the record as JSON, as `save` writes it."""
    return json.dumps(asdict(record), indent=1, allow_nan=False) + "\n"


def load(path: Path) -> Record:
    """Read a record that `save` wrote.

    Raises
    ------
    ValueError
        If it is cut off, not JSON, or no record of this version; the message names the file and what is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content: dict[str, Any] = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        schema.require_record(content)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: this is not JSON, or is cut off: {error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: this is not JSON: it is not text in UTF-8") from None
    except RecursionError:
        raise ValueError(f"{path}: this is no record of gradstep compare: it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return Record(
        **{
            **content,
            "machine": Machine(**content["machine"]),
            "settings": Settings(**content["settings"]),
            "first_calls": [FirstCall(**first) for first in content["first_calls"]],
            "left_out": [LeftOut(**left) for left in content["left_out"]],
            "noise": _noise(content["noise"]),
            "cells": [_cell(cell) for cell in content["cells"]],
            "targets": [_target(target) for target in content["targets"]],
        }
    )


def _no_number(name: str) -> NoReturn:
    """Refuse what Python would read, but JSON does not have."""
    raise ValueError(f"this is not JSON: {name} is no number there")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits} is too large")
    return number


def _cell(content: dict[str, Any]) -> Cell:
    floor = content["floor"]
    results = [_result(result) for result in content["results"]]
    return Cell(**{**content, "results": results, "floor": None if floor is None else _result(floor)})


def _noise(content: dict[str, Any] | None) -> Noise | None:
    if content is None:
        return None
    return Noise(content["X_bytes"], [(at, seconds) for at, seconds in content["samples"]])


def _target(content: dict[str, Any]) -> TargetResult:
    quartiles = content["quartiles"]
    return TargetResult(**{**content, "quartiles": None if quartiles is None else tuple(quartiles)})


def _result(content: dict[str, Any]) -> Result:
    check = content["check"]
    return Result(**{**content, "check": None if check is None else Check(**check)})
