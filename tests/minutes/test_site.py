"""The site of docs/ as `make docs` builds it, in a real browser without a network."""

from __future__ import annotations

import functools
import http.server
import subprocess
import threading
from pathlib import Path

import pytest
from browser import WIDTHS, sideways_scroll

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site():
    """The folder of the site, whose address `make docs` prints."""
    # Otherwise a make that calls another one ends with words of its own.
    command = ["make", "--no-print-directory", "docs"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    address = done.stdout.split()[-1]
    assert address.startswith("file:///")
    return Path(address.removeprefix("file://")).parent


def test_every_page_is_built(site):
    built = {page.stem for page in site.glob("*.html")}
    assert built >= {page.stem for page in (CHECKOUT / "docs").glob("*.md")}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_pages_need_no_network_and_fit_the_window(site, open_page, width, scheme):
    for built in sorted(site.glob("*.html")):
        page = open_page(built, width, color_scheme=scheme)
        assert sideways_scroll(page) == 0, built.name
        broken = (
            "[...document.images].filter(image => image.complete && image.naturalWidth == 0).map(image => image.src)"
        )
        assert page.evaluate(broken) == [], built.name
        page.close()


@pytest.fixture
def served(site):
    """The address of the site as a server has it: the results of a search quote pages, which takes one."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_search_finds_a_word(served, open_page):
    page = open_page(f"{served}search.html?q=Barzilai")
    found = page.locator("ul.search li")
    found.filter(has_text="Numerics").first.wait_for()
    assert "Barzilai" in found.filter(has_text="Numerics").first.inner_text()
