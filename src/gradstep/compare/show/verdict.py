"""The verdict of a record in plain English: the fastest kernel at which sizes, by how much, and the code to write."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gradstep.compare.judge.decision import TIE
from gradstep.compare.judge.findings import Findings
from gradstep.compare.judge.statistics import FEWEST
from gradstep.compare.judge.verdict import Against, Auto, Choice, Span, Standing, Verdict, verdict
from gradstep.compare.record.records import Cell, Record
from gradstep.compare.show.places import Places
from gradstep.compare.show.words import factor, listed

# At most this many winners besides the first are named with sizes of their own.
_MOST_NAMED = 2

_TITLES = {"python": "Python loops", "numpy": "NumPy"}

# Ratios of times nearer to 1 are shown as equal.
_EQUAL = 0.005


class Answer(NamedTuple):
    """The verdict as it is shown.

    Attributes
    ----------
    sentences : list of str
        The fastest kernel at which sizes, by how much, and what is too close to call.
    code : str or None
        The line of Python that uses it; None if no kernel was timed.
    """

    sentences: list[str]
    code: str | None


def sentences(found: Findings, auto: Auto | None = None) -> list[str]:
    """Return the verdict, line by line: sentences, and last the line of code that uses it, if a kernel was timed.

    Parameters
    ----------
    found : Findings
        The judged record.
    auto : callable, optional
        What "auto" takes on the machine of the record; without it the code names a kernel.
    """
    shown = answer(found, auto)
    return shown.sentences if shown.code is None else [*shown.sentences, shown.code]


def answer(found: Findings, auto: Auto | None = None) -> Answer:
    """Return the verdict; the parameters are those of `sentences`."""
    given = verdict(found, auto)
    places = Places(given.cells)
    said = [*_wrong(found.record), *_fastest(given, places), *_over(given), *_peers(given, places)]
    return Answer(said or ["Nothing was timed."], None if given.choice is None else _code(given.choice))


def _wrong(record: Record) -> Iterator[str]:
    wrong = record.wrong()
    places = Places(record.cells)
    for name in dict.fromkeys(result.contender for _, result in wrong):
        where = places.where(cell for cell, result in wrong if result.contender == name)
        yield f"{name} is WRONG {where}; it was not timed there."


# The fastest.


def _fastest(given: Verdict, places: Places) -> Iterator[str]:
    """Say which kernel is the fastest and where, and what is tied or open; of peers only where no kernel was timed."""
    standings, noun = (given.kernels, "kernel") if given.kernels else (given.peers, "peer")
    if not standings:
        return
    if all(each.lead is None for each in standings):
        yield _only(list(dict.fromkeys(each.fastest for each in standings)), noun)
        return
    decided = [each for each in standings if each.decision == "decided"]
    if decided:
        yield _winners(decided, noun, given, places)
    few = [each for each in standings if each.decision == "open" and _fewest_samples(each.cell) < FEWEST]
    if few:
        yield f"{_ahead(few, places)}; a verdict needs at least {FEWEST} rounds."
    enough = [each for each in standings if each not in few]
    undecided = [*_tied(enough, places), *_open(enough, places)]
    if undecided:
        yield " ".join(undecided)


def _fewest_samples(cell: Cell) -> int:
    return min(len(result.samples) for result in cell.results if result.status == "timed")


def _only(names: Sequence[str], noun: str) -> str:
    if len(names) == 1:
        return f"{names[0]} is the only {noun} timed."
    return f"{listed(names)} were timed, but never on the same problem."


def _ahead(standings: Sequence[Standing], places: Places) -> str:
    ((name, _),) = collections.Counter(each.fastest for each in standings).most_common(1)
    return f"{name} is ahead {_where([each for each in standings if each.fastest == name], places)}"


def _winners(decided: Iterable[Standing], noun: str, given: Verdict, places: Places) -> str:
    """Name the winners: first the leader with its lead, then the others, the most frequent first."""
    won: dict[str, list[Standing]] = collections.defaultdict(list)
    for each in decided:
        won[each.fastest].append(each)
    (first, its), *others = sorted(won.items(), key=lambda entry: (entry[0] != given.leader, -len(entry[1])))
    by = f", {_faster(given.lead, 'the next')}" if given.lead is not None and first == given.leader else ""
    clauses = [f"{first} is the fastest {noun} {_where(its, places)}{by}"]
    clauses += [f"{name} {_where(each, places)}" for name, each in others[:_MOST_NAMED]]
    if rest := others[_MOST_NAMED:]:
        together = [each for _, each_of in rest for each in each_of]
        clauses.append(f"{listed([name for name, _ in rest], 'or')} {_where(together, places)}")
    return f"{'; '.join(clauses)}."


def _tied(standings: Sequence[Standing], places: Places) -> Iterator[str]:
    tied = [each for each in standings if each.decision == "tie"]
    if not tied:
        return
    within = f"within {TIE - 1.0:.0%}".replace("%", " %")
    if len({frozenset(each.names) for each in tied}) == 1:
        yield f"{listed(_names(tied))} are {within} {_where(tied, places)}."
    else:
        yield f"Two or more of {listed(_names(tied))} are {within} {_where(tied, places)}."


def _open(standings: Sequence[Standing], places: Places) -> Iterator[str]:
    """Call what is open too close to call, and name who is ahead if that is the same everywhere."""
    if still_open := [each for each in standings if each.decision == "open"]:
        ahead = {each.fastest for each in still_open}
        so_far = f", {ahead.pop()} ahead" if len(ahead) == 1 else ""
        yield f"Too close to call {_where(still_open, places)}: {listed(_names(still_open), 'or')}{so_far}."


def _names(standings: Iterable[Standing]) -> list[str]:
    """Return all that may be the fastest, the most frequent first."""
    counts = collections.Counter(each.fastest for each in standings)
    counts.update(name for each in standings for name in each.others)
    return [name for name, _ in counts.most_common()]


def _where(standings: Iterable[Standing], places: Places) -> str:
    return places.where(each.cell for each in standings)


# By how much.


def _over(given: Verdict) -> Iterator[str]:
    """Compare the leader with Python loops and with NumPy."""
    if given.over:
        compared = [_faster(span, _TITLES[name]) for name, span in given.over.items()]
        yield f"{given.leader} is {listed(compared)}."


def _peers(given: Verdict, places: Places) -> Iterator[str]:
    """Say where a peer is faster than every kernel, or how far behind the fastest peer is."""
    if not given.against:
        return
    lost = [each for each in given.against if each.ratio.verdict == "faster"]
    close = [each for each in given.against if each.ratio.verdict == "too close to call"]
    said = []
    if lost:
        by = _faster(Span.of([1.0 / each.ratio.value for each in lost]), "the fastest kernel")
        said.append(f"A peer wins {places.where(each.cell for each in lost)}: {_named(lost)}, {by}.")
    if close:
        nobody = "" if lost else "No peer is faster beyond doubt. "
        said.append(f"{nobody}Too close to call against {_named(close)} {places.where(each.cell for each in close)}.")
    if not said:
        by = _faster(Span.of([each.ratio.value for each in given.against]), "the fastest peer")
        said.append(f"No peer is as fast: the fastest kernel is {by}.")
    yield " ".join(said)


def _named(against: Iterable[Against]) -> str:
    return listed(list(dict.fromkeys(each.peer for each in against)), "or")


def _faster(span: Span, other: str) -> str:
    """Return by how much something is faster than another, such as "19 to 158× faster than NumPy"."""
    if span.lowest > 1.0 + _EQUAL:
        return f"{_range(span.lowest, span.highest)} faster than {other}"
    if span.highest < 1.0 - _EQUAL:
        return f"{_range(1.0 / span.highest, 1.0 / span.lowest)} slower than {other}"
    slower = span.lowest < 1.0 - _EQUAL
    faster = span.highest > 1.0 + _EQUAL
    if slower and faster:
        return f"from {factor(1.0 / span.lowest)} slower to {factor(span.highest)} faster than {other}"
    if slower:
        return f"up to {factor(1.0 / span.lowest)} slower than {other}"
    return f"up to {factor(span.highest)} faster than {other}" if faster else f"as fast as {other}"


def _range(low: float, high: float) -> str:
    """Return two ratios, such as 1.1 to 1.9×: the first one no finer than it has to be beside the second."""
    first, last = factor(low).removesuffix("×"), factor(high)
    if 1.05 <= low < high and high >= 1.2:
        first = f"{low:.1f}" if low < 9.95 else first
    return last if f"{first}×" == last else f"{first} to {last}"


# The code.


def _code(choice: Choice) -> str:
    step = "import gradstep; gradstep.step(X, y, w, b, alpha"
    if choice.kernel == choice.auto:
        return f'{step})  # kernel="auto" is {choice.auto}'
    return f'{step}, kernel="{choice.kernel}")'
