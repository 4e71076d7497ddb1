"""Puts a record of `gradstep compare` into the README: its table between two markers, and its picture.

python tools/update_readme.py docs/comparison.json README.md docs/comparison.svg
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from gradstep.compare.judge import series
from gradstep.compare.judge.findings import CellFindings, Findings, findings
from gradstep.compare.record import records
from gradstep.compare.record.records import READ_LIMIT, Record
from gradstep.compare.show.pictures import canvas, times
from gradstep.compare.show.summary import against_peers
from gradstep.compare.show.words import counted, micro, three_digits
from gradstep.files import write_whole

KERNEL = "cython"
BEGIN, END = "<!-- comparison: begin, written by make picture -->", "<!-- comparison: end -->"


def update(readme: str, found: Findings) -> str:
    """Return the README with the words and the table of a record in place of what stood between the markers."""
    between = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)
    updated, count = between.subn(lambda _: section(found), readme)
    if count != 1:
        raise ValueError(f"the README should have the markers {BEGIN} and {END} once, in this order")
    return updated


def section(found: Findings) -> str:
    """Return what stands between the markers; raise `ValueError` if the record has no peer to compare with."""
    if not found.record.peers:
        raise ValueError("the record has no peers; measure it with --peers all")
    return f"\n{_introduction(found.record)}\n\n{table(found)}\n\n{_legend(found)}\n\n"


def table(found: Findings) -> str:
    """Return the table: a row for each size, and for each number of threads three columns."""
    threads = found.record.settings.threads
    heads = [("m", True), ("n", True)]
    for count in threads:
        heads += [(f"Cython, {_threads(count)}", True), (f"× {READ_LIMIT}", True), ("fastest peer", False)]
    rows = [[words for words, _ in heads], ["---:" if number else "---" for _, number in heads]]
    cells = {(each.cell.m, each.cell.n, each.cell.threads): each for each in _cells(found)}
    for m, n in dict.fromkeys((m, n) for m, n, _ in cells):
        row = [f"{m:,}", f"{n:,}"]
        for count in threads:
            row += _entries(found.record, cells.get((m, n, count)))
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(found: Findings) -> list[CellFindings]:
    """Return the cells of random data in the first dtype and order, in the order of the rows."""
    kind = "random", found.record.settings.dtypes[0], found.record.settings.orders[0]
    cells = [each for each in found.cells if (each.cell.problem, each.cell.dtype, each.cell.order) == kind]
    return sorted(cells, key=lambda each: (each.cell.n, each.cell.m))


def _entries(record: Record, each: CellFindings | None) -> list[str]:
    kernel = None if each is None else next((line for line in each.timed if line.name == KERNEL), None)
    if each is None or kernel is None or kernel.time is None:
        return ["", "", ""]
    over_limit = "" if kernel.over_read_limit is None else three_digits(kernel.over_read_limit.value)
    return [micro(kernel.time.value), over_limit, _peer(record, each)]


def _peer(record: Record, each: CellFindings) -> str:
    """Return how many times as long the fastest peer takes, and its name: bold where it is faster."""
    against = against_peers(record, each, KERNEL)
    if against is None:
        return ""
    words = f"{three_digits(against.ratio.value)} {against.peer}"
    marks = {"faster": f"**{words}**", "slower": words, "too close to call": f"≈ {words}"}
    return marks[against.ratio.verdict]


def _introduction(record: Record) -> str:
    machine = record.machine
    rounds = counted(record.settings.rounds, "round")
    kind = f"{record.settings.dtypes[0]}, {record.settings.orders[0]} order"
    virtual = ", virtual" if machine.virtual else ""
    return _wrapped(
        f"The time of a step by the Cython kernel, that time over the {READ_LIMIT}, and how many times as long the "
        f"fastest of {_listed(list(record.peers))} takes with the same number of threads; {kind}, medians of "
        f"{rounds}. Measured on {machine.processor} ({counted(machine.usable_cores, 'core')}{virtual}), "
        f"{machine.system}, {record.created[:10]}:"
    )


def _legend(found: Findings) -> str:
    peers = [words for each in _cells(found) if (words := _peer(found.record, each))]
    lost, close = (sum(words.startswith(mark) for words in peers) for mark in ("**", "≈"))
    noise = "" if found.spread is None else f" Reading the same array varied by {found.spread:.0%} through the run."
    return _wrapped(
        f"The {READ_LIMIT} is the time just to read X once. Bold: the peer is faster, in {lost} of {len(peers)} cases; "
        f"≈: too close to call, because the 95 % interval of the ratio spans 1, in {close}.{noise} Every sample is in "
        f"[docs/comparison.json](docs/comparison.json); `gradstep report docs/comparison.json --html report.html` "
        f"shows it."
    )


def _threads(count: int | None) -> str:
    return "threads by size" if count is None else counted(count, "thread")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _wrapped(words: str) -> str:
    return textwrap.fill(words, 120, break_long_words=False, break_on_hyphens=False)


def drawn(found: Findings, suffix: str) -> bytes:
    """Return the picture of the times against m, of the first number of threads, as the content of a file."""
    threads = found.record.settings.threads[0]
    shown = next(each for each in series.lines_along(found, "m") if each.setup.threads == threads)
    return canvas.encoded(times.figure(found.record, shown), suffix)


def main(record_file: Path, readme_file: Path, picture_file: Path) -> None:
    """Update the README and draw the picture."""
    found = findings(records.load(record_file))
    write_whole(readme_file, update(readme_file.read_text(encoding="utf-8"), found))
    write_whole(picture_file, drawn(found, picture_file.suffix))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
