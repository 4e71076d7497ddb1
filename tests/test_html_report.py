"""The report in a real browser: it renders without a network, its tables can be read, and its record is the record."""

from __future__ import annotations

import json
import re
import sys

import browser as browsers
import pytest
import reports
import sample_records
from command_line import UNHURRIED

from gradstep.compare.record import records
from gradstep.compare.record.records import Cell, Result
from gradstep.compare.show import words
from gradstep.extras import install


@pytest.fixture(scope="module")
def record():
    return reports.measured()


@pytest.fixture(scope="module")
def report(record, tmp_path_factory):
    return reports.written(record, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def opened(browser, report):
    """The report, opened once: its five megabytes take a moment."""
    with browsers.visits(browser) as opening:
        yield reports.unfolded(reports.ready(opening(report)))


@pytest.fixture
def page(opened):
    """The report as it is when it has just been opened, but for the order of its tables."""
    opened.evaluate(
        """() => {
            for (const input of document.querySelectorAll(".filter input")) {
                input.value = "";
                input.dispatchEvent(new Event("input"));
            }
        }"""
    )
    return opened


# Rendering


@pytest.mark.parametrize("width", browsers.WIDTHS.values(), ids=browsers.WIDTHS)
def test_it_renders_without_a_network_at_every_width(open_page, report, width):
    page = reports.ready(open_page(report, width))
    assert page.locator(".plot .main-svg").count() >= 3
    for plot in page.locator(".plot").all():
        box = plot.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["height"] > 100
    assert browsers.sideways_scroll(page) == 0
    assert page.get_by_role("heading", name="Fastest contender").first.is_visible()


def test_it_names_nothing_that_would_be_loaded(report):
    # Plotly's script, which names addresses of maps that it would load if asked to, is not looked at.
    html = re.sub(r"<script>.*?</script>", "", report.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert "http" not in html.replace("http-equiv", "")
    assert re.findall(r'(?:src|href)="([^"]*)"', html) == ["data:,"]


def test_a_script_that_got_in_would_not_run(browser, report):
    def get_in():
        with browsers.visits(browser) as opening:
            page = opening(report)
            page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'hacked = 1'}))")
            assert page.evaluate("typeof hacked") == "undefined"

    with pytest.raises(AssertionError, match="Content Security Policy"):
        get_in()


# Tables


def column(page, head):
    """Return the words of a column of the first table, the details left out, and the numbers behind them."""
    return page.evaluate(
        """head => {
            const table = document.querySelector(".sortable");
            const k = [...table.tHead.rows[0].cells].findIndex(each => each.textContent.trim() === head);
            return [...table.tBodies[0].rows].filter(row => !row.hidden).map(row => {
                const cell = row.cells[k];
                return [cell.firstChild?.textContent ?? "", cell.dataset.value ? Number(cell.dataset.value) : null];
            });
        }""",
        head,
    )


def test_tables_sort_by_their_numbers_both_ways_and_missing_ones_come_last(page, record):
    head = page.locator(".sortable").first.get_by_role("columnheader", name="time")
    before = column(page, "time")
    for order, backwards in (("ascending", False), ("descending", True)):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == order
        values = [value for _, value in column(page, "time")]
        numbers = [value for value in values if value is not None]
        assert numbers == sorted((value for _, value in before if value is not None), reverse=backwards)
        # python is skipped at the largest size.
        assert values[len(numbers) :] == [None] * (len(values) - len(numbers)) != []
    assert len(values) == sum(len(cell.results) for cell in record.cells)


def test_tables_sort_by_words_and_by_the_keyboard(page):
    button = page.locator(".sortable").first.get_by_role("columnheader", name="contender").get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    names = [words for words, _ in column(page, "contender")]
    assert names == sorted(names)
    assert set(names) == set(reports.CONTENDERS)


def test_grid_has_every_time_and_marks_the_fastest_of_each_problem(page, record):
    rows = page.evaluate(
        """() => [...document.querySelectorAll(".grid tbody tr")].map(row => {
            const of = (cell) => [cell.dataset.head, [...cell.children].map(each => each.textContent)];
            return {
                times: Object.fromEntries([...row.querySelectorAll("td[data-head]")].map(of)),
                fastest: [...row.querySelectorAll(".fastest")].map(each => each.dataset.head),
            };
        })"""
    )
    assert len(rows) == len(record.cells)
    cells = sorted(record.cells, key=lambda each: each.threads)
    for row, cell in zip(rows, cells, strict=True):
        medians = {each.contender: each.median for each in cell.results if each.median is not None}
        assert {name: time for name, (time, _) in row["times"].items()} == {
            name: words.micro(median) for name, median in medians.items()
        }
        assert row["fastest"] == [min(medians, key=medians.get)]
        if "python" in medians:
            assert row["times"]["python"][1] == "base"
            assert row["times"]["cython"][1] == words.times(medians["python"] / medians["cython"])


def test_rows_can_be_searched(page):
    page.locator(".filter input").first.fill("cython 1,000,000")
    assert {words for words, _ in column(page, "contender")} == {"cython"}
    assert {value for _, value in column(page, "m")} == {1_000_000}


def test_table_says_once_what_all_rows_have_in_common(page):
    note = page.locator(".table p").first.text_content()
    assert "dtype float64" in note
    heads = page.locator(".sortable").first.locator("th").all_text_contents()
    assert "dtype" not in heads
    assert "threads" in heads


# The record


