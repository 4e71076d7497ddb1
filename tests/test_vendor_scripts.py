"""The scripts that asv's pages load are stored beside them, and only those that the lock file names."""

import io
import json
import shutil
import tarfile

import pytest

from tools.dashboard import vendor_scripts


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


@pytest.fixture
def without_package(package):
    """The same page, and a store that lacks the package."""
    page, store = package
    page.write_text(ASKS.format(file="a.js", hash="sha512-"), encoding="utf-8")
    (store / "a-1.0.tgz").unlink()
    return page, store


def test_packages_are_missing_without_npm(without_package, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(vendor_scripts.Unreachable, match="npm, .* is not installed"):
        vendor_scripts.vendor(*without_package)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_registry_that_cannot_be_reached_leaves_the_page_as_it_is(without_package, monkeypatch):
    page, _ = without_package
    before = page.read_text(encoding="utf-8")
    # A port on which nothing listens.
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    with pytest.raises(vendor_scripts.Unreachable, match=r"could not fetch .* \(ECONNREFUSED\)$"):
        vendor_scripts.vendor(*without_package)
    assert page.read_text(encoding="utf-8") == before
    assert not (page.parent / "vendor").exists()
