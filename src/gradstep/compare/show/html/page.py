"""The report of a record: one HTML file with its words, charts, tables and the record itself, which loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradstep
from gradstep import extras
from gradstep.compare.judge import series
from gradstep.compare.judge.findings import Findings
from gradstep.compare.judge.series import Map
from gradstep.compare.judge.verdict import Auto
from gradstep.compare.record import records
from gradstep.compare.record.records import READ_LIMIT, Record
from gradstep.compare.show import styles, summary, words
from gradstep.compare.show.html import charts, tables, theme
from gradstep.compare.show.styles import READ_LIMIT_STYLE, Style
from gradstep.compare.show.verdict import answer
from gradstep.files import require_place_for, write_whole

_jinja = partial(extras.require, "jinja2", "report", "--html")


def require(path: Path) -> None:
    """Raise `OSError` or `MissingExtra` if a report could not be written to this file."""
    require_place_for(path)
    charts.plotly()
    _jinja()


def write(found: Findings, path: Path, auto: Auto | None = None) -> None:
    """Write the report, whole or not at all: some 5 MB, nearly all of it Plotly's script, which draws the charts.

    Parameters
    ----------
    found : Findings
        The judged record.
    path : Path
        The file.
    auto : callable, optional
        What "auto" takes on the machine of the record.

    Raises
    ------
    MissingExtra
        If Plotly or Jinja is not installed.
    OSError
        If the file cannot be written.
    """
    write_whole(path, page(found, auto))


def page(found: Findings, auto: Auto | None = None) -> str:
    """Return the report of a judged record as HTML."""
    jinja = _jinja()
    environment = jinja.Environment(
        loader=jinja.FunctionLoader(theme.resource),
        # Every value is escaped: names of files and columns come from outside.
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = _typeset
    environment.globals.update(lead=words.lead, line_colour=theme.line_colour)
    look = {**styles.styles(found.record.settings.contenders), READ_LIMIT: READ_LIMIT_STYLE}
    template = environment.get_template("report.html.jinja")
    html: str = template.render(**_code(found, look), **_content(found, look), **_said(found, auto))
    return html


def _code(found: Findings, look: dict[str, Style]) -> dict[str, Any]:
    """Return what stands in the page as it is: styles, scripts, and the data of the scripts."""
    markup = _markup()
    figures = charts.charts(found)
    plotly = extras.require("plotly.offline", "report", "--html")
    scripts = [plotly.get_plotlyjs(), f"{theme.script()}\n{theme.resource('report.js')}"]
    return {
        "policy": _policy(scripts),
        "style": markup(theme.stylesheet(look.values()) + theme.resource("report.css")),
        "plotly_script": markup(scripts[0]),
        "page_script": markup(scripts[1]),
        "record_json": markup(_harmless(records.as_json(found.record))),
        "charts_json": markup(_harmless(json.dumps(figures, separators=(",", ":"), allow_nan=False))),
        "charts": figures,
        "drawn": {name: style for name, style in look.items() if name in _drawn(figures)},
    }


def _drawn(figures: dict[str, list[dict[str, Any]]]) -> set[str | None]:
    """Return the names that a reader can hide: those in any chart."""
    entries = [entry for of_chart in figures.values() for entry in of_chart]
    return {trace["meta"]["name"] for entry in entries for trace in entry["figure"]["data"]}


def _said(found: Findings, auto: Auto | None) -> dict[str, Any]:
    """Return the sentences of the page."""
    record = found.record
    paragraphs = {paragraph.heading: paragraph.sentences for paragraph in summary.paragraphs(found)}
    noise = paragraphs.pop("How quiet the machine was")
    return {
        "verdict": answer(found, auto),
        "noise": " ".join(noise),
        "is_noisy": found.noise_warning is not None,
        "paragraphs": paragraphs,
        "timed": _sentence(record.timed),
        "interrupted": not record.complete,
        "wrong": [f"{result.contender} at {words.place(cell)}: {result.reason}" for cell, result in record.wrong()],
    }


def _content(found: Findings, look: dict[str, Style]) -> dict[str, Any]:
    """Return the tables and maps of the page, and the names in its charts."""
    record = found.record
    machine = record.machine
    grids = tables.grids(found)
    return {
        "created": f"{record.created[:16].replace('T', ' ')} UTC",
        "processor": f"{machine.processor}, {words.counted(machine.usable_cores, 'core')}",
        "contenders": record.settings.contenders,
        "noun": words.noun(record),
        "common": _common(found),
        "look": look,
        "maps": _maps(found),
        "grids": sorted(grids, key=lambda grid: -len(grid.places)),
        "tables": tables.tables(found),
        "circumstances": _circumstances(record),
        "operations_of_a_row": series.OPERATIONS_OF_A_ROW,
        "read_limit": READ_LIMIT,
        "version": gradstep.__version__,
    }


def _common(found: Findings) -> list[str]:
    """Return the conditions that all setups share, in their order."""
    common = charts.common_words(found)
    setups = list(series.by_setup(found))
    return [part for part in charts.parts(setups[0]) if part in common] if setups else []


def _maps(found: Findings) -> list[Map]:
    """Return the maps, those of the most problems first."""
    return sorted(charts.drawable(series.maps, found), key=lambda each: -len(each.places))


def _markup() -> Any:
    return extras.require("markupsafe", "report", "--html").Markup


def _typeset(text: str) -> Any:
    """Return a sentence as HTML, with powers such as m^0.69 and sizes such as 100 x 10 typeset."""
    escaped = extras.require("markupsafe", "report", "--html").escape(text)
    powers = re.sub(r"\b([mn])\^(-?\d+\.\d+)", r"<i>\1</i><sup>\2</sup>", str(escaped))
    return _markup()(re.sub(r"(?<=\d) x (?=\d)", " × ", powers))


def _sentence(text: str | None) -> str | None:
    return text and f"{text[0].upper()}{text[1:]}."


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
    versions = {name: version or "not installed" for name, version in record.versions.items()}
    notes = {f"note {k}": note for k, note in enumerate(record.notes, 1)}
    facts = {"Machine": about_machine, "Versions": {**versions, **record.peers}, "Run": about_run}
    if record.notes or record.unavailable:
        facts["Notes"] = {**notes, **record.unavailable}
    return facts
