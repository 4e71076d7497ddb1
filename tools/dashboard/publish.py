"""Writes the site: the start page, and asv's own pages in a folder beside it, with the scripts that they load."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from asv.config import Config

from tools.dashboard import page
from tools.dashboard.measure import DashboardError
from tools.dashboard.results import read_histories
from tools.dashboard.vendor_scripts import Unreachable, vendor

START = "index.html"
ASV = page.ASV

_LAST_ENTRY = '<li id="nav-li-regressions"><a href="#/regressions">Regressions</a></li>'


def publish(conf: Config, store: Path) -> str | None:
    """Write the site, and return why asv's own pages need the internet, or None if they do not.

    The start page never does: it is one file that loads nothing.

    Raises
    ------
    DashboardError
        If there is nothing to show, asv cannot publish, or its page has an unknown layout.
    VendorError
        If a script that asv's pages load is another one than expected.
    """
    try:
        start = page.render(conf.project, read_histories(conf))
    except ValueError as error:
        raise DashboardError(str(error)) from error
    site = Path(conf.html_dir)
    # All of it is made anew; asv treats its own folder in the same way.
    shutil.rmtree(site, ignore_errors=True)
    asv_publish(site / ASV)
    index = site / ASV / "index.html"
    index.write_text(linked(index.read_text(encoding="utf-8")), encoding="utf-8")
    (site / START).write_text(start, encoding="utf-8")
    try:
        vendor(index, store)
    except Unreachable as reason:
        return str(reason)
    return None


def asv_publish(folder: Path) -> None:
    """Let asv write its own pages into a folder, and repeat what it says only where it fails."""
    command = [sys.executable, "-m", "asv", "publish", "--no-pull", "--html-dir", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise DashboardError(f"`asv publish` ended with status {done.returncode}:\n{done.stdout}")


def linked(index: str) -> str:
    """Return asv's page with a link to the start page, after the links to asv's own pages.

    Raises
    ------
    DashboardError
        If the page has no such list of links.
    """
    if index.count(_LAST_ENTRY) != 1:
        raise DashboardError("asv's index.html has changed: there is no place for the link to the start page")
    entry = f'<li id="nav-li-start"><a href="../{START}">Start page</a></li>'
    return index.replace(_LAST_ENTRY, _LAST_ENTRY + entry)
