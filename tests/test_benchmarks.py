"""The asv suite can be imported, and every body runs once, at its smallest size."""

import importlib
import inspect
import itertools
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import gradstep

ROOT = Path(__file__).parents[1]

# How many types of arguments Numba's kernel was compiled for: once the suite is imported, and once every size has run.
COUNT_SIGNATURES = """
from benchmarks.steps import EXAMPLES, FEATURES, Steps
from gradstep.kernels.numba_loop import partial_sums

print(len(partial_sums.signatures))
problems = Steps().setup_cache()
for m in EXAMPLES:
    for n in FEATURES:
        Steps().time_step(problems, "numba", m, n)
print(len(partial_sums.signatures))
"""


def smallest(values):
    """Return the least of the numbers, or all values if they are names."""
    return [min(values)] if all(isinstance(value, int) for value in values) else values


@pytest.fixture(scope="module")
def suites():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        package = importlib.import_module("benchmarks")
        modules = [
            importlib.import_module(f"benchmarks.{found.name}") for found in pkgutil.iter_modules(package.__path__)
        ]
        yield [
            suite
            for module in modules
            for _, suite in inspect.getmembers(module, inspect.isclass)
            if suite.__module__ == module.__name__
        ]


def test_every_body_runs(suites):
    ran = []
    for suite in suites:
        problems = suite().setup_cache()
        for name, body in inspect.getmembers(suite(), inspect.ismethod):
            if not name.startswith("time_"):
                continue
            for arguments in itertools.product(*map(smallest, suite.params)):
                assert arguments not in suite.skip_params
                if gradstep.available().get(arguments[0]) is not None:
                    continue
                body(problems, *arguments)
                ran.append((suite.__name__, name, *arguments))
    runnable = [kernel for kernel, reason in gradstep.available().items() if reason is None]
    assert {("Steps", "time_step", kernel, 100, 2) for kernel in runnable} <= set(ran)


def test_no_suite_uses_what_spoils_a_measurement(suites):
    for suite in suites:
        assert not hasattr(suite, "setup"), f"{suite.__name__}.setup would make asv take one call per sample"
        assert isinstance(suite.version, str), f"{suite.__name__}.version should be set by hand"
        assert len(suite.params) == len(suite.param_names)


def test_compilation_is_over_before_the_first_timing():
    """In a fresh interpreter: here, other tests may have compiled the kernel already."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT_SIGNATURES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported, timed = map(int, done.stdout.split())
    assert imported == timed > 0
