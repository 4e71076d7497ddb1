"""The operations a second that were reached, below the limits that the machine has shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from gradstep.compare.judge import series
from gradstep.compare.judge.findings import Findings
from gradstep.compare.judge.series import Roof
from gradstep.compare.record.records import Record
from gradstep.compare.show import styles
from gradstep.compare.show.pictures import canvas
from gradstep.compare.show.pictures.labels import Label, label_beside
from gradstep.compare.show.styles import BLACK, SOFT

# The dash of each bandwidth, so that a reader needs no names to distinguish them.
_BANDWIDTHS: dict[str, Any] = {"memory": "-", "cache": (0, (1, 1.5))}


def draw(found: Findings) -> dict[str, Any]:
    """Draw the operations a second of each setup."""
    return canvas.of_each_setup(series.roofs(found), partial(_figure, found.record))


def _figure(record: Record, roof: Roof) -> Any:
    figure = canvas.figure(
        record,
        5.2,
        "Speed reached, and the limits that this machine has shown",
        f"{roof.setup.words}; for each n the largest m",
        "Counted are the operations of the formula and one pass over X, whatever a contender does",
    )
    axes = canvas.axes(figure, 0.85, 1.15, 2.4, 1.05)
    look = styles.styles(record.settings.contenders)
    canvas.logarithmic(axes)
    axes.set_xlim(*roof.span)
    canvas.label_powers_of_ten(axes.yaxis, lambda value: f"{value / 1e9:g}")
    axes.set_ylabel("10⁹ operations a second", labelpad=4)
    label_beside(axes, [*_draw_rates(axes, roof, look), *_draw_ceilings(axes, roof)])
    _name_intensities(axes, roof)
    axes.set_xlabel("arithmetic intensity: operations per byte", labelpad=28)
    return figure


def _draw_rates(axes: Any, roof: Roof, look: dict[str, styles.Style]) -> list[Label]:
    """Draw the rate of each contender against intensity; return their names."""
    labels = []
    for name, points in roof.by_contender().items():
        rates = [point.operations for point in points]
        canvas.line(axes, [point.intensity for point in points], rates, look[name], 1.3)
        labels.append(Label(name, points[-1].intensity, rates[-1], look[name].ink, bold=not look[name].dashed))
    return labels


def _draw_ceilings(axes: Any, roof: Roof) -> list[Label]:
    """Draw the bandwidths, which rise with the intensity, and the best rate; return their names."""
    labels = []
    for place, bandwidth in roof.bandwidths.items():
        rates = [bandwidth * intensity for intensity in roof.span]
        axes.plot(roof.span, rates, color=BLACK, linestyle=_BANDWIDTHS[place], linewidth=1.6)
        words = f"read from {place}: {bandwidth / 1e9:.3g} GB/s"
        labels.append(Label(words, roof.span[1], rates[1], BLACK, bold=False))
    best = roof.best.operations
    axes.axhline(best, color=SOFT, linestyle=(0, (8, 3)), linewidth=1.3)
    return [*labels, Label(f"most reached: {best / 1e9:.3g} · 10⁹/s", roof.span[1], best, SOFT, bold=False)]


def _name_intensities(axes: Any, roof: Roof) -> None:
    """Write each intensity and its n below the axes; one label for those that lie too close together."""
    ticker = canvas.matplotlib("ticker")
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(ticker.NullFormatter())
    n_of = {point.intensity: point.n for point in roof.points}
    intensities = sorted(n_of)
    axes.xaxis.set_major_locator(ticker.FixedLocator(intensities))
    to_inches = 1 / axes.figure.dpi
    places = [axes.transData.transform((intensity, 1.0))[0] * to_inches for intensity in intensities]
    for members in clusters(places, 0.62):
        low, high = intensities[members[0]], intensities[members[-1]]
        few, many = n_of[high], n_of[low]
        # Between the outermost two, on the logarithmic axis.
        middle = (low * high) ** 0.5
        n = f"n = {few:,}" if few == many else f"n = {few:,} to {many:,}"
        values = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
        axes.annotate(
            f"{values}\n{n}",
            (middle, 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -5),
            textcoords="offset points",
            ha="center",
            va="top",
            size=8.5,
            color=SOFT,
            annotation_clip=False,
        )


def clusters(places: Sequence[float], gap: float) -> list[list[int]]:
    """Group the indices of ascending places whose neighbours are closer than `gap`.

    Examples
    --------
    >>> clusters([0.0, 0.1, 5.0], 1.0)
    [[0, 1], [2]]
    """
    found: list[list[int]] = []
    for k, place in enumerate(places):
        if found and place - places[found[-1][-1]] < gap:
            found[-1].append(k)
        else:
            found.append([k])
    return found
