"""Records that differ in what is named, and what gradstep shows of such a difference."""

from __future__ import annotations

import io

import made_records
from rich.console import Console

from gradstep.compare.judge import differences
from gradstep.compare.record.records import Record, changed
from gradstep.compare.show import difference_tables

SIZES = [(m, n) for m in (100, 1000, 10_000) for n in (2, 10, 100)]
TIMES = {"numba": 2e-3, "cython": 1e-3, "numpy": 3e-3}


def made(
    factors: dict[tuple[int, int, str], float] | None = None, spread: float = 0.02, read_limit: float = 1.0
) -> Record:
    """Return a record of nine cells, in which some times and all read limits are multiplied by a factor."""
    cells = []
    for m, n in SIZES:
        results = {name: seconds * (factors or {}).get((m, n, name), 1.0) for name, seconds in TIMES.items()}
        cell = made_records.cell(m, n, {}, read_limit=5e-4 * read_limit)
        cells.append(changed(cell, results=[made_records.result(*entry, spread) for entry in results.items()]))
    return made_records.record(*cells, noise=None)


def everywhere(factor: float) -> dict[tuple[int, int, str], float]:
    return {(m, n, name): factor for m, n in SIZES for name in TIMES}


def shown(before: Record, after: Record, **options: object) -> str:
    """Return all that is shown of two records."""
    stream = io.StringIO()
    found = differences.between(before, after)
    difference_tables.show_details(found, before, after, ("a.json", "b.json"), Console(file=stream, **options))
    return stream.getvalue()


def shown_in_short(before: Record, after: Record, **options: object) -> str:
    """Return what is shown of two records by default."""
    stream = io.StringIO()
    found = differences.between(before, after)
    difference_tables.show(found, before, after, ("a.json", "b.json"), Console(file=stream, **options))
    return stream.getvalue()
