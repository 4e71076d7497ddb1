"""The published site: the start page and asv's own pages, in a browser and without a network."""

import functools
import http.server
import json
import math
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import asv_history
import browser as browsers
import pytest
from asv.config import Config

from benchmarks.problems import FIXED_M, FIXED_N
from gradstep.compare.show.styles import styles
from gradstep.registry import KERNELS
from tools.dashboard import charts, measure, publish, results, serve
from tools.dashboard import page as start_page

STEPS = {"m": "scaling.InM.time_step", "n": "scaling.InN.time_step"}


@pytest.fixture(scope="module")
def published(made):
    done = asv_history.run_dashboard(made, "--no-run")
    assert done.returncode == 0, done.stdout
    return made[0] / ".asv/html"


def npm_has_a_registry():
    npm = shutil.which("npm")
    if npm is None:
        return False
    probe = [npm, "view", "jquery", "version", "--silent", "--fetch-retries=0"]
    return subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture(scope="module")
def vendored(published):
    """The site with asv's scripts beside it."""
    if not npm_has_a_registry():
        pytest.skip("npm, which fetches the scripts that asv's pages need, is missing or reaches no registry")
    assert (published / "asv/vendor").is_dir()
    return published


@pytest.fixture(scope="module")
def site(vendored):
    """The address of the site."""
    handler = functools.partial(serve.QuietHandler, directory=vendored)
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
    browsers.wait_until(
        page, "[...document.querySelectorAll('.plot')].every(chart => chart.querySelector('.main-svg'))"
    )
    return page.locator(".plot[data-chart]")


def test_grid_shows_every_scaling_benchmark(open_page, site):
    page = open_page(site + "asv/index.html")
    page.wait_for_selector("#summarygrid-display .benchmark-text")
    names = page.locator("#summarygrid-display .benchmark-text").all_inner_texts()
    assert {step.removeprefix("scaling.") for step in STEPS.values()} <= {name.strip() for name in names}


@pytest.mark.parametrize("axis", ["m", "n"])
def test_start_page_leads_to_a_benchmark_page_with_four_kernels(open_page, site, axis):
    page = open_page(site)
    page.locator(f".panels a[href*='#{STEPS[axis]}']").last.click()
    page.wait_for_selector("#main-graph .legend td", state="attached")
    assert page.locator("#title").inner_text().strip() == STEPS[axis]
    assert is_drawn(page, "#main-graph canvas.flot-base")
    legend = page.locator("#main-graph .legend").text_content()
    assert all(kernel in legend for kernel in KERNELS)
    # The size is on the x axis, and therefore tells no lines apart.
    assert "log10" not in legend


def test_asv_pages_lead_to_the_start_page(open_page, site):
    page = open_page(site + "asv/index.html")
    # A request that the next page breaks off would count as a fault.
    page.wait_for_load_state("networkidle")
    page.get_by_role("link", name="Start page").click()
    page.wait_for_url(site + "index.html")
    assert charts_of(page).count() > 0


def test_regressions_page_shows_the_one_that_was_made(open_page, site):
    page = open_page(site + "asv/index.html#/regressions")
    page.wait_for_selector("#regressions-body table tbody tr")
    rows = page.locator("#regressions-body table tbody tr td:first-child").all_inner_texts()
    timed = [row for row in rows if "time_step" in row]
    assert timed
    assert all(asv_history.SLOWER_KERNEL in row for row in timed)


SCHEMES = ("light", "dark")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", browsers.WIDTHS.values(), ids=browsers.WIDTHS)
def test_start_page_draws_every_chart_without_a_network(open_page, published, width, scheme):
    page = open_page(published / "index.html", width, color_scheme=scheme)
    drawn = charts_of(page)
    # One for each fixed number, for the time, the read limit and the speed-up.
    assert drawn.count() == 3 * (len(FIXED_N) + len(FIXED_M))
    for chart in drawn.all():
        names = chart.locator(".annotation-text").all_text_contents()
        assert {name.strip() for name in names} == {*KERNELS, charts.READ_LIMIT}
        # A line for each name, and a band for each kernel.
        assert chart.locator(".lines path.js-line[style*='stroke-width: 2px']").count() == len(KERNELS)
        assert chart.locator(".lines path.js-line[style*='stroke-dasharray']").count() == 1
        assert chart.locator(".fills path.js-fill").count() == len(KERNELS)
    assert page.locator("#course-chart .lines path.js-line[style*='stroke-dasharray']").count() == 1
    assert browsers.sideways_scroll(page) == 0
    darkness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 128")
    assert darkness == (scheme == "dark")


