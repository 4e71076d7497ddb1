"""The maps of the fastest kernel in the report."""

from __future__ import annotations

from typing import NamedTuple

from gradstep.compare.judge import series
from gradstep.compare.judge.findings import Findings
from gradstep.compare.judge.series import CannotDraw
from gradstep.compare.show import styles
from gradstep.compare.show.words import lead


class Place(NamedTuple):
    """One problem in a map."""

    words: str
    detail: str
    colour: str
    close: bool


class PageMap(NamedTuple):
    """One map: a row for each m, with one place or None for each n."""

    caption: str
    n_list: list[int]
    rows: list[tuple[int, list[Place | None]]]


def maps(found: Findings) -> list[PageMap]:
    """Return the map of each setup that has one."""
    try:
        drawn = series.maps(found)
    except CannotDraw:
        return []
    look = styles.styles(found.record.settings.contenders)
    return [_map(each, look) for each in drawn]


def _map(each: series.Map, look: dict[str, styles.Style]) -> PageMap:
    places = {
        where: Place(fastest.name, lead(fastest), look[fastest.name].colour, bool(fastest.alike))
        for where, fastest in each.places.items()
    }
    rows = [(m, [places.get((m, n)) for n in each.n_list]) for m in each.m_list]
    return PageMap(each.setup.words, each.n_list, rows)
