"""The times along m and along n."""

from __future__ import annotations

from functools import partial
from typing import Any

from gradstep.compare.judge import series
from gradstep.compare.judge.findings import Axis, Findings
from gradstep.compare.judge.series import AllSeries
from gradstep.compare.record.records import Record, Setup
from gradstep.compare.show import styles
from gradstep.compare.show.pictures import canvas
from gradstep.compare.show.pictures.labels import Label, label_above, label_beside
from gradstep.compare.show.styles import READ_LIMIT_STYLE
from gradstep.compare.show.words import NOUNS, duration_of_tick


def draw(found: Findings, along: Axis) -> dict[str, Any]:
    """Draw the times along m or n: of each setup those with the most sizes."""
    chosen: dict[Setup, AllSeries] = {}
    for each in series.lines_along(found, along):
        chosen.setdefault(each.setup, each)
    return canvas.of_each_setup(chosen.values(), partial(figure, found.record))


def figure(record: Record, shown: AllSeries) -> Any:
    """Return the figure of the times along m or n."""
    made = canvas.figure(
        record,
        5.0,
        f"Time of one gradient-descent step against the number of {NOUNS[shown.along]}",
        f"{shown.across} = {shown.fixed:,} {NOUNS[shown.across]}; {shown.setup.words}",
        f"Medians; the bands are the 95 % intervals of kernels{'. Dashed: peers' if record.peers else ''}",
    )
    axes = canvas.axes(made, 0.85, 0.85, 1.65, 1.05)
    canvas.logarithmic(axes)
    labels = _draw_lines(axes, shown, styles.styles(record.settings.contenders))
    # Room above for the name of a line that ends inside.
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top * (top / bottom) ** 0.05)
    axes.set_xlabel(f"{shown.along}, number of {NOUNS[shown.along]}", labelpad=4)
    canvas.label_powers_of_ten(axes.xaxis, "{:,.0f}".format)
    canvas.label_powers_of_ten(axes.yaxis, duration_of_tick)
    axes.tick_params(which="major", length=3)
    last = shown.sizes[-1]
    label_beside(axes, [label for label in labels if label.x == last])
    for label in labels:
        if label.x < last:
            label_above(axes, label)
    return made


def _draw_lines(axes: Any, shown: AllSeries, look: dict[str, styles.Style]) -> list[Label]:
    """Draw a line for each contender and for the read limit, and a band for each kernel; return their names."""
    labels = []
    for line in [*shown.lines, *([] if shown.read_limit is None else [shown.read_limit])]:
        style = look.get(line.name, READ_LIMIT_STYLE)
        size, seconds, lower, upper = zip(*line.points, strict=True)
        if not style.dashed:
            axes.fill_between(size, lower, upper, color=style.colour, alpha=0.22, linewidth=0)
        canvas.line(axes, size, seconds, style, 1.2 if style.dashed and style is not READ_LIMIT_STYLE else 2.0)
        labels.append(Label(line.name, size[-1], seconds[-1], style.ink, bold=not style.dashed))
    return labels
