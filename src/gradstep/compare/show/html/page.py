"""The report of a record: one HTML file with its words, charts, tables and the record itself, which loads nothing."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import gradstep
from gradstep import extras
from gradstep.compare.judge import findings, series
from gradstep.compare.judge.series import CannotDraw, Fastest
from gradstep.compare.judge.statistics import Interval
from gradstep.compare.record import records
from gradstep.compare.record.records import Cell, Record
from gradstep.compare.show import styles, summary
from gradstep.compare.show.html import charts
from gradstep.compare.show.words import counted, micro, three_digits, times_as_fast
from gradstep.files import require_place_for, write_whole


def require(path: Path) -> None:
    """Raise `OSError` or `MissingExtra` if a report could not be written to this file."""
    require_place_for(path)
    charts.require()
    _jinja()


def _jinja() -> Any:
    return extras.require("jinja2", "report", "--html")


def write(record: Record, path: Path) -> None:
    """Write the report of a record, whole or not at all.

    Parameters
    ----------
    record : Record
        The measurements.
    path : Path
        The HTML file. It has some 5 MB, nearly all of it Plotly's script, which draws the charts.

    Raises
    ------
    MissingExtra
        If Plotly or Jinja is not installed.
    OSError
        If the file cannot be written.
    """
    write_whole(path, page(record))


def page(record: Record) -> str:
    """Return the report of a record as HTML."""
    jinja = _jinja()
    environment = jinja.Environment(
        loader=jinja.FunctionLoader(_resource),
        # Every value is escaped: names of files and columns come from outside.
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    markup = extras.require("markupsafe", "report", "--html").Markup
    figures = charts.charts(record)
    scripts = [charts.script(), _resource("report.js")]
    plotly_script, page_script = map(markup, scripts)
    machine = record.machine
    html: str = environment.get_template("report.html.jinja").render(
        policy=_policy(scripts),
        style=markup(_resource("report.css")),
        page_script=page_script,
        plotly_script=plotly_script,
        record_json=markup(_harmless(records.as_json(record))),
        charts_json=markup(_harmless(json.dumps(figures, separators=(",", ":"), allow_nan=False))),
        charts=figures,
        created=record.created.replace("T", " ").replace("+00:00", " UTC"),
        processor=f"{machine.processor}, {counted(machine.usable_cores, 'core')}",
        timed=_sentence(record.timed),
        contenders=record.settings.contenders,
        wrong=[f"{result.contender} at {summary.place(cell)}: {result.reason}" for cell, result in record.wrong()],
        warning=_sentence(findings.noise_warning(record)),
        summary=summary.paragraphs(record),
        maps=_maps(record),
        tables=_tables(record),
        circumstances=_circumstances(record),
        operations_of_a_row=series.OPERATIONS_OF_A_ROW,
        version=gradstep.__version__,
    )
    return html


def _sentence(words: str | None) -> str | None:
    return words and f"{words[0].upper()}{words[1:]}."


def _resource(name: str) -> str:
    return importlib.resources.files("gradstep.compare.show.html").joinpath("assets", name).read_text(encoding="utf-8")


def _harmless(text: str) -> str:
    """Return JSON that can stand inside a script element: it ends at the first ``</script``, strings or not.

    Outside its strings JSON has no ``<``, so what is read from it stays the same.
    """
    return text.replace("<", "\\u003c")


def _policy(scripts: Sequence[str]) -> str:
    """Return a content security policy under which nothing is loaded, and only these scripts run."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    # Plotly sets styles from its script, and makes pictures to be saved from data and blobs.
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"


# The map of the fastest


class _Place(NamedTuple):
    """One problem in the map."""

    words: str
    detail: str
    colour: str
    alike: bool


class _Map(NamedTuple):
    """One map: a row for each m, with one place or None for each n."""

    caption: str
    n_list: list[int]
    rows: list[tuple[int, list[_Place | None]]]


def _maps(record: Record) -> list[_Map]:
    try:
        found = series.maps(record)
    except CannotDraw:
        return []
    look = styles.styles(record.settings.contenders)
    return [
        _Map(
            each.conditions.words,
            each.n_list,
            [(m, [_place(each.places.get((m, n)), look) for n in each.n_list]) for m in each.m_list],
        )
        for each in found
    ]


def _place(fastest: Fastest | None, look: dict[str, styles.Style]) -> _Place | None:
    if fastest is None:
        return None
    colour = look[fastest.name].colour
    if fastest.alike:
        others = fastest.alike[0] if len(fastest.alike) == 1 else counted(len(fastest.alike), "other")
        return _Place(fastest.name, f"or {others}", colour, alike=True)
    margin = "" if fastest.margin is None else f"{fastest.margin.value:.2f}×"
    return _Place(fastest.name, margin, colour, alike=False)


