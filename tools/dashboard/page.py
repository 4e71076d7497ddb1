"""The start page: one file that loads nothing, with what was measured of each commit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gradstep.compare.show.html import theme
from gradstep.compare.show.styles import styles
from gradstep.registry import KERNELS
from tools.dashboard import charts, fastest, tables
from tools.dashboard.noise import Noise, noises
from tools.dashboard.results import MEASURES, History, Measured

# The folder of asv's own pages, beside the start page.
ASV = "asv"

_FOLDER = Path(__file__).parent


def render(project: str, histories: Sequence[History]) -> str:
    """Return the page."""
    panels = charts.panels(histories)
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.jinja").render(
        project=project,
        kernels=list(KERNELS),
        measures=[measure for measure in MEASURES if any(panel.measure == measure for panel in panels)],
        panels=panels,
        asv=ASV,
        style=Markup(theme.stylesheet(styles(KERNELS).values()) + _read("page.css")),
        script=Markup(theme.script() + _read("page.js")),
        data=Markup(json.dumps(_data(histories, panels), allow_nan=False).replace("<", "\\u003c")),
        plotly=Markup(plotly.offline.get_plotlyjs()),
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _data(histories: Sequence[History], panels: Sequence[charts.Panel]) -> dict[str, Any]:
    """Return all data of the page's script."""
    return {"layouts": [panel.layout for panel in panels], "histories": [_history(each, panels) for each in histories]}


def _history(history: History, panels: Sequence[charts.Panel]) -> dict[str, Any]:
    every = noises(history.commits)
    return {
        "name": history.name,
        "commits": [
            _commit(measured, noise, history, panels) for measured, noise in zip(history.commits, every, strict=True)
        ],
        # A single commit makes no course.
        "courses": list(charts.courses(history, every)) if len(history.commits) > 1 else [],
    }


def _commit(measured: Measured, noise: Noise, history: History, panels: Sequence[charts.Panel]) -> dict[str, Any]:
    return {
        "label": measured.commit.label,
        "link": measured.commit.link,
        "verdict": fastest.sentences(measured, noise),
        "missing": tables.missing(measured, history),
        "maps": fastest.maps(measured, noise),
        "charts": [charts.traces(panel, measured, noise) for panel in panels],
        "noisy": bool(noise),
        "exponents": tables.exponents(measured),
        "times": tables.times(measured),
        "others": tables.others(measured, history.suite),
    }
