"""The map of the fastest kernel or peer over m and n."""

from __future__ import annotations

from functools import partial
from typing import Any

from gradstep.compare.judge import series
from gradstep.compare.judge.findings import Fastest, Findings
from gradstep.compare.judge.series import Map
from gradstep.compare.record.records import Record
from gradstep.compare.show import styles, words
from gradstep.compare.show.pictures import canvas


def draw(found: Findings) -> dict[str, Any]:
    """Draw the map of each setup."""
    return canvas.of_each_setup(series.maps(found), partial(_figure, found.record))


def _figure(record: Record, shown: Map) -> Any:
    m_list, n_list = shown.m_list, shown.n_list
    figure = canvas.figure(
        record,
        1.95 + 0.62 * len(n_list),
        f"Fastest {words.noun(record)} at each size",
        shown.setup.words,
        "How many times faster than the next one. Pale: a tie within 5 %. Hatched: too close to call",
    )
    axes = canvas.axes(figure, 1.0, 0.9, 0.25, 1.05)
    axes.set_xlim(-0.5, len(m_list) - 0.5)
    axes.set_ylim(-0.5, len(n_list) - 0.5)
    look = styles.styles(record.settings.contenders)
    for (m, n), fastest in shown.places.items():
        _draw_place(axes, m_list.index(m), n_list.index(n), fastest, look[fastest.name].colour)
    axes.set_xticks(range(len(m_list)), [f"{m:,}" for m in m_list])
    axes.set_yticks(range(len(n_list)), [f"{n:,}" for n in n_list])
    axes.set_xlabel("m, number of examples", labelpad=4)
    axes.set_ylabel("n, number of features", labelpad=6)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure


def _draw_place(axes: Any, column: int, row: int, fastest: Fastest, colour: str) -> None:
    rectangle = canvas.matplotlib("patches").Rectangle
    still_open = fastest.verdict == "open"
    inside = (column - 0.48, row - 0.47), 0.96, 0.94
    shade = 0.62 if fastest.verdict == "decided" else 0.25 if fastest.verdict == "tie" else 0.15
    axes.add_patch(rectangle(*inside, facecolor=styles.tint(colour, shade), linewidth=0))
    if still_open:
        hatched = {"facecolor": "none", "edgecolor": styles.tint(colour, 0.45), "hatch": "////"}
        axes.add_patch(rectangle(*inside, linewidth=0, **hatched))
    detail = words.lead(fastest)
    label = f"{fastest.name}\n{detail}" if detail else fastest.name
    text = axes.text(column, row, label, ha="center", va="center", size=9.5, color=styles.INK, linespacing=1.15)
    room = axes.transData.transform((1, 0))[0] - axes.transData.transform((0, 0))[0]
    needed = text.get_window_extent(canvas.renderer(axes.figure)).width
    text.set_fontsize(min(9.5, 9.5 * 0.88 * room / needed))
    if still_open:
        text.set_bbox({"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5})
