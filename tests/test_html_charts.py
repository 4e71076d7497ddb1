"""The charts of the report in a real browser: what they show, what can be chosen, and what can be hidden."""

from __future__ import annotations

import browser as browsers
import pytest
import reports
import sample_records

from gradstep.compare.show import words

TIMES = "[data-chart=times][aria-labelledby]"


@pytest.fixture(scope="module")
def record():
    return reports.measured()


@pytest.fixture(scope="module")
def opened(browser, record, tmp_path_factory):
    """The report, opened once: its five megabytes take a moment."""
    with browsers.visits(browser) as opening:
        yield reports.ready(opening(reports.written(record, tmp_path_factory.mktemp("report"))))


@pytest.fixture
def page(opened):
    """The report as it is when it has just been opened."""
    opened.evaluate(
        """() => {
            for (const form of document.querySelectorAll("form")) form.reset();
            for (const name of document.querySelectorAll(".names input")) name.checked = true;
            for (const each of document.querySelectorAll("form select")) each.dispatchEvent(new Event("change"));
        }"""
    )
    return opened


def panels(page, along="m"):
    """Return the panels of the times along m or n: their titles, axes, names and sizes, as they are drawn."""
    return page.evaluate(
        """([times, along]) => [...document.querySelectorAll(`${times} [data-along=${along}] > div`)].map(panel => {
            const plot = panel.querySelector(".plot");
            const axis = name => {
                const { type, title, range } = plot._fullLayout[name];
                const ticks = [...plot.querySelectorAll(`.${name[0]}tick text`)].map(tick => tick.textContent);
                return { type, title: title.text, range, ticks };
            };
            const lines = plot.data.filter(each => each.meta.ink);
            return {
                title: panel.querySelector("h3").textContent, x: axis("xaxis"), y: axis("yaxis"),
                lines: Object.fromEntries(lines.map(each => [each.meta.name, each.y])),
                names: [...plot.querySelectorAll(".annotation-text")].map(each => each.textContent),
            };
        })""",
        [TIMES, along],
    )


def test_times_are_shown_along_m_and_n_at_every_fixed_size(page):
    along_m, along_n = panels(page), panels(page, "n")
    assert [each["title"] for each in along_m] == ["n = 2", "n = 100"]
    assert [each["title"] for each in along_n] == ["m = 100", "m = 10,000", "m = 1,000,000"]
    assert {each["x"]["title"] for each in along_m} == {"m, number of examples"}
    assert {each["x"]["title"] for each in along_n} == {"n, number of features"}
    assert along_m[0]["x"]["ticks"][-1] == "1M"
    assert along_n[0]["x"]["ticks"][-1] == "100"


def test_panels_beside_one_another_share_their_axes(page):
    for along in "mn":
        assert len({str((each["x"]["range"], each["y"]["range"])) for each in panels(page, along)}) == 1


def test_every_line_has_its_name_at_its_end_and_no_two_names_overlap(page):
    for each in (*panels(page), *panels(page, "n")):
        assert sorted(each["names"]) == sorted(each["lines"])
    boxes = page.evaluate(
        """() => [...document.querySelectorAll(".plot")].map(plot =>
            [...plot.querySelectorAll(".annotation-text")].map(each => {
                const { left, right, top, bottom } = each.getBoundingClientRect();
                return [each.textContent, left, right, top, bottom];
            }))"""
    )
    # The fonts' lines are higher than their letters.
    letters = 3
    for names in boxes:
        for k, (one, left, right, top, bottom) in enumerate(names):
            for other, its_left, its_right, its_top, its_bottom in names[:k]:
                beside = right <= its_left or its_right <= left
                above = bottom - letters <= its_top or its_bottom - letters <= top
                assert beside or above, f"{one} overlaps {other}"


def test_switch_between_logarithmic_and_linear_changes_both_axes(page):
    before = panels(page)[0]
    assert (before["x"]["type"], before["y"]["type"]) == ("log", "log")
    assert {"10 µs", "1 ms"} <= set(before["y"]["ticks"])
    page.get_by_label("linear").check()
    after = panels(page)[0]
    assert (after["x"]["type"], after["y"]["type"]) == ("linear", "linear")
    assert after["x"]["ticks"][0] == after["y"]["ticks"][0].rstrip("s") == "0"
    page.get_by_label("logarithmic").check()
    assert panels(page)[0] == before


