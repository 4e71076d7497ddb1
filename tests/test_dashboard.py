"""The published site: asv's pages and the one on scaling, in a browser and without a network."""

import functools
import http.server
import shutil
import subprocess
import sys
import threading

import asv_history
import browser as browsers
import pytest

from benchmarks.problems import FIXED_M, FIXED_N
from gradstep.registry import KERNELS
from tools import vendor_scripts

STEPS = {"m": "scaling.InM.time_step", "n": "scaling.InN.time_step"}
PAGE_PER_AXIS = {
    "m": f"{STEPS['m']}?x-axis=log10_m&p-n=100&y-axis-scale=log",
    "n": f"{STEPS['n']}?x-axis=log10_n&p-m=10000&y-axis-scale=log",
}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Say nothing: pytest would show it with every failure."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a repository and results of asv's, not yet published."""
    folder = tmp_path_factory.mktemp("history")
    home, repository = folder / "home", folder / "repository"
    home.mkdir()
    repository.mkdir()
    hashes = asv_history.make_repository(repository)
    asv_history.discover(repository, home)
    asv_history.write_results(repository, hashes)
    return repository, home, hashes


def run_dashboard(made, *arguments):
    repository, home, _ = made
    command = [sys.executable, "-m", "tools.dashboard", *arguments]
    environment = asv_history.environment(home)
    return subprocess.run(
        command,
        cwd=repository,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def published(made):
    done = run_dashboard(made, "--no-run")
    assert done.returncode == 0, done.stdout
    return made[0] / ".asv/html"


@pytest.fixture(scope="module")
def vendored(published):
    """The site with asv's scripts beside it."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed; it fetches the scripts that asv's pages need")
    vendor_scripts.vendor(published / "index.html", published.parent / "packages")
    return published


@pytest.fixture(scope="module")
def site(vendored):
    """The address of the site."""
    handler = functools.partial(QuietHandler, directory=vendored)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def is_drawn(page, selector):
    """Whether a canvas has a pixel that is neither transparent nor grey."""
    return page.evaluate(
        """selector => {
            const canvas = document.querySelector(selector);
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            for (let i = 0; i < pixels.length; i += 4) {
                const [r, g, b, a] = pixels.slice(i, i + 4);
                if (a > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 60) return true;
            }
            return false;
        }""",
        selector,
    )


def charts_of(page):
    page.wait_for_function("[...document.querySelectorAll('.chart')].every(chart => chart.querySelector('.main-svg'))")
    return page.locator(".chart[data-chart]")


def test_grid_shows_every_scaling_benchmark(open_page, site):
    page = open_page(site + "index.html")
    page.wait_for_selector("#summarygrid-display .benchmark-text")
    names = page.locator("#summarygrid-display .benchmark-text").all_inner_texts()
    assert {step.removeprefix("scaling.") for step in STEPS.values()} <= {name.strip() for name in names}


@pytest.mark.parametrize("axis", ["m", "n"])
def test_benchmark_page_draws_four_kernels_against_a_size(open_page, site, axis):
    page = open_page(f"{site}index.html#{PAGE_PER_AXIS[axis]}")
    page.wait_for_selector("#main-graph .flot-text")
    assert is_drawn(page, "#main-graph canvas.flot-base")
    legend = page.locator("#main-graph .legend").inner_text()
    assert all(kernel in legend for kernel in KERNELS)


def test_regressions_page_shows_the_one_that_was_made(open_page, site):
    page = open_page(site + "index.html#/regressions")
    page.wait_for_selector("#regressions-body table tbody tr")
    rows = page.locator("#regressions-body table tbody tr td:first-child").all_inner_texts()
    timed = [row for row in rows if "time_step" in row]
    assert timed
    assert all(asv_history.SLOWER_KERNEL in row for row in timed)


@pytest.mark.parametrize("width", browsers.WIDTHS.values(), ids=browsers.WIDTHS)
def test_scaling_page_draws_every_chart(open_page, vendored, width):
    page = open_page(vendored / "scaling.html", width)
    charts = charts_of(page)
    # One for each fixed number, for the time, the floor and the speed-up.
    assert charts.count() == 3 * (len(FIXED_N) + len(FIXED_M))
    for chart in charts.all():
        assert {text.strip() for text in chart.locator(".textpoint").all_text_contents()} == set(KERNELS)
        assert chart.locator(".lines path.js-line").count() >= len(KERNELS)
    assert page.locator("#course-chart .lines path.js-line").count() >= len(KERNELS)
    assert browsers.sideways_scroll(page) == 0
