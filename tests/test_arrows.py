"""Imports point one way: the contracts of pyproject.toml hold, and each catches a planted import."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not (CHECKOUT / "src").exists(), reason="the sources are in a checkout, not in a wheel")


@pytest.fixture
def house(tmp_path):
    """A copy of the package as a wheel would lay it out, with the contracts beside it."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "src" / "gradstep", tmp_path / "gradstep", ignore=ignore)
    shutil.copytree(CHECKOUT / "kernels", tmp_path / "gradstep" / "kernels", ignore=ignore)
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(house):
    """Run import-linter on a copy; return its exit code and what it printed."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    environment = {**os.environ, "PYTHONPATH": str(house)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=house, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_arrows_point_one_way(house):
    code, output = lint(house)
    assert code == 0, output


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("compare/judge/findings.py", "gradstep.cli.main"),
        ("compare/judge/statistics.py", "gradstep.compare.measure.timing"),
        ("compare/record/records.py", "gradstep.compare.judge.findings"),
        ("compare/measure/run.py", "gradstep.compare.show.words"),
        ("engine.py", "gradstep.api"),
        ("processor.py", "gradstep.registry"),
        ("data/tables.py", "gradstep.data.models"),
    ],
)
def test_planted_arrow_the_wrong_way_is_caught(house, importer, imported):
    with (house / "gradstep" / importer).open("a", encoding="utf-8") as file:
        file.write(f"\nimport {imported}\n")
    code, output = lint(house)
    assert code != 0
    assert "BROKEN" in output
    assert imported in output


def test_judging_loads_no_terminal_and_no_drawing_library():
    heavy = ("psutil", "msgspec", "click", "rich", "matplotlib", "plotly", "numba", "sklearn")
    code = f"import sys, gradstep.compare.judge.findings; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['msgspec']"
