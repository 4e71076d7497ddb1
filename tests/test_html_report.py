"""The report in a real browser: it renders without a network, its switches work, and its record is the record."""

from __future__ import annotations

import json
import re
import sys

import browser as browsers
import pytest
import sample_records

from gradstep.compare.judge.findings import findings
from gradstep.compare.record import records
from gradstep.compare.record.records import Cell, LeftOut, Noise, Record, Result
from gradstep.compare.show import summary, words
from gradstep.compare.show.html import page as html_page
from gradstep.extras import install

CONTENDERS = ("python", "numba", "cython", "numpy", "scikit-learn")
SETUP = {"problem": "random", "m": 100, "n": 100, "dtype": "float64", "order": "C", "threads": 1}
HOSTILE = "</script><b>bold</b><img src=x onerror=window.hacked=1>%{x}"


def measured(**changes: object) -> Record:
    return sample_records.sample(
        m_list=(100, 10_000, 1_000_000), n_list=(2, 100), contenders=CONTENDERS, threads=(1, 2), **changes
    )


def changed(record: Record, **values: object) -> Record:
    return records.changed(record, **values)


@pytest.fixture(scope="module")
def record():
    return measured()


@pytest.fixture(scope="module")
def report(record, tmp_path_factory):
    file = tmp_path_factory.mktemp("report") / "report.html"
    html_page.write(findings(record), file)
    return file


def ready(page):
    """Wait until every chart is drawn."""
    page.wait_for_function(
        "document.querySelectorAll('.plot').length === document.querySelectorAll('.plot .main-svg:first-child').length"
    )
    return page


@pytest.fixture(scope="module")
def opened(browser, report):
    """The report, opened once: its five megabytes take a moment."""
    with browsers.visits(browser) as opening:
        yield ready(opening(report))


@pytest.fixture
def page(opened):
    """The report as it is when it has just been opened, but for the order of its tables."""
    opened.evaluate(
        """() => {
            for (const form of document.querySelectorAll("form")) form.reset();
            document.querySelector("[data-chart=times] input[name=along]").dispatchEvent(new Event("change"));
            for (const input of document.querySelectorAll(".filter input")) {
                input.value = "";
                input.dispatchEvent(new Event("input"));
            }
        }"""
    )
    return opened


def axis(page, name="xaxis"):
    """Return an axis as it is drawn: its type, its title, and the words at its ticks."""
    return page.evaluate(
        """name => {
            const plot = document.querySelector("[data-chart=times] .plot");
            const axis = plot._fullLayout[name];
            const ticks = [...plot.querySelectorAll(`.${name[0]}tick text`)].map(tick => tick.textContent);
            return { type: axis.type, title: axis.title.text, ticks };
        }""",
        name,
    )


# Rendering


@pytest.mark.parametrize("width", browsers.WIDTHS.values(), ids=browsers.WIDTHS)
def test_it_renders_without_a_network_at_every_width(open_page, report, width):
    page = ready(open_page(report, width))
    assert page.locator(".plot .main-svg").count() >= 3
    for plot in page.locator(".plot").all():
        box = plot.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["height"] > 100
    assert browsers.sideways_scroll(page) == 0
    assert page.get_by_role("heading", name="Fastest kernel").first.is_visible()


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


# Charts


def test_switch_between_m_and_n_changes_the_axis_and_the_data(page):
    assert axis(page)["title"] == "m, number of examples"
    assert axis(page)["ticks"][-1] == "1,000,000"
    page.get_by_label("n, features").check()
    assert axis(page)["title"] == "n, number of features"
    assert axis(page)["ticks"][-1] == "100"
    chosen = page.locator("[data-chart=times] select option").all_text_contents()
    assert {words.split(" ·")[0] for words in chosen} == {"m = 100", "m = 10,000", "m = 1,000,000"}


def test_switch_between_logarithmic_and_linear_changes_both_axes(page):
    before = axis(page), axis(page, "yaxis")
    assert [each["type"] for each in before] == ["log", "log"]
    assert {"10 µs", "1 ms"} <= set(before[1]["ticks"])
    page.get_by_label("linear").check()
    after = axis(page), axis(page, "yaxis")
    assert [each["type"] for each in after] == ["linear", "linear"]
    assert after[0]["ticks"][0] == after[1]["ticks"][0].rstrip("s") == "0"
    page.get_by_label("logarithmic").check()
    assert (axis(page), axis(page, "yaxis")) == before


def test_choice_of_the_other_size_changes_the_times(page, record):
    times = "document.querySelector('[data-chart=times] .plot').data.find(each => each.name === 'cython').y"
    for n, threads in ((2, 1), (100, 2)):
        words = "1 thread" if threads == 1 else f"{threads} threads"
        page.locator("[data-chart=times] select").select_option(f"n = {n} · random data, float64, C order, {words}")
        expected = [cell.results[2].median for cell in record.cells if (cell.n, cell.threads) == (n, threads)]
        assert page.evaluate(times) == pytest.approx(expected)


