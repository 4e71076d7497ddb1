"""What a missing extra is called, and the command that installs it where it was typed."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from gradstep import extras

CODE = "from gradstep import extras; print(extras.install('report'))"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A folder with an environment in .venv, as make leaves it."""
    folder = tmp_path_factory.mktemp("a checkout")
    venv.create(folder / ".venv", with_pip=False, symlinks=sys.platform != "win32")
    return folder


def said(folder: Path, python: Path, search: str = "") -> str:
    """Return what the Python of an environment says to install, with other folders on the PATH."""
    source = Path(extras.__file__).parents[1]
    environment = {**os.environ, "PATH": search, "PYTHONPATH": os.pathsep.join([str(source), *sys.path])}
    return subprocess.run(
        [python, "-c", CODE], cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="the paths below are those of POSIX")
def test_command_works_where_it_was_typed(checkout, tmp_path):
    python = checkout / ".venv" / "bin" / "python"
    # In the checkout; Make has put .venv on the PATH for itself, the shell after it has not.
    assert said(checkout, python) == '.venv/bin/python -m pip install "gradstep[report]"'
    assert said(checkout, python, str(python.parent)) == '.venv/bin/python -m pip install "gradstep[report]"'
    # Elsewhere, with the environment activated, and without.
    assert said(tmp_path, python, str(python.parent)) == 'python -m pip install "gradstep[report]"'
    assert said(tmp_path, python) == f"'{python}' -m pip install \"gradstep[report]\""


def test_missing_package_is_named_with_the_command():
    error = ModuleNotFoundError("No module named 'sklearn'", name="sklearn.datasets")
    assert str(extras.missing(error, "compare", "The data set")) == (
        f"The data set needs scikit-learn: {extras.install('compare')}"
    )
    assert extras.install("peers", "--upgrade").endswith(' -m pip install --upgrade "gradstep[peers]"')
