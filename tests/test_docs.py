"""The pages of docs/ are true: their code runs, their links lead somewhere, and none is missing from the site."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import blocks
import nbformat
import pytest
from availability import load_or_explain
from nbclient import NotebookClient

import gradstep
from tools import tutorial_notebook

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TUTORIAL = DOCS / "from_loops_to_one_pass.md"
NOTEBOOK = TUTORIAL.with_suffix(".ipynb")


def page_name(page: Path) -> str:
    """Return what the table of contents calls a page."""
    return page.relative_to(DOCS).with_suffix("").as_posix()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, which is on the path for imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if page != TUTORIAL], ids=page_name)
def test_code_of_a_page_runs(page, folder):
    shutil.copy(DOCS / "comparison.json", folder)
    if page.stem == "cython_and_c":
        load_or_explain("cython")
        if sys.platform == "win32":
            pytest.skip("the page calls cc")
    blocks.run(page, commands=page.stem in {"train", "cython_and_c"})


def test_code_of_the_tutorial_runs(folder):
    load_or_explain("cython")
    ran = blocks.run(TUTORIAL, commands=True)
    assert {"python", "text", "cython", "console"} == set(ran)


def test_notebook_is_the_tutorial():
    """To write it again: python -m tools.tutorial_notebook docs/from_loops_to_one_pass.md ...ipynb."""
    assert NOTEBOOK.read_text(encoding="utf-8") == tutorial_notebook.notebook(TUTORIAL.read_text(encoding="utf-8"))


@pytest.mark.filterwarnings("ignore:Proactor event loop:RuntimeWarning")
def test_notebook_runs(folder, monkeypatch):
    load_or_explain("cython")
    monkeypatch.setenv("PATH", blocks.path_with_scripts())
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    notebook = nbformat.reads(NOTEBOOK.read_text(encoding="utf-8"), as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "0.693147\n" in printed
    assert re.search(r"step_cython +[\d.]+ ms\n", printed)


def test_wrong_output_on_a_page_is_noticed(folder):
    page = folder / "page.md"
    page.write_text("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n", encoding="utf-8")
    with pytest.raises(Exception, match="the page says\n3\n"):
        blocks.run(page)


def test_wrong_output_of_a_command_is_noticed(folder):
    page = folder / "page.md"
    page.write_text("```console\n$ python --version\nPython 2.7\n```\n", encoding="utf-8")
    with pytest.raises(Exception, match="prints\nPython 2.7\nand it prints\nPython 3"):
        blocks.run(page, commands=True)
    page.write_text("```console\n$ python --version\nPython 3...\n```\n", encoding="utf-8")
    assert blocks.run(page, commands=True) == ["console"]


COMMAND = re.compile(r"(?:^\$ |`)(?:\.venv/bin/)?gradstep ([a-z]+\b[^`#\n]*)", re.MULTILINE)


@pytest.mark.parametrize("page", [*PAGES, DOCS.parent / "README.md"], ids=lambda page: page.stem)
def test_commands_have_the_options_that_a_page_gives_them(page, command):
    for line in COMMAND.findall(page.read_text(encoding="utf-8")):
        # The help comes once all options have been understood.
        outcome = command(*shlex.split(line), "--help")
        assert (outcome.code, outcome.err) == (0, ""), line
        assert outcome.out.startswith("Usage: gradstep ")


def test_every_page_is_in_the_table_of_contents():
    trees = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(encoding="utf-8"), re.DOTALL)
    listed = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    assert sorted([*listed, "index"]) == sorted(map(page_name, PAGES))


def test_every_public_name_is_on_the_page_of_functions():
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    described = re.findall(r"auto(?:function|class|exception):: (\w+)", page)
    assert sorted(described) == sorted(gradstep.__all__)


def test_no_description_sends_the_reader_to_another():
    described = [getattr(gradstep, name) for name in gradstep.__all__]
    described += [gradstep.Objective.gradient, gradstep.Objective.__call__]
    sent = [each.__name__ for each in described if re.search(r"^\s*As (in |from )?`", each.__doc__, re.MULTILINE)]
    assert sent == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_to_files_that_exist(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    # What `make docs` draws is checked by the build.
    missing = [each for each in targets if "build/docs/" not in each and not (page.parent / each).exists()]
    assert missing == []
