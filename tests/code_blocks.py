"""Runs the code of a Markdown page, block by block, as a reader would type it."""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

from sybil import Document, Example
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

_PRINTED = "_printed"
_python = PythonEvaluator()


def run(page: Path, *, commands: bool = False) -> list[str]:
    """Run the blocks of a page in the current folder, and return their languages.

    Python blocks share one namespace; a block of text after one that printed something is what it printed. A block of
    Cython or C is saved under the name that the sentence before it gives. With `commands` those of console blocks are
    run.
    """
    evaluators = {"python": _run_python, "text": _compare, "cython": _save, "c": _save}
    if commands:
        evaluators["console"] = _run_commands
    parsers = [CodeBlockParser(language, evaluator) for language, evaluator in evaluators.items()]
    ran = []
    for example in Document.parse(str(page), *parsers).examples():
        example.evaluate()
        ran.append(example.region.lexemes["arguments"])
    return ran


def path_with_scripts() -> str:
    """Return the PATH, with the commands of this Python first."""
    return os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])


def _run_python(example: Example) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        _python(example)
    example.namespace[_PRINTED] = printed.getvalue()


def _compare(example: Example) -> str | None:
    """Return what is wrong, if the Python block before this one printed something else."""
    printed = example.namespace.pop(_PRINTED, "")
    if not printed or printed == example.parsed:
        return None
    return f"the page says\n{example.parsed}and the block before prints\n{printed}"


def _save(example: Example) -> None:
    before = example.document.text[: example.region.start].rstrip().removesuffix(":").split()[-1]
    Path(before.strip("`")).write_text(example.parsed, encoding="utf-8")


def _run_commands(example: Example) -> str | None:
    """Run the lines that begin with a prompt; what stands below one is its output, where "..." stands for anything."""
    path = path_with_scripts()
    for entry in re.split(r"^\$ ", example.parsed, flags=re.MULTILINE)[1:]:
        line, _, expected = entry.partition("\n")
        name, *arguments = shlex.split(line, comments=True)
        done = subprocess.run(
            [shutil.which(name, path=path) or name, *arguments],
            env={**os.environ, "PATH": path, "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=300,
        )
        if done.returncode != 0:
            return f"{line}\nexits with {done.returncode}:\n{done.stdout}{done.stderr}"
        if expected and not doctest.OutputChecker().check_output(expected, done.stdout, doctest.ELLIPSIS):
            return f"the page says that {line} prints\n{expected}and it prints\n{done.stdout}"
    return None
