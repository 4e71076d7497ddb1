"""The details of a judged record in words, besides its verdict: bounds, growth, and what was not measured."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import NamedTuple

from gradstep.compare.judge.bounds import Bound
from gradstep.compare.judge.findings import AXES, Findings
from gradstep.compare.judge.series import by_setup
from gradstep.compare.judge.statistics import Interval
from gradstep.compare.judge.verdict import against_peers
from gradstep.compare.record.records import Cell, LeftOut, Record, Setup
from gradstep.compare.show.circumstances import checks
from gradstep.compare.show.words import counted, noun, place, sizes, times

# At most this many problems are named one by one; the others are counted.
_MOST_NAMED = 4


class Paragraph(NamedTuple):
    """The answer to one question."""

    heading: str
    sentences: list[str]


def paragraphs(found: Findings) -> list[Paragraph]:
    """Return what a record says besides its verdict; questions that it does not answer are left out."""
    answers = {
        "Where gradstep loses": _lost(found),
        "Bound by": _bounds(found),
        "How times grow": _growth(found),
        "Too close to call": _too_close(found),
        "Not measured": left_out(found.record),
        "How quiet the machine was": _quiet(found),
    }
    answered = (Paragraph(heading, list(sentences)) for heading, sentences in answers.items())
    return [paragraph for paragraph in answered if paragraph.sentences]


def _lost(found: Findings) -> Iterator[str]:
    """Say where a peer is faster than every kernel of gradstep."""
    compared = [against for each in found.cells if (against := against_peers(found.record, each))]
    if not compared:
        return
    lost = [each for each in compared if each.ratio.verdict == "faster"]
    yield f"A peer is faster than every kernel of gradstep on {len(lost)} of {counted(len(compared), 'problem')}."
    for cell, kernel, peer, ratio in lost:
        value, lower, upper = map(times, ratio.speed_up)
        yield f"{place(cell)} ({cell.setup.words}): {peer} is {value} faster than {kernel} ({lower} to {upper})."


def _bounds(found: Findings) -> Iterator[str]:
    """Say for each contender how often each bound applies, and why on the largest problem."""
    by_contender: dict[str, list[tuple[Cell, Bound]]] = collections.defaultdict(list)
    for each in found.cells:
        for line in each.lines:
            if line.bound is not None:
                by_contender[line.name].append((each.cell, line.bound))
    for contender, bounds in by_contender.items():
        kinds = collections.Counter(bound.kind for _, bound in bounds)
        counts = ", ".join(f"{kind} on {counted(number, 'problem')}" for kind, number in kinds.most_common())
        cell, bound = max(bounds, key=lambda entry: entry[0].X_bytes)
        yield f"{contender}: {counts}; at {place(cell)} {bound.kind}: {bound.reason}."
    yield from checks(found)


def _growth(found: Findings) -> Iterator[str]:
    """Give the exponents along m and along n, each where it was measured at the most sizes."""
    for axis in AXES:
        along = [each for each in found.scalings if each.axis == axis]
        if not along:
            continue
        longest = max(along, key=lambda each: (len(each.sizes), each.fixed))
        alike = [each for each in along if (each.setup, each.fixed) == (longest.setup, longest.fixed)]
        exponents = ", ".join(f"{axis}^{_exponent(each.exponent)} for {each.contender}" for each in alike)
        across = "n" if axis == "m" else "m"
        span = f"{axis} = {longest.sizes[0]:,} to {longest.sizes[-1]:,} at {across} = {longest.fixed:,}"
        yield f"From {span} ({longest.setup.words}) the time grows like {exponents}."


def _exponent(exponent: Interval) -> str:
    return f"{exponent.value:.2f} ({exponent.lower:.2f} to {exponent.upper:.2f})"


def _too_close(found: Findings) -> Iterator[str]:
    for setup, cells in by_setup(found).items():
        named = [
            f"{place(each.cell)}: {' or '.join([each.fastest.name, *each.fastest.alike])}"
            for each in cells
            if each.fastest is not None and each.fastest.alike
        ]
        if len(named) > _MOST_NAMED:
            named[_MOST_NAMED:] = [f"and {len(named) - _MOST_NAMED} more"]
        if named:
            yield f"Fastest {noun(found.record)} ({setup.words}): {'; '.join(named)}."


def left_out(record: Record) -> Iterator[str]:
    """Say what was not measured, and why: of each kind the smallest problem."""
    groups: dict[tuple[str, bool], list[LeftOut]] = collections.defaultdict(list)
    for each in record.left_out:
        groups[each.cause, each.contender is None].append(each)
    yield from map(_left_out, groups.values())
    known = {(each.setup, each.m, each.n, each.contender) for each in record.left_out}
    skipped: dict[str, list[tuple[Cell, str | None]]] = collections.defaultdict(list)
    for cell in record.cells:
        for result in cell.results:
            if result.status == "skipped" and (cell.setup, cell.m, cell.n, result.contender) not in known:
                skipped[result.contender].append((cell, result.reason))
    for name, cells in skipped.items():
        cell, reason = min(cells, key=lambda entry: entry[0].m * entry[0].n)
        yield f"{name} was skipped on {counted(len(cells), 'problem')}, the smallest {place(cell)}: {reason}."
    for name, reason in record.unavailable.items():
        yield f"{name} did not take part: {reason}."


def _left_out(members: list[LeftOut]) -> str:
    """Say what the memory, or the budget, did not allow for: whole problems, or some contenders on them."""
    smallest = min(members, key=lambda each: each.m * each.n)
    problems: set[tuple[Setup, int, int]] = {(each.setup, each.m, each.n) for each in members}
    does = "does" if len(problems) == 1 else "do"
    lack = f"{does} not fit into {'memory' if smallest.cause == 'memory' else 'the budget'}"
    names = ", ".join(dict.fromkeys(each.contender for each in members if each.contender is not None))
    contenders = f" for {names}" if names else ""
    where = f"the smallest is {sizes(smallest.m, smallest.n)}"
    return f"{counted(len(problems), 'problem')} {lack}{contenders}; {where}: {smallest.reason}."


def _quiet(found: Findings) -> Iterator[str]:
    noise = found.record.noise
    if noise is None or found.spread is None:
        yield "That is not known: the read limit could not be measured."
        return
    yield (
        f"The same {noise.X_bytes / 2**20:,.0f} MiB were read {len(noise.samples)} times through the run; from the "
        f"10th to the 90th percentile these times spread by {found.spread:.0%} of their median. "
        + ("That is quiet." if found.noise_warning is None else "Small differences mean little.")
    )
