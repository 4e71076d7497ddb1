"""Makes reports of invented records, and opens them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import browser as browsers
import sample_records

from gradstep.compare.judge.findings import findings
from gradstep.compare.record.records import Record
from gradstep.compare.show.html import page as html_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

CONTENDERS = ("python", "numba", "cython", "numpy", "scikit-learn")

# A name that would be a script, an image or a placeholder if it were not taken as a name.
HOSTILE = "</script><b>bold</b><img src=x onerror=window.hacked=1>%{x}"


def measured(**changes: Any) -> Record:
    """Return a record with a peer and two numbers of threads, in which python is skipped at the largest size."""
    sizes: dict[str, Any] = {"m_list": (100, 10_000, 1_000_000), "n_list": (2, 100), **changes}
    return sample_records.sample(contenders=CONTENDERS, threads=(1, 2), **sizes)


def written(record: Record, folder: Path) -> Path:
    """Write the report of a record into a folder, and return the file."""
    file = folder / "report.html"
    html_page.write(findings(record), file)
    return file


def ready(page: Page) -> Page:
    """Wait until every chart is drawn."""
    browsers.wait_until(
        page,
        "document.querySelectorAll('.plot').length === document.querySelectorAll('.plot .main-svg:first-child').length",
    )
    return page


def unfolded(page: Page) -> Page:
    """Open everything that is folded away."""
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    return page
