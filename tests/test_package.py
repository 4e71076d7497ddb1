"""The package as a whole: what importing it loads, and the examples in its docstrings."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import processes
import pytest
from availability import load_or_explain

import gradstep
from gradstep import registry
from gradstep.cli import main
from gradstep.extras import install

ROOT = Path(__file__).parents[1]

HEAVY = "numba llvmlite matplotlib sklearn scipy pandas pyarrow dask rich click"


def test_import_loads_nothing_heavy():
    code = f"""
        import sys
        import gradstep
        print([name for name in {HEAVY.split()} if name in sys.modules])
    """
    assert processes.run(code).strip() == "[]"


def test_import_loads_little_beside_numpy():
    """Each of these takes at least a hundredth of NumPy's own time; importlib.metadata takes a tenth."""
    code = """
        import sys
        import numpy
        before = set(sys.modules)
        import gradstep
        costly = {"importlib.metadata", "concurrent.futures", "dataclasses", "logging", "pathlib", "zipfile"}
        print(sorted((set(sys.modules) - before) & costly))
    """
    assert processes.run(code).strip() == "[]"


def test_version_is_that_of_the_metadata():
    assert gradstep.__version__ == importlib.metadata.version("gradstep")


# What is installed with an extra, and what is not


def without(packages: str, code: str) -> str:
    """Run code in a process in which these packages cannot be imported, and return what it printed."""
    return processes.run(f"import sys\nfor name in {packages.split()}:\n    sys.modules[name] = None\n{code}")


def commands(packages: str, *lines: str) -> list[tuple[object, str]]:
    """Run command lines without these packages; return each exit code, and what was printed on either stream."""
    code = f"""
import contextlib, io, runpy
for line in {lines!r}:
    sys.argv = ["gradstep", *line.split()]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            runpy.run_module("gradstep", run_name="__main__")
        status = 0
    except SystemExit as ending:
        status = ending.code
    print(repr((status, said.getvalue())))
"""
    return [ast.literal_eval(line) for line in without(packages, code).splitlines()]


COMPARE = "numba llvmlite msgspec psutil scipy sklearn"
REPORT = "matplotlib plotly jinja2"
REST = "pyarrow pyperf threadpoolctl"


def test_base_computes_with_numpy_alone():
    code = """
import gradstep
for kernel in ("auto", "python", "numpy"):
    print(gradstep.gradient([[1.0], [3.0]], [0, 1], [0.0], 0.0, kernel=kernel).dw.tolist())
print(gradstep.fit([[0.0], [1.0], [2.0]], [0, 1, 1], l2=0.1).converged)
try:
    gradstep.gradient([[1.0]], [1], [0.0], 0.0, kernel="numba")
except gradstep.KernelUnavailable as error:
    print(error)
"""
    *gradients, converged, refusal = without(f"click rich {COMPARE} {REPORT} {REST}", code).splitlines()
    assert gradients == ["[-0.5]"] * 3
    assert converged == "True"
    assert refusal.startswith("the numba kernel is not available: ")
    assert refusal.endswith(f". Fix: {install('numba')}")


def test_command_line_without_its_extra_says_what_to_install():
    ((status, said),) = commands(f"click rich {COMPARE} {REPORT} {REST}", "info")
    assert (status, said) == (f"gradstep: error: The command line needs click: {install('cli')}", "")
    ((status, _),) = commands("rich", "info")
    assert status == f"gradstep: error: The command line needs rich: {install('cli')}"


def test_fit_and_info_need_the_extra_cli_alone(tmp_path):
    data, model = tmp_path / "data.csv", tmp_path / "model.json"
    data.write_text("x,y\n0,0\n1,1\n2,0\n3,1\n")
    runs = commands(
        f"{COMPARE} {REPORT} {REST}",
        "--help",
        "--version",
        "info",
        f"fit {data} --label y --save {model}",
        "fit --help",
    )
    assert [status for status, _ in runs] == [0] * 5
    assert "compare" in runs[0][1]
    assert install("numba") in runs[2][1]
    assert "converged after" in runs[3][1]
    assert model.exists()


