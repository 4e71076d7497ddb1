"""The published site: asv's pages and the one on scaling, in a browser and without a network."""

import functools
import http.server
import io
import json
import math
import re
import shutil
import subprocess
import sys
import tarfile
import threading

import asv_history
import browser as browsers
import pytest
from asv.config import Config

from benchmarks.problems import FIXED_M, FIXED_N
from gradstep.compare.show.styles import styles
from gradstep.registry import KERNELS
from tools import dashboard, scaling_data, scaling_page, vendor_scripts

STEPS = {"m": "scaling.InM.time_step", "n": "scaling.InN.time_step"}


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
def test_page_on_scaling_leads_to_a_benchmark_page_with_four_kernels(open_page, site, axis):
    page = open_page(site + "scaling.html")
    page.locator(f".panels a[href*='#{STEPS[axis]}']").last.click()
    page.wait_for_selector("#main-graph .legend td", state="attached")
    assert page.locator("#title").inner_text().strip() == STEPS[axis]
    assert is_drawn(page, "#main-graph canvas.flot-base")
    legend = page.locator("#main-graph .legend").text_content()
    assert all(kernel in legend for kernel in KERNELS)
    # The size is on the x axis, and therefore tells no lines apart.
    assert "log10" not in legend


def test_asv_pages_lead_to_the_page_on_scaling(open_page, site):
    page = open_page(site + "index.html")
    # A request that the next page breaks off would count as a fault.
    page.wait_for_load_state("networkidle")
    page.get_by_role("link", name="Scaling").click()
    page.wait_for_url("**/scaling.html")
    assert charts_of(page).count() > 0


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


def test_older_commits_can_be_chosen(open_page, published):
    page = open_page(published / "scaling.html")
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
    page = open_page(published / "scaling.html")
    cells = page.locator("#exponent-rows td").all_inner_texts()
    assert len(cells) == len(KERNELS) * (len(FIXED_N) + len(FIXED_M))
    for cell in cells:
        value, lower, upper = map(float, re.fullmatch(r"([\d.]+) \(([\d.]+) to ([\d.]+)\)", cell).groups())
        assert 0 < lower <= value <= upper < 1.1


def test_interval_that_a_logarithmic_axis_cannot_show_gives_way_to_the_quartiles():
    """Of two samples asv makes an interval that includes 0; of fewer than two, an infinite one."""
    quartiles = {"q_25": 1e-3, "q_75": 2e-3}
    shown = {"ci_99_a": 1e-4, "ci_99_b": 3e-3}
    assert scaling_data.interval({**shown, **quartiles}) == (1e-4, 3e-3)
    assert scaling_data.interval({"ci_99_a": -1e-4, "ci_99_b": 3e-3, **quartiles}) == (1e-3, 2e-3)
    assert scaling_data.interval({"ci_99_a": -math.inf, "ci_99_b": math.inf, **quartiles}) == (1e-3, 2e-3)
    assert scaling_data.interval(None) == (None, None)


@pytest.fixture
def fifth(monkeypatch):
    """A fifth kernel in the registry, with a marker that none of the four has."""
    monkeypatch.setitem(KERNELS, "fifth", KERNELS["numpy"]._replace(colour="#005500", marker="P"))
    return "fifth"


@pytest.fixture
def histories(made, published, monkeypatch):
    monkeypatch.chdir(made[0])
    return scaling_data.read_histories(Config.load(dashboard.CONFIG))


