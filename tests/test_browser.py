"""The helpers of the browser tests: what goes wrong on a page is seen."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import browser as browsers
import pytest

INSTALLER = Path(__file__).parents[1] / ".ci" / "install-browser"


def page_with(folder, script):
    page = folder / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><title>t</title><script>{script}</script>", encoding="utf-8")
    return page


def faults_of(browser, page, wait="true"):
    """Open a page and return what is complained about at the end."""
    with pytest.raises(AssertionError) as complaint, browsers.visits(browser) as opening:
        browsers.wait_until(opening(page), wait)
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


# What .ci/run installs


def planted(folder, **scripts):
    """Make a folder of commands: those that the installer needs, and these scripts."""
    for name in ("bash", "mktemp", "rm", "tail", "chmod", "cat"):
        (folder / name).symlink_to(shutil.which(name))
    for name, script in {"sleep": "exit 0", "id": "echo 0", **scripts}.items():
        command = folder / name.replace("_", "-")
        command.write_text(f"#!{shutil.which('bash')}\n{script}\n", encoding="utf-8")
        command.chmod(0o755)
    return folder


def chromium_in(folder, code):
    """Return the script of an apt-get that installs a chromium which ends with this code."""
    file = folder / "chromium"
    script = f"printf '#!{shutil.which('bash')}\\nexit {code}\\n' > {file}; chmod +x {file}"
    return f'if [[ "$*" == *install* ]]; then {script}; fi'


def install(folder):
    bash = str(folder / "bash")
    return subprocess.run([bash, INSTALLER], env={"PATH": str(folder)}, capture_output=True, text=True, check=False)


on_unix = pytest.mark.skipif(sys.platform == "win32", reason="apt-get is of Debian and Ubuntu")
in_checkout = pytest.mark.skipif(not INSTALLER.exists(), reason="this is no checkout")


@on_unix
@in_checkout
@pytest.mark.parametrize(
    ("scripts", "reason"),
    [
        ({}, "there is no apt-get"),
        ({"apt_get": "exit 0", "id": "echo 1000"}, "apt-get needs root"),
        ({"apt_get": "echo no network >&2; exit 100"}, "apt-get failed twice"),
    ],
    ids=["no apt-get", "not root", "no network"],
)
def test_installer_says_why_it_cannot_install_a_browser(tmp_path, scripts, reason):
    done = install(planted(tmp_path, **scripts))
    assert done.returncode == 1
    assert f"none can be installed here: {reason}" in done.stderr
    assert ("no network" in done.stderr) == ("twice" in reason)


@on_unix
@in_checkout
def test_installer_says_that_what_it_installed_does_not_run(tmp_path):
    done = install(planted(tmp_path, apt_get=chromium_in(tmp_path, 1)))
    assert done.returncode == 1
    assert "it does not run" in done.stderr


@on_unix
@in_checkout
def test_installer_installs_once_and_is_quiet_where_a_browser_is(tmp_path):
    folder = planted(tmp_path, apt_get=chromium_in(tmp_path, 0))
    first, second = install(folder), install(folder)
    assert (first.returncode, first.stdout) == (0, "Installing chromium for the browser tests ...\n")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