def test_charts_follow_when_the_screen_turns_dark(open_page, published):
    page = open_page(published / "index.html", color_scheme="light")
    charts_of(page)

    def ink():
        return page.evaluate("document.querySelector('[data-chart]').layout.font.color")

    light = ink()
    page.emulate_media(color_scheme="dark")
    browsers.wait_until(page, "before => document.querySelector('[data-chart]').layout.font.color !== before", light)


def test_first_screen_says_which_kernel_is_fastest(open_page, published):
    page = open_page(published / "index.html")
    charts_of(page)
    assert page.locator("#verdict").inner_text().startswith("cython is the fastest kernel at all 30 sizes.")
    maps = page.locator("#maps")
    assert maps.locator("td").count() == len(FIXED_N) * 5 + len(FIXED_M) * 5
    box = maps.bounding_box()
    assert box["y"] + box["height"] < 800


def test_older_commits_can_be_chosen(open_page, published):
    page = open_page(published / "index.html")
    charts_of(page)
    commits = page.locator("#commit option")
    assert commits.count() == asv_history.COMMITS

    def value(kernel):
        script = "kernel => document.querySelector('[data-chart]').data.find(trace => trace.name === kernel).y[0]"
        return page.evaluate(script, kernel)

    last = {kernel: value(kernel) for kernel in KERNELS}
    page.select_option("#commit", index=asv_history.COMMITS - 2)
    page.click("#older")
    assert page.locator("#older").is_disabled()
    for kernel in KERNELS:
        slower = asv_history.SLOWER if kernel == asv_history.SLOWER_KERNEL else 1.0
        assert last[kernel] == pytest.approx(slower * value(kernel))


def test_exponents_have_intervals(open_page, published):
    page = open_page(published / "index.html")
    cells = page.locator("#exponents td").all_inner_texts()
    assert len(cells) == len(KERNELS) * (len(FIXED_N) + len(FIXED_M))
    for cell in cells:
        value, lower, upper = map(float, re.fullmatch(r"([\d.]+) \(([\d.]+) to ([\d.]+)\)", cell).groups())
        assert 0 < lower <= value <= upper < 1.1


def test_other_benchmarks_are_tables(open_page, published):
    page = open_page(published / "index.html")
    charts_of(page)
    captions = page.locator("#others caption").all_inner_texts()
    assert "Importing gradstep" in captions
    assert "Dtypes and memory orders of X, n = 100" in captions
    assert page.locator("#others td").count() > 100
    page.locator("summary").click()
    assert page.locator("#times table").count() == len(FIXED_N) + len(FIXED_M)


def test_interval_that_a_logarithmic_axis_cannot_show_gives_way_to_the_quartiles():
    """Of two samples asv makes an interval that includes 0; of fewer than two, an infinite one."""
    quartiles = {"q_25": 1e-3, "q_75": 2e-3}
    shown = {"ci_99_a": 1e-4, "ci_99_b": 3e-3}
    assert results.interval({**shown, **quartiles}) == (1e-4, 3e-3)
    assert results.interval({"ci_99_a": -1e-4, "ci_99_b": 3e-3, **quartiles}) == (1e-3, 2e-3)
    assert results.interval({"ci_99_a": -math.inf, "ci_99_b": math.inf, **quartiles}) == (1e-3, 2e-3)
    assert results.interval(None) == (None, None)


@pytest.fixture
def fifth(monkeypatch):
    """A fifth kernel in the registry, with a marker that none of the four has."""
    monkeypatch.setitem(KERNELS, "fifth", KERNELS["numpy"]._replace(colour="#005500", marker="P"))
    return "fifth"


@pytest.fixture
def histories(made, published, monkeypatch):
    monkeypatch.chdir(made[0])
    return results.read_histories(Config.load(measure.CONFIG))


