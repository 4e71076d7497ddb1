"""The colour, the marker and the dash of each contender, the same in every picture and chart.

Kernels have solid lines in the strong colours of M. Okabe and K. Ito ("Color Universal Design", 2008), which people
with any common colour vision can distinguish. Peers are dashed and have colours of their own, from the rest of that
palette and from Paul Tol's muted one ("Colour Schemes", 2021). No picture relies on them: every line has a marker and a
name at its end.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from gradstep import registry

BLACK, GREY, WHITE = "#000000", "#767676", "#FFFFFF"
INK, SOFT, GRID = "#1F2328", "#59616A", "#E6E8EA"
"""Of words, of lesser words and axes, and of the lines behind them: as in html/assets/style.css."""

SKY, GREEN, PURPLE = "#56B4E9", "#009E73", "#CC79A7"
WINE, OLIVE, INDIGO = "#882255", "#999933", "#332288"


class Style(NamedTuple):
    """How one contender is drawn: peers are dashed, and the marker is named as in Matplotlib."""

    colour: str
    marker: str
    dashed: bool

    @property
    def ink(self) -> str:
        """The colour of its name on white."""
        return readable(self.colour, WHITE)


_PEERS = {
    "numpy-formula": Style(OLIVE, "v", dashed=True),
    "numba-loop": Style(INDIGO, "d", dashed=True),
    "scikit-learn": Style(GREEN, "P", dashed=True),
    "daal4py": Style(PURPLE, "X", dashed=True),
    "torch": Style(SKY, "p", dashed=True),
    "jax": Style(WINE, "*", dashed=True),
}
READ_LIMIT_STYLE = Style(BLACK, "", dashed=True)

_OTHERS = [
    Style(colour, marker, dashed=True) for marker in ("h", "<", ">", "8") for colour in (GREEN, PURPLE, SKY, WINE)
]


def styles(names: Iterable[str]) -> dict[str, Style]:
    """Return the style of each name: of kernels from the registry, of unknown names one of the rest, in their order.

    Examples
    --------
    >>> styles(["cython", "mine"])["cython"].colour
    '#D55E00'
    """
    found: dict[str, Style] = {}
    others = itertools.cycle(_OTHERS)
    for name in names:
        if name in registry.KERNELS:
            kernel = registry.KERNELS[name]
            found[name] = Style(kernel.colour, kernel.marker, dashed=False)
        else:
            found[name] = _PEERS.get(name) or next(others)
    return found


def readable(colour: str, paper: str) -> str:
    """Return a colour, moved away from that of the paper until words in it can be read (WCAG 2.2, contrast 4.5).

    Examples
    --------
    >>> readable("#E69F00", "#FFFFFF"), readable("#0072B2", "#FFFFFF")
    ('#966700', '#0072B2')
    """
    away = BLACK if luminance(paper) > luminance(GREY) else WHITE
    steps = (_mixed(colour, away, share / 20) for share in range(21))
    return next(step for step in steps if contrast(step, paper) >= 4.5)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.2 between two colours, from 1 to 21."""
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2, from 0 for black to 1 for white."""
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def tint(colour: str, strength: float) -> str:
    """Return a colour mixed with white."""
    return _mixed(WHITE, colour, strength)


def transparent(colour: str, opacity: float) -> str:
    """Return a colour as CSS writes it with an opacity."""
    red, green, blue = _channels(colour)
    return f"rgba({red}, {green}, {blue}, {opacity})"


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mixed(one: str, other: str, share: float) -> str:
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(first + share * (second - first)):02X}" for first, second in pairs)
