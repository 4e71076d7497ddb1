"""Some of the problems of a record in a few words, such as "from m = 1,000 on" or "at 3 of 13 sizes"."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from gradstep.compare.record.records import Conditions
from gradstep.compare.show.words import counted, listed

# What may vary besides the size.
_CONDITIONS = ("problem", "dtype", "order", "threads", "models")

# At most this many problems are named one by one; the others are described, or counted.
_MOST_NAMED = 2


class _Part(NamedTuple):
    """The problems that meet a condition: as a phrase, and for m and n as a clause as well."""

    about: str
    phrase: str
    clause: str
    problems: frozenset[Conditions]


class Places:
    """All problems of a record, of which some are described at a time.

    Examples
    --------
    >>> problems = [
    ...     Conditions(problem="random", m=m, n=n, dtype="float64", order="C", threads=1)
    ...     for m in (100, 1000, 10_000) for n in (2, 10, 100)
    ... ]
    >>> places = Places(problems)
    >>> places.where(problems), places.where(problems[3:]), places.where(problems[:1]), places.where(problems[1:])
    ('at every size', 'from m = 1,000 on', 'at 100 x 2', 'at 8 of 9 sizes')
    """

    def __init__(self, problems: Iterable[Conditions]) -> None:
        self._all = [each.conditions for each in problems]
        self._varying = [
            name for name in ("problem", "dtype", "order", "threads", "models") if len(self._values(name)) > 1
        ]
        # A data set has a size like any other problem; in another dtype or order the same size is another problem.
        self._at, self._noun = ("at", "size") if set(self._varying) <= {"problem"} else ("on", "problem")
        self._parts = list(self._conditions())

    def where(self, some: Iterable[Conditions]) -> str:
        """Return where some of the problems are, at least one, as the end of a sentence."""
        chosen = [each.conditions for each in some]
        wanted = frozenset(chosen)
        if len(wanted) == len(self._all):
            return (
                f"{self._at} every {self._noun}" if len(wanted) > 1 else f"at m = {chosen[0].m:,}, n = {chosen[0].n:,}"
            )
        for part in self._parts:
            if part.problems == wanted:
                return part.phrase
        if len(wanted) <= _MOST_NAMED:
            return f"at {listed([self.name(each) for each in chosen])}"
        for first, second in itertools.combinations(self._parts, 2):
            if first.about != second.about and first.problems & second.problems == wanted:
                return _both(first, second)
        return f"{self._at} {len(wanted)} of {counted(len(self._all), self._noun)}"

    def name(self, problem: Conditions) -> str:
        """Return one problem in short: its size, or its name if it is data, and what else varies."""
        kind = [_phrase(name, problem) for name in self._varying if name != "problem"]
        size = f"{problem.m:,} x {problem.n:,}"
        return " ".join([size if problem.problem == "random" else problem.problem, *kind])

    def _values(self, name: str) -> dict[Any, Conditions]:
        """Return a problem for each value that an attribute takes."""
        return {getattr(each, name): each for each in self._all}

    def _conditions(self) -> Iterator[_Part]:
        """Return each condition on one attribute that some of the problems meet, and others do not."""
        for name in self._varying:
            for value, example in self._values(name).items():
                phrase = _phrase(name, example)
                yield _Part(name, phrase, phrase, frozenset(each for each in self._all if getattr(each, name) == value))
        for size in ("m", "n"):
            for value in sorted(self._values(size)):
                equal, least, most = (
                    frozenset(each for each in self._all if compare(getattr(each, size), value))
                    for compare in (int.__eq__, int.__ge__, int.__le__)
                )
                yield _Part(size, f"at {size} = {value:,}", f"{size} is {value:,}", equal)
                yield _Part(size, f"from {size} = {value:,} on", f"{size} is at least {value:,}", least)
                yield _Part(size, f"up to {size} = {value:,}", f"{size} is at most {value:,}", most)


def _phrase(name: str, problem: Conditions) -> str:
    """Return the value of an attribute that is no size, as the end of a sentence."""
    if name == "problem":
        return f"on {problem.data}"
    if name == "threads":
        return "with threads by size" if problem.threads is None else f"on {counted(problem.threads, 'thread')}"
    if name == "models":
        return f"with {counted(problem.models, 'model')}"
    return f"in {problem.dtype}" if name == "dtype" else f"in {problem.order} order"


def _both(first: _Part, second: _Part) -> str:
    """Return two conditions in one phrase."""
    if {first.about, second.about} == {"m", "n"}:
        return f"where {first.clause} and {second.clause}"
    return f"{first.phrase} {second.phrase}"
