"""Records in the formats of other tools: one row per sample as CSV and Parquet, and pyperf's JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from msgspec.structs import asdict

from gradstep import files
from gradstep.compare.record.records import Cell, Record, Result
from gradstep.extras import require
from gradstep.text import printable

_pyarrow = partial(require, "pyarrow", "parquet", "--parquet")
_pyperf = partial(require, "pyperf", "pyperf", "--pyperf")


class Row(NamedTuple):
    """One sample and everything that identifies it: the columns of the tables, and their types.

    A row has the fields of the record, its machine, the cell and the result of the same names. The read limit is the
    contender "read limit".

    Attributes
    ----------
    gradstep : str
        The version of gradstep.
    version : str or None
        Of a peer; None for the kernels of gradstep.
    variant : str or None
        Of the kernel, if it has several that give the same bits.
    round : int or None
        The number of the sample, from 0; samples of one cell with the same number were taken one after another. None
        for a contender that was not timed, which has one row without a sample.
    seconds : float or None
        The mean time of one call within the sample.
    """

    created: str
    gradstep: str
    commit: str | None
    complete: bool
    processor: str
    usable_cores: int
    problem: str
    task: str
    m: int
    n: int
    dtype: str
    order: str
    threads: int | None
    models: int
    X_bytes: int
    contender: str
    version: str | None
    variant: str | None
    status: str
    reason: str | None
    calls_per_sample: int | None
    round: int | None
    seconds: float | None


def rows(record: Record) -> Iterator[Row]:
    """Give a row for each sample of a record, cell by cell, and one for each contender without any."""
    for cell, result in _results(record):
        fields = {
            **asdict(result),
            **asdict(cell),
            **vars(record.machine),
            **asdict(record),
            "gradstep": record.versions["gradstep"],
            "version": record.peers.get(result.contender),
        }
        samples: list[tuple[int | None, float | None]] = [*enumerate(result.samples)] or [(None, None)]
        for number, seconds in samples:
            fields |= {"round": number, "seconds": seconds}
            yield Row._make(fields[name] for name in Row._fields)


def _results(record: Record) -> Iterator[tuple[Cell, Result]]:
    """Give every result with its cell; the read limit is the last of a cell."""
    for cell in record.cells:
        for result in cell.results if cell.read_limit is None else [*cell.results, cell.read_limit]:
            yield cell, result


def save_csv(record: Record, path: Path) -> None:
    """Write one line per sample, with the columns of `Row`; an empty field is a None."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows(record))
    files.write_whole(path, text.getvalue())


def require_parquet(path: Path) -> None:
    """Raise `MissingExtra` or OSError if a Parquet file could not be written to `path`."""
    _pyarrow()
    files.require_place_for(path)


def save_parquet(record: Record, path: Path) -> None:
    """Write one row per sample, with the columns of `Row`, as a Parquet file.

    Raises
    ------
    MissingExtra
        If pyarrow is not installed.
    """
    pyarrow = _pyarrow()
    parquet = require("pyarrow.parquet", "parquet", "--parquet")
    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    # The types are given, because a column of empty fields shows none. A column of X | None is one of X.
    columns = [(name, kinds[(get_args(kind) or (kind,))[0]]) for name, kind in get_type_hints(Row).items()]
    table = pyarrow.Table.from_pylist([row._asdict() for row in rows(record)], schema=pyarrow.schema(columns))
    content = io.BytesIO()
    parquet.write_table(table, content)
    files.write_whole(path, content.getvalue())


def require_pyperf(path: Path) -> None:
    """Raise `MissingExtra` or OSError if a file of pyperf could not be written to `path`."""
    _pyperf()
    files.require_place_for(path)


def save_pyperf(record: Record, path: Path) -> None:
    """Write the samples in the format of pyperf, which ``python -m pyperf show`` and ``compare_to`` read.

    Each timed result becomes a benchmark with a name such as ``cython: random, m=1000, n=10, float64, C, threads=1``,
    and each sample a value. Everything was measured in one process, so each benchmark has one run of pyperf.

    Raises
    ------
    MissingExtra
        If pyperf is not installed.
    ValueError
        If nothing was timed: pyperf has no empty file.
    """
    pyperf = _pyperf()
    benchmarks = [
        pyperf.Benchmark(
            [
                pyperf.Run(
                    result.samples,
                    warmups=[(result.calls_per_sample, seconds) for seconds in result.warm_up],
                    metadata=_metadata(record, name, result),
                    collect_metadata=False,
                )
            ]
        )
        for name, result in _named_results(record)
    ]
    if not benchmarks:
        raise ValueError(f"{path}: nothing was timed, and a file of pyperf cannot be empty")
    content = io.StringIO()
    pyperf.BenchmarkSuite(benchmarks).dump(content)
    files.write_whole(path, content.getvalue())


def _named_results(record: Record) -> Iterator[tuple[str, Result]]:
    """Give the timed results, each with a name of its own."""
    seen: dict[str, int] = {}
    for cell, result in _results(record):
        if result.status != "timed":
            continue
        threads = "auto" if cell.threads is None else cell.threads
        models = "" if cell.models == 1 else f", models={cell.models}"
        size = f"m={cell.m}, n={cell.n}, {cell.dtype}, {cell.order}, threads={threads}{models}"
        # As pyperf keeps it, so that no two names become one.
        name = printable(f"{result.contender}: {cell.problem}, {size}").strip()
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}, repetition {seen[name]}", result


def _metadata(record: Record, name: str, result: Result) -> dict[str, Any]:
    """Return what pyperf shows of a benchmark, under pyperf's own names where it has any."""
    versions = {f"{package}_version": version for package, version in record.versions.items() if version is not None}
    metadata = {
        "name": name,
        "unit": "second",
        "loops": result.calls_per_sample,
        "date": record.created,
        "cpu_count": record.machine.cores,
        "cpu_model_name": record.machine.processor,
        "platform": record.machine.system,
        **versions,
        **({} if record.commit is None else {"commit_id": record.commit}),
    }
    # pyperf takes neither the end of a line nor nothing, nor blanks alone.
    return {
        key: printable(value) if isinstance(value, str) else value
        for key, value in metadata.items()
        if not isinstance(value, str) or value.strip()
    }