def test_pointing_at_a_mark_shows_its_numbers(page, record):
    uid = page.evaluate(
        "document.querySelector('[data-chart=times] .plot')._fullData.find(each => each.name === 'cython').uid"
    )
    mark = page.locator(f"[data-chart=times] .trace{uid} .points path").first
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    said = page.locator("[data-chart=times] .hovertext").first.text_content(timeout=5000)
    shown = words.micro(next(cell for cell in record.cells if cell.n == 100).results[2].median)
    assert "cython" in said
    assert "m = 100, n = 100" in said
    assert shown in said
    assert "× the read limit" in said


def test_charts_have_no_button_that_would_send_the_data_elsewhere(page):
    buttons = page.locator(".modebar-btn").evaluate_all("buttons => buttons.map(each => each.dataset.title)")
    assert set(buttons) == {"Download plot as a PNG", "Zoom", "Pan", "Reset axes"}


def test_speed_ups_and_rates_can_be_chosen(page):
    for chart in ("speed-ups", "rates"):
        select = page.locator(f"[data-chart={chart}] select")
        values = (
            f"JSON.stringify(document.querySelector('[data-chart={chart}] .plot').data.map(each => [each.x, each.y]))"
        )
        seen = []
        for index in range(3):
            select.select_option(index=index)
            seen.append(page.evaluate(values))
        assert len(set(seen)) == 3


def test_axis_that_the_record_does_not_have_cannot_be_chosen(open_page, tmp_path):
    record = sample_records.sample(m_list=(100,), n_list=(2, 10), contenders=("cython", "numpy"))
    html_page.write(findings(record), tmp_path / "report.html")
    page = ready(open_page(tmp_path / "report.html"))
    assert page.get_by_label("m, examples").is_disabled()
    assert page.get_by_label("n, features").is_checked()
    assert axis(page)["title"] == "n, number of features"


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
    assert set(names) == set(CONTENDERS)


def test_rows_can_be_searched(page):
    page.locator(".filter input").first.fill("cython 1,000,000")
    assert {words for words, _ in column(page, "contender")} == {"cython"}
    assert {value for _, value in column(page, "m")} == {1_000_000}


def test_table_says_once_what_all_rows_have_in_common(page):
    caption = page.locator(".table h3").first.text_content()
    assert "dtype float64" in caption
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
    names = ("cython", "numpy", HOSTILE)
    record = sample_records.sample(m_list=(100, 1000), contenders=names, problem=HOSTILE)
    record = changed(record, peers={HOSTILE: HOSTILE}, notes=[HOSTILE], unavailable={"jax": HOSTILE})
    record.cells[0].results[0] = Result("cython", "wrong", HOSTILE)
    html_page.write(findings(record), tmp_path / "report.html")
    page = ready(open_page(tmp_path / "report.html", width))
    assert page.evaluate("typeof window.hacked") == "undefined"
    assert page.locator("b:text('bold'), img").count() == 0
    # Plotly would set tags in names in bold, and would put values in place of %{x}.
    legend = page.locator("[data-chart=times] .legendtext").all_text_contents()
    assert HOSTILE in legend
    assert page.locator("[data-chart=times] .legendtext [style*=bold]").count() == 0
    assert HOSTILE in page.locator("[data-chart=times] select").text_content()
    assert browsers.sideways_scroll(page) == 0
    embedded = json.loads(page.locator("#record").text_content())
    assert embedded == json.loads(records.as_json(record))


def test_run_that_was_interrupted_before_its_first_cell_has_a_report(open_page, tmp_path):
    record = changed(measured(), cells=[], first_calls=[], noise=None, complete=False)
    html_page.write(findings(record), tmp_path / "report.html")
    page = open_page(tmp_path / "report.html")
    assert page.locator(".plot").count() == 0
    assert "The run was interrupted" in page.locator("main").text_content()
    assert page.locator("table").count() == 0


# Words


def said(record: Record) -> dict[str, str]:
    return {paragraph.heading: " ".join(paragraph.sentences) for paragraph in summary.paragraphs(findings(record))}


def test_summary_counts_where_each_is_the_fastest(record):
    sentence = "6 problems, random data, float64, C order, 1 thread: cython is the fastest on 6."
    assert sentence in said(record)["Fastest kernel"]


def test_summary_says_where_a_peer_is_faster():
    record = measured()
    cell = record.cells[0]
    peer = cell.results[-1]
    cell.results[-1] = changed(peer, samples=[1e-9] * 7)
    lost = said(record)["Where gradstep loses"]
    assert "on 1 of 12 problems" in lost
    where = "m = 100, n = 2 (random data, float64, C order, 1 thread)"
    factor = words.times(cell.results[2].median / 1e-9)
    assert f"{where}: scikit-learn is {factor} faster than cython" in lost


