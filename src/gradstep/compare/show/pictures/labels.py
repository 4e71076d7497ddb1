"""Names at the ends of lines, moved apart so that none overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

# Between the middles of two labels, in points.
_LABEL_GAP = 13.5


class Label(NamedTuple):
    """A name at the end of its line."""

    words: str
    x: float
    y: float
    ink: str
    bold: bool


def label_beside(axes: Any, labels: Sequence[Label]) -> None:
    """Write names to the right of the axes, apart from one another, each tied to its place by a thin line."""
    # Matplotlib chooses the limits late, and the places of the lines' ends depend on them.
    axes.autoscale_view()
    to_points = 72 / axes.figure.dpi
    bottom, top = (edge * to_points for edge in (axes.bbox.y0, axes.bbox.y1))
    heights = [axes.transData.transform((label.x, label.y))[1] * to_points for label in labels]
    for label, place in zip(labels, apart(heights, _LABEL_GAP, bottom, top), strict=True):
        height = (place - bottom) / (top - bottom)
        axes.annotate(
            "",
            (label.x, label.y),
            xytext=(1.035, height),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": label.ink, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4},
            annotation_clip=False,
        )
        axes.annotate(
            label.words,
            (1.045, height),
            xycoords="axes fraction",
            va="center",
            size=9.5,
            color=label.ink,
            weight="bold" if label.bold else "normal",
            annotation_clip=False,
        )


def label_above(axes: Any, label: Label) -> None:
    """Write a name above the end of a line that ends inside the axes."""
    axes.annotate(
        label.words,
        (label.x, label.y),
        xytext=(0, 8),
        textcoords="offset points",
        ha="center",
        color=label.ink,
        weight="bold" if label.bold else "normal",
    )


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move heights as little as possible so that neighbours are at least `gap` apart and all lie within bounds.

    Labels that would overlap are spread around the mean of the heights they want (isotonic regression by pooling
    adjacent violators: Ayer et al., Annals of Mathematical Statistics 26, 1955).

    The places keep the order of `wanted`. Labels that do not fit between `low` and `high` reach beyond `high`.

    Examples
    --------
    >>> apart([10.0, 10.0, 50.0], 4.0, 0.0, 100.0)
    [8.0, 12.0, 50.0]
    """
    order = sorted(range(len(wanted)), key=lambda k: wanted[k])
    pools: list[tuple[float, int]] = []
    for rank, k in enumerate(order):
        mean, count = wanted[k] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            before, members = pools.pop()
            mean = (mean * count + before * members) / (count + members)
            count += members
        pools.append((mean, count))
    room = high - low - (len(wanted) - 1) * gap
    flat = [min(max(mean, low), low + max(room, 0.0)) for mean, count in pools for _ in range(count)]
    places = [0.0] * len(wanted)
    for rank, k in enumerate(order):
        places[k] = flat[rank] + rank * gap
    return places
