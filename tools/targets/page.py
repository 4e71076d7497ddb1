"""Puts the results of `make targets` into a page, in Markdown; without a page it prints them.

python -m tools.targets.page build/targets.json docs/performance.md
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gradstep.compare.judge.findings import findings
from gradstep.compare.record.records import Record
from gradstep.compare.show.circumstances import circumstances
from gradstep.files import write_whole
from tools.targets import results
from tools.targets.results import TargetResult, TargetsRecord
from tools.targets.show import number, worst

BEGIN, END = "<!-- targets: begin, written by tools.targets.page -->", "<!-- targets: end -->"


def update(page: str, words: str) -> str:
    """Return a page with new words between its markers.

    Raises
    ------
    ValueError
        If the page does not have both markers once, in their order.
    """
    before, *between = page.split(f"{BEGIN}\n")
    _, *after = "".join(between).split(END)
    if len(between) != 1 or len(after) != 1:
        raise ValueError(f"the page should have the markers {BEGIN} and {END} once, in this order")
    return f"{before}{BEGIN}\n{words}{END}{after[0]}"


def markdown(measured: TargetsRecord) -> str:
    """Return the table of one machine: under which conditions it was measured, and each group of rows."""
    parts = [_heading(measured.record), _legend(measured)]
    parts += [_group(name, list(rows)) for name, rows in itertools.groupby(measured.targets, lambda each: each.group)]
    if measured.regrets:
        parts.append(_regrets(measured))
    return "\n".join([*parts, _conditions(measured.record), ""])


def _heading(record: Record) -> str:
    machine = record.machine
    features = "AVX-512" if "avx512f" in machine.features else "AVX2" if "avx2" in machine.features else ""
    words = [machine.processor, *([features] if features else []), f"{machine.usable_cores} cores", record.created[:10]]
    return f"### {', '.join(words)}\n"


def _legend(measured: TargetsRecord) -> str:
    reached = [each.verdict for each in measured.targets]
    return (
        f"Of {len(reached)} targets {reached.count('aim')} reach the aim, {reached.count('must')} what they must, "
        f"{reached.count('missed')} miss it (**bold**), and {reached.count('not measured')} were not measured. In "
        f"brackets the quartiles of the rounds' ratios; \\* marks the aim.\n"
    )


def _group(name: str, rows: Sequence[TargetResult]) -> str:
    """Return a table with a row for each case, and the columns "must" and measured for each number of threads."""
    columns = list(dict.fromkeys(row.threads for row in rows))
    heads = [head for threads in columns for head in ("must", threads or "measured")]
    by_place = {(row.case, row.threads): row for row in rows}
    lines = [[name, *heads], ["---", *("---" for _ in heads)]]
    for case in dict.fromkeys(row.case for row in rows):
        found = [by_place.get((case, threads)) for threads in columns]
        lines.append([case, *itertools.chain.from_iterable(map(_entries, found))])
    return _table(lines)


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _entries(row: TargetResult | None) -> tuple[str, str]:
    if row is None:
        return "", ""
    sign = "\N{GREATER-THAN OR EQUAL TO}" if row.unit == "factor" else "\N{LESS-THAN OR EQUAL TO}"
    must = f"{sign} {number(row.must)}"
    if row.measured is None:
        return must, f"not measured: {row.reason}"
    value = number(row.measured)
    value = {"missed": f"**{value}**", "aim": f"{value}\\*"}.get(row.verdict, value)
    between = "" if row.quartiles is None else f" ({number(row.quartiles[0])} to {number(row.quartiles[1])})"
    return must, f"{value}{between}{f', {row.against}' if row.against else ''}"


def _regrets(measured: TargetsRecord) -> str:
    lines = [["choice / fastest", "m", "n", "dtype", "order", "threads", "the fastest"], ["---"] * 7]
    for each in worst(measured.regrets):
        size = (f"{each.m:,}", f"{each.n:,}", each.dtype, each.order, each.threads)
        lines.append([number(each.ratio), *size, each.fastest])
    return f"The {len(lines) - 2} largest regrets of the {len(measured.regrets)} sizes:\n\n{_table(lines)}"


def _conditions(record: Record) -> str:
    """Return the machine, the versions and how quiet it was, as the terminal shows them."""
    lines: Iterator[str] = (line.plain for line in circumstances(findings(record)))
    listed = [" ".join(line.split()) for line in lines]
    return "\n".join(f"- {line}" for line in [*listed, f"the run took {record.seconds / 60.0:.1f} minutes"]) + "\n"


def main(record_file: Path, page_file: Path | None = None) -> None:
    """Put the results into the page, or print them."""
    words = markdown(results.load(record_file))
    if page_file is None:
        sys.stdout.write(words)
        return
    write_whole(page_file, update(page_file.read_text(encoding="utf-8"), words))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
