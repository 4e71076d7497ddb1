"""Where predictions go, some rows at a time: CSV into a file, a pipe or onto a terminal, or a Parquet file."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from gradstep import files
from gradstep.data.predictions import Rows
from gradstep.extras import require
from gradstep.text import printable_lines

SUFFIXES = (".csv", ".parquet")

COLUMNS = ("probability", "label")
"""What the result has for every row."""

# A row group of Parquet has at least this many rows, except for the last.
_ROWS_OF_A_GROUP = 1 << 16


def write(predictions: Iterable[Rows], out: Path | None, id_column: str | None) -> None:
    """Write predictions to a file, whole or not at all; to standard output if `out` is None."""
    names = [*([] if id_column is None else [id_column]), *COLUMNS]
    if out is None:
        to_stdout: Callable[[bytes], Any] = _to_terminal if sys.stdout.isatty() else _to_pipe
        _write_csv(predictions, names, to_stdout)
        return
    with files.writing(out) as file:
        if out.suffix.lower() == ".csv":
            _write_csv(predictions, names, file.write)
        else:
            _write_parquet(predictions, names, file)


def _to_pipe(lines: bytes) -> None:
    sys.stdout.buffer.write(lines)


def _to_terminal(lines: bytes) -> None:
    # Names of rows come from the data: a terminal obeys nothing in them.
    click.echo(printable_lines(lines.decode("utf-8")), nl=False)


def _write_csv(predictions: Iterable[Rows], names: list[str], write: Callable[[bytes], Any]) -> None:
    write(_lines([names]))
    for rows in predictions:
        write(_lines(zip(*_columns(rows), strict=True)))


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8")


def _columns(rows: Rows) -> list[list[Any]]:
    ids = [] if rows.ids is None else [rows.ids]
    # Enough digits to read the same number back.
    return [*ids, rows.probability.tolist(), rows.label]


def _write_parquet(predictions: Iterable[Rows], names: list[str], file: BinaryIO) -> None:
    arrow = require("pyarrow", "parquet", "Writing Parquet")
    parquet = require("pyarrow.parquet", "parquet", "Writing Parquet")
    kinds = [arrow.float64() if name == "probability" else arrow.string() for name in names]
    schema = arrow.schema(list(zip(names, kinds, strict=True)))
    # A probability seldom occurs twice.
    with parquet.ParquetWriter(file, schema, use_dictionary=["label"]) as writer:
        for group in _groups(predictions):
            batches = [arrow.record_batch(_columns(rows), schema=schema) for rows in group]
            writer.write_table(arrow.Table.from_batches(batches, schema))


def _groups(predictions: Iterable[Rows]) -> Iterator[list[Rows]]:
    group: list[Rows] = []
    count = 0
    for rows in predictions:
        group.append(rows)
        count += len(rows.label)
        if count >= _ROWS_OF_A_GROUP:
            yield group
            group, count = [], 0
    if group:
        yield group
