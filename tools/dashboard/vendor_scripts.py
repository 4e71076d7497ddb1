"""Stores the scripts and styles that asv's page loads from other sites beside it, so that it works offline."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

LOCK = Path(__file__).with_name("vendored_scripts.json")
FOLDER = "vendor"

_TAG = re.compile(r"<(?:script|link)\b[^>]*>")
_ADDRESS = re.compile(r'(?P<attribute>src|href)="(?:https?:)?//[^"]*/(?P<file>[^"/]+)"')
_INTEGRITY = re.compile(r'\s+integrity="(?P<hash>[^"]*)"')
_NPM_ERROR = re.compile(r"^npm \S+ code (\w+)$", re.MULTILINE)
# Attributes that only a request to another site needs.
_OF_ANOTHER_SITE = re.compile(r'\s+(?:crossorigin|referrerpolicy)="[^"]*"')


class VendorError(Exception):
    """The scripts could not be stored beside the page."""


class Unreachable(VendorError):
    """Nothing is wrong with the scripts, but they cannot be fetched here."""


class Locked(NamedTuple):
    """One file of the lock file.

    Attributes
    ----------
    file : str
        The last part of the URL from which asv's page loads it.
    package, version, integrity : str
        The npm package, its version, and its sha512 as npm publishes it.
    member : str
        The path of the file in the package.
    """

    file: str
    package: str
    version: str
    integrity: str
    member: str


def locked_files() -> dict[str, Locked]:
    """Return the files of the lock file by name."""
    entries = [Locked(**entry) for entry in json.loads(LOCK.read_text(encoding="utf-8"))["files"]]
    return {entry.file: entry for entry in entries}


def vendor(page: Path, store: Path) -> list[str]:
    """Let a page load its scripts and styles from a folder beside it.

    A file that is byte for byte the one that the page expects keeps the page's hash. A different file gets its own.

    Parameters
    ----------
    page : Path
        An `index.html` published by asv.
    store : Path
        The folder of the packages; those already there are not fetched again.

    Returns
    -------
    list of str
        The names of the files that differ from those the page expects, though they belong to the same library.

    Raises
    ------
    Unreachable
        If npm is needed and missing, or cannot fetch a package. The page stays as it is.
    VendorError
        If a package has a hash other than the locked one, or the page loads a file that is not in the lock file.
    """
    lock, replaced = locked_files(), []
    fetch(lock.values(), store)
    folder = page.parent / FOLDER
    folder.mkdir(exist_ok=True)

    def local(match: re.Match[str]) -> str:
        tag = match.group()
        address = _ADDRESS.search(tag)
        if address is None:
            return tag
        name = address["file"]
        if name not in lock:
            raise VendorError(f"{page} asks for {name}, which {LOCK.name} does not have")
        content = read_member(lock[name], store)
        (folder / name).write_bytes(content)
        tag = _OF_ANOTHER_SITE.sub("", tag).replace(address.group(), f'{address["attribute"]}="{FOLDER}/{name}"')
        asked = _INTEGRITY.search(tag)
        if asked is None or has_hash(content, asked["hash"]):
            return tag
        replaced.append(name)
        return tag.replace(asked["hash"], sha512(content))

    page.write_text(_TAG.sub(local, page.read_text(encoding="utf-8")), encoding="utf-8")
    return replaced


def fetch(files: Iterable[Locked], store: Path) -> None:
    """Let npm fetch the packages that are missing from the store."""
    missing = sorted({f"{file.package}@{file.version}" for file in files if not _package(file, store).exists()})
    if not missing:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise Unreachable("npm, which fetches the scripts that they load, is not installed")
    store.mkdir(parents=True, exist_ok=True)
    # `npm pack` only fetches the packages and runs none of their code. Without a network its own retries take minutes.
    command = [npm, "pack", *missing, "--ignore-scripts", "--loglevel=error", "--pack-destination", str(store)]
    command += ["--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=20000"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        code = _NPM_ERROR.search(done.stdout)
        raise Unreachable(f"npm could not fetch the scripts that they load{f' ({code[1]})' if code else ''}")


def read_member(file: Locked, store: Path) -> bytes:
    """Return the content of a file from its package in the store, whose hash must be the locked one."""
    package = _package(file, store)
    if not has_hash(package.read_bytes(), file.integrity):
        package.unlink()
        raise VendorError(f"{package.name} is not the package that {LOCK.name} names: its sha512 is another one")
    with tarfile.open(package) as archive:
        member = archive.extractfile(f"package/{file.member}")
        if member is None:
            raise VendorError(f"{package.name} has no file {file.member}")
        return member.read()


def _package(file: Locked, store: Path) -> Path:
    return store / f"{file.package}-{file.version}.tgz"


def has_hash(content: bytes, integrity: str) -> bool:
    """Whether the content has this hash, which is written as in HTML and npm."""
    algorithm, _, digest = integrity.partition("-")
    return base64.b64encode(hashlib.new(algorithm, content).digest()).decode() == digest


def sha512(content: bytes) -> str:
    """Return the hash of the content, written as in HTML and npm."""
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
