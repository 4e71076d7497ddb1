"""Puts a record of `gradstep compare` into the README: its tables, what a run shows, and the picture for both themes.

python -m tools.update_readme docs/comparison.json build/compare.txt README.md docs/comparison.svg
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from gradstep import registry
from gradstep.compare.judge.findings import CellFindings, Findings, findings
from gradstep.compare.record import records
from gradstep.compare.record.records import READ_LIMIT
from gradstep.compare.show.words import counted, listed, micro
from gradstep.files import write_whole
from tools import docs_record, readme_picture
from tools.readme_picture import BASE, three_digits

# Of what make compare writes: what it shows, under which conditions, the heads, and two problems.
_FIRST_LINES = 6


def update(readme: str, sections: dict[str, str]) -> str:
    """Return the README with each section in place of what stood between its markers.

    Raises
    ------
    ValueError
        If the README does not have the markers of a section once, in their order.
    """
    for name, words in sections.items():
        begin, end = markers(name)
        before, *between = readme.split(f"{begin}\n")
        _, *after = "".join(between).split(end)
        if len(between) != 1 or len(after) != 1:
            raise ValueError(f"the README should have the markers {begin} and {end} once, in this order")
        readme = f"{before}{begin}\n{words}{end}{after[0]}"
    return readme


def markers(name: str) -> tuple[str, str]:
    """Return what stands before and after a section."""
    return f"<!-- {name}: begin, written by make picture -->", f"<!-- {name}: end -->"


def output(written: str) -> str:
    """Return what `make compare` has written, as the README shows it: its first lines, and the verdict below them."""
    paragraphs = written.strip().split("\n\n")
    lines = [*paragraphs[0].splitlines()[:_FIRST_LINES], "...", *paragraphs[-1].splitlines()]
    return "\n".join(["```console", "$ make compare", *lines, "```", ""])


def comparison(found: Findings) -> str:
    """Return the tables and the words around them; raise `ValueError` if the record has no peer to compare with."""
    if not found.record.peers:
        raise ValueError("the record has no peers; measure it with --peers all")
    counts, _, lost = docs_record.losses(found).partition("\n\n")
    words = [_introduction(found), f"{_losses(found)} {counts}", _legend(found)]
    before, between, after = (textwrap.fill(each, 120, break_on_hyphens=False) for each in words)
    return "\n".join([before, "", table(found), between, *(["", lost.rstrip()] if lost else []), "", after, ""])


def _introduction(found: Findings) -> str:
    cell = readme_picture.row(found)[0].cell
    return (
        f"The time of one step on m examples of {counted(cell.n, 'feature')} ({cell.setup.words}), and how many times "
        f"faster than the Python loops that is. Bold: the fastest, and what is too close to it to call."
    )


def table(found: Findings) -> str:
    """Return a row for each size of the picture: the times of the kernels, the fastest peer, and the read limit."""
    cells = readme_picture.row(found)
    # From the slowest to the fastest where X is largest.
    last = {name: -time.value for name, time in cells[-1].times.items()}
    kernels = sorted(registry.KERNELS, key=lambda name: last.get(name, 0.0))
    rows = [["m", *kernels, "fastest peer", READ_LIMIT], ["---:"] * (len(kernels) + 3)]
    for each in cells:
        peers = [name for name in each.times if name in found.record.peers]
        peer = min(peers, key=lambda name: each.times[name].value, default="")
        limit = "" if each.read_limit is None or each.read_limit.time is None else _unbroken(each.read_limit.time.value)
        rows.append(
            [f"{each.cell.m:,}", *(_entry(each, name) for name in kernels), f"{peer} {_entry(each, peer)}", limit]
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _entry(each: CellFindings, name: str) -> str:
    if name not in each.times or each.fastest is None:
        return ""
    seconds, base = each.times[name].value, each.times[BASE].value
    words = _unbroken(seconds) if name == BASE else f"{_unbroken(seconds)}, {three_digits(base / seconds)}"
    return f"**{words}**" if name in (each.fastest.name, *each.fastest.alike) else words


def _unbroken(seconds: float) -> str:
    """Return a time whose unit stays on the line of its number, however narrow a column is."""
    return micro(seconds).replace(" ", "\N{NO-BREAK SPACE}")


def _losses(found: Findings) -> str:
    counts = found.record.settings.threads
    threads = listed(["threads by size" if count is None else counted(count, "thread") for count in counts])
    sizes = {(each.cell.m, each.cell.n) for each in found.cells}
    return (
        f"**Where we lose.** The record has {counted(len(sizes), 'size')}, each with {threads}, and besides the "
        f"kernels the peers {listed(list(found.record.peers))}."
    )


def _legend(found: Findings) -> str:
    machine = found.record.machine
    virtual = ", virtual" if machine.virtual else ""
    noise = "" if found.spread is None else f" Reading the same array varied by {found.spread:.0%} through the run."
    return (
        f"All times are medians, measured on {machine.processor} ({counted(machine.usable_cores, 'core')}{virtual}), "
        f"{machine.system}, {found.record.created[:10]}.{noise} Every sample is in "
        f"[docs/comparison.json](docs/comparison.json), which "
        f"`.venv/bin/gradstep report docs/comparison.json --details` shows."
    )


def main(record_file: Path, output_file: Path, readme_file: Path, picture_file: Path) -> None:
    """Update the README and draw the picture, for light and for dark pages."""
    found = findings(records.load(record_file))
    sections = {"output": output(output_file.read_text(encoding="utf-8")), "comparison": comparison(found)}
    write_whole(readme_file, update(readme_file.read_text(encoding="utf-8"), sections))
    write_whole(picture_file, readme_picture.drawn(found, dark=False))
    write_whole(picture_file.with_stem(f"{picture_file.stem}-dark"), readme_picture.drawn(found, dark=True))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
