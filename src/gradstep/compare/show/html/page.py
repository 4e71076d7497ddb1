"""The report of a record: one HTML file with its words, charts, tables and the record itself, which loads nothing."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradstep
from gradstep import extras
from gradstep.compare.judge import series
from gradstep.compare.judge.findings import Findings
from gradstep.compare.record import records
from gradstep.compare.record.records import READ_LIMIT, Record
from gradstep.compare.show import styles, summary, words
from gradstep.compare.show.html import charts, tables
from gradstep.files import require_place_for, write_whole

_jinja = partial(extras.require, "jinja2", "report", "--html")


def require(path: Path) -> None:
    """Raise `OSError` or `MissingExtra` if a report could not be written to this file."""
    require_place_for(path)
    charts.plotly()
    _jinja()


def write(found: Findings, path: Path) -> None:
    """Write the report, whole or not at all: some 5 MB, nearly all of it Plotly's script, which draws the charts.

    Raises
    ------
    MissingExtra
        If Plotly or Jinja is not installed.
    OSError
        If the file cannot be written.
    """
    write_whole(path, page(found))


def page(found: Findings) -> str:
    """Return the report of a judged record as HTML."""
    jinja = _jinja()
    environment = jinja.Environment(
        loader=jinja.FunctionLoader(_resource),
        # Every value is escaped: names of files and columns come from outside.
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html: str = environment.get_template("report.html.jinja").render(**_code(found), **_content(found))
    return html


def _code(found: Findings) -> dict[str, Any]:
    """Return what stands in the page as it is: styles, scripts, and the data of the scripts."""
    markup = extras.require("markupsafe", "report", "--html").Markup
    figures = charts.charts(found)
    plotly = extras.require("plotly.offline", "report", "--html")
    scripts = [plotly.get_plotlyjs(), _resource("report.js")]
    return {
        "policy": _policy(scripts),
        "style": markup(_resource("report.css")),
        "plotly_script": markup(scripts[0]),
        "page_script": markup(scripts[1]),
        "record_json": markup(_harmless(records.as_json(found.record))),
        "charts_json": markup(_harmless(json.dumps(figures, separators=(",", ":"), allow_nan=False))),
        "charts": figures,
    }


def _content(found: Findings) -> dict[str, Any]:
    """Return the words, tables and maps of the page."""
    record = found.record
    machine = record.machine
    return {
        "created": record.created.replace("T", " ").replace("+00:00", " UTC"),
        "processor": f"{machine.processor}, {words.counted(machine.usable_cores, 'core')}",
        "timed": _sentence(record.timed),
        "contenders": record.settings.contenders,
        "wrong": [f"{result.contender} at {words.place(cell)}: {result.reason}" for cell, result in record.wrong()],
        "warning": _sentence(found.noise_warning),
        "summary": summary.paragraphs(found),
        "maps": charts.drawable(series.maps, found),
        "look": styles.styles(record.settings.contenders),
        "lead": words.lead,
        "tables": tables.tables(found),
        "circumstances": _circumstances(record),
        "operations_of_a_row": series.OPERATIONS_OF_A_ROW,
        "read_limit": READ_LIMIT,
        "version": gradstep.__version__,
    }


def _sentence(text: str | None) -> str | None:
    return text and f"{text[0].upper()}{text[1:]}."


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
