"""The helpers of the browser tests: what goes wrong on a page is seen."""

from __future__ import annotations

import browser as browsers
import pytest


def page_with(folder, script):
    page = folder / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><title>t</title><script>{script}</script>", encoding="utf-8")
    return page


def faults_of(browser, page, wait="true"):
    """Open a page and return what is complained about at the end."""
    with pytest.raises(AssertionError) as complaint, browsers.visits(browser) as opening:
        opening(page).wait_for_function(wait)
    return str(complaint.value)


def test_page_without_faults_passes(browser, tmp_path):
    with browsers.visits(browser) as opening:
        assert opening(page_with(tmp_path, "document.title = 'run'")).title() == "run"


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("console.error('broken')", "console: broken"),
        ("throw new Error('broken')", "exception: broken"),
    ],
)
def test_errors_of_scripts_are_seen(browser, tmp_path, script, complaint):
    assert complaint in faults_of(browser, page_with(tmp_path, script))


def test_request_that_leaves_the_site_is_refused_and_seen(browser, tmp_path):
    script = "fetch('http://example.org/a.js').catch(() => { document.title = 'refused' })"
    page = page_with(tmp_path, script)
    assert "request to http://example.org/a.js" in faults_of(browser, page, "document.title === 'refused'")


def test_file_that_is_missing_is_seen(browser, tmp_path):
    script = "const i = new Image(); i.onerror = () => { document.title = 'missing' }; i.src = 'no.png'"
    assert "no.png" in faults_of(browser, page_with(tmp_path, script), "document.title === 'missing'")


def test_page_that_is_too_wide_is_measured(open_page, tmp_path):
    page = page_with(tmp_path, "")
    page.write_text(page.read_text() + "<meta name=viewport content='width=device-width'><div style='width:500px'>x")
    assert browsers.sideways_scroll(open_page(page, browsers.WIDTHS["phone"])) > 100
    assert browsers.sideways_scroll(open_page(page)) == 0


def test_without_a_browser_tests_are_skipped_or_fail_where_one_is_required(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(browsers.REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no browser is installed"):
        browsers.executable()
    monkeypatch.setenv(browsers.REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="no browser is installed"):
        browsers.executable()
