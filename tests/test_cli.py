"""The command line: what it prints where, its exit codes, and the files it writes."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys

import numpy as np
import pytest
from command_line import Outcome, assert_one_line, process

import gradstep
from gradstep import environment, processor, registry
from gradstep.cli.main import main
from gradstep.cli.progress import RunProgress
from gradstep.compare.judge.findings import Findings
from gradstep.compare.measure import contenders, peers, presets, problems
from gradstep.compare.measure import run as runs
from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.problems import Examples
from gradstep.compare.record import records
from gradstep.contract import KernelUnavailable

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


def test_help_of_compare_names_all_that_the_tables_have(command):
    text = " ".join(command("compare", "--help").out.split())
    assert f"Some of {','.join(registry.KERNELS)}." in text
    rows = [*presets.PRESETS.items(), *peers.PEERS.items()]
    for name, described in [(name, row.summary) for name, row in rows] + [
        (name, task.question) for name, task in problems.DATA_SETS.items()
    ]:
        assert f"{name} {described}" in text


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


# compare


def test_compare_writes_nothing_but_the_result_into_a_pipe(tmp_path):
    outcome = process("compare", *SMALL, "--kernels", "python,numpy", "--quiet", COLUMNS="40")
    assert (outcome.code, outcome.err) == (0, "")
    assert "\x1b" not in outcome.out
    assert not any(line != line.rstrip() for line in outcome.out.splitlines())
    lines = {line.split()[0]: line.split() for line in reversed(outcome.out.splitlines()) if line}
    # Name, time, unit, interval, unit, per row, unit, GB/s, over the read limit, base: nothing is cut off, although the
    # screen claims to be narrow.
    assert len(lines["python"]) == 10
    assert lines["python"][9] == "base"
    assert lines["numpy"][9].endswith("x")
    # Two rounds are too few to call it.
    assert lines["numpy"][10:] == ["too", "close"]
    assert gradstep.__version__ in outcome.out


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_compare_respects_no_color(no_color, colored):
    outcome = process(
        "compare", *SMALL, "--kernels", "numpy", FORCE_COLOR="1", TERM="xterm-256color", NO_COLOR=no_color
    )
    assert outcome.code == 0
    assert ("\x1b[1;32m" in outcome.out) is colored


def test_compare_output_in_ascii():
    outcome = process("compare", *SMALL, "--kernels", "numpy", PYTHONIOENCODING="ascii")
    assert outcome.code == 0
    assert outcome.out.isascii()


def test_compare_writes_the_record(command, tmp_path):
    path = tmp_path / "run.json"
    outcome = command(
        "compare",
        "--m",
        "20,1e2",
        "--n",
        "2",
        "--rounds",
        3,
        "--kernels",
        "numpy",
        "--dtype",
        "float32",
        "--json",
        path,
    )
    assert outcome.code == 0
    record = records.load(path)
    assert [(cell.m, cell.n) for cell in record.cells] == [(20, 2), (100, 2)]
    assert record.settings.dtypes == ["float32"]
    assert record.settings.preset == "quick"
    assert record.machine.processor
    assert record.versions["numpy"] == np.__version__
    for cell in record.cells:
        (result,) = cell.results
        assert result.status == "timed"
        assert len(result.samples) == 3
        assert min(result.samples) > 0
        assert result.check is not None
        assert result.check.passed


def test_record_is_written_although_the_reader_of_the_result_has_gone(tmp_path):
    path = tmp_path / "run.json"
    line = [sys.executable, "-m", "gradstep", "compare", *SMALL, "--kernels", "numpy", "--json", str(path)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as gone:
        assert gone.stdout is not None
        gone.stdout.close()
        gone.wait()
    assert len(records.load(path).cells) == 1


def test_compare_refuses_a_place_that_cannot_be_written_before_measuring(command, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "run", None)
    assert_one_line(command("compare", "--json", tmp_path / "nosuch" / "run.json"), 1, "run.json", "folder")


def test_compare_without_options_measures_data_and_grid(command, monkeypatch):
    asked = []

    def run(contenders, given, settings, **rest):
        asked.append(([(each.name, each.m, each.n) for each in given], settings, rest["notes"]))
        raise ValueError("enough seen")

    monkeypatch.setattr(runs, "run", run)
    assert_one_line(command("compare"), 1, "enough seen")
    assert_one_line(command("compare", "--m", "5"), 1)
    assert_one_line(command("compare", "--data", "wine"), 1)
    assert_one_line(command("compare", "--data", "wine", "--m", "5", "--n", "1,2"), 1)
    everything, only_m, only_data, both = [cells for cells, _, _ in asked]
    assert everything[0] == ("breast_cancer", 569, 30)
    assert everything[1:] == [("random", m, n) for m in (100, 1000, 10_000, 100_000) for n in (2, 10, 100)]
    assert only_m == [("random", 5, n) for n in (2, 10, 100)]
    assert only_data == [("wine", 178, 13)]
    assert both == [("wine", 178, 13), ("random", 5, 1), ("random", 5, 2)]


def test_compare_without_scikit_learn_says_what_is_left_out(command, monkeypatch):
    # None in sys.modules makes an import fail as if the package were not installed.
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert_one_line(command("compare", "--data", "iris"), 1, "scikit-learn", "gradstep[compare]")
    tiny = dataclasses.replace(presets.PRESETS["quick"], sizes=lambda m_list, n_list: [(20, 2)])
    monkeypatch.setitem(presets.PRESETS, "quick", tiny)
    outcome = command("compare", "--rounds", 1, "--kernels", "numpy")
    assert outcome.code == 0
    assert "breast_cancer is left out" in outcome.out
    assert "gradstep[compare]" in outcome.out


def test_compare_on_a_file(command, separable):
    arguments = ("compare", "--data", separable, "--rounds", 1, "--kernels", "numpy")
    outcome = command(*arguments, "--label", "state", "--positive", "ill")
    assert outcome.code == 0
    assert "data.csv: state = ill" in outcome.out
    assert_one_line(command(*arguments), 2, "--label")
    assert_one_line(command(*arguments, "--label", "state"), 1, "'ill', 'well'", "--positive")
    assert_one_line(command("compare", "--data", "irises"), 1, "breast_cancer, digits, iris, wine")


def test_wrong_kernel_ends_in_exit_code_1(command, monkeypatch, tmp_path):
    right = contenders.kernel_contender

    def sometimes_wrong(name: str, threads: int | None = 1) -> Contender:
        def prepare(examples: Examples) -> Call:
            call = right("numpy").prepare(examples)
            return lambda: call()._replace(b=0.0)

        return Contender(name, prepare) if name == "python" else right(name, threads)

    monkeypatch.setattr(contenders, "kernel_contender", sometimes_wrong)
    path = tmp_path / "run.json"
    outcome = command("compare", *SMALL, "--kernels", "python,numpy", "--json", path)
    assert_one_line(outcome, 1, "python")
    assert "wrong     python, 50 x 3" in outcome.out
    assert [result.status for result in records.load(path).cells[0].results] == ["wrong", "timed"]


def test_run_that_measures_nothing_fails(command):
    outcome = command("compare", "--m", "1e4", "--n", "1e2", "--kernels", "python", "--limit", "0.01", "--quiet")
    assert_one_line(outcome, 1, "skipped")
    assert "more than the limit of 0.01 s" in outcome.out
    outcome = command("compare", "--m", "1e9", "--n", "1e4", "--kernels", "numpy", "--limit", "1e9", "--quiet")
    assert_one_line(outcome, 1, "nothing was measured")
    assert "memory    random 1,000,000,000 x 10,000" in outcome.out


def test_unavailable_kernel_is_shown_or_fails_if_named(command, monkeypatch):
    load = registry.load

    def without_cython(name: str):
        if name == "cython":
            raise KernelUnavailable("the cython kernel is not available: no module. Fix: reinstall")
        return load(name)

    monkeypatch.setattr(registry, "load", without_cython)
    assert_one_line(command("compare", *SMALL, "--kernels", "cython"), 1, "no module", "Fix: reinstall")
    by_default = command("compare", *SMALL)
    assert by_default.code == 0
    assert "left out  the cython kernel is not available: no module. Fix: reinstall" in by_default.out
    info = command("info")
    assert "no module" in info.out
    assert "auto takes" in info.out


def test_compare_with_peers(command, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert_one_line(command("compare", *SMALL, "--peers", "numba-loop,torch"), 1, "torch", "gradstep[peers]")
    line = ("compare", *SMALL, "--kernels", "numpy", "--json", tmp_path / "run.json")
    outcome = command(*line, "--peers", "numba-loop")
    assert outcome.code == 0
    record = records.load(tmp_path / "run.json")
    assert [result.contender for result in record.cells[0].results] == ["numpy", "numba-loop"]
    assert list(record.peers) == ["numba-loop"]
    monkeypatch.setattr(
        "gradstep.compare.measure.peers.PEERS", {name: peers.PEERS[name] for name in ("numba-loop", "torch")}
    )
    outcome = command(*line, "--peers", "all")
    assert outcome.code == 0
    assert "left out  The peer torch needs torch: pip install 'gradstep[peers]'" in outcome.out


def test_compare_shows_the_read_limit(command, tmp_path):
    outcome = command("compare", *SMALL, "--kernels", "numpy", "--json", tmp_path / "run.json")
    assert "the read limit is one pass over X" in outcome.out
    read_limit = records.load(tmp_path / "run.json").cells[0].read_limit
    assert read_limit is not None
    assert len(read_limit.samples) == 2


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_noisy_machine_is_warned_of_and_no_failure(command, monkeypatch, spread):
    monkeypatch.setattr("gradstep.compare.judge.statistics.NOISY", 0.3)
    monkeypatch.setattr(Findings, "spread", spread)
    outcome = command("compare", *SMALL, "--kernels", "numpy")
    assert outcome.code == 0
    warned = outcome.err.startswith("gradstep: warning: the machine was noisy") and outcome.err.count("\n") == 1
    assert warned if spread else outcome.err == ""
    assert ("the machine was noisy" in outcome.out) is bool(spread)
    assert command("compare", *SMALL, "--kernels", "numpy", "--quiet").err == ""


def test_quiet_run_shows_no_progress(command, monkeypatch):
    shown = []

    class Bar(RunProgress):
        def begin(self, what: str) -> None:
            shown.append(what)

    monkeypatch.setattr("gradstep.cli.compare.RunProgress", Bar)
    assert command("compare", *SMALL, "--kernels", "numpy", "--quiet").code == 0
    assert shown == []
    assert command("compare", *SMALL, "--kernels", "numpy").code == 0
    assert shown == ["first call of numpy", "random data, m = 50, n = 3, float64, C order, 1 thread"]


def test_options_take_lists(command, tmp_path):
    path = tmp_path / "run.json"
    lists = ("--dtype", "float64,float32", "--order", "C,f", "--threads", "1,auto", "--kernels", "numpy,cython")
    outcome = command("compare", *SMALL, *lists, "--base", "cython", "--json", path)
    assert outcome.code == 0
    record = records.load(path)
    assert (record.settings.threads, record.settings.base) == ([1, None], "cython")
    assert [(cell.dtype, cell.order, cell.threads) for cell in record.cells] == [
        (dtype, order, threads) for dtype in ("float64", "float32") for order in "CF" for threads in (1, None)
    ]
    assert sum(line.startswith("cython") and line.endswith("base") for line in outcome.out.splitlines()) == 8


def test_presets_give_what_no_option_names(command, monkeypatch):
    asked = []

    def run(line_up, given, settings, **rest):
        asked.append(([(each.name, each.m, each.n) for each in given], settings, line_up))
        raise ValueError("enough seen")

    monkeypatch.setattr(runs, "run", run)
    monkeypatch.setattr("gradstep.threads.usable_cores", lambda: 3)
    assert_one_line(command("compare", "--preset", "scaling"), 1, "enough seen")
    assert_one_line(command("compare", "--preset", "scaling", "--n", "7", "--budget", "9"), 1, "enough seen")
    assert_one_line(command("compare", "--preset", "full", "--m", "5", "--n", "1,2", "--peers", "numba-loop"), 1)
    assert_one_line(command("compare", "--preset", "full", "--dtype", "float32", "--threads", "2"), 1)
    (scaling, settings, _), (other, other_settings, _), (full, full_settings, line_up), (_, narrow, _) = asked
    assert scaling[:5] == [("random", 10**k, 100) for k in range(2, 7)]
    # m = 1000 with n = 100 belongs to both lines, and is measured once.
    assert scaling[5:] == [("random", 1000, n) for n in (1, 10, 1000, 10_000)]
    assert (settings.threads, settings.preset, settings.budget) == ([1], "scaling", None)
    assert other == [*scaling[:5], ("random", 1000, 7)]
    assert other_settings.budget == 9.0
    assert full == [("random", 5, n) for _ in range(4) for n in (1, 2)]
    assert full_settings.threads == [1, 3]
    assert [each.name for each in line_up(3)] == [*registry.KERNELS, "numba-loop"]
    assert narrow.threads == [2]


def test_quick_preset_has_a_budget_that_can_be_replaced(command, monkeypatch):
    budgets = []

    def run(line_up, given, settings, **rest):
        budgets.append(settings.budget)
        raise ValueError("enough seen")

    monkeypatch.setattr(runs, "run", run)
    command("compare")
    command("compare", "--budget", "1e9")
    assert budgets == [45.0, 1e9]


# info


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


def test_interrupted_comparison_ends_with_130_and_writes_nothing(command, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "run", lambda *arguments, **options: signal.raise_signal(signal.SIGINT))
    outcome = command("compare", *SMALL, "--json", tmp_path / "run.json")
    assert outcome.code == 130
    assert outcome.err.strip() == "gradstep: error: interrupted"
    assert list(tmp_path.iterdir()) == []
