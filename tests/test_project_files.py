"""The files around the package: workflows are pinned and may do little, dependencies name a version."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from tools import floors

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_commit_and_names_its_version(workflow):
    used = re.findall(r"uses: *(.*)", workflow.read_text())
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_read_only_unless_a_job_says_otherwise(workflow):
    text = workflow.read_text()
    assert re.search(r"^permissions:\n  contents: read\n\n", text, re.MULTILINE)
    assert "write-all" not in text
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")


def imported(modules: Iterable[str]) -> set[str]:
    """Return the packages that modules of the tests import at their top, and those that these import."""
    found, new = set(), list(modules)
    while new:
        tree = ast.parse((ROOT / "tests" / f"{new.pop()}.py").read_text(encoding="utf-8"))
        for statement in tree.body:
            if isinstance(statement, ast.Import):
                names = {alias.name for alias in statement.names}
            else:
                names = {statement.module or ""} if isinstance(statement, ast.ImportFrom) else set()
            roots = {name.partition(".")[0] for name in names} - found
            found |= roots
            new += [root for root in roots if (ROOT / "tests" / f"{root}.py").exists()]
    return found


def test_the_tests_without_the_gil_import_what_their_leg_installs():
    leg = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8").partition("free-threaded:")[2]
    (installed,) = re.findall(r"pip install (pytest .*)", leg)
    tests = re.findall(r"tests/(\w+)\.py", leg)
    assert "test_threads" in tests
    asked = imported(["conftest", *tests])
    ours = {path.stem for path in (ROOT / "tests").glob("*.py")}
    assert asked - ours - sys.stdlib_module_names - {"gradstep", "numpy"} <= set(installed.split())


def test_every_dependency_of_users_and_tests_has_a_lowest_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lowest = floors.floors(floors.requirements(project))
    assert {"numpy", "numba", "rich", "cython", "setuptools", "pytest"} <= set(lowest)


def test_the_lowest_version_is_the_highest_that_anything_asks_for():
    assert floors.floors(["rich>=9.2", "Rich>=13.7", "rich>=13.6,<15"]) == {"rich": "13.7"}


@pytest.mark.parametrize("without", ["rich", "rich<14", "rich==13.7"])
def test_a_dependency_without_a_lowest_version_is_refused(without):
    with pytest.raises(ValueError, match="names no lowest version"):
        floors.floors([without])