# Tables


class _Head(NamedTuple):
    """The head of a column."""

    words: str
    numeric: bool = False


class _Entry(NamedTuple):
    """What stands in a cell of a table; it is sorted by the value, or by the words where there is none."""

    words: str
    value: float | None = None
    detail: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class _Row:
    entries: list[_Entry]
    kind: str = ""


@dataclass(frozen=True)
class _Table:
    caption: str
    heads: list[_Head]
    rows: list[_Row] = field(default_factory=list)


def _tables(record: Record) -> list[_Table]:
    tables = [_times(record), _growth(record), _first_calls(record), _left_out(record)]
    return [_shortened(table) for table in tables if table.rows]


# What tables have a column for, but often is the same in every row.
_OFTEN_THE_SAME = {"data", "dtype", "order", "threads"}


def _shortened(table: _Table) -> _Table:
    """Say once, in the caption, what all rows of a table have in common."""
    kept, said = [], []
    for column, head in enumerate(table.heads):
        words = {row.entries[column].words for row in table.rows}
        if head.words in _OFTEN_THE_SAME and len(words) == 1:
            said.append(f"{head.words} {words.pop()}")
        else:
            kept.append(column)
    rows = [_Row([row.entries[column] for column in kept], row.kind) for row in table.rows]
    return _Table("; ".join([table.caption, *said]), [table.heads[column] for column in kept], rows)


def _number(value: float | None, words: str = "{:,}", detail: str = "") -> _Entry:
    if value is None:
        return _Entry("", numeric=True)
    return _Entry(words.format(value), value, detail, numeric=True)


def _time(value: float | None, detail: str = "") -> _Entry:
    if value is None:
        return _Entry("", numeric=True)
    return _Entry(micro(value), value, detail, numeric=True)


def _threads(threads: int | None) -> _Entry:
    return _Entry("auto", numeric=True) if threads is None else _number(threads)


def _interval(value: Interval | None, words: Callable[[float], str]) -> _Entry:
    if value is None:
        return _Entry("", numeric=True)
    return _Entry(words(value.value), value.value, f"{words(value.lower)} – {words(value.upper)}", numeric=True)


def _times(record: Record) -> _Table:
    heads = [
        _Head("data"),
        _Head("m", numeric=True),
        _Head("n", numeric=True),
        _Head("dtype"),
        _Head("order"),
        _Head("threads", numeric=True),
        _Head("contender"),
        _Head("time", numeric=True),
        _Head("a row", numeric=True),
        _Head("GB/s", numeric=True),
        _Head("× read", numeric=True),
        _Head("speed-up", numeric=True),
        _Head("bound by"),
    ]
    rows = [
        _Row([*_place_entries(cell), *_measured(line)], _kind_of_row(line))
        for cell in record.cells
        for line in findings.lines(record, cell)
    ]
    return _Table("Times; green: the smallest median of its problem", heads, rows)


def _place_entries(cell: Cell) -> list[_Entry]:
    return [
        _Entry(cell.problem),
        _number(cell.m),
        _number(cell.n),
        _Entry(cell.dtype),
        _Entry(cell.order),
        _threads(cell.threads),
    ]


def _measured(line: findings.Line) -> list[_Entry]:
    name = _Entry(line.result.contender)
    if line.time is None:
        nothing = _Entry("", numeric=True)
        status = _Entry(
            line.result.status.upper() if line.result.status == "wrong" else line.result.status, numeric=True
        )
        return [name, status, *[nothing] * 4, _Entry(f"{line.result.reason or ''}")]
    lower, upper = micro(line.time.lower), micro(line.time.upper)
    over_floor = None if line.over_floor is None else Interval(*line.over_floor[:3])
    return [
        name,
        _time(line.time.value, f"{lower} – {upper}"),
        _time(line.per_row),
        _number(line.gigabytes_per_second, "{:.3g}"),
        _interval(over_floor, three_digits),
        _speed_up(line),
        _Entry("" if line.bound is None else line.bound.kind, detail="" if line.bound is None else line.bound.reason),
    ]


def _speed_up(line: findings.Line) -> _Entry:
    if line.is_base:
        return _Entry("base", 1.0, numeric=True)
    if line.over_base is None:
        return _Entry("", numeric=True)
    speed_up = line.over_base.speed_up
    detail = f"{times_as_fast(speed_up.lower)} – {times_as_fast(speed_up.upper)}"
    verdict = "cannot tell, " if line.over_base.verdict == "cannot tell" else ""
    return _Entry(times_as_fast(speed_up.value), speed_up.value, f"{verdict}{detail}", numeric=True)


