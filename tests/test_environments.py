"""The environment of a process: what a package, a variable or a limit does to gradstep, each in a fresh interpreter."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import processes
import pytest

import gradstep
from gradstep import KernelUnavailable, registry, select

NUMBA_IN_A_FRESH_PROCESS = """
    import gradstep
    reason = gradstep.available()["numba"]
    print(reason)
    assert sum(each is None for each in gradstep.available().values()) == 3
    try:
        gradstep.gradient([[1.0]], [1.0], [1.0], 0.0, kernel="numba")
    except gradstep.KernelUnavailable as error:
        assert str(error) == reason
    else:
        raise AssertionError("it runs")
    assert gradstep.fastest(10, 10, measure=True).name != "numba"
    assert gradstep.gradient([[1.0]], [1.0], [1.0], 0.0).J > 0
    from gradstep.cli.main import main
    try:
        main(["info"])
    except SystemExit as ending:
        assert not ending.code, ending.code
"""


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"NUMBA_NUM_THREADS": "0"}, "ValueError: Number of threads specified must be > 0. Fix: unset Numba's"),
        ({"NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT is set. Fix: unset it"),
    ],
)
def test_numba_that_cannot_start_is_a_reason_against_it(variables, reason):
    said = processes.run(NUMBA_IN_A_FRESH_PROCESS, variables)
    assert said.startswith(f"the numba kernel is not available: {reason}")
    assert "kernel numba" in said
    assert "auto takes" in said


@pytest.mark.parametrize(
    "broken", [OSError("could not load libllvmlite"), AttributeError("no njit"), RuntimeError("x")]
)
def test_whatever_a_package_raises_at_its_import_is_a_reason_against_the_kernel(monkeypatch, broken):
    tried = []

    def load():
        tried.append(broken)
        raise broken

    monkeypatch.setitem(registry.KERNELS, "broken", registry.KERNELS["numba"]._replace(load_module=load))
    for _ in range(2):
        reason = gradstep.available()["broken"]
        assert reason.startswith(f"the broken kernel is not available: {type(broken).__name__}: {broken}. Fix: ")
    assert len(tried) == 1, "a failing import takes a while, and is not tried at each call"


def test_a_compiler_that_fails_in_the_first_call_is_a_reason_against_the_kernel(monkeypatch):
    def sums(*arguments):
        raise NotImplementedError("no such instruction")

    changed = registry.KERNELS["numba"]._replace(load_module=partial(SimpleNamespace, partial_sums=sums))
    monkeypatch.setitem(registry.KERNELS, "broken", changed)
    try:
        with pytest.raises(KernelUnavailable, match="the broken kernel .* NotImplementedError: no such ins.*Fix: "):
            gradstep.gradient([[1.0]], [1.0], [1.0], 0.0, kernel="broken")
        assert select.fastest(5, 5, measure=True).name != "broken"
    finally:
        registry.load.cache_clear()


def test_what_a_compiled_kernel_raises_about_its_arguments_stays(monkeypatch):
    def sums(*arguments):
        raise ValueError("out is too small")

    changed = registry.KERNELS["numba"]._replace(load_module=partial(SimpleNamespace, partial_sums=sums))
    monkeypatch.setitem(registry.KERNELS, "careful", changed)
    try:
        with pytest.raises(ValueError, match="^out is too small$"):
            gradstep.gradient([[1.0]], [1.0], [1.0], 0.0, kernel="careful")
    finally:
        registry.load.cache_clear()


def test_numba_compiles_without_a_cache_where_none_can_be_written(tmp_path):
    """An installation that cannot be written to, and no home: any container."""
    package = Path(gradstep.__file__).parent
    shutil.copytree(package, tmp_path / "gradstep", ignore=shutil.ignore_patterns("__pycache__"))
    # Root may write anywhere, but not into a folder whose name a file has.
    (tmp_path / "gradstep" / "kernels" / "__pycache__").touch()
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file" / "home")
    code = """
        import gradstep
        print(gradstep.__file__)
        assert gradstep.available()["numba"] is None
        print(gradstep.gradient([[1.0]], [1.0], [0.0], 0.0, kernel="numba").db)
    """
    variables = {
        **dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"), nowhere),
        "NUMBA_CACHE_DIR": "",
        "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    assert processes.run(code, variables).split() == [str(tmp_path / "gradstep" / "__init__.py"), "-0.5"]
