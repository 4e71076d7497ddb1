"""How the report looks in a real browser: at the widths of a desk and a phone, on a dark screen, and on paper."""

from __future__ import annotations

from pathlib import Path

import browser as browsers
import pytest
import reports
import sample_records

from gradstep.compare.record import records

SCHEMES = ("light", "dark")

# The luminance of a colour and the contrast of two, as WCAG 2.2 defines them; a colour that is not opaque counts as
# what it is on its background.
CONTRAST = """
    const luminance = ([red, green, blue]) => {
        const linear = channel => channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
        return 0.2126 * linear(red / 255) + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
    };
    const channels = colour => colour.match(/[\\d.]+/g).map(Number);
    const background = element => {
        for (let each = element; each; each = each.parentElement) {
            const colour = getComputedStyle(each).backgroundColor;
            if (channels(colour)[3] !== 0) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const contrast = (one, other) => {
        const [low, high] = [one, other].map(channels).map(luminance).sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return reports.written(reports.measured(), tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def pages(browser, report):
    """The report in windows of all widths, opened once: its five megabytes take a moment."""
    with browsers.visits(browser) as opening:
        yield {width: reports.ready(opening(report, width)) for width in browsers.WIDTHS.values()}


@pytest.fixture(params=browsers.WIDTHS.values(), ids=browsers.WIDTHS)
def page(pages, request):
    """The report at each width, all of it unfolded, on a light screen at first."""
    return reports.unfolded(on_screen(pages[request.param], "light"))


@pytest.fixture
def desk(pages):
    """The report at the width of a desk, folded, on a light screen at first."""
    desk = on_screen(pages[browsers.WIDTHS["desktop"]], "light")
    desk.evaluate("for (const each of document.querySelectorAll('details')) each.open = false")
    return desk


def on_screen(page, scheme):
    """Show a page on a light or a dark screen, and wait until its charts have followed."""
    page.emulate_media(color_scheme=scheme, media="screen")
    browsers.wait_until(
        page,
        """() => [...document.querySelectorAll(".plot .main-svg:first-child")].every(
            each => each.style.background === getComputedStyle(document.body).backgroundColor
        )""",
    )
    return page


@pytest.mark.parametrize("scheme", SCHEMES)
def test_first_screen_has_the_verdict_the_map_and_a_chart(desk, scheme):
    page = on_screen(desk, scheme)
    page.evaluate("scrollTo(0, 0)")
    assert page.locator("#verdict li").first.text_content().startswith("cython is the fastest kernel")
    for part in ("#verdict ul", "#verdict code", "#overview .map:visible", "#overview .plot"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 800, part


@pytest.mark.parametrize("scheme", SCHEMES)
def test_everything_can_be_read_on_its_background(page, scheme):
    on_screen(page, scheme)
    faint = page.evaluate(
        f"""() => {{
            {CONTRAST}
            const texts = [...document.querySelectorAll("body *")].filter(each => each.checkVisibility() &&
                [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
            const colour = each => each.ownerSVGElement ? getComputedStyle(each).fill : getComputedStyle(each).color;
            const faint = texts.filter(each => each.closest(".map, .hoverlayer, script, option") === null)
                .map(each => [each.textContent.trim(), contrast(colour(each), background(each))]);
            return {{ seen: faint.length, faint: faint.filter(([, ratio]) => ratio < 4.5) }};
        }}"""
    )
    assert faint["seen"] > 200
    assert faint["faint"] == []


def test_dark_screen_has_a_dark_page_with_dark_charts(desk):
    colours = on_screen(desk, "dark").evaluate(
        """() => ({
            page: getComputedStyle(document.body).backgroundColor,
            charts: [...document.querySelectorAll(".plot .main-svg:first-child")].map(each => each.style.background),
            ticks: [...document.querySelectorAll(".plot .xtick text")].map(each => getComputedStyle(each).fill),
        })"""
    )
    assert colours["page"] == "rgb(20, 23, 26)"
    assert set(colours["charts"]) == {"rgb(20, 23, 26)"}
    assert set(colours["ticks"]) == {"rgb(232, 234, 236)"}


def test_charts_are_dark_at_once_on_a_dark_screen_and_follow_when_it_becomes_light(open_page, report):
    page = reports.ready(open_page(report, color_scheme="dark"))
    ticks = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    assert page.evaluate(ticks) == "rgb(232, 234, 236)"
    page.emulate_media(color_scheme="light")
    browsers.wait_until(page, f"() => {ticks} === 'rgb(31, 35, 40)'")


def test_nothing_is_cut_off_or_scrolls_sideways(page):
    assert browsers.sideways_scroll(page) == 0
    beyond = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter(each => each.checkVisibility() &&
            !each.closest(".plot") && each.getBoundingClientRect().right > document.documentElement.clientWidth + 1
            ).map(each => `${each.tagName} ${each.className} ${each.textContent.slice(0, 40)}`)"""
    )
    assert beyond == []
    boxes = "[...document.querySelectorAll('.scrolls')].filter(each => each.scrollWidth > each.clientWidth + 1).length"
    assert page.evaluate(boxes) == 0


def test_whole_table_stands_on_the_page_without_a_box_that_scrolls(page):
    box = page.locator(".table .scrolls").first
    assert box.evaluate("each => each.scrollHeight - each.clientHeight") == 0
    assert box.locator("tbody tr").count() == 60


def test_phone_shows_the_time_among_the_first_three_columns(pages):
    page = reports.unfolded(pages[browsers.WIDTHS["phone"]])
    heads = page.locator(".sortable").first.locator("thead th").all_text_contents()
    assert "time" in heads[:3]
    row = page.locator(".sortable").first.locator("tbody tr").first
    assert row.locator("td[data-head=time]").bounding_box()["x"] < 100
    # Without the heads above them, the numbers have their names beside them.
    name = "getComputedStyle(document.querySelector('.sortable td[data-head=time]'), '::before').content"
    assert "time" in page.evaluate(name)


@pytest.mark.parametrize("width", browsers.WIDTHS.values(), ids=browsers.WIDTHS)
def test_words_of_the_map_stay_within_their_cells(open_page, tmp_path, width):
    names = ("numpy-formula", "scikit-learn", "numba-loop", "cython")
    record = sample_records.sample(m_list=(100, 1000), n_list=(1, 10, 100, 1000, 10_000), contenders=names)
    page = reports.ready(open_page(reports.written(record, tmp_path), width))
    outside = page.evaluate(
        """() => [...document.querySelectorAll(".map tbody td")].filter(cell => {
            const [box, words] = [cell, cell.querySelector("span") ?? cell].map(each => each.getBoundingClientRect());
            return words.left < box.left - 1 || words.right > box.right + 1 || words.bottom > box.bottom + 1;
        }).map(cell => cell.textContent)"""
    )
    assert page.locator(".map tbody td").count() == 10
    assert outside == []


def test_paper_keeps_the_colours_repeats_the_heads_and_hides_nothing(desk):
    on_screen(desk, "dark")
    assert desk.locator("[data-label]:visible").count() == 1
    desk.emulate_media(media="print")
    browsers.wait_until(desk, "() => [...document.querySelectorAll('details')].every(each => each.open)")
    style = desk.evaluate(
        """() => {
            const of = (where, name) => getComputedStyle(document.querySelector(where))[name];
            const printed = ["body", ".map td.decided", "tr.fastest td", ".plot svg"];
            return {
                adjust: printed.map(each => of(each, "printColorAdjust")),
                heads: [...document.querySelectorAll("thead")].map(each => getComputedStyle(each).display),
                // Chromium does not repeat heads with buttons in them.
                buttons: [...document.querySelectorAll("thead button")].filter(each => each.checkVisibility()).length,
                page: of("body", "backgroundColor"),
                tick: of(".plot .xtick text", "fill"),
                fastest: of("tr.fastest td", "backgroundColor"),
            };
        }"""
    )
    assert set(style["adjust"]) == {"exact"}
    assert set(style["heads"]) == {"table-header-group"}
    assert style["buttons"] == 0
    assert style["page"] == "rgb(255, 255, 255)"
    assert style["tick"] == "rgb(31, 35, 40)"
    assert style["fastest"] == "rgb(233, 245, 238)"
    # The maps of all conditions.
    assert desk.locator("[data-label]:visible").count() == 2
    desk.emulate_media(media="screen")
    browsers.wait_until(desk, "() => [...document.querySelectorAll('details')].every(each => !each.open)")


def test_paper_has_the_charts_within_its_width(open_page, report):
    page = reports.ready(open_page(report))
    page.set_viewport_size({"width": 700, "height": 900})
    page.emulate_media(media="print")
    browsers.wait_until(
        page,
        """() => [...document.querySelectorAll(".plot .main-svg")].every(
            each => each.getBoundingClientRect().right <= 700
        )""",
    )

    # What was chosen is printed, and what chooses is not.
    assert page.locator("#overview .choice").is_visible()
    assert not page.locator(".names").is_visible()


RECORDED = Path(__file__).parents[1] / "docs/comparison.json"


KINDS = {
    "one cell": lambda: sample_records.sample(m_list=(1000,), n_list=(10,)),
    "one contender": lambda: sample_records.sample(contenders=("cython",)),
    "dtypes": lambda: sample_records.sample(m_list=(100, 1000), dtypes=("float64", "float32"), threads=(1, 2)),
    "few rounds": lambda: sample_records.sample(m_list=(100, 1000), rounds=2),
    **({"documentation": lambda: records.load(RECORDED)} if RECORDED.exists() else {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_record_of_every_kind_has_a_first_screen_that_answers(open_page, tmp_path, kind):
    file = reports.written(KINDS[kind](), tmp_path)
    for width in browsers.WIDTHS.values():
        page = reports.ready(open_page(file, width))
        assert browsers.sideways_scroll(page) == 0
        assert page.locator("#verdict li").count() >= 1
        assert page.locator("#verdict code").text_content().startswith("import gradstep")
        box = page.locator("#overview .plot").bounding_box()
        assert width == browsers.WIDTHS["phone"] or box["y"] + box["height"] <= 800


def test_powers_are_typeset_and_the_noise_is_said_once(page):
    assert page.locator("details i + sup").count() > 0
    text = page.locator("main").inner_text()
    assert "^" not in text
    assert text.count("through the run") == 1
