"""Which kernel is fastest at each size, and by how much: the first thing on the start page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gradstep.compare.show import words
from gradstep.compare.show.html import theme
from gradstep.compare.show.styles import styles
from gradstep.registry import KERNELS
from tools.dashboard.noise import BASELINE
from tools.dashboard.results import AXES, SPEEDUP, TIME, Axis, Measured, Points

# Two kernels this near each other are too close to call.
CLOSE = 1.05

LOOPS = "python"


class Place(NamedTuple):
    """A size, and what was measured there.

    Attributes
    ----------
    fixed, size : int
        The two numbers of the problem.
    speeds : dict
        How fast each kernel is, the NumPy kernel being 1 where it was measured.
    alike : list of str
        The fastest kernel, and those that are too close to call.
    """

    fixed: int
    size: int
    speeds: dict[str, float]
    alike: list[str]

    def faster_than(self, kernel: str) -> float | None:
        """Return how many times faster than a kernel the fastest one is."""
        return self.speeds[self.alike[0]] / self.speeds[kernel] if kernel in self.speeds else None


def places(axis: Axis, measured: Measured) -> list[Place]:
    """Return all sizes along an axis at which several kernels were measured."""
    # Measured interleaved, the speed-ups are the better comparison.
    return list(_places(axis, SPEEDUP, measured)) or list(_places(axis, TIME, measured))


def _places(axis: Axis, kind: str, measured: Measured) -> Iterator[Place]:
    first, second = (_speeds(axis, kind, points) for points in (measured.points, measured.again))
    for place in sorted(first):
        if len(first[place]) > 1:
            yield Place(*place, first[place], _alike(first[place], second.get(place, {})))


def _speeds(axis: Axis, kind: str, points: Points) -> dict[tuple[int, int], dict[str, float]]:
    """Return how fast each kernel is, by the fixed number and the size."""
    found: dict[tuple[int, int], dict[str, float]] = {}
    for row, point in points.items():
        if row.benchmark == f"{axis.suite}.{kind}":
            speed = point.value if kind == SPEEDUP else 1 / point.value
            found.setdefault((row.fixed, row.size), {})[row.kernel] = speed
    return found


def _alike(speeds: dict[str, float], again: dict[str, float]) -> list[str]:
    """Return the fastest kernel and those that came close to it, or ahead of it, in either measurement."""
    first, *rest = sorted(speeds, key=speeds.__getitem__, reverse=True)
    return [first, *(each for each in rest if any(_is_close(first, each, found) for found in (speeds, again)))]


def _is_close(first: str, other: str, speeds: dict[str, float]) -> bool:
    return first in speeds and other in speeds and speeds[first] <= CLOSE * speeds[other]


def sentences(measured: Measured) -> list[str]:
    """Return what the maps say in words; nothing where no size was measured."""
    found = [place for axis in AXES for place in places(axis, measured)]
    if not found:
        return []
    gains = [_gain(found, kernel, name) for kernel, name in ((BASELINE, "NumPy"), (LOOPS, "Python loops"))]
    said = [_winners(found)]
    if any(gains):
        said.append(f"The fastest one is {' and '.join(filter(None, gains))}.")
    return said


def _winners(found: Sequence[Place]) -> str:
    won = Counter(place.alike[0] for place in found if len(place.alike) == 1).most_common()
    count, undecided = len(found), sum(len(place.alike) > 1 for place in found)
    if not won:
        return f"At all {count} sizes the fastest kernel is too close to call."
    (first, times), *others = won
    winner = f"{first} is the fastest kernel at {'all' if times == count else f'{times} of'} {count} sizes"
    decided = _listed([winner, *(f"{name} at {times}" for name, times in others)])
    return (
        f"{decided}; {undecided} {'is' if undecided == 1 else 'are'} too close to call." if undecided else f"{decided}."
    )


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _gain(found: Sequence[Place], kernel: str, name: str) -> str | None:
    gains = [gain for place in found if (gain := place.faster_than(kernel))]
    if not gains:
        return None
    least, most = words.times(min(gains)), words.times(max(gains))
    return f"{least} to {most} faster than {name}" if least != most else f"{least} faster than {name}"


def maps(measured: Measured) -> list[dict[str, Any]]:
    """Return a map for each axis: which kernel is fastest, and how many times faster than NumPy."""
    return [_map(axis, found) for axis in AXES if (found := places(axis, measured))]


def _map(axis: Axis, found: Sequence[Place]) -> dict[str, Any]:
    sizes = sorted({place.size for place in found})
    by_row: dict[int, dict[int, dict[str, Any]]] = {}
    for place in found:
        by_row.setdefault(place.fixed, {})[place.size] = _cell(place)
    return {
        "head": [f"{axis.symbol} =", *map(_short, sizes)],
        "rows": [
            {"head": f"{axis.fixed} = {fixed:,}", "cells": [cells.get(size) for size in sizes]}
            for fixed, cells in sorted(by_row.items())
        ],
    }


def _short(size: int) -> str:
    """Return a size as the axes show it, such as 10k."""
    unit = next(((length, name) for length, name in ((10**6, "M"), (10**3, "k")) if size % length == 0), (1, ""))
    return f"{size // unit[0]}{unit[1]}"


def _cell(place: Place) -> dict[str, Any]:
    gain = place.faster_than(BASELINE)
    return {
        "names": [kernel for kernel in KERNELS if kernel in place.alike],
        "gain": words.times(gain) if gain and place.alike != [BASELINE] else "",
        "colour": theme.line_colour(styles(place.alike[:1])[place.alike[0]]) if len(place.alike) == 1 else "",
    }
