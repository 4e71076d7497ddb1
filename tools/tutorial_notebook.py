"""Writes the tutorial as a notebook, so that the two cannot differ.

python -m tools.tutorial_notebook docs/from_loops_to_one_pass.md docs/from_loops_to_one_pass.ipynb
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode, v4

from gradstep.files import write_whole

# The figures and tables of this part are made when the site is built.
_RECORD = re.compile(r"<!-- record: begin -->.*?<!-- record: end -->\n", re.DOTALL)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


def notebook(page: str) -> str:
    """Return a page in Markdown as the text of a notebook without output.

    Python becomes cells of code. Cython is saved by a cell under the name that stands before it, and commands at a
    prompt are run by cells. What Python prints is left out, because the cell prints it again.
    """
    cells = [(kind, text.strip("\n")) for kind, text in _cells(_RECORD.sub("", page)) if text.strip()]
    made = [
        (v4.new_code_cell if kind == "code" else v4.new_markdown_cell)(text, id=f"cell-{number}")
        for number, (kind, text) in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content: NotebookNode = v4.new_notebook(cells=made, metadata={"kernelspec": kernel})
    return str(nbformat.writes(content)) + "\n"


def _cells(page: str) -> Iterator[tuple[str, str]]:
    pieces = _BLOCK.split(page)
    words, before = pieces[0], ""
    for language, code, following in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        is_output = language == "text" and before == "python" and not words.strip()
        if language == "text" and not is_output:
            words += f"```\n{code}```\n{following}"
            before = ""
            continue
        yield "markdown", words
        if not is_output:
            yield "code", _code(language, code, words)
        words, before = following, language
    yield "markdown", words


def _code(language: str, code: str, words: str) -> str:
    if language == "python":
        return code
    if language == "cython":
        return f"%%writefile {words.strip().removesuffix(':').split()[-1].strip('`')}\n{code}"
    if language == "console":
        return code.replace("$ ", "!")
    raise ValueError(f"a notebook cannot run a block of {language}")


def main(page_file: Path, notebook_file: Path) -> None:
    """Write the notebook of a page."""
    write_whole(notebook_file, notebook(page_file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
