"""The asv suite can be imported, and every body runs once, at its smallest size."""

import importlib
import inspect
import itertools
import pkgutil
from pathlib import Path

import pytest

import gradstep
from gradstep.kernels import numba_loop

ROOT = Path(__file__).parents[1]


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


def test_compilation_is_over_before_the_first_timing(suites):
    (steps,) = (suite for suite in suites if suite.__name__ == "Steps")
    compiled = len(numba_loop.partial_sums.signatures)
    assert compiled > 0
    problems = steps().setup_cache()
    for m, n in itertools.product(*steps.params[1:]):
        steps().time_step(problems, "numba", m, n)
    assert len(numba_loop.partial_sums.signatures) == compiled
