"""A record in words: who is the fastest where, what bounds it, how it grows, and what could not be told."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import NamedTuple

from gradstep.compare.judge import findings, series, statistics
from gradstep.compare.judge.series import Conditions
from gradstep.compare.record.records import Cell, LeftOut, Record
from gradstep.compare.show.words import counted

# So many problems are named one by one; of more, how many there are is said.
_MOST_NAMED = 4

_LACK = {"memory": "memory", "budget": "time"}


class Paragraph(NamedTuple):
    """What is said of one question."""

    heading: str
    sentences: list[str]


def paragraphs(record: Record) -> list[Paragraph]:
    """Return what a record says, question by question; questions to which it says nothing are left out."""
    found = {
        "Who is the fastest": _fastest(record),
        "Where gradstep loses": _lost(record),
        "What bounds it": _bounds(record),
        "How it grows": _growth(record),
        "What could not be told": _untold(record),
        "How quiet the machine was": _quiet(record),
    }
    said = (Paragraph(heading, list(sentences)) for heading, sentences in found.items())
    return [paragraph for paragraph in said if paragraph.sentences]


def _fastest(record: Record) -> Iterator[str]:
    if not record.complete:
        yield "The run was interrupted; this is what had been measured by then."
    for cell, result in record.wrong():
        yield f"{result.contender} is WRONG at {place(cell)}: {result.reason}. It was not timed there."
    groups = series.by_conditions(record)
    for conditions, cells in groups.items():
        places = [series.fastest(cell) for cell in cells]
        sure = collections.Counter(each.name for each in places if not each.alike)
        doubtful = sum(bool(each.alike) for each in places)
        clauses = [f"{name} is the fastest on {number}" for name, number in sure.most_common()]
        if doubtful:
            clauses.append(f"on {doubtful} it cannot be told who is")
        yield f"{counted(len(cells), 'problem')}, {conditions.words}: {'; '.join(clauses)}."


def _lost(record: Record) -> Iterator[str]:
    """Tell where a peer is faster than every kernel of gradstep."""
    if not record.peers:
        return
    compared, lost = 0, []
    for cell in record.cells:
        ratio = against_peers(record, cell)
        if ratio is None:
            continue
        compared += 1
        if ratio.margin.verdict == "faster":
            lost.append((cell, ratio))
    if not compared:
        return
    yield f"A peer is faster than every kernel of gradstep on {len(lost)} of {counted(compared, 'problem')}."
    for cell, (kernel, peer, margin) in lost:
        yield (
            f"{place(cell)} ({Conditions.of(cell).words}): {peer} takes {margin.value:.2f} times as long as {kernel} "
            f"({margin.lower:.2f} to {margin.upper:.2f})."
        )


class AgainstPeers(NamedTuple):
    """The fastest peer beside the fastest kernel of gradstep.

    Attributes
    ----------
    kernel, peer : str
        Who they are.
    margin : Ratio
        The time of the peer over that of the kernel: "faster" where gradstep loses.
    """

    kernel: str
    peer: str
    margin: statistics.Ratio


def against_peers(record: Record, cell: Cell) -> AgainstPeers | None:
    """Return how gradstep stands beside the peers on a problem; None where one side was not timed."""
    timed = sorted(series.timed(cell), key=lambda result: result.median or 0.0)
    kernel = next((result for result in timed if result.contender not in record.peers), None)
    peer = next((result for result in timed if result.contender in record.peers), None)
    if kernel is None or peer is None:
        return None
    margin = statistics.paired_ratio(peer.samples, kernel.samples)
    return AgainstPeers(kernel.contender, peer.contender, margin)


def _bounds(record: Record) -> Iterator[str]:
    """Tell for each contender what bounds it how often, and why on the largest problem."""
    found: dict[str, list[tuple[Cell, statistics.Bound]]] = collections.defaultdict(list)
    for cell in record.cells:
        for line in findings.lines(record, cell):
            if line.bound is not None:
                found[line.result.contender].append((cell, line.bound))
    for contender, bounds in found.items():
        kinds = collections.Counter(bound.kind for _, bound in bounds)
        counts = ", ".join(f"{kind} on {counted(number, 'problem')}" for kind, number in kinds.most_common())
        cell, bound = max(bounds, key=lambda entry: entry[0].X_bytes)
        yield f"{contender}: {counts}; at {place(cell)} {bound.kind}: {bound.reason}."


def _growth(record: Record) -> Iterator[str]:
    """Tell the exponents along m and along n, each where it was measured at the most sizes."""
    scalings = findings.scalings(record)
    for axis in ("m", "n"):
        along = [each for each in scalings if each.axis == axis]
        if not along:
            continue
        longest = max(along, key=lambda each: (len(each.sizes), each.fixed))
        conditions = _conditions(longest)
        alike = [each for each in along if (_conditions(each), each.fixed) == (conditions, longest.fixed)]
        exponents = ", ".join(f"{axis}^{exponent_words(each.exponent)} for {each.contender}" for each in alike)
        other = "n" if axis == "m" else "m"
        sizes = f"{axis} = {longest.sizes[0]:,} to {longest.sizes[-1]:,} at {other} = {longest.fixed:,}"
        yield f"From {sizes} ({conditions.words}) the time grows like {exponents}."


def _conditions(scaling: findings.Scaling) -> Conditions:
    return Conditions("random", scaling.dtype, scaling.order, scaling.threads)


def exponent_words(exponent: statistics.Exponent) -> str:
    """Return an exponent with its interval, such as 0.98 (0.97 to 0.99)."""
    return f"{exponent.value:.2f} ({exponent.lower:.2f} to {exponent.upper:.2f})"


def _untold(record: Record) -> Iterator[str]:
    for conditions, cells in series.by_conditions(record).items():
        doubtful = [(cell, each) for cell in cells if (each := series.fastest(cell)).alike]
        if not doubtful:
            continue
        named = [f"{place(cell)}: {' or '.join([each.name, *each.alike])}" for cell, each in doubtful[:_MOST_NAMED]]
        if len(doubtful) > _MOST_NAMED:
            named.append(f"and {len(doubtful) - _MOST_NAMED} more")
        yield f"Who is the fastest ({conditions.words}): {'; '.join(named)}."
    yield from left_out(record)


def left_out(record: Record) -> Iterator[str]:
    """Tell what was not measured, and why: of each kind the smallest problem."""
    groups: dict[str, list[LeftOut]] = collections.defaultdict(list)
    for each in record.left_out:
        groups[each.cause].append(each)
    for cause, members in groups.items():
        smallest = min(members, key=lambda each: each.m * each.n)
        who = ", ".join(dict.fromkeys(each.contender or "everybody" for each in members))
        problems = counted(len({each[:-3] for each in map(_values, members)}), "problem")
        size = f"m = {smallest.m:,}, n = {smallest.n:,}"
        yield f"For lack of {_LACK[cause]} {who} had no part in {problems}, the smallest {size}: {smallest.reason}."
    known = {_values(each)[:-2] for each in record.left_out}
    skipped: dict[str, list[tuple[Cell, str]]] = collections.defaultdict(list)
    for cell in record.cells:
        place_of_cell = (cell.problem, cell.m, cell.n, cell.dtype, cell.order, cell.threads)
        for result in cell.results:
            if result.status == "skipped" and (*place_of_cell, result.contender) not in known:
                skipped[result.contender].append((cell, result.reason or ""))
    for who, places in skipped.items():
        cell, reason = min(places, key=lambda entry: entry[0].m * entry[0].n)
        yield f"{who} was skipped on {counted(len(places), 'problem')}, the smallest {place(cell)}: {reason}."
    for name, reason in record.unavailable.items():
        yield f"{name} did not take part: {reason}."


def _values(left: LeftOut) -> tuple[object, ...]:
    """Return the problem, its m, n, dtype, order and threads, the contender, the cause and the reason."""
    place_of_problem = (left.problem, left.m, left.n, left.dtype, left.order, left.threads)
    return (*place_of_problem, left.contender, left.cause, left.reason)


def _quiet(record: Record) -> Iterator[str]:
    spread = findings.unrest(record)
    if record.noise is None or spread is None:
        yield "That is not known: the floor could not be measured."
        return
    size = f"{record.noise.X_bytes / 2**20:,.0f} MiB"
    yield (
        f"The same {size} were read {len(record.noise.samples)} times through the run; from the 10th to the 90th "
        f"percentile these times spread by {spread:.0%} of their median. "
        + ("Small differences mean little." if spread > statistics.NOISY else "That is quiet.")
    )


def place(cell: Cell) -> str:
    """Return a problem in words.

    Examples
    --------
    >>> place(Cell("random", "", 1000, 10, "float64", "C", 1, 80_000, []))
    'm = 1,000, n = 10'
    """
    size = f"m = {cell.m:,}, n = {cell.n:,}"
    return size if cell.problem == "random" else f"{cell.problem} ({size})"
