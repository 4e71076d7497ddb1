"""The pictures of a record, as PNG and SVG: times, speed-ups, a roofline and a map of the fastest."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gradstep import extras
from gradstep.cli import endings
from gradstep.compare.judge import series
from gradstep.compare.judge.series import Axis, Bars, CannotDraw, Conditions, Fastest, Lines, Map, Roof
from gradstep.compare.record.records import Record
from gradstep.compare.show import styles
from gradstep.compare.show.styles import BLACK, GREY
from gradstep.compare.show.words import counted, duration_of_tick, times_as_fast
from gradstep.files import require_place_for, write_whole

# 1280 pixels wide, as a page of most screens; at half of that the letters can still be read.
_WIDTH, _DOTS = 8.0, 160

_FORMATS = (".png", ".svg")

_MOST_PROBLEMS = 4

# The height of a bar, and of what stands above the bars of a problem, in inches.
_BAR, _BARS_HEAD = 0.24, 0.55

# Between the middles of two labels, in points.
_LABEL_GAP = 13.5

# The same record gives the same bytes: names of elements that do not change, and letters as outlines, which also keeps
# the labels apart whatever fonts a reader has.
_SETTINGS = {
    "svg.hashsalt": "gradstep",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "hatch.linewidth": 0.7,
    "axes.edgecolor": "#B0B0B0",
    "axes.linewidth": 0.8,
    "xtick.color": "#B0B0B0",
    "ytick.color": "#B0B0B0",
    "xtick.labelcolor": "#404040",
    "ytick.labelcolor": "#404040",
    "axes.labelcolor": "#404040",
}
_GRID = {"color": "#E4E4E4", "linewidth": 0.8}


@dataclass(frozen=True)
class Drawn:
    """What became of the pictures.

    Attributes
    ----------
    files : list of Path
        Those that were written.
    skipped : dict
        Picture -> what the record lacks for it.
    """

    files: list[Path]
    skipped: dict[str, str]


def require(folder: Path) -> None:
    """Raise `OSError` or `MissingExtra` if pictures could not be written into this folder, which need not exist."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "this is a file; the pictures need a folder", str(folder))
    if not folder.exists():
        require_place_for(folder)
    elif not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "this folder is not writable", str(folder))
    _matplotlib("figure")


def write(record: Record, folder: Path) -> None:
    """Write every picture that the record supports, and tell on stderr which ones it does not."""
    for name, reason in draw(record, folder).skipped.items():
        endings.warn(f"{name} is not drawn: {reason}")


def draw(record: Record, folder: Path) -> Drawn:
    """Write every picture that the record supports into a folder, which is made if need be.

    Parameters
    ----------
    record : Record
        The measurements.
    folder : Path
        Where ``time-against-m``, ``time-against-n``, ``speed-up``, ``roofline`` and ``fastest`` are written, each as
        ``.png`` and ``.svg``. Where a run has several dtypes, orders, numbers of threads or data sets, there is a
        picture of each, and its name tells of which.

    Returns
    -------
    Drawn
        The files, and the pictures that were left out.

    Raises
    ------
    MissingExtra
        If Matplotlib is not installed.
    OSError
        If a file cannot be written.
    """
    _matplotlib("figure")
    folder.mkdir(exist_ok=True)
    files: list[Path] = []
    skipped: dict[str, str] = {}
    for name, make in PICTURES.items():
        try:
            pictures = make(record)
        except CannotDraw as error:
            skipped[name] = str(error)
            continue
        for suffix, figure in pictures.items():
            files += save(figure, folder / f"{name}{suffix}")
    return Drawn(files, skipped)


def _matplotlib(module: str) -> Any:
    return extras.require(f"matplotlib.{module}", "report", "--plot")


def save(figure: Any, stem: Path) -> list[Path]:
    """Write a picture in both formats, each whole or not at all."""
    files = [stem.with_name(stem.name + suffix) for suffix in _FORMATS]
    for file in files:
        write_whole(file, encoded(figure, file.suffix))
    return files


