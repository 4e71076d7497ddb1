"""The package as a whole: what importing it loads, and the examples in its docstrings."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import processes
import pytest
from availability import load_or_explain

import gradstep
from gradstep import registry

HEAVY = "numba llvmlite matplotlib sklearn scipy pandas pyarrow dask rich click"


def test_import_loads_nothing_heavy():
    code = f"""
        import sys
        import gradstep
        print([name for name in {HEAVY.split()} if name in sys.modules])
    """
    assert processes.run(code).strip() == "[]"


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
    partial_sums = load_or_explain(name).partial_sums
    assert _run_examples(partial_sums, vars(registry.KERNELS[name].load_module())) > 0


def _run_examples(documented, names) -> int:
    """Run the examples in one docstring and return how many there are."""
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(documented), dict(names), str(documented), None, None)
    result = doctest.DocTestRunner().run(test)
    assert result.failed == 0
    return result.attempted