def test_record_that_is_downloaded_is_the_record(page, record, tmp_path):
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the record").click()
    waiting.value.save_as(tmp_path / "downloaded.json")
    records.save(record, tmp_path / "saved.json")
    assert (tmp_path / "downloaded.json").read_bytes() == (tmp_path / "saved.json").read_bytes()
    assert records.load(tmp_path / "downloaded.json") == record


@pytest.mark.parametrize("width", browsers.WIDTHS.values(), ids=browsers.WIDTHS)
def test_names_from_outside_are_words_and_nothing_else(open_page, tmp_path, width):
    names = ("cython", "numpy", reports.HOSTILE)
    record = sample_records.sample(m_list=(100, 1000), contenders=names, problem=reports.HOSTILE)
    record = records.changed(
        record, peers={reports.HOSTILE: reports.HOSTILE}, notes=[reports.HOSTILE], unavailable={"jax": reports.HOSTILE}
    )
    record.cells[0].results[0] = Result("cython", "wrong", reports.HOSTILE)
    file = reports.written(record, tmp_path)
    page = reports.ready(open_page(file, width))
    assert page.evaluate("typeof window.hacked") == "undefined"
    assert page.locator("b:text('bold'), img").count() == 0
    # Plotly would set tags in names in bold, and would put values in place of %{x}.
    beside = page.locator("#overview .annotation-text").all_text_contents()
    assert f"{reports.HOSTILE[:13]}…" in beside
    assert page.locator(".plot .annotation-text [style*=bold]").count() == 0
    assert reports.HOSTILE in page.locator(".names").inner_text()
    assert reports.HOSTILE in page.locator("header p").inner_text()
    assert browsers.sideways_scroll(page) == 0
    embedded = json.loads(page.locator("#record").text_content())
    assert embedded == json.loads(records.as_json(record))


def test_wrong_results_and_an_interrupted_run_come_first(tmp_path):
    record = records.changed(reports.measured(), complete=False)
    record.cells[0].results[0] = Result("python", "wrong", "off by 1.0e-03, 1e-11 is allowed")
    main = reports.written(record, tmp_path).read_text(encoding="utf-8").partition("<main>")[2]
    first, _, _ = main.partition('<section id="verdict"')
    assert "The run was interrupted" in first
    assert "python at m = 100, n = 2: off by 1.0e-03, 1e-11 is allowed" in first


def test_run_that_was_interrupted_before_its_first_cell_has_a_report(open_page, tmp_path):
    record = records.changed(reports.measured(), cells=[], first_calls=[], noise=None, complete=False)
    file = reports.written(record, tmp_path)
    page = open_page(file)
    assert page.locator(".plot").count() == 0
    assert "The run was interrupted" in page.locator("main").text_content()
    assert page.locator("table").count() == 0


def test_page_holds_every_cell_of_a_data_set_beside_the_grid(open_page, tmp_path):
    record = sample_records.sample(m_list=(100, 1000), n_list=(2, 10), contenders=("cython", "numpy"))
    data = sample_records.sample(m_list=(569,), n_list=(30,), contenders=("cython", "numpy"), problem="breast_cancer")
    cells: list[Cell] = [*data.cells, *record.cells]
    file = reports.written(records.changed(record, cells=cells), tmp_path)
    page = reports.ready(open_page(file))
    assert {words for words, _ in column(page, "data")} == {"random", "breast_cancer"}
    assert page.locator(".map").count() == 1


# The command


def test_command_writes_the_report_of_a_saved_record(command, record, report, tmp_path):
    records.save(record, tmp_path / "record.json")
    outcome = command("report", tmp_path / "record.json", "--html", tmp_path / "report.html")
    assert (outcome.code, outcome.err) == (0, f"wrote {tmp_path / 'report.html'}\n")
    # It is shown as well.
    assert outcome.out.splitlines()[-1].startswith("import gradstep; ")
    assert (tmp_path / "report.html").read_bytes() == report.read_bytes()


@pytest.mark.usefixtures("no_added_rounds")
def test_compare_writes_record_report_and_pictures_of_one_run(command, tmp_path):
    files = {"--json": tmp_path / "r.json", "--html": tmp_path / "r.html", "--plot": tmp_path / "plots"}
    sizes = ("--m", "20,40", "--n", "2,3", "--kernels", "cython,numpy", "--rounds", 1, "--quiet", *UNHURRIED)
    outcome = command("compare", *sizes, *(part for item in files.items() for part in item))
    assert outcome.code == 0
    embedded = re.search(r'id="record">(.*?)</script>', files["--html"].read_text(encoding="utf-8"), re.DOTALL)
    assert json.loads(embedded[1]) == json.loads(files["--json"].read_text(encoding="utf-8"))
    assert (files["--plot"] / "fastest.svg").exists()


@pytest.mark.parametrize(("option", "package"), [("--html", "plotly"), ("--html", "jinja2"), ("--plot", "matplotlib")])
def test_missing_extra_is_named_before_anything_is_measured(command, monkeypatch, tmp_path, option, package):
    for module in [name for name in sys.modules if name.partition(".")[0] == package] + [package]:
        monkeypatch.setitem(sys.modules, module, None)
    outcome = command("compare", option, tmp_path / "out")
    assert outcome.code == 1
    assert outcome.out == ""
    assert f"{option} needs {package}: {install('report')}" in outcome.err


def test_report_for_which_there_is_no_place_is_refused_before_anything_is_measured(command, tmp_path):
    outcome = command("compare", "--html", tmp_path / "none" / "report.html")
    assert outcome.code == 1
    assert outcome.out == ""
    assert "report.html" in outcome.err