def encoded(figure: Any, suffix: str) -> bytes:
    """Return a figure as the content of a file, ``.png`` or ``.svg``: the same bytes for the same record."""
    metadata = {"Software": None} if suffix == ".png" else {"Date": None, "Creator": None, "Title": figure.get_label()}
    content = io.BytesIO()
    with extras.require("matplotlib", "report", "--plot").rc_context(_SETTINGS):
        figure.savefig(content, format=suffix[1:], dpi=_DOTS, facecolor="white", metadata=metadata)
    return content.getvalue()


def _figure(record: Record, height: float, title: str, conditions: str, note: str) -> Any:
    """Return an empty figure with its words: what is shown, under which conditions, how to read it, which machine."""
    with extras.require("matplotlib", "report", "--plot").rc_context(_SETTINGS):
        figure = _matplotlib("figure").Figure(figsize=(_WIDTH, height), label=title)
    left = _inches(figure, 0.25, 0)[0]
    figure.text(left, 1 - _inches(figure, 0, 0.22)[1], title, size=13, weight="bold", va="top", color="#202020")
    figure.text(left, 1 - _inches(figure, 0, 0.50)[1], conditions, size=9.5, va="top", color="#404040")
    figure.text(left, 1 - _inches(figure, 0, 0.70)[1], note, size=9.5, va="top", color="#404040")
    figure.text(left, _inches(figure, 0, 0.12)[1], _machine(record), size=7.5, va="bottom", color=GREY)
    return figure


def _machine(record: Record) -> str:
    machine = record.machine
    cores = counted(machine.usable_cores, "core")
    versions = ", ".join(
        f"{name} {record.versions[name]}" for name in ("gradstep", "numpy", "numba") if record.versions.get(name)
    )
    return f"{machine.processor}, {cores}, {machine.system}; {versions}; {record.created[:10]}"


def _inches(figure: Any, across: float, up: float) -> tuple[float, float]:
    """Turn a length in inches into a part of the figure's width and height."""
    width, height = figure.get_size_inches()
    return across / width, up / height


def _axes(figure: Any, left: float, bottom: float, right: float, top: float) -> Any:
    """Return axes whose distances from the figure's edges are given in inches."""
    width, height = figure.get_size_inches()
    with extras.require("matplotlib", "report", "--plot").rc_context(_SETTINGS):
        axes = figure.add_axes(
            (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height)
        )
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return axes


# Times


def times(record: Record, along: Axis) -> dict[str, Any]:
    """Draw the times along m or n, for each set of conditions where it was measured at the most sizes."""
    chosen: dict[Conditions, Lines] = {}
    for lines in series.lines_along(record, along):
        chosen.setdefault(lines.conditions, lines)
    return {suffix: draw_times(record, chosen[conditions]) for conditions, suffix in _suffixes(list(chosen)).items()}


def _suffixes(groups: Sequence[Conditions]) -> dict[Conditions, str]:
    """Return what tells the files of several groups apart; nothing where there is one."""
    return {each: "" if len(groups) == 1 else f"-{each.slug}" for each in groups}


def draw_times(record: Record, lines: Lines) -> Any:
    """Return the figure of the times along m or n."""
    noun = {"m": "examples", "n": "features"}
    figure = _figure(
        record,
        5.0,
        f"Time of one gradient-descent step against the number of {noun[lines.along]}",
        f"{lines.across} = {lines.fixed:,} {noun[lines.across]}; {lines.conditions.words}",
        "Medians; the bands are their 95 % intervals. Dashed: not gradstep",
    )
    axes = _axes(figure, 0.85, 0.85, 1.65, 1.05)
    axes.set_xscale("log")
    axes.set_yscale("log")
    look = styles.styles(record.settings.contenders)
    labels = []
    for line in lines.lines:
        style = look[line.name]
        size, seconds, lower, upper = zip(*line.points, strict=True)
        axes.fill_between(size, lower, upper, color=style.colour, alpha=0.22, linewidth=0)
        axes.plot(
            size,
            seconds,
            color=style.colour,
            marker=style.marker,
            markersize=5,
            linestyle=_dash(style),
            linewidth=1.8,
        )
        labels.append(Label(line.name, size[-1], seconds[-1], style.ink, bold=not style.dashed))
    if lines.floor is not None:
        size, seconds, lower, upper = zip(*lines.floor.points, strict=True)
        axes.fill_between(size, lower, upper, color=BLACK, alpha=0.12, linewidth=0)
        axes.plot(size, seconds, color=BLACK, linestyle=(0, (1, 1.5)), linewidth=1.6)
        labels.append(Label("only reading X", size[-1], seconds[-1], BLACK, bold=False))
    # Room above for the name of a line that ends inside.
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top * (top / bottom) ** 0.05)
    axes.grid(visible=True, which="major", **_GRID)
    axes.tick_params(which="minor", length=0)
    axes.tick_params(which="major", length=3)
    axes.set_xlabel(f"{lines.along}, number of {noun[lines.along]}", labelpad=4)
    _format(axes.xaxis, _size)
    _format(axes.yaxis, duration_of_tick)
    last = lines.sizes[-1]
    _label_beside(axes, [label for label in labels if label.x == last])
    for label in labels:
        if label.x < last:
            _label_above(axes, label)
    return figure