def data_of(page):
    """Return the data of the page's script."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def exponents_of(commit, kernel):
    """Return the column of a kernel in the table of exponents."""
    (table,) = commit["exponents"]
    return [row[table["head"].index(kernel)] for row in table["rows"]]


def test_page_is_built_with_a_kernel_that_no_commit_has_measured(histories, fifth):
    page = start_page.render("gradstep", histories)
    commits = [commit for history in data_of(page)["histories"] for commit in history["commits"]]
    assert commits
    for commit in commits:
        assert all(cell == "–" for cell in exponents_of(commit, fifth))
        assert all(trace.get("name") != fifth for chart in commit["charts"] for trace in chart)


def test_page_draws_a_fifth_kernel_in_its_own_style(histories, fifth):
    """The last commit is the first that has measured it."""
    points = histories[0].commits[-1].points
    points.update({row._replace(kernel=fifth): point for row, point in points.items() if row.kernel == "numpy"})
    data = data_of(start_page.render("gradstep", histories))
    style = styles([fifth])[fifth]
    *_, before, last = data["histories"][0]["commits"]
    for chart in last["charts"]:
        (line,) = [trace for trace in chart if trace.get("name") == fifth]
        assert line["line"]["color"] == line["marker"]["color"] == f"var(--c-{style.colour[1:]})"
    assert all(trace.get("name") != fifth for chart in before["charts"] for trace in chart)
    assert all(cell != "–" for cell in exponents_of(last, fifth))


@pytest.fixture
def without_python():
    """The registry without its first kernel; put back in its place afterwards, because the order is that of tables."""
    kernels = dict(KERNELS)
    del KERNELS["python"]
    yield
    KERNELS.clear()
    KERNELS.update(kernels)


def test_kernel_that_has_left_the_registry_is_not_drawn(histories, made, without_python):
    """Its results stay in asv's files."""
    assert histories
    page = start_page.render("gradstep", results.read_histories(Config.load(made[0] / measure.CONFIG)))
    data = data_of(page)
    for commit in data["histories"][0]["commits"]:
        names = {trace.get("name") for chart in commit["charts"] for trace in chart}
        assert names - {None} == {*KERNELS, charts.READ_LIMIT}


def test_page_of_asv_that_has_changed_is_refused():
    with pytest.raises(measure.DashboardError, match="has changed"):
        publish.linked("<nav></nav>")


@pytest.fixture
def partly_measured(made, tmp_path):
    """The same repository, of which asv has measured how long the start takes, and nothing else."""
    repository, home, hashes = made
    copy = tmp_path / "repository"
    shutil.copytree(repository, copy, ignore=shutil.ignore_patterns("html", "vendor", "again", f"{hashes[0][:4]}*"))
    for old in (copy / ".asv/results").glob("*/*-*.json"):
        old.unlink()
    asv_history.write(copy, str(copy / ".asv/results"), hashes[-1], len(hashes) - 1, benchmarks="^startup")
    return copy, home, hashes


def test_page_shows_what_there_is_and_names_the_rest_and_needs_no_npm(partly_measured, open_page, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    done = asv_history.run_dashboard(partly_measured, "--no-run")
    assert done.returncode == 0, done.stdout
    reason, start, serve = done.stdout.splitlines()
    assert reason.startswith("asv's own pages need the internet: npm")
    assert "make dashboard-serve" in serve
    address = start.removeprefix("The start page: ")
    page = open_page(Path.from_uri(address) if hasattr(Path, "from_uri") else Path(address.removeprefix("file://")))
    page.wait_for_selector("#other-tables table")
    assert page.locator("#other-tables caption").all_inner_texts() == ["First step of a process", "Importing gradstep"]
    lacking = "curvature, layouts, memory, models, scaling, threads"
    missing = f"Not measured at this commit: {lacking}. make dashboard measures what is missing."
    assert page.locator("#missing").inner_text() == missing
    assert page.get_by_text("One commit has been measured so far.").is_visible()
    for hidden in ("fastest", "exponents", "over-the-history"):
        assert not page.locator(f"#{hidden}").is_visible()
    assert page.locator("[data-chart]").count() == 0
    page.set_viewport_size({"width": browsers.WIDTHS["phone"], "height": browsers.HEIGHT})
    assert browsers.sideways_scroll(page) == 0


def test_nothing_measured_is_said(partly_measured):
    shutil.rmtree(partly_measured[0] / ".asv/results")
    done = asv_history.run_dashboard(partly_measured, "--no-run")
    assert (done.returncode, done.stdout) == (1, ".asv/results has no results\n")


# Serving


@pytest.fixture
def served(made, published, monkeypatch):
    monkeypatch.chdir(made[0])


@pytest.mark.usefixtures("served")
def test_port_in_use_is_named(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert serve.main(taken.getsockname()[1]) == 1
    assert "name another: make dashboard-serve PORT=8081" in capsys.readouterr().err


def test_serving_before_anything_was_published_says_what_to_do(tmp_path, monkeypatch, capsys):
    asv_history.make_repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert serve.main(0) == 1
    assert capsys.readouterr().err == "There are no pages yet: run `make dashboard` first.\n"