def _kind_of_row(line: findings.Line) -> str:
    if line.result.status == "wrong":
        return "wrong"
    return "fastest" if line.is_fastest else ""


def _growth(record: Record) -> _Table:
    heads = [
        _Head("contender"),
        _Head("along"),
        _Head("sizes"),
        _Head("at", numeric=True),
        _Head("dtype"),
        _Head("order"),
        _Head("threads", numeric=True),
        _Head("exponent", numeric=True),
        _Head("bound by, from the smallest to the largest"),
    ]
    rows = [
        _Row(
            [
                _Entry(each.contender),
                _Entry(each.axis),
                _Entry(f"{each.sizes[0]:,} to {each.sizes[-1]:,}"),
                _number(each.fixed, f"{'n' if each.axis == 'm' else 'm'} = {{:,}}"),
                _Entry(each.dtype),
                _Entry(each.order),
                _threads(each.threads),
                _interval(Interval(*each.exponent[:3]), "{:.2f}".format),
                _Entry(", ".join(dict.fromkeys(bound.kind for bound in each.bounds))),
            ]
        )
        for each in findings.scalings(record)
    ]
    return _Table("How times grow: like the size to the power of the exponent", heads, rows)


def _first_calls(record: Record) -> _Table:
    heads = [
        _Head("contender"),
        _Head("dtype"),
        _Head("order"),
        _Head("threads", numeric=True),
        _Head("import", numeric=True),
        _Head("compile", numeric=True),
        _Head("first call", numeric=True),
        _Head("smallest call", numeric=True),
        _Head("version"),
    ]
    rows = [
        _Row(
            [
                _Entry(each.contender),
                _Entry(each.dtype),
                _Entry(each.order),
                _threads(each.threads),
                _time(each.imported),
                _time(each.compiled),
                _time(each.first),
                _time(each.smallest),
                _Entry(record.peers.get(each.contender, f"gradstep {_own_version(record)}")),
            ]
        )
        for each in record.first_calls
    ]
    return _Table("Before the first fast call; part of no time above", heads, rows)


def _own_version(record: Record) -> str:
    return record.versions.get("gradstep") or "unknown"


def _left_out(record: Record) -> _Table:
    heads = [
        _Head("data"),
        _Head("m", numeric=True),
        _Head("n", numeric=True),
        _Head("dtype"),
        _Head("order"),
        _Head("threads", numeric=True),
        _Head("contender"),
        _Head("reason"),
    ]
    rows = [
        _Row(
            [
                _Entry(each.problem),
                _number(each.m),
                _number(each.n),
                _Entry(each.dtype),
                _Entry(each.order),
                _threads(each.threads),
                _Entry(each.contender or "all"),
                _Entry(each.reason),
            ]
        )
        for each in record.left_out
    ]
    return _Table("Left out", heads, rows)


# The machine


def _circumstances(record: Record) -> dict[str, dict[str, str]]:
    machine, settings = record.machine, record.settings
    about_machine = {
        "processor": machine.processor,
        "architecture": machine.architecture,
        "cores": f"{machine.usable_cores} usable of {machine.cores}",
        "instructions": " ".join(machine.features) or "not known",
        "caches": ", ".join(f"{name} {size >> 10:,} KiB" for name, size in machine.caches.items()) or "not known",
        "memory": f"{machine.memory / 2**30:.1f} GiB",
        "governor": machine.governor or "not known",
        "virtual": {None: "not known", True: "yes", False: "no"}[machine.virtual],
        "system": machine.system,
    }
    about_run = {
        "begun": record.created,
        "lasted": f"{record.seconds:.0f} s{'' if record.complete else ', then it was interrupted'}",
        "commit": record.commit or "not known",
        "preset": settings.preset or "none",
        "contenders": ", ".join(settings.contenders),
        "dtypes": ", ".join(settings.dtypes),
        "orders": ", ".join(settings.orders),
        "threads": ", ".join("auto" if each is None else str(each) for each in settings.threads),
        "rounds": str(settings.rounds),
        "limit": f"{settings.limit:g} s",
        "budget": "none" if settings.budget is None else f"{settings.budget:g} s",
        "base": settings.base or "python, else numpy",
        "seed": str(settings.seed),
        "learning rate": f"{settings.alpha:g}",
    }
    found = {
        "Machine": about_machine,
        "Versions": {
            **{name: version or "not installed" for name, version in record.versions.items()},
            **record.peers,
        },
        "Run": about_run,
    }
    if record.notes or record.unavailable:
        found["Notes"] = {
            **{f"note {k}": note for k, note in enumerate(record.notes, 1)},
            **record.unavailable,
        }
    return found