def _dash(style: styles.Style) -> Any:
    return (0, (4, 1.6)) if style.dashed else "-"


def _format(axis: Any, words: Callable[[float], str]) -> None:
    ticker = _matplotlib("ticker")
    axis.set_major_locator(ticker.LogLocator(base=10, numticks=12))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: words(value)))
    axis.set_minor_formatter(ticker.NullFormatter())


def _size(value: float) -> str:
    return f"{value:,.0f}"


class Label(NamedTuple):
    """A name to be written beside the axes, at the end of its line."""

    words: str
    x: float
    y: float
    ink: str
    bold: bool


def _label_beside(axes: Any, labels: Sequence[Label]) -> None:
    """Write names to the right of the axes, apart from one another, each tied to its place by a thin line."""
    # Matplotlib puts off the choice of the limits until they are asked for.
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


def _label_above(axes: Any, label: Label) -> None:
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

    Labels that would overlap are shared out around the mean of the places they want (isotonic regression by pooling
    adjacent violators: Ayer et al., Annals of Mathematical Statistics 26, 1955).

    Parameters
    ----------
    wanted : sequence of float
        The heights, in any order.
    gap : float
        The least distance.
    low, high : float
        The bounds; where they leave no room for all, the labels reach beyond the upper one.

    Returns
    -------
    list of float
        The places, in the order of `wanted`.

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


# Speed-ups


def speed_ups(record: Record) -> dict[str, Any]:
    """Draw bars of how many times as fast each contender is as the base, on a few problems."""
    problems = series.speed_ups(record, _MOST_PROBLEMS)
    rows = [problems[k : k + 2] for k in range(0, len(problems), 2)]
    bars = [_BAR * max(len(each.bars) for each in row) for row in rows]
    figure = _figure(
        record,
        1.0 + sum(bars) + _BARS_HEAD * len(rows) + 0.45,
        "How many times as fast as the base",
        "One gradient-descent step; some problems, from the smallest to the largest",
        "Medians of the ratios of each round, with their 95 % intervals. Hatched: it cannot be told. Logarithmic scale",
    )
    look = styles.styles(record.settings.contenders)
    ends = [end for each in problems for bar in each.bars for end in (bar.speed_up.lower, bar.speed_up.upper)]
    limits = min(0.9, 0.9 * min(ends)), max(2.0, 1.1 * max(ends))
    height = figure.get_size_inches()[1]
    top = 1.0
    for row, inches in zip(rows, bars, strict=True):
        top += _BARS_HEAD
        for column, each in enumerate(row):
            left, right = (1.35, 4.55) if column == 0 else (5.2, 0.7)
            axes = _axes(figure, left, height - top - _BAR * len(each.bars), right, top)
            _draw_bars(axes, each, look, limits)
        top += inches
    return {"": figure}


