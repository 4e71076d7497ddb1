"""Writes what the pages of docs/ show of a record: the figures and the tables, so that no number is typed by hand.

python -m tools.docs_record docs/comparison.json build/docs/record
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradstep import registry
from gradstep.compare.judge import series
from gradstep.compare.judge.findings import CellFindings, Findings, Line, findings
from gradstep.compare.judge.verdict import verdict
from gradstep.compare.record import records
from gradstep.compare.show import styles, words
from gradstep.compare.show.pictures import canvas, times
from gradstep.compare.show.verdict import answer
from gradstep.files import write_whole

# The versions of the tutorial, in its order, by the names that they have in a record.
VERSIONS = {
    "python": "two loops in Python",
    "numpy-formula": "the formula in NumPy",
    "numba-loop": "the loops in Numba",
    "numba": "gradstep, numba",
    "cython": "gradstep, cython",
}

# The number of features of the tutorial's figures.
FEATURES = 100


def write(record_file: Path, folder: Path) -> None:
    """Write the figures (SVG) and the tables (Markdown) of a record into a folder, which is made if need be."""
    found = findings(records.load(record_file))
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "distance.svg", canvas.encoded(distance(found), ".svg"))
    write_whole(folder / "time-against-m.svg", canvas.encoded(_times(found), ".svg"))
    write_whole(folder / "versions.md", table(found, VERSIONS))
    write_whole(folder / "kernels.md", table(found, {name: f"`{name}`" for name in registry.KERNELS}))
    write_whole(folder / "verdict.md", "\n\n".join(answer(found).sentences) + "\n")
    write_whole(folder / "losses.md", losses(found))
    write_whole(folder / "measured-on.md", measured_on(found))


def column(found: Findings) -> list[CellFindings]:
    """Return the cells of the tutorial, by rising m: random data, `FEATURES` features, and one thread.

    Raises
    ------
    ValueError
        If the record has none.
    """
    wanted = ("random", FEATURES, "float64", "C", 1)
    cells = [
        each
        for each in found.cells
        if (each.cell.problem, each.cell.n, each.cell.dtype, each.cell.order, each.cell.threads) == wanted
    ]
    if not cells:
        raise ValueError(f"the record has no random data of {FEATURES} features in float64 on one thread")
    return sorted(cells, key=lambda each: each.cell.m)


def table(found: Findings, contenders: Mapping[str, str]) -> str:
    """Return a table of the time of a step by each contender, with its title, for each m."""
    cells = column(found)
    rows = [
        ["m", *(f"{each.cell.m:,}" for each in cells)],
        ["---", *("---:" for _ in cells)],
        *([title, *(_time(_line(each, name)) for each in cells)] for name, title in contenders.items()),
        ["read limit", *(_time(each.read_limit) for each in cells)],
    ]
    return _markdown(rows)


def losses(found: Findings) -> str:
    """Return a sentence on how often a peer is faster than every kernel, and a table of where and by how much."""
    against = verdict(found).against
    lost = [each for each in against if each.ratio.verdict == "faster"]
    close = sum(each.ratio.verdict == "too close to call" for each in against)
    problems = words.counted(len(against), "problem")
    counts = f"On {len(lost)} of {problems} of the record a peer is faster than every kernel"
    counts += f"; on {close} it is too close to call.\n" if close else ".\n"
    if not lost:
        return counts
    rows = [["m", "n", "threads", "fastest peer", "fastest kernel", "the peer is"], ["---:"] * 3 + ["---"] * 3]
    for each in lost:
        threads = "by size" if each.cell.threads is None else str(each.cell.threads)
        by = f"{words.times(1.0 / each.ratio.value)} faster"
        rows.append([f"{each.cell.m:,}", f"{each.cell.n:,}", threads, each.peer, each.kernel, by])
    return f"{counts}\n{_markdown(rows)}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def measured_on(found: Findings) -> str:
    """Return a sentence that says what was measured, on which machine and when."""
    record = found.record
    machine = record.machine
    kind = ", a virtual machine" if machine.virtual else ""
    rounds = words.counted(record.settings.rounds, "round")
    return (
        f"The time of a step. Medians of {rounds} on one thread, {FEATURES} features, float64. "
        f"{machine.processor}{kind}, {record.created[:10]}.\n"
    )


def distance(found: Findings) -> Any:
    """Draw how many times the read limit each version of the tutorial takes, where X is largest."""
    last = column(found)[-1]
    bars = [(title, line, name) for name, title in VERSIONS.items() if (line := _line(last, name)) is not None]
    made = canvas.figure(
        found.record,
        1.75 + 0.42 * len(bars),
        "One step, in times the read limit",
        f"{words.sizes(last.cell.m, last.cell.n)}: {words.size(last.cell.X_bytes)}; {last.cell.setup.words}",
        "The read limit, the time just to read X once, is 1. Lines: 95 % intervals",
    )
    axes = canvas.axes(made, 2.2, 0.75, 0.6, 1.05)
    look = styles.styles(name for _, _, name in bars)
    for row, (_, line, name) in enumerate(bars):
        _draw_bar(axes, row, line, look[name].colour)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_yticks(range(len(bars)), [title for title, _, _ in bars])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("time of a step / read limit", labelpad=4)
    axes.axvline(1, color=styles.INK, linewidth=1.2, linestyle=(0, (1, 1.5)))
    return made


def _draw_bar(axes: Any, row: int, line: Line, colour: str) -> None:
    ratio = line.over_read_limit
    if ratio is None:
        return
    axes.barh(row, ratio.value, height=0.62, color=colour)
    axes.plot([ratio.lower, ratio.upper], [row, row], color=styles.INK, linewidth=1.0, solid_capstyle="butt")
    place = {"xytext": (4, 0), "textcoords": "offset points", "va": "center_baseline"}
    axes.annotate(f"{ratio.value:.1f}", (max(ratio.value, ratio.upper), row), **place)


def _times(found: Findings) -> Any:
    """Draw the times of the tutorial's versions against m."""
    shown = next(each for each in series.lines_along(found, "m") if (each.fixed, each.setup.threads) == (FEATURES, 1))
    lines = [line for line in shown.lines if line.name in VERSIONS]
    return times.figure(found.record, series.AllSeries(shown.setup, shown.along, shown.fixed, lines, shown.read_limit))


def _line(each: CellFindings, name: str) -> Line | None:
    return next((line for line in each.timed if line.name == name), None)


def _time(line: Line | None) -> str:
    return "" if line is None or line.time is None else words.micro(line.time.value)


if __name__ == "__main__":
    write(*map(Path, sys.argv[1:]))
