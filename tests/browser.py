"""Opens pages in a real headless browser without a network, and collects everything that goes wrong on them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Route

# .ci/run sets this, so that the tests fail there instead of being skipped.
REQUIRED = "GRADSTEP_TESTS_NEED_BROWSER"

# The names under which the systems install it. Playwright's own download is not used.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# So long is something waited for on a page: on a busy machine drawing takes a while.
PATIENCE_SECONDS = 200

WIDTHS = {"desktop": 1280, "phone": 390}
HEIGHT = 900


def executable() -> str:
    """Return the path of a Chromium; skip the test where there is none, or fail it where one is required."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    reason = f"no browser is installed: none of {', '.join(NAMES)} is on the path (Debian: apt-get install chromium)"
    if os.environ.get(REQUIRED, "0") not in ("", "0"):
        pytest.fail(f"{reason}; {REQUIRED} is set")
    pytest.skip(reason)


@contextmanager
def launched() -> Iterator[Browser]:
    """Run a headless browser."""
    path = executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """What happened on the pages that a test opened.

    Attributes
    ----------
    site : str
        The beginning of every address that the pages may ask for.
    faults : list of str
        Requests that would have left the site, answers of 400 and above, errors on the console, and exceptions that no
        script caught.
    """

    site: str
    faults: list[str] = field(default_factory=list)

    def allow(self, route: Route) -> None:
        """Let a request through that stays on the site."""
        address = route.request.url
        if address.startswith((self.site, "data:", "blob:", "about:")):
            route.continue_()
            return
        self.faults.append(f"request to {address}")
        route.abort()

    def watch(self, page: Page) -> None:
        """Collect what goes wrong on a page from now on."""
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        page.on("requestfailed", lambda request: self.faults.append(f"failed: {request.url} ({request.failure})"))
        page.on(
            "response",
            lambda answer: answer.status >= 400 and self.faults.append(f"status {answer.status}: {answer.url}"),
        )

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text}")


Open = Callable[..., "Page"]


@contextmanager
def visits(browser: Browser) -> Iterator[Open]:
    """Yield a function that opens a page, and fail at the end if anything went wrong on one of them.

    The function takes a path or an address, the width of the window, and the options of Playwright's `new_context`. A
    file is read with the network off. So that a site can be served to the browser, pages from 127.0.0.1 keep the
    network, and every request to elsewhere is refused and counts as a fault.
    """
    opened: list[Visit] = []
    contexts = []

    def open_page(where: Path | str, width: int = WIDTHS["desktop"], **options: object) -> Page:
        address = where.resolve().as_uri() if isinstance(where, Path) else where
        visit = Visit(_site(address))
        context = browser.new_context(
            viewport={"width": width, "height": HEIGHT},
            **options,  # type: ignore[arg-type]  # handed on as it is
        )
        context.set_default_timeout(1000 * PATIENCE_SECONDS)
        contexts.append(context)
        opened.append(visit)
        context.set_offline(address.startswith("file:"))
        context.route("**/*", visit.allow)
        context.on("page", visit.watch)
        page = context.new_page()
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    faults = [fault for visit in opened for fault in visit.faults]
    assert not faults, "\n".join(faults)


def _site(address: str) -> str:
    """Return the folder of a file, or the origin of an address."""
    if address.startswith("file:"):
        return address.rpartition("/")[0] + "/"
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/"


def sideways_scroll(page: Page) -> int:
    """Return by how many pixels the whole page can be scrolled sideways; a readable page has none."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def wait_until(page: Page, expression: str, argument: object = None) -> None:
    """Wait until a function or an expression of JavaScript is true on a page.

    Playwright's own wait_for_function evaluates text within the page, in old releases, which a page may forbid.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, f"never true: {expression}"
        page.wait_for_timeout(20)