def test_summary_says_what_was_left_out_and_what_is_wrong():
    record = measured()
    record.cells[0].results[0] = Result("python", "wrong", "off by 1.0e-03, 1e-11 is allowed")
    left = [
        LeftOut(
            **{**SETUP, "m": m},
            contender=None,
            cause="memory",
            reason=f"X needs {m / 10**9 * 745:.0f} GiB and 6 are free",
        )
        for m in (3 * 10**9, 10**9)
    ]
    sections = said(changed(record, left_out=left, complete=False, unavailable={"jax": "it is not installed"}))
    assert "python is WRONG at m = 100, n = 2" in sections["Fastest kernel"]
    assert "interrupted" in sections["Fastest kernel"]
    assert (
        "2 problems do not fit into memory; the smallest is m = 1,000,000,000, n = 100: X needs 745 GiB and 6 are free."
        in sections["Not measured"]
    )
    assert "jax did not take part: it is not installed." in sections["Not measured"]
    assert "python was skipped on 2 problems, the smallest m = 1,000,000, n = 100" in sections["Not measured"]


def test_summary_names_a_contender_that_the_budget_left_out_once():
    record = sample_records.sample(m_list=(100,), n_list=(2,))
    reason = "about 1 s expected, more than the budget of 5 s has left"
    results = record.cells[0].results
    results[:2] = [Result(result.contender, "skipped", reason) for result in results[:2]]
    left = [
        LeftOut(**{**SETUP, "n": 2}, contender=result.contender, cause="budget", reason=reason)
        for result in results[:2]
    ]
    sentences = said(changed(record, left_out=left))["Not measured"]
    assert sentences.count(reason) == 1
    assert "1 problem does not fit into the budget for python, numba" in sentences


def test_summary_gives_exponents_and_bounds(record):
    sections = said(record)
    assert "From m = 100 to 1,000,000 at n = 100" in sections["How times grow"]
    assert re.search(r"m\^\d\.\d\d \(\d\.\d\d to \d\.\d\d\) for cython", sections["How times grow"])
    assert re.search(r"cython: .* on \d+ problems?", sections["Bound by"])


def test_summary_names_what_is_too_close_to_call():
    record = sample_records.sample(m_list=(100, 200, 300, 400, 500, 600), n_list=(2,), contenders=("cython", "numpy"))
    for cell in record.cells:
        cell.results[1] = changed(cell.results[0], contender="numpy")
    sections = said(record)
    assert sections["Fastest kernel"].endswith("1 thread: 6 are too close to call.")
    assert "(random data, float64, C order, 1 thread): m = 100, n = 2: cython or numpy" in sections["Too close to call"]
    assert sections["Too close to call"].endswith("m = 400, n = 2: cython or numpy; and 2 more.")


@pytest.mark.parametrize(("spread", "verdict"), [(0.0, "That is quiet."), (1.0, "Small differences mean little.")])
def test_summary_says_how_quiet_the_machine_was(spread, verdict):
    noise = Noise(1 << 20, [(k / 10, 1e-3 * (1 + spread * (k % 2))) for k in range(20)])
    assert (
        verdict
        in said(changed(sample_records.sample(m_list=(100,), n_list=(2,)), noise=noise))["How quiet the machine was"]
    )


# The command


def test_command_writes_the_report_of_a_saved_record(command, record, report, tmp_path):
    records.save(record, tmp_path / "record.json")
    outcome = command("report", tmp_path / "record.json", "--html", tmp_path / "report.html")
    assert (outcome.code, outcome.err) == (0, f"wrote {tmp_path / 'report.html'}\n")
    # It is shown as well.
    assert outcome.out.splitlines()[-1].startswith("import gradstep; ")
    assert (tmp_path / "report.html").read_bytes() == report.read_bytes()


def test_compare_writes_record_report_and_pictures_of_one_run(command, tmp_path):
    files = {"--json": tmp_path / "r.json", "--html": tmp_path / "r.html", "--plot": tmp_path / "plots"}
    sizes = ("--m", "20,40", "--n", "2,3", "--kernels", "cython,numpy", "--rounds", 1, "--quiet")
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


def test_page_holds_every_cell_of_a_data_set_beside_the_grid(open_page, tmp_path):
    record = sample_records.sample(m_list=(100, 1000), n_list=(2, 10), contenders=("cython", "numpy"))
    data = sample_records.sample(m_list=(569,), n_list=(30,), contenders=("cython", "numpy"), problem="breast_cancer")
    cells: list[Cell] = [*data.cells, *record.cells]
    html_page.write(findings(changed(record, cells=cells)), tmp_path / "report.html")
    page = ready(open_page(tmp_path / "report.html"))
    assert {words for words, _ in column(page, "data")} == {"random", "breast_cancer"}
    assert page.locator(".map").count() == 1
