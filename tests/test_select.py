"""Which kernel runs: a name never falls back, "auto" follows its rule and says why."""

from __future__ import annotations

import copy
import pickle
from functools import partial
from importlib import import_module

import planted
import pytest
from availability import load_or_explain

from gradstep import KernelUnavailable, available, environment, fastest, gradient, objective, registry, select

ROW = ([[1.0]], [1.0], [1.0], 0.0)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch):
    """Return a function that makes kernels unavailable for the rest of the test."""

    def remove(*names: str) -> None:
        for name in names:
            absent = partial(import_module, f"gradstep.kernels.no_{name}")
            changed = registry.Entry(absent, True, "", f"install {name}", "black", "o")
            monkeypatch.setitem(registry.KERNELS, name, changed)
        registry.load.cache_clear()

    yield remove
    registry.load.cache_clear()


@pytest.mark.parametrize("name", registry.KERNELS)
def test_a_name_runs_that_kernel(name):
    load_or_explain(name)
    assert objective([[1.0]], [1.0], kernel=name).kernel.name == name


@pytest.mark.parametrize("name", registry.KERNELS)
def test_a_missing_kernel_never_falls_back(without, name):
    without(name)
    with pytest.raises(KernelUnavailable) as raised:
        gradient(*ROW, kernel=name)
    message = str(raised.value)
    assert message.startswith(f"the {name} kernel is not available: No module named 'gradstep.kernels.no_{name}'")
    assert message.endswith(f"Fix: install {name}")
    assert available()[name] == message


def test_auto_takes_cython():
    load_or_explain("cython")
    assert select.choose(10, 10).kernel.name == "cython"
    assert fastest(1_000_000, 100).name == "cython"
    assert gradient(*ROW) == gradient(*ROW, kernel="cython")


def test_auto_without_cython(without):
    without("cython")
    assert select.choose(10, 10).kernel.name == "numpy"
    assert "cython is not available" in select.choose(10, 10).reason
    assert select.choose(10_000, 100).kernel.name == "numba"
    assert select.choose(10_000, 100).reason == "cython is not available"
    assert gradient(*ROW).J > 0


def test_auto_with_numpy_alone(without):
    without("cython", "numba")
    assert select.choose(10_000, 100).kernel.name == "numpy"
    assert select.choose(10_000, 100).reason == "neither cython nor numba is available"


@pytest.mark.parametrize("name", ["python", "numpy"])
def test_the_environment_decides_for_auto_alone(monkeypatch, name):
    monkeypatch.setenv("GRADSTEP_KERNEL", name)
    environment.variable.cache_clear()
    choice = select.choose(1_000, 100)
    assert (choice.kernel.name, choice.reason) == (name, "GRADSTEP_KERNEL says so")
    assert objective([[1.0]], [1.0]).kernel.name == name
    assert objective([[1.0]], [1.0], kernel="numba").kernel.name == "numba"


def test_the_environment_may_say_auto(monkeypatch):
    usual = select.choose(10, 10)
    monkeypatch.setenv("GRADSTEP_KERNEL", "auto")
    environment.variable.cache_clear()
    assert select.choose(10, 10) == usual


def test_the_environment_never_falls_back(monkeypatch, without):
    monkeypatch.setenv("GRADSTEP_KERNEL", "nosuch")
    environment.variable.cache_clear()
    with pytest.raises(ValueError, match=f"'nosuch'.*{', '.join(map(repr, registry.KERNELS))}"):
        gradient(*ROW)
    without("cython")
    monkeypatch.setenv("GRADSTEP_KERNEL", "cython")
    environment.variable.cache_clear()
    with pytest.raises(KernelUnavailable, match="Fix: install cython"):
        gradient(*ROW)


def test_available_names_every_kernel():
    assert list(available()) == list(registry.KERNELS)
    assert all(reason is None or "Fix: " in reason for reason in available().values())


def test_the_measured_choice_is_a_kernel_that_runs(without):
    """Which one wins is not asserted; that an unavailable one does not is."""
    assert fastest(2_000, 8, "float32", measure=True).name in registry.KERNELS
    without("numba", "cython", "python")
    assert fastest(2_000, 8, measure=True).name == "numpy"


def test_a_kernel_of_ones_own():

    own = planted.planted("own")
    assert objective([[1.0]], [1.0], kernel=own).kernel is own
    assert gradient(*ROW, kernel=own).J == pytest.approx(gradient(*ROW, kernel="python").J, rel=1e-15)


@pytest.mark.parametrize("name", ["python", "numba", "cython", "numpy"])
def test_a_kernel_pickles_as_its_name(name):
    kernel = load_or_explain(name)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(kernel, protocol)) is kernel
    assert b"cython_loop" not in pickle.dumps(kernel)
    assert copy.deepcopy(kernel) is kernel
