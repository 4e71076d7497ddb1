"""Puts a record of `gradstep compare` into the README: its table between two markers, and its picture.

python tools/update_readme.py docs/comparison.json README.md docs/comparison.svg
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from gradstep.compare.judge import findings, series, statistics
from gradstep.compare.record import records
from gradstep.compare.record.records import Cell, Record, Result
from gradstep.compare.show import pictures
from gradstep.compare.show.words import counted, micro, three_digits
from gradstep.files import write_whole

KERNEL = "cython"
BEGIN, END = "<!-- comparison: begin, written by make picture -->", "<!-- comparison: end -->"


def update(readme: str, record: Record) -> str:
    """Return the README with the words and the table of a record in place of what stood between the markers."""
    between = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)
    updated, count = between.subn(lambda _: section(record), readme)
    if count != 1:
        raise ValueError(f"the README should have the markers {BEGIN} and {END} once, in this order")
    return updated


def section(record: Record) -> str:
    """Return what stands between the markers; ValueError if there is no peer to be compared with."""
    if not record.peers:
        raise ValueError("the record has no peers; measure it with --peers all")
    return f"\n{_introduction(record)}\n\n{table(record)}\n\n{_legend(record)}\n\n"


def table(record: Record) -> str:
    """Return the table: a row for each size, and for each number of threads three columns."""
    threads = record.settings.threads
    heads = [("m", True), ("n", True)]
    for count in threads:
        heads += [(f"Cython, {_threads(count)}", True), ("x read", True), ("fastest peer", False)]
    rows = [[words for words, _ in heads], ["---:" if number else "---" for _, number in heads]]
    for m, n in dict.fromkeys((cell.m, cell.n) for cell in _cells(record)):
        row = [f"{m:,}", f"{n:,}"]
        for count in threads:
            row += _entries(record, _cell(record, m, n, count))
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(record: Record) -> list[Cell]:
    """Return the cells of random data in the first dtype and order, sorted as they are to be read."""
    dtype, order = record.settings.dtypes[0], record.settings.orders[0]
    cells = [cell for cell in record.cells if (cell.problem, cell.dtype, cell.order) == ("random", dtype, order)]
    return sorted(cells, key=lambda cell: (cell.n, cell.m))


def _cell(record: Record, m: int, n: int, threads: int | None) -> Cell | None:
    return next((cell for cell in _cells(record) if (cell.m, cell.n, cell.threads) == (m, n, threads)), None)


def _entries(record: Record, cell: Cell | None) -> list[str]:
    kernel = None if cell is None else _kernel(cell)
    if cell is None or kernel is None or kernel.median is None:
        return ["", "", ""]
    floor = cell.read_limit.median if cell.read_limit is not None else None
    return [
        micro(kernel.median),
        "" if floor is None else three_digits(kernel.median / floor),
        _peer(record, cell, kernel),
    ]


def _kernel(cell: Cell) -> Result | None:
    return next((result for result in series.timed(cell) if result.contender == KERNEL), None)


def _peer(record: Record, cell: Cell, kernel: Result) -> str:
    """Return how many times as long the fastest peer takes, and who it is: bold where it is faster."""
    peers = [result for result in series.timed(cell) if result.contender in record.peers]
    if not peers:
        return ""
    fastest = min(peers, key=lambda result: result.median or 0.0)
    ratio = statistics.paired_ratio(fastest.samples, kernel.samples)
    words = f"{three_digits(ratio.value)} {fastest.contender}"
    marks = {"faster": f"**{words}**", "slower": words, "cannot tell": f"≈ {words}"}
    return marks[ratio.verdict]


def _introduction(record: Record) -> str:
    machine = record.machine
    rounds = counted(record.settings.rounds, "round")
    kind = f"{record.settings.dtypes[0]}, {record.settings.orders[0]} order"
    virtual = ", virtual" if machine.virtual else ""
    return _wrapped(
        f"The time of a step by the Cython kernel, that time over the time only to read X, and how many times as long "
        f"the fastest of {_listed(list(record.peers))} takes with the same number of threads; {kind}, medians of "
        f"{rounds}. Measured on {machine.processor} ({counted(machine.usable_cores, 'core')}{virtual}), "
        f"{machine.system}, {record.created[:10]}:"
    )


def _legend(record: Record) -> str:
    lost, unsure, compared = 0, 0, 0
    for cell in _cells(record):
        kernel = _kernel(cell)
        words = "" if kernel is None else _peer(record, cell, kernel)
        compared += bool(words)
        lost += words.startswith("**")
        unsure += words.startswith("≈")
    spread = findings.unrest(record)
    noise = "" if spread is None else f" Reading the same array varied by {spread:.0%} through the run."
    return _wrapped(
        f"Bold: the peer is faster, in {lost} of {compared} cases; ≈: the 95 % interval of the ratio spans 1, so that "
        f"it cannot be told, in {unsure}.{noise} Every sample is in [docs/comparison.json](docs/comparison.json); "
        f"`gradstep report docs/comparison.json --html report.html` shows it."
    )


def _threads(count: int | None) -> str:
    return "threads by size" if count is None else counted(count, "thread")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _wrapped(words: str) -> str:
    return textwrap.fill(words, 120, break_long_words=False, break_on_hyphens=False)


def drawn(record: Record, suffix: str) -> bytes:
    """Return the picture of the times against m, of the first number of threads, as the content of a file."""
    return pictures.encoded(pictures.draw_times(record, _lines(record)), suffix)


def _lines(record: Record) -> series.Lines:
    threads = record.settings.threads[0]
    return next(lines for lines in series.lines_along(record, "m") if lines.conditions.threads == threads)


def main(record_file: Path, readme_file: Path, picture_file: Path) -> None:
    """Update the README and draw the picture."""
    record = records.load(record_file)
    write_whole(readme_file, update(readme_file.read_text(encoding="utf-8"), record))
    write_whole(picture_file, drawn(record, picture_file.suffix))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
