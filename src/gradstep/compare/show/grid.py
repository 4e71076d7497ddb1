"""The grid of a comparison: a row for each problem and a column for each contender, with its time and N× faster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradstep.compare.judge.findings import CellFindings, Findings, Line
from gradstep.compare.show import words
from gradstep.compare.show.console import table, width

# What differs between two problems of one size; it has a column where it varies.
_CONDITIONS = ("dtype", "order", "threads", "models")


class _Column(NamedTuple):
    """A heading, and a text for each row."""

    head: str
    texts: list[Text]


def base(found: Findings) -> str | None:
    """Return what the others are compared with; None if nothing is."""
    compared = (each.base for each in found.cells if any(line.over_base is not None for line in each.lines))
    return next((line.name for line in compared if line is not None), None)


def one(found: Findings, console: Console, most: int) -> list[Table]:
    """Return one grid of limited width, with as many contenders as fit.

    All of them; else the kernels beside the fastest peer, or its name; else the kernels, in several grids if need be.
    """
    peers = found.record.peers
    contenders = [_contender(found, name) for name in found.record.settings.contenders]
    choices = [contenders]
    kernels = [column for column in contenders if column.head not in peers]
    if kernels and peers:
        choices += [[*kernels, _fastest_peer(found)], [*kernels, _name_of_fastest_peer(found)], kernels]
    tables = [_table(found, choice) for choice in choices]
    fitting = [each for each in tables if found.cells and width(each, console) <= most]
    return fitting[:1] or list(_several(found, choices[-1], console, most))


def whole(found: Findings, console: Console, most: int) -> list[Table]:
    """Return all contenders in grids of at most this many characters a line, one below the other."""
    contenders = [_contender(found, name) for name in found.record.settings.contenders]
    return list(_several(found, contenders, console, most))


def _several(found: Findings, columns: Sequence[_Column], console: Console, most: int) -> Iterator[Table]:
    left = list(columns) if found.cells else []
    while left:
        count = len(left)
        while count > 1 and width(_table(found, left[:count]), console) > most:
            count -= 1
        yield _table(found, left[:count])
        left = left[count:]


def _table(found: Findings, contenders: Sequence[_Column]) -> Table:
    made = table()
    for column in _problem(found):
        made.add_column(column.head, justify="right")
    for column in contenders:
        # The texts are aligned already.
        made.add_column(Text(column.head, justify="right"), justify="left")
    for row in zip(*(column.texts for column in (*_problem(found), *contenders)), strict=True):
        made.add_row(*row)
    return made


def _problem(found: Findings) -> Iterator[_Column]:
    """Return the columns that say which problem a row is of."""
    cells = [each.cell for each in found.cells]
    names = ("problem", *_CONDITIONS) if _names_are_needed(found) else _CONDITIONS
    for name in ("m", "n"):
        yield _Column(name, [Text(f"{getattr(cell, name):,}") for cell in cells])
    for name in names:
        values = [getattr(cell, name) for cell in cells]
        if len(set(values)) > 1:
            yield _Column(name, [Text("auto" if value is None else str(value)) for value in values])


def _names_are_needed(found: Findings) -> bool:
    """Return whether two problems of one size differ in their data."""
    by_size: dict[tuple[int, int], set[str]] = {}
    for each in found.cells:
        by_size.setdefault((each.cell.m, each.cell.n), set()).add(each.cell.problem)
    return any(len(names) > 1 for names in by_size.values())


def _contender(found: Findings, name: str) -> _Column:
    lines = [next((line for line in each.lines if line.name == name), None) for each in found.cells]
    return _Column(
        name, _aligned(list(map(_parts, lines)), [_style(*each) for each in zip(found.cells, lines, strict=True)])
    )


def _parts(line: Line | None) -> tuple[str, str]:
    """Return the time and the speed-up; where there is no time, why."""
    if line is None:
        return "", ""
    if line.time is None:
        return "", line.result.status
    over = None if line.over_base is None else line.over_base.speed_up.value
    return words.micro(line.time.value), "" if over is None else words.speed_up(over)


def _style(found: CellFindings, line: Line | None) -> str:
    """Return how a cell looks: bold what is the fastest, green what may be."""
    if line is None or line.time is None:
        return "bold red" if line is not None and line.result.status == "wrong" else "dim"
    if found.fastest is None or line.name not in (found.fastest.name, *found.fastest.alike):
        return ""
    return "bold green" if line.name == found.fastest.name else "green"


def _fastest_peer(found: Findings) -> _Column:
    """Return the speed-up and the name of the fastest peer in each row; its time where the base has none."""
    fastest = _fastest_peers(found)
    longest = max((len(line.name) for line in fastest if line is not None), default=0)
    parts = []
    for line in fastest:
        seconds, speed_up = _parts(line)
        parts.append((speed_up or seconds, "" if line is None else f"{line.name:<{longest}}"))
    return _Column("fastest peer", _aligned(parts, [_style(*each) for each in zip(found.cells, fastest, strict=True)]))


def _name_of_fastest_peer(found: Findings) -> _Column:
    lines = zip(found.cells, _fastest_peers(found), strict=True)
    return _Column(
        "fastest peer", [Text("" if line is None else line.name, style=_style(each, line)) for each, line in lines]
    )


def _fastest_peers(found: Findings) -> list[Line | None]:
    peers = found.record.peers
    return [
        min(
            (line for line in each.timed if line.name in peers),
            key=lambda line: line.result.median or 0.0,
            default=None,
        )
        for each in found.cells
    ]


def _aligned(parts: Sequence[tuple[str, str]], styles: Sequence[str]) -> list[Text]:
    """Return two parts a row as one text, each part below the same part of the other rows."""
    first = max((len(left) for left, _ in parts), default=0)
    second = max((len(right) for left, right in parts if left), default=0)
    shown = [f"{left:>{first}} {right:>{second}}" if left and second else left or right for left, right in parts]
    widest = max(map(len, shown), default=0)
    return [Text(text.rjust(widest), style=style) for text, style in zip(shown, styles, strict=True)]
