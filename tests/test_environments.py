"""The environment of a process: what a package, a variable or a limit does to gradstep, each in a fresh interpreter."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import processes
import pytest
from availability import load_or_explain

import gradstep
from gradstep import KernelUnavailable, machine, processor, registry, select

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


CANNOT_BE_HAD = """
    import io, sys
    from contextlib import redirect_stderr
    import gradstep
    from gradstep import processor
    {before}
    try:
        gradstep.gradient([[1.0]], [1.0], [1.0], 0.0)
    except (gradstep.KernelUnavailable, ValueError) as error:
        print(error)
    assert gradstep.gradient([[1.0]], [1.0], [1.0], 0.0, kernel="numpy", threads=1).J > 0
    assert gradstep.available()["numpy"] is None
    from gradstep.cli.main import main
    errors = io.StringIO()
    try:
        with redirect_stderr(errors):
            main(["info"])
    except SystemExit as ending:
        print("exit code", ending.code, errors.getvalue())
"""
BASELINE_ONLY = """from gradstep.kernels import cython_loop_baseline
    cython_loop_baseline.instruction_sets_of_processor = lambda: ["baseline"]"""
NO_EXTENSION = """sys.modules["gradstep.kernels.cython_loop_baseline"] = None"""


@pytest.mark.parametrize(
    ("name", "value", "before", "message"),
    [
        ("GRADSTEP_ISA", "avx2", BASELINE_ONLY, "but this processor has only baseline. Fix: unset it"),
        ("GRADSTEP_ISA", "avx2", NO_EXTENSION, "but there is no cython kernel: "),
        ("GRADSTEP_ISA", "mmx", "", "it should be one of baseline, avx2, avx512"),
        ("GRADSTEP_VARIANT", "cython:fast", "", "but the variants of the cython kernel here are "),
        ("GRADSTEP_VARIANT", "cython:fast", NO_EXTENSION, "but the cython kernel is not available: "),
        ("GRADSTEP_KERNEL", "nosuch", "", "it should be 'auto' or one of 'python', 'numba', 'cython', 'numpy'"),
        ("GRADSTEP_THREADS", "two", "", "it should be an integer, at least 1"),
    ],
)
def test_what_a_variable_names_and_cannot_be_had_is_an_error_that_names_it(name, value, before, message):
    """And `gradstep info` shows it and everything else."""
    if before != NO_EXTENSION:
        load_or_explain("cython")
    said = processes.run(CANNOT_BE_HAD.format(before=before), {name: value})
    error = f"{name} is {value!r}"
    assert said.startswith(error)
    assert message in said.splitlines()[0]
    assert f"exit code 1 gradstep: error: {error}" in said
    for part in ("processor", "usable of", "kernel numpy", "available: vectorized NumPy"):
        assert part in said


def test_an_unavailable_kernel_in_the_environment_names_the_variable():
    said = processes.run(CANNOT_BE_HAD.format(before=NO_EXTENSION), {"GRADSTEP_KERNEL": "cython"})
    assert said.startswith("GRADSTEP_KERNEL is 'cython': the cython kernel is not available: ")


@pytest.mark.parametrize(
    "name", ["GRADSTEP_KERNEL", "GRADSTEP_ISA", "GRADSTEP_VARIANT", "GRADSTEP_THREADS", "OMP_NUM_THREADS"]
)
def test_an_empty_variable_counts_as_unset(name):
    code = """
        import gradstep
        print(gradstep.gradient([[1.0]], [1.0], [1.0], 0.0), gradstep.fastest(9, 9).name)
        from gradstep import processor, threads
        print(threads.threads_for(1 << 30), processor.chosen())
    """
    load_or_explain("cython")
    assert processes.run(code, {name: ""}) == processes.run(code)


def test_info_of_a_build_by_cython_3_1_0(monkeypatch):
    """Its functions' type has no __module__."""

    class NoModule(type):
        @property
        def __module__(cls):
            raise AttributeError("__module__")

    class Sums(metaclass=NoModule):
        pass

    kernel = SimpleNamespace(partial_sums=Sums())
    monkeypatch.setattr(registry, "load", lambda name: kernel)
    assert machine.versions()["cython"] == "unknown"


@pytest.mark.parametrize("command", ["", "compare", "diff", "export", "fit", "info", "report"])
def test_help_explains_where_python_drops_docstrings(command):
    code = f"""
        from gradstep.cli.main import main
        main({[command, "--help"] if command else ["--help"]}, prog_name="gradstep")
    """
    helps = [processes.run(code, {"PYTHONOPTIMIZE": level}) for level in ("", "2")]
    assert helps[0] == helps[1]
    assert len(helps[0].splitlines()) > 10


def test_who_imports_the_cython_kernel_gets_the_best_build():
    load_or_explain("cython")
    code = """
        import numpy as np
        from gradstep.kernels import cython_loop
        from gradstep import processor, registry
        assert cython_loop.partial_sums is registry.load("cython").partial_sums
        out = np.empty((1, 1, 3))
        cython_loop.partial_sums(np.ones((1, 1)), np.ones(1), np.zeros((1, 2)), 1, out)
        print(cython_loop.instruction_set, processor.chosen()[0], out[0, 0, 1])
    """
    chosen, _ = processor.chosen()
    assert processes.run(code).split() == [chosen, chosen, "-0.5"]
    assert processes.run(code, {"GRADSTEP_ISA": "baseline"}).split() == ["baseline", "baseline", "-0.5"]
