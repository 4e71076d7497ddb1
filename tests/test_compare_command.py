"""The command gradstep compare: what it asks for, prints where and writes, and its exit codes."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from command_line import UNHURRIED, assert_one_line, process

import gradstep
from gradstep import registry
from gradstep.cli.progress import RunProgress
from gradstep.compare.judge.findings import Findings
from gradstep.compare.measure import contenders, peers, presets, problems
from gradstep.compare.measure import run as runs
from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.problems import Examples
from gradstep.compare.record import records
from gradstep.contract import KernelUnavailable
from gradstep.extras import install

SMALL = ("--m", "50", "--n", "3", "--rounds", "2", *UNHURRIED)

# Large enough for numpy to be ahead of python on any machine.
LARGER = ("--m", "500", *SMALL[2:])
CODE_OF_NUMPY = 'import gradstep; gradstep.step(X, y, w, b, alpha, kernel="numpy")'


def test_help_names_all_that_the_tables_have_within_60_lines(command):
    outcome = command("compare", "--help")
    assert len(outcome.out.splitlines()) <= 60
    assert max(map(len, outcome.out.splitlines())) <= 80
    text = " ".join(outcome.out.split())
    assert f"Some of {','.join(registry.KERNELS)}." in text
    for name, preset in presets.PRESETS.items():
        assert f"{name} {preset.summary}" in text
    assert f"Other libraries: {', '.join(peers.PEERS)}." in text
    assert ", ".join(problems.DATA_SETS) in text


def test_compare_writes_nothing_but_the_result_into_a_pipe(tmp_path):
    # The last of two budgets counts. A verdict may take as long as others keep the machine busy.
    outcome = process("compare", *LARGER, "--budget", "20", "--kernels", "python,numpy", "--quiet", COLUMNS="40")
    assert (outcome.code, outcome.err) == (0, "")
    assert "\x1b" not in outcome.out
    lines = outcome.out.splitlines()
    assert not any(line != line.rstrip() for line in lines)
    (row,) = (line.split() for line in lines if line.split()[:2] == ["500", "3"])
    # Size, time, unit, time, unit, speed-up: nothing is cut off, although the screen claims to be narrow.
    assert len(row) == 7
    assert row[-1].endswith("×")
    # The fastest, or ahead where there was no time for a verdict.
    assert any(
        line.startswith(("numpy is the fastest kernel at m = 500, ", "numpy is ahead at m = 500, ")) for line in lines
    )
    assert lines[-1] == CODE_OF_NUMPY


@pytest.mark.usefixtures("no_added_rounds")
def test_details_come_before_the_verdict(command):
    outcome = command("compare", *LARGER, "--kernels", "python,numpy", "--quiet", "--details")
    lines = outcome.out.splitlines()
    # Two rounds are too few to call it.
    assert "numpy is ahead at m = 500, n = 3; a verdict needs at least 6 rounds." in lines
    rows = {line.split()[0]: line.split() for line in reversed(lines) if line}
    # Name, time, unit, interval, unit, per row, unit, GB/s, over the read limit, speed-up.
    assert rows["python"][9:] == ["base"]
    assert rows["numpy"][9].endswith("x")
    assert rows["numpy"][10:] == ["too", "close"]
    assert "the read limit is one pass over X" in outcome.out
    assert f"gradstep {gradstep.__version__}" in outcome.out
    assert lines[-1] == CODE_OF_NUMPY


def test_every_file_is_named_once(command, tmp_path):
    paths = [tmp_path / name for name in ("run.json", "run.csv", "pictures")]
    line = ("compare", *SMALL, "--kernels", "numpy")
    outcome = command(*line, "--json", paths[0], "--csv", paths[1], "--plot", paths[2])
    wrote = [line for line in outcome.err.splitlines() if line.startswith("wrote ")]
    assert wrote == [f"wrote {paths[0]}", f"wrote {paths[1]}", f"wrote {paths[2]}{os.sep}"]
    assert command(*line, "--quiet", "--json", paths[0]).err == ""
    records.save(records.load(paths[0]), tmp_path / "saved.json")
    outcome = command("export", tmp_path / "saved.json", "--csv", paths[1])
    assert (outcome.code, outcome.err) == (0, f"wrote {paths[1]}\n")


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
    outcome = command("compare", "--rounds", 1, "--kernels", "numpy", *UNHURRIED)
    assert outcome.code == 0
    assert "breast_cancer is left out" in outcome.out
    assert "gradstep[compare]" in outcome.out


def test_compare_on_a_file(command, separable):
    arguments = ("compare", "--data", separable, "--rounds", 1, "--kernels", "numpy", *UNHURRIED)
    outcome = command(*arguments, "--label", "state", "--positive", "ill")
    assert outcome.code == 0
    assert "data.csv: state = ill" in outcome.out
    assert_one_line(command(*arguments), 2, "--label")
    assert_one_line(command(*arguments, "--label", "state"), 1, "'ill', 'well'", "--positive")
    assert_one_line(command("compare", "--data", "irises"), 1, "breast_cancer, digits, iris, wine")


@pytest.mark.usefixtures("no_added_rounds")
def test_wrong_kernel_ends_in_exit_code_1(command, monkeypatch, tmp_path):
    right = contenders.kernel_contender

    def sometimes_wrong(name: str, threads: int | None = 1) -> Contender:
        def prepare(examples: Examples) -> Call:
            call = right("numpy").prepare(examples)
            return lambda: call()._replace(b=0.0)

        return Contender(name, prepare) if name == "python" else right(name, threads)

    monkeypatch.setattr(contenders, "kernel_contender", sometimes_wrong)
    path = tmp_path / "run.json"
    outcome = command("compare", *SMALL, "--kernels", "python,numpy", "--json", path, "--quiet")
    assert_one_line(outcome, 1, "python")
    assert "python is WRONG at m = 50, n = 3; it was not timed there." in outcome.out
    assert [result.status for result in records.load(path).cells[0].results] == ["wrong", "timed"]


def test_run_that_measures_nothing_fails(command):
    outcome = command("compare", "--m", "1e4", "--n", "1e2", "--kernels", "python", "--limit", "0.01", "--quiet")
    assert_one_line(outcome, 1, "skipped")
    assert "Not timed within --limit 0.01: python at m = 10,000, n = 100." in outcome.out
    outcome = command("compare", "--m", "1e9", "--n", "1e4", "--kernels", "numpy", "--limit", "1e9", "--quiet")
    assert_one_line(outcome, 1, "nothing was measured")
    assert "Not timed for lack of memory: everything at m = 1,000,000,000, n = 10,000." in outcome.out


@pytest.mark.usefixtures("no_added_rounds")
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
    assert "\nthe cython kernel is not available: no module. Fix: reinstall" in by_default.out
    info = command("info")
    assert "no module" in info.out
    assert "auto takes" in info.out


@pytest.mark.usefixtures("no_added_rounds")
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
    assert f"\nThe peer torch needs torch: {install('peers')}\n" in outcome.out


def test_compare_measures_the_read_limit(command, tmp_path):
    command("compare", *SMALL, "--kernels", "numpy", "--json", tmp_path / "run.json")
    read_limit = records.load(tmp_path / "run.json").cells[0].read_limit
    assert read_limit is not None
    assert len(read_limit.samples) == 2


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_noise_is_said_once_and_is_no_failure(command, monkeypatch, spread):
    monkeypatch.setattr("gradstep.compare.judge.statistics.NOISY", 0.3)
    monkeypatch.setattr(Findings, "spread", spread)
    for details in ((), ("--details",)):
        outcome = command("compare", *SMALL, "--kernels", "numpy", *details)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.lower().count("noisy") == bool(spread)


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


@pytest.mark.usefixtures("no_added_rounds")
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
    rows = [line.split() for line in outcome.out.splitlines() if line.split()[:2] == ["50", "3"]]
    assert [row[2:5] for row in rows] == [
        [dtype, order, threads] for dtype in ("float64", "float32") for order in "CF" for threads in ("1", "auto")
    ]
    assert "how many times faster than cython" in outcome.out


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
    assert (settings.threads, settings.preset, settings.budget) == ([1], "scaling", 120.0)
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
    assert budgets == [25.0, 1e9]


def test_interrupted_comparison_ends_with_130_and_writes_nothing(command, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "run", lambda *arguments, **options: signal.raise_signal(signal.SIGINT))
    outcome = command("compare", *SMALL, "--json", tmp_path / "run.json")
    assert outcome.code == 130
    assert outcome.err.strip() == "gradstep: error: interrupted"
    assert list(tmp_path.iterdir()) == []
