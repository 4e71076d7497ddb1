"""Bars of the speed-ups over the base, on a few problems."""

from __future__ import annotations

from typing import Any

from gradstep.compare.judge import series
from gradstep.compare.judge.findings import Findings
from gradstep.compare.judge.series import Bar, Bars
from gradstep.compare.show import styles, words
from gradstep.compare.show.pictures import canvas
from gradstep.compare.show.styles import INK, SOFT, Style

_MOST_PROBLEMS = 4

# The height of a bar, of what stands above the bars of a problem, and of the axis below them, in inches.
_BAR, _BARS_HEAD, _AXIS = 0.24, 0.5, 0.5

# How far the bars of a problem are from the left and right ends of the picture, in inches: alone, or one of two.
_ALONE, _ON_THE_LEFT, _ON_THE_RIGHT = (1.35, 0.7), (1.35, 4.55), (5.2, 0.7)


def draw(found: Findings) -> dict[str, Any]:
    """Draw the speed-up of each contender over the base."""
    problems = series.speed_ups(found, _MOST_PROBLEMS)
    rows = [problems[k : k + 2] for k in range(0, len(problems), 2)]
    heights = [_BAR * max(len(each.bars) for each in row) for row in rows]
    bases = dict.fromkeys(each.base for each in problems)
    pale = ". Pale: peers" if found.record.peers else ""
    figure = canvas.figure(
        found.record,
        1.0 + sum(heights) + (_BARS_HEAD + _AXIS) * len(rows) + 0.45,
        f"How many times faster than {' or '.join(bases)}",
        f"One gradient-descent step{'' if len(problems) == 1 else ', from the smallest problem to the largest'}",
        f"Ratios of the medians, with their 95 % intervals. Hatched: too close to call{pale}",
    )
    look = styles.styles(found.record.settings.contenders)
    ends = [end for each in problems for bar in each.bars for end in (bar.speed_up.lower, bar.speed_up.upper)]
    limits = min(0.9, 0.9 * min(ends)), max(2.0, 1.1 * max(ends))
    whole = figure.get_size_inches()[1]
    top = 1.0
    for row, height in zip(rows, heights, strict=True):
        top += _BARS_HEAD
        for column, each in enumerate(row):
            left, right = _ALONE if len(problems) == 1 else (_ON_THE_LEFT, _ON_THE_RIGHT)[column]
            axes = canvas.axes(figure, left, whole - top - _BAR * len(each.bars), right, top)
            _draw_bars(axes, each, look, limits)
        top += height + _AXIS
    return {"": figure}


def _draw_bars(axes: Any, bars: Bars, look: dict[str, Style], limits: tuple[float, float]) -> None:
    _head(axes, bars)
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.set_ylim(len(bars.bars) - 0.4, -0.6)
    for row, bar in enumerate(bars.bars):
        style = look[bar.name]
        _draw_bar(axes, row, bar, styles.tint(style.colour, 0.45) if style.dashed else style.colour)
    axes.axvline(1, color=SOFT, linewidth=1)
    axes.set_yticks(range(len(bars.bars)), [bar.name for bar in bars.bars])
    canvas.label_powers_of_ten(axes.xaxis, lambda value: f"{value:g}×")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelsize=9.5)
    axes.tick_params(axis="x", length=3, labelsize=8.5)
    axes.set_xlabel(f"times faster than {bars.base}, logarithmic", labelpad=2, size=8.5)
    axes.spines["left"].set_visible(False)


def _head(axes: Any, bars: Bars) -> None:
    cell = bars.cell
    to_left = -canvas.inches(axes.figure, 1.1, 0)[0] / axes.get_position().width
    place = {"xycoords": "axes fraction", "textcoords": "offset points"}
    size = words.sizes(cell.m, cell.n)
    axes.annotate(size, (to_left, 1), xytext=(0, 19), size=9.5, weight="bold", color=INK, **place)
    axes.annotate(cell.setup.words, (to_left, 1), xytext=(0, 7), size=7.5, color=SOFT, **place)


def _draw_bar(axes: Any, row: int, bar: Bar, colour: str) -> None:
    value, lower, upper = bar.speed_up
    sure = bar.verdict != "too close to call"
    axes.barh(
        row,
        value - 1,
        left=1,
        height=0.66,
        color=colour if sure else "white",
        edgecolor=colour,
        hatch=None if sure else "/////",
        linewidth=0.8,
    )
    axes.plot([lower, upper], [row, row], color=INK, linewidth=1.0, solid_capstyle="butt")
    axes.annotate(
        _words(value),
        (max(value, upper, 1.0), row),
        xytext=(4, 0),
        textcoords="offset points",
        va="center_baseline",
        size=9,
        color=INK,
    )


def _words(speed_up: float) -> str:
    faster, slower = words.times(speed_up), words.times(1 / speed_up)
    return faster if speed_up >= 1 or slower == words.times(1.0) else f"{slower} slower"
