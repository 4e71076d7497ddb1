"""Which kernel is fastest at each size, and by how much: the first thing on the start page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gradstep.compare.show import words
from gradstep.compare.show.html import theme
from gradstep.compare.show.styles import styles
from gradstep.registry import KERNELS
from tools.dashboard.noise import BASELINE, Line, Noise
from tools.dashboard.results import AXES, SPEEDUP, TIME, Axis, Measured, Points

# Two kernels this near each other are too close to call, however quiet the machine.
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
        The fastest kernel first, and those that are too close to call.
    """

    fixed: int
    size: int
    speeds: dict[str, float]
    alike: list[str]

    def faster_than(self, kernel: str) -> float | None:
        """Return how many times faster than a kernel the fastest one is."""
        return self.speeds[self.alike[0]] / self.speeds[kernel] if kernel in self.speeds else None


def places(axis: Axis, points: Points, noise: Noise) -> list[Place]:
    """Return all sizes along an axis at which several kernels were measured."""
    # Measured interleaved, the speed-ups are the better comparison.
    return list(_places(axis, SPEEDUP, points, noise)) or list(_places(axis, TIME, points, noise))


def _places(axis: Axis, kind: str, points: Points, noise: Noise) -> Iterator[Place]:
    name = f"{axis.suite}.{kind}"
    for fixed, size in sorted({(row.fixed, row.size) for row in points if row.benchmark == name}):
        here = {
            row.kernel: point.value for row, point in points.items() if row[::2] == (name, fixed) and row.size == size
        }
        speeds = here if kind == SPEEDUP else {kernel: 1 / value for kernel, value in here.items()}
        if len(speeds) > 1:
            apart = {kernel: noise.get(Line(name, kernel, fixed), 1.0) for kernel in speeds}
            yield Place(fixed, size, speeds, _alike(speeds, apart))


def _alike(speeds: dict[str, float], apart: dict[str, float]) -> list[str]:
    """Return the fastest kernel and those that differ from it by no more than the noise."""
    first, *rest = sorted(speeds, key=speeds.__getitem__, reverse=True)
    return [first, *(each for each in rest if speeds[first] / speeds[each] <= max(CLOSE, apart[first], apart[each]))]


def sentences(measured: Measured, noise: Noise) -> list[str]:
    """Return what the maps say in words; nothing where no size was measured."""
    found = [place for axis in AXES for place in places(axis, measured.points, noise)]
    if not found:
        return []
    won = Counter(place.alike[0] for place in found if len(place.alike) == 1)
    open_ones = len(found) - won.total()
    gains = [_gain(found, kernel, name) for kernel, name in ((BASELINE, "NumPy"), (LOOPS, "Python loops"))]
    said = [
        f"The fastest kernel is {_listed([f'{name} at {_of(n, found)}' for name, n in won.most_common()])}."
        if won
        else "",
        f"At {_of(open_ones, found)} the first ones are too close to call." if open_ones else "",
        f"The fastest one is {' and '.join(filter(None, gains))}." if any(gains) else "",
    ]
    return [sentence for sentence in said if sentence]


def _of(count: int, found: Sequence[Place]) -> str:
    return f"all {count} sizes" if count == len(found) else f"{count} of {len(found)} sizes"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _gain(found: Sequence[Place], kernel: str, name: str) -> str | None:
    gains = [gain for place in found if (gain := place.faster_than(kernel))]
    if not gains:
        return None
    least, most = words.times(min(gains)), words.times(max(gains))
    return f"{least} to {most} faster than {name}" if least != most else f"{least} faster than {name}"


def maps(measured: Measured, noise: Noise) -> list[dict[str, Any]]:
    """Return a map for each axis: which kernel is fastest, and how many times faster than NumPy."""
    return [_map(axis, found) for axis in AXES if (found := places(axis, measured.points, noise))]


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
