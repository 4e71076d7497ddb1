"""The command line: what it prints where, its exit codes, and the files it writes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from command_line import Outcome, assert_one_line, process

import gradstep
from gradstep import environment, processor, registry
from gradstep.cli.main import main

SMALL = ("--m", "50", "--n", "3", "--rounds", "2")


# The group


def test_help_version_and_no_arguments(command):
    assert command("--version") == Outcome(0, f"gradstep {gradstep.__version__}\n", "")
    assert command().out == command("--help").out
    for name in ("compare", "diff", "export", "info", "fit", "predict"):
        assert name in command("--help").out
        text = command(name, "--help")
        assert text.code == 0
        assert f"gradstep {name}" in text.out
        assert "Example" in text.out


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (("nosuch",), ("nosuch",)),
        (("compare", "--nosuch"), ("--nosuch",)),
        (("compare", "--kernels", "cython,nosuch"), ("'nosuch'", "python, numba, cython, numpy")),
        (("compare", "--peers", "nosuch"), ("'nosuch'", "numpy-formula", "torch", "all")),
        (("compare", "--peers", "all,jax"), ("'all'",)),
        (("compare", "--preset", "targets"), ("'targets'",)),
        (("compare", "--preset", "nosuch"), ("quick", "scaling", "full")),
        (("compare", "--kernels", "python,"), ("''", "python, numba, cython, numpy")),
        (("compare", "--m", "10,x"), ("--m", "'x'")),
        (("compare", "--m", "1.5"), ("'1.5'",)),
        (("compare", "--n", "0"), ("'0'",)),
        (("compare", "--n", "nan"), ("'nan'",)),
        (("compare", "--threads", "0"), ("'0'", "auto")),
        (("compare", "--threads", "1,two"), ("'two'", "auto")),
        (("compare", "--dtype", "float64,float16"), ("'float16'", "float64", "float32")),
        (("compare", "--order", "C,K"), ("'K'", "C, F")),
        (("compare", "--base", "torch", "--kernels", "numpy"), ("torch", "numpy")),
        (("compare", "--budget", "0"), ("--budget",)),
        (("compare", "--label", "y"), ("--data",)),
        (("compare", "--data", "iris", "--positive", "1"), ("--data",)),
        (("fit",), ("DATA",)),
        (("fit", "data.csv"), ("--label",)),
        (("fit", "data.npz", "--alpha", "fast"), ("'fast'",)),
        (("fit", "data.npz", "--kernel", "nosuch"), ("'nosuch'", "auto, python, numba, cython, numpy")),
    ],
)
def test_usage_error_is_one_line_and_exit_code_2(command, line, parts):
    assert_one_line(command(*line), 2, *parts)


def test_defect_keeps_its_traceback(command, monkeypatch):
    def broken() -> dict[str, str | None]:
        raise AssertionError("a defect")

    monkeypatch.setattr(gradstep, "available", broken)
    with pytest.raises(AssertionError, match="a defect"):
        main(["info"], prog_name="gradstep")


def test_module_runs_as_a_process_without_traceback(tmp_path):
    missing = process("compare", "--data", "missing.csv")
    assert_one_line(missing, 1, "missing.csv: No such file or directory")
    assert_one_line(process("compare", "--kernels", "cython,nosuch"), 2, "python, numba, cython, numpy")


# info


def test_info_lists_the_variants_and_measures_them(command):
    names = list(registry.load("cython").variants) if registry.available()["cython"] is None else []
    outcome = command("info", "--measure")
    assert outcome.code == 0
    assert f"variants with the same bits: {', '.join(names)}" in outcome.out
    times = [line for line in outcome.out.splitlines() if line.startswith("cython, n = ")]
    assert len(times) >= 4 * bool(names)
    for line in times:
        assert all(name in line for name in names)
        assert re.search(r"\d\.\d\d ms, ", line)
    assert "python, n" not in outcome.out


def test_info_names_versions_kernels_and_the_choice(command, monkeypatch):
    monkeypatch.setenv("GRADSTEP_THREADS", "3")
    environment.variable.cache_clear()
    monkeypatch.setenv("GRADSTEP_KERNEL", "numpy")
    environment.variable.cache_clear()
    outcome = command("info")
    assert outcome.code == 0
    for part in (gradstep.__version__, np.__version__, "processor", "usable of", *registry.KERNELS):
        assert part in outcome.out
    name, reason = processor.chosen()
    assert f"{name} in the cython kernel: {reason}" in outcome.out
    assert "3 for an X of 1 GiB: GRADSTEP_THREADS says so" in outcome.out
    assert "numpy for m = 100, n = 10: GRADSTEP_KERNEL says so" in outcome.out
    monkeypatch.setenv("GRADSTEP_THREADS", "many")
    environment.variable.cache_clear()
    outcome = command("info")
    assert_one_line(outcome, 1, "GRADSTEP_THREADS is 'many'")
    # The error stands in its place, and everything else is there.
    assert outcome.out.count("GRADSTEP_THREADS is 'many'") == 2
    for part in (gradstep.__version__, np.__version__, "processor", "usable of", *registry.KERNELS):
        assert part in outcome.out
