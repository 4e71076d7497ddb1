"""Short comparison runs for the tests: contenders that are wrong or never called, and what is shown of a record."""

from __future__ import annotations

import io

from rich.console import Console

from gradstep.compare.judge.findings import findings
from gradstep.compare.judge.verdict import Auto
from gradstep.compare.measure import run
from gradstep.compare.measure.contenders import Call, Contender, kernel_contender
from gradstep.compare.measure.problems import Examples, Problem, RealProblem
from gradstep.compare.record import records
from gradstep.compare.record.records import Record, Settings
from gradstep.compare.show import overview

QUICK = Settings(["numpy"], rounds=3)


def run_quickly(*contenders: Contender, grid: list[Problem | RealProblem] | None = None, **changes: object) -> Record:
    settings = records.changed(QUICK, contenders=[each.name for each in contenders], **changes)
    return run.run(lambda threads: contenders, grid or [Problem(50, 3)], settings)


def planted(name: str, change) -> Contender:
    """Return a contender that computes the step rightly and then changes it."""
    right = kernel_contender("numpy").prepare

    def prepare(examples: Examples) -> Call:
        call = right(examples)
        return lambda: change(call())

    return Contender(name, prepare)


def never(name: str, calls: list[object]) -> Contender:
    """Return a contender that notes it if it is prepared for a call."""

    def prepare(examples: Examples) -> Call:
        calls.append(examples.X.shape)
        return kernel_contender("numpy").prepare(examples)

    return Contender(name, prepare)


def shown(record: Record, **options: object) -> str:
    """Return all that is shown of a record."""
    stream = io.StringIO()
    overview.show_details(findings(record), Console(file=stream, highlight=False, **options))
    return stream.getvalue()


def shown_in_short(record: Record, auto: Auto | None = None, **options: object) -> str:
    """Return what is shown of a record by default."""
    stream = io.StringIO()
    overview.show(findings(record), Console(file=stream, highlight=False, **options), auto)
    return stream.getvalue()