def data_of(page):
    """Return the data of the page's script."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_page_is_built_with_a_kernel_that_no_commit_has_measured(histories, fifth):
    page = scaling_page.render("gradstep", histories)
    assert f"<th>{fifth}</th>" in page
    commits = [commit for history in data_of(page)["histories"] for commit in history["commits"]]
    assert commits
    for commit in commits:
        assert all(row["cells"][fifth] == "-" for row in commit["exponents"])
        assert all(trace.get("name") != fifth for chart in commit["charts"] for trace in chart)


def test_page_draws_a_fifth_kernel_in_its_own_style(histories, fifth):
    """The last commit is the first that has measured it."""
    _, points = histories[0].commits[-1]
    points.update({row._replace(kernel=fifth): point for row, point in points.items() if row.kernel == "numpy"})
    data = data_of(scaling_page.render("gradstep", histories))
    style = styles([fifth])[fifth]
    *_, before, last = data["histories"][0]["commits"]
    for chart in last["charts"]:
        (line,) = [trace for trace in chart if trace.get("name") == fifth]
        assert line["line"]["color"] == line["marker"]["color"] == style.colour
        assert any(fifth in text for trace in chart for text in trace.get("text", ()))
    assert all(trace.get("name") != fifth for chart in before["charts"] for trace in chart)
    assert all(row["cells"][fifth] != "-" for row in last["exponents"])


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
    page = scaling_page.render("gradstep", scaling_data.read_histories(Config.load(made[0] / dashboard.CONFIG)))
    data = data_of(page)
    for commit in data["histories"][0]["commits"]:
        names = {trace.get("name") for chart in commit["charts"] for trace in chart}
        assert names - {None} == set(KERNELS)


def test_files_name_the_kernels(published):
    for page in ("index.html", "scaling.html"):
        text = (published / page).read_text(encoding="utf-8")
        assert all(kernel in text for kernel in KERNELS), page


def test_page_of_asv_that_has_changed_is_refused():
    with pytest.raises(dashboard.DashboardError, match="has changed"):
        dashboard.linked("<nav></nav>")


def test_what_failed_is_named(made, monkeypatch):
    repository, _, hashes = made
    monkeypatch.chdir(repository)
    conf = Config.load(dashboard.CONFIG)
    assert list(dashboard.failures(conf, set(hashes))) == []
    broken = min((repository / ".asv/results").glob(f"*/{hashes[0][:8]}-*.json"))
    text = broken.read_text(encoding="utf-8")
    record = json.loads(text)
    values, parameters = record["results"]["scaling.InN.time_step"][:2]
    values[parameters[0].index("'numba'") * len(parameters[1]) * len(parameters[2])] = None
    broken.write_text(json.dumps(record), encoding="utf-8")
    try:
        failed = list(dashboard.failures(conf, set(hashes)))
        assert failed == [f"{hashes[0][:8]} scaling.InN.time_step('numba', {parameters[1][0]}, {parameters[2][0]})"]
        assert list(dashboard.failures(conf, set(hashes[1:]))) == []
    finally:
        broken.write_text(text, encoding="utf-8")


def test_range_without_a_commit_is_refused(made):
    done = run_dashboard(made, "--range", "HEAD..HEAD")
    assert done.returncode == 1
    assert "the range HEAD..HEAD holds no commit" in done.stdout


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A page that asks for a file, and a store that has its package."""
    store = tmp_path / "store"
    store.mkdir()
    with tarfile.open(store / "a-1.0.tgz", "w:gz") as archive:
        member = tarfile.TarInfo("package/dist/a.js")
        member.size = len(SCRIPT)
        archive.addfile(member, io.BytesIO(SCRIPT))
    integrity = vendor_scripts.sha512((store / "a-1.0.tgz").read_bytes())
    lock = {
        "files": [{"file": "a.js", "package": "a", "version": "1.0", "integrity": integrity, "member": "dist/a.js"}]
    }
    (tmp_path / "lock.json").write_text(json.dumps(lock), encoding="utf-8")
    monkeypatch.setattr(vendor_scripts, "LOCK", tmp_path / "lock.json")
    return tmp_path / "index.html", store


SCRIPT = b"let a = 1;"
ASKS = '<script src="https://example.org/1.0/{file}" integrity="{hash}" crossorigin="anonymous"></script>'


def test_vendored_file_that_is_the_same_keeps_its_hash(package):
    page, store = package
    page.write_text(ASKS.format(file="a.js", hash=vendor_scripts.sha512(SCRIPT)), encoding="utf-8")
    assert vendor_scripts.vendor(page, store) == []
    kept = f'<script src="vendor/a.js" integrity="{vendor_scripts.sha512(SCRIPT)}"></script>'
    assert page.read_text(encoding="utf-8") == kept
    assert (page.parent / "vendor/a.js").read_bytes() == SCRIPT


def test_vendored_file_that_is_another_one_is_told_and_gets_its_own_hash(package):
    page, store = package
    page.write_text(ASKS.format(file="a.js", hash=vendor_scripts.sha512(b"another")), encoding="utf-8")
    assert vendor_scripts.vendor(page, store) == ["a.js"]
    assert f'integrity="{vendor_scripts.sha512(SCRIPT)}"' in page.read_text(encoding="utf-8")


def test_package_with_another_hash_is_refused(package):
    page, store = package
    page.write_text(ASKS.format(file="a.js", hash="sha512-"), encoding="utf-8")
    (store / "a-1.0.tgz").write_bytes(b"something else")
    with pytest.raises(vendor_scripts.VendorError, match="its sha512 is another one"):
        vendor_scripts.vendor(page, store)
    assert not (store / "a-1.0.tgz").exists()


def test_file_that_the_lock_does_not_have_is_refused(package):
    page, store = package
    page.write_text(ASKS.format(file="b.js", hash="sha512-"), encoding="utf-8")
    with pytest.raises(vendor_scripts.VendorError, match=r"asks for b\.js"):
        vendor_scripts.vendor(page, store)


def test_packages_are_missing_without_npm(package, monkeypatch):
    page, store = package
    page.write_text(ASKS.format(file="a.js", hash="sha512-"), encoding="utf-8")
    (store / "a-1.0.tgz").unlink()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(vendor_scripts.VendorError, match="npm was not found"):
        vendor_scripts.vendor(page, store)