def _draw_bars(axes: Any, bars: Bars, look: dict[str, styles.Style], limits: tuple[float, float]) -> None:
    cell = bars.cell
    conditions = Conditions.of(cell)
    to_left = -_inches(axes.figure, 1.1, 0)[0] / axes.get_position().width
    for words, up, options in (
        (f"m = {cell.m:,}, n = {cell.n:,}", 19, {"size": 9.5, "weight": "bold", "color": "#303030"}),
        (f"{conditions.words}; base: {bars.base}", 7, {"size": 7.5, "color": GREY}),
    ):
        axes.annotate(
            words, (to_left, 1), xycoords="axes fraction", xytext=(0, up), textcoords="offset points", **options
        )
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.set_ylim(len(bars.bars) - 0.4, -0.6)
    for row, bar in enumerate(bars.bars):
        style = look[bar.name]
        value, lower, upper = bar.speed_up
        sure = bar.verdict != "cannot tell"
        axes.barh(
            row,
            value - 1,
            left=1,
            height=0.66,
            color=style.colour if sure else "white",
            edgecolor=style.colour,
            hatch=None if sure else "/////",
            linewidth=0.8,
        )
        axes.plot([lower, upper], [row, row], color="#202020", linewidth=1.0, solid_capstyle="butt")
        axes.annotate(
            times_as_fast(value),
            (max(value, upper, 1.0), row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center_baseline",
            size=9,
            color="#202020",
        )
    axes.axvline(1, color="#606060", linewidth=1)
    axes.set_yticks(range(len(bars.bars)), [bar.name for bar in bars.bars])
    axes.tick_params(axis="y", length=0, labelsize=9.5)
    axes.tick_params(axis="x", which="both", length=0, labelbottom=False)
    axes.spines[["left", "bottom"]].set_visible(False)


# Roofline


def rooflines(record: Record) -> dict[str, Any]:
    """Draw the rates that were reached below the ceilings that were measured."""
    roofs = series.roofs(record)
    suffixes = _suffixes([roof.conditions for roof in roofs])
    return {suffixes[roof.conditions]: _draw_roof(record, roof) for roof in roofs}


def _draw_roof(record: Record, roof: Roof) -> Any:
    figure = _figure(
        record,
        7.6,
        "What was reached, and what the machine has shown it can do",
        f"{roof.conditions.words}; for each n the largest m",
        "Operations and bytes are those of one pass over X and y, whoever computes",
    )
    upper, lower = _axes(figure, 0.7, 4.0, 2.4, 1.2), _axes(figure, 0.7, 1.05, 2.4, 4.15)
    _draw_rates(upper, record, roof, "operations")
    _draw_rates(lower, record, roof, "bytes")
    _name_intensities(lower, roof)
    lower.set_xlabel("arithmetic intensity: operations per byte", labelpad=28)
    return figure


def _draw_rates(axes: Any, record: Record, roof: Roof, quantity: Literal["operations", "bytes"]) -> None:
    """Draw one rate of each contender against intensity, and the two ceilings, which swap their slopes."""
    intensities = sorted({point.intensity for point in roof.points})
    span = intensities[0] / 1.12, intensities[-1] * 1.12
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*span)
    labels: list[Label] = []
    look = styles.styles(record.settings.contenders)
    for name in dict.fromkeys(point.name for point in roof.points):
        points = sorted((point for point in roof.points if point.name == name), key=lambda point: point.intensity)
        style = look[name]
        rates = [getattr(point, quantity) for point in points]
        axes.plot(
            [point.intensity for point in points],
            rates,
            color=style.colour,
            marker=style.marker,
            markersize=5,
            linestyle=_dash(style),
            linewidth=1.3,
        )
        labels.append(Label(name, points[-1].intensity, rates[-1], style.ink, bold=not style.dashed))
    for place, bandwidth in roof.bandwidths.items():
        words = f"read from {place}: {bandwidth / 1e9:.3g} GB/s"
        rates = [bandwidth * intensity if quantity == "operations" else bandwidth for intensity in span]
        axes.plot(span, rates, color=BLACK, linestyle=(0, (1, 1.5)), linewidth=1.5)
        labels.append(Label(words, span[1], rates[1], BLACK, bold=False))
    best = roof.best.operations
    rates = [best if quantity == "operations" else best / intensity for intensity in span]
    axes.plot(span, rates, color=GREY, linestyle=(0, (6, 2)), linewidth=1.3)
    labels.append(Label(f"most seen: {best / 1e9:.3g} · 10⁹/s", span[1], rates[1], GREY, bold=False))
    axes.tick_params(which="minor", length=0)
    _format(axes.yaxis, lambda value: f"{value / 1e9:g}")
    axes.set_title("10⁹ operations a second" if quantity == "operations" else "GB/s", loc="left", size=10, pad=7)
    ticker = _matplotlib("ticker")
    axes.xaxis.set_major_locator(ticker.FixedLocator(intensities))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(ticker.NullFormatter())
    axes.grid(visible=True, which="major", **_GRID)
    _label_beside(axes, labels)