def test_choice_of_the_conditions_changes_the_times_and_the_map(page, record):
    choices = page.locator(f"{TIMES} select option").all_text_contents()
    assert choices == ["1 thread", "2 threads"]
    for threads, choice in enumerate(choices, 1):
        page.locator(f"{TIMES} select").select_option(choice)
        for panel, n in zip(panels(page), (2, 100), strict=True):
            expected = [cell.results[2].median for cell in record.cells if (cell.n, cell.threads) == (n, threads)]
            assert panel["lines"]["cython"] == pytest.approx(expected)
        page.locator("#overview select").select_option(choice)
        shown = page.locator("#overview [data-label]:visible")
        assert shown.count() == 1
        assert shown.get_attribute("data-label").endswith(choice)


def test_pointing_at_a_mark_shows_its_numbers(page, record):
    uid = page.evaluate(
        "document.querySelector('#overview .plot')._fullData.find(each => each.meta?.ink && each.name === 'cython').uid"
    )
    mark = page.locator(f"#overview .trace{uid} .points path").first
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    said = page.locator("#overview .hovertext").first.text_content()
    shown = words.micro(next(cell for cell in record.cells if cell.n == 100).results[2].median)
    assert "cython" in said
    assert "m = 100, n = 100" in said
    assert shown in said
    assert "× the read limit" in said


def test_contender_that_is_hidden_is_hidden_in_every_chart(page):
    of_all = "[...document.querySelectorAll('.plot')].map(plot => new Set(plot.data.map(each => each.meta.name)))"
    drawn = f"{of_all}.filter(names => names.has('python')).length"
    assert page.evaluate(drawn) > 3
    high = panels(page)[0]["y"]["range"][1]
    page.locator(".names").get_by_label("python").uncheck()
    assert page.evaluate(drawn) == 0
    # What is left gets the room.
    assert panels(page)[0]["y"]["range"][1] < high


def test_charts_have_no_button_that_would_send_the_data_elsewhere(page):
    buttons = page.locator(".modebar-btn").evaluate_all("buttons => buttons.map(each => each.dataset.title)")
    # Its release decides how Plotly spells PNG.
    assert {title.lower() for title in buttons} == {"download plot as a png", "zoom", "pan", "reset axes"}


def test_speed_ups_and_rates_can_be_chosen(page):
    for chart, choices in (("speed-ups", 3), ("rates", 2)):
        select = page.locator(f"[data-chart={chart}] select")
        seen = []
        for index in range(choices):
            select.select_option(index=index)
            plot = f"document.querySelector('[data-chart={chart}] .plot')"
            seen.append(page.evaluate(f"JSON.stringify({plot}.data.map(each => [each.x, each.y]))"))
        assert len(set(seen)) == choices


def test_bars_of_speed_ups_stand_on_a_labelled_axis_and_carry_their_numbers(page, record):
    page.locator("[data-chart=speed-ups] select").select_option("m = 10,000, n = 100, 1 thread")
    plot = page.locator("[data-chart=speed-ups] .plot")
    assert plot.locator(".xtitle").text_content() == "←\u2002slower than python\u2002·\u2002faster\u2002→"
    assert {"1×", "10×", "100×"} <= set(plot.locator(".xtick text").all_text_contents())
    cell = next(each for each in record.cells if (each.m, each.n, each.threads) == (10_000, 100, 1))
    python, cython = cell.results[0].median, cell.results[2].median
    assert words.times(python / cython) in [text.strip() for text in plot.locator(".textpoint").all_text_contents()]


def test_what_is_slower_than_the_base_says_so(open_page, tmp_path):
    record = sample_records.sample(m_list=(100,), n_list=(2,), contenders=("numpy", "scikit-learn"))
    page = reports.ready(open_page(reports.written(record, tmp_path)))
    (number,) = page.locator("#overview .textpoint").all_text_contents()
    assert number.strip().endswith("× slower")
    assert float(number.strip().removesuffix("× slower")) > 1.0


def test_axis_that_the_record_does_not_have_is_not_shown(open_page, tmp_path):
    record = sample_records.sample(m_list=(100,), n_list=(2, 10), contenders=("cython", "numpy"))
    page = reports.ready(open_page(reports.written(record, tmp_path)))
    assert page.locator(f"{TIMES} [data-along=m]").is_hidden()
    assert [each["title"] for each in panels(page, "n")] == ["m = 100"]
