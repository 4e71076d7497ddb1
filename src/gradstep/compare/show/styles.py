"""The colour, the marker and the dash of each contender, the same in every picture and chart.

The colours are those of M. Okabe and K. Ito ("Color Universal Design", 2008), which people with any common colour
vision can distinguish. No picture relies on them: every line has a marker and a name at its end.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from gradstep import registry

BLACK, GREY = "#000000", "#767676"
ORANGE, SKY, GREEN, BLUE, PURPLE = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#CC79A7"


class Style(NamedTuple):
    """How one contender is drawn: peers are dashed, and the marker is named as in Matplotlib."""

    colour: str
    marker: str
    dashed: bool

    @property
    def ink(self) -> str:
        """The colour of its name: darkened until it can be read on white (WCAG 2.2, contrast 4.5)."""
        colour = self.colour
        while contrast_with_white(colour) < 4.5:
            colour = _darker(colour)
        return colour


# A library that wraps the same idea as a kernel has the kernel's colour, dashed.
_PEERS = {
    "numpy-formula": Style(ORANGE, "v", dashed=True),
    "numba-loop": Style(BLUE, "d", dashed=True),
    "scikit-learn": Style(GREEN, "P", dashed=True),
    "daal4py": Style(PURPLE, "X", dashed=True),
    "torch": Style(SKY, "p", dashed=True),
    "jax": Style(BLACK, "*", dashed=True),
}
READ_LIMIT_STYLE = Style(BLACK, "", dashed=True)

_OTHERS = [
    Style(colour, marker, dashed=True) for marker in ("h", "<", ">", "8") for colour in (GREEN, PURPLE, SKY, GREY)
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


def contrast_with_white(colour: str) -> float:
    """Return the contrast ratio of WCAG 2.2 between a colour and white, from 1 to 21."""
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 1.05 / (luminance + 0.05)


def tint(colour: str, strength: float) -> str:
    """Return a colour mixed with white."""
    return "#" + "".join(f"{round(255 - strength * (255 - channel)):02X}" for channel in _channels(colour))


def transparent(colour: str, opacity: float) -> str:
    """Return a colour as CSS writes it with an opacity."""
    red, green, blue = _channels(colour)
    return f"rgba({red}, {green}, {blue}, {opacity})"


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _darker(colour: str) -> str:
    return "#" + "".join(f"{round(0.95 * channel):02X}" for channel in _channels(colour))