def _name_intensities(axes: Any, roof: Roof) -> None:
    """Write each intensity and its n below the axes; one label for those that lie too close together."""
    n_of = {point.intensity: point.n for point in roof.points}
    intensities = sorted(n_of)
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
            color="#404040",
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


# The fastest


def maps(record: Record) -> dict[str, Any]:
    """Draw who is the fastest over m and n."""
    found = series.maps(record)
    suffixes = _suffixes([each.conditions for each in found])
    return {suffixes[each.conditions]: _draw_map(record, each) for each in found}


def _draw_map(record: Record, each: Map) -> Any:
    m_list, n_list = each.m_list, each.n_list
    row = 0.62
    figure = _figure(
        record,
        1.95 + row * len(n_list),
        "Who is the fastest, over the numbers of examples and features",
        each.conditions.words,
        "The number: how many times as long the next one takes. Hatched: it cannot be told",
    )
    axes = _axes(figure, 1.0, 0.9, 0.25, 1.05)
    axes.set_xlim(-0.5, len(m_list) - 0.5)
    axes.set_ylim(-0.5, len(n_list) - 0.5)
    look = styles.styles(record.settings.contenders)
    for place in each.places.values():
        _draw_place(axes, m_list.index(place.m), n_list.index(place.n), place, look)
    axes.set_xticks(range(len(m_list)), [f"{m:,}" for m in m_list])
    axes.set_yticks(range(len(n_list)), [f"{n:,}" for n in n_list])
    axes.set_xlabel("m, number of examples", labelpad=4)
    axes.set_ylabel("n, number of features", labelpad=6)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure


def _draw_place(axes: Any, column: int, row: int, place: Fastest, look: dict[str, styles.Style]) -> None:
    colour = look[place.name].colour
    rectangle = _matplotlib("patches").Rectangle
    sure = not place.alike
    inside = (column - 0.48, row - 0.47), 0.96, 0.94
    axes.add_patch(rectangle(*inside, facecolor=styles.tint(colour, 0.62 if sure else 0.15), linewidth=0))
    words = f"{place.name}\n{times_as_fast(place.margin.value)}" if sure and place.margin else place.name
    if not sure:
        others = place.alike[0] if len(place.alike) == 1 else f"{len(place.alike)} others"
        words = f"{place.name}\nor {others}"
        axes.add_patch(
            rectangle(*inside, facecolor="none", edgecolor=styles.tint(colour, 0.45), hatch="////", linewidth=0)
        )
    text = axes.text(column, row, words, ha="center", va="center", size=9.5, color="#101010", linespacing=1.15)
    room = axes.transData.transform((1, 0))[0] - axes.transData.transform((0, 0))[0]
    needed = text.get_window_extent(renderer(axes.figure)).width
    text.set_fontsize(min(9.5, 9.5 * 0.88 * room / needed))
    if not sure:
        text.set_bbox({"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5})


def renderer(figure: Any) -> Any:
    """Return what measures the size of text in a figure."""
    return _matplotlib("backends.backend_agg").FigureCanvasAgg(figure).get_renderer()


PICTURES: dict[str, Callable[[Record], dict[str, Any]]] = {
    "time-against-m": partial(times, along="m"),
    "time-against-n": partial(times, along="n"),
    "speed-up": speed_ups,
    "roofline": rooflines,
    "fastest": maps,
}
"""Name of the file -> what draws it: a figure for each ending of the name."""