@pytest.mark.parametrize("command", ["compare", "diff", "export", "report"])
def test_a_command_without_its_extra_says_what_to_install(command):
    ((status, said),) = commands(f"{COMPARE} {REPORT} {REST}", f"{command} --help")
    assert status == 1
    assert re.fullmatch(rf"gradstep: error: gradstep {command} needs \w+: {re.escape(install('compare'))}\n", said)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_summaries_of_the_commands_are_those_of_their_help(name):
    command = main.main.get_command(None, name)
    assert command.name == name
    assert command.get_short_help_str(200) == main.COMMANDS[name].summary


def test_extras_name_each_other_rightly():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert [re.split(r"[^\w-]", each)[0] for each in project["dependencies"]] == ["numpy"]
    for asked in (re.fullmatch(r"gradstep\[(.*)\]", each) for listed in extras.values() for each in listed):
        assert asked is None or set(asked[1].split(",")) <= set(extras)
    assert {place.extra for place in main.COMMANDS.values()} <= set(extras)
    assert {entry.extra for entry in registry.KERNELS.values()} - {None} <= set(extras)


def test_a_gradient_loads_no_other_kernel():
    code = """
        import sys
        import gradstep
        gradstep.gradient([[1.0]], [1], [0.0], 0.0, kernel="numpy")
        print([name for name in sys.modules if name.startswith(("numba", "rich", "gradstep.kernels.cython"))])
    """
    assert processes.run(code).strip() == "[]"


def test_public_names():
    assert sorted(gradstep.__all__) == gradstep.__all__
    for name in gradstep.__all__:
        assert inspect.getdoc(getattr(gradstep, name)), f"{name} has no docstring"
    assert gradstep.__version__


def _modules() -> list[str]:
    found = pkgutil.walk_packages(gradstep.__path__, "gradstep.")
    # __main__ runs the command line when it is imported. The kernels have a test of their own; one that is built for
    # another processor must not even be imported.
    left_out = ("gradstep.__main__", "gradstep.kernels.")
    return ["gradstep", *(m.name for m in found if not m.name.startswith(left_out))]


@pytest.mark.parametrize("name", _modules())
def test_examples(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize("function", ["gradient", "step", "objective", "fit", "available", "fastest"])
def test_every_public_function_has_an_example(function):
    assert _run_examples(getattr(gradstep, function), vars(gradstep)) > 0


@pytest.mark.parametrize("name", registry.KERNELS)
def test_examples_of_kernels(name):
    load_or_explain(name)
    module = registry.KERNELS[name].load_module()
    assert _run_examples(module.partial_sums, vars(module)) > 0


def _run_examples(documented, names) -> int:
    """Run the examples in one docstring and return how many there are."""
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(documented), dict(names), str(documented), None, None)
    result = doctest.DocTestRunner().run(test)
    assert result.failed == 0
    return result.attempted


def test_no_command_asks_the_network(tmp_path):
    """SECURITY.md says so; Python tells an audit hook of each attempt."""
    (tmp_path / "data.csv").write_text("x,y\n0,0\n1,1\n2,0\n3,1\n")
    code = f"""
        import os, sys
        from gradstep.cli.main import main
        os.chdir({str(tmp_path)!r})
        asked = []
        sys.addaudithook(lambda event, _: asked.append(event) if event.startswith("socket.") else None)
        for line in (
            "info",
            "compare --m 20 --n 2 --rounds 1 --kernels numpy --budget 1e6 --json r.json --html r.html --plot p",
            "report r.json --html again.html",
            "fit data.csv --label y --save m.json",
            "predict m.json data.csv --out p.csv",
        ):
            try:
                main([*line.split()], prog_name="gradstep")
            except SystemExit as end:
                assert not end.code, line
        print([event for event in asked if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto")])
    """
    process = processes.start(code)
    said, _ = process.communicate(timeout=processes.PATIENCE)
    assert process.returncode == 0
    assert said.splitlines()[-1] == "[]"
