"""Ctrl-C in the middle of a comparison: what was measured is shown and written, and the exit code is 130."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import processes
import pytest
from command_line import assert_one_line, write_csv

from gradstep.cli.interrupts import became
from gradstep.compare.measure import timing
from gradstep.compare.record import records

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")

# The comparison in a child process. `wait_for_ctrl_c` signals the right moment to the test, and waits there.
SETTING = """
import os, signal, sys, time

import numba

import gradstep
from gradstep.cli import main as cli
from gradstep.compare.measure import contenders

# A shell makes its background jobs ignore Ctrl-C, and the tests may be one.
signal.signal(signal.SIGINT, signal.default_int_handler)

def wait_for_ctrl_c():
    print("now", file=sys.stderr, flush=True)
    time.sleep(60)
    print("Ctrl-C never came", file=sys.stderr, flush=True)
    os._exit(99)

right = contenders.kernel_contender("numpy").prepare

def compare_with(prepare):
    def contender(name, threads=1):
        return contenders.Contender(name, prepare)

    contenders.kernel_contender = contender
    sizes = ["--m", "20,30,40", "--n", "2", "--rounds", "2", "--kernels", "numpy", "--quiet", "--budget", "1e6"]
    cli.main(["compare", *sizes, "--json", sys.argv[1]], prog_name="gradstep")
"""

IN_A_TIMED_CALL = """
def prepare(examples):
    call, calls = right(examples), []

    def wait_in_a_call():
        calls.append(1)
        if len(calls) == 5 and examples.X.shape[0] == 40:
            wait_for_ctrl_c()
        return call()

    return wait_in_a_call

compare_with(prepare)
"""

# The first call compiles; Numba runs this while it compiles the caller.
IN_A_COMPILATION = """
def helper():
    pass

@numba.extending.overload(helper)
def compile_helper():
    wait_for_ctrl_c()

@numba.njit
def compiled():
    helper()

def prepare(examples):
    call = right(examples)

    def first_compile():
        compiled()
        return call()

    return first_compile

compare_with(prepare)
"""

SLOW_WRITING = """
fsync = os.fsync

def slow(number):
    print("now", file=sys.stderr, flush=True)
    for _ in range(600):
        time.sleep(0.1)
        if os.path.exists(sys.argv[1] + ".go"):
            break
    fsync(number)

os.fsync = slow
"""

WHILE_WRITING = f"{SLOW_WRITING}compare_with(right)"

# Python prints what a destructor raises and goes on.
IN_A_DESTRUCTOR = """
class Careless:
    def __del__(self):
        wait_for_ctrl_c()

def prepare(examples):
    call, calls = right(examples), []

    def drop():
        calls.append(1)
        if len(calls) == 5 and examples.X.shape[0] == 30:
            Careless()
        return call()

    return drop

compare_with(prepare)
"""


def interrupted(code: str, path: Path, presses: int = 1) -> tuple[int, str, str]:
    """Run a comparison in a process, press Ctrl-C each time it asks; return its exit code, stdout and stderr."""
    child = subprocess.Popen(
        [sys.executable, "-c", SETTING + code, str(path)],
        env=processes.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        before = ""
        for _ in range(presses):
            while (line := child.stderr.readline()) not in ("now\n", ""):
                before += line
            assert line == "now\n", before
            child.send_signal(signal.SIGINT)
        path.with_name(path.name + ".go").touch()
        out, err = child.communicate(timeout=processes.PATIENCE)
    finally:
        child.kill()
    return child.returncode, out, before + err


def test_interrupt_in_a_timed_call_keeps_the_cells_before(tmp_path):
    code, out, err = interrupted(IN_A_TIMED_CALL, tmp_path / "run.json")
    assert (code, err) == (130, "gradstep: error: interrupted\n")
    record = records.load(tmp_path / "run.json")
    assert not record.complete
    assert [cell.m for cell in record.cells] == [20, 30]
    assert all(len(cell.results[0].samples) == 2 for cell in record.cells)
    assert "Interrupted: only what had been measured until then is shown" in out
    rows = [line.split()[0] for line in out.splitlines() if line.split()[1:2] == ["2"]]
    assert rows == ["20", "30"]


def test_interrupt_in_a_compilation_writes_a_record_without_cells(tmp_path):
    code, out, err = interrupted(IN_A_COMPILATION, tmp_path / "run.json")
    assert (code, err) == (130, "gradstep: error: interrupted\n")
    record = records.load(tmp_path / "run.json")
    assert (record.complete, record.cells) == (False, [])
    assert "Interrupted" in out


def test_interrupt_while_writing_ends_after_the_record_is_written(tmp_path):
    code, _, err = interrupted(WHILE_WRITING, tmp_path / "run.json")
    assert (code, err) == (130, "gradstep: error: interrupted\n")
    record = records.load(tmp_path / "run.json")
    assert record.complete
    assert len(record.cells) == 3
    assert {entry.name for entry in tmp_path.iterdir()} == {"run.json", "run.json.go"}


def test_interrupt_that_python_forgets_in_a_destructor_ends_the_run(tmp_path):
    code, _, err = interrupted(IN_A_DESTRUCTOR, tmp_path / "run.json")
    assert code == 130
    assert "Exception ignored" in err
    assert err.endswith("gradstep: error: interrupted\n")
    assert [cell.m for cell in records.load(tmp_path / "run.json").cells] == [20]


def test_impatient_second_interrupt_does_not_cut_off_the_writing(tmp_path):
    code, _, err = interrupted(SLOW_WRITING + IN_A_TIMED_CALL, tmp_path / "run.json", presses=2)
    assert (code, err) == (130, "gradstep: error: interrupted\n")
    assert len(records.load(tmp_path / "run.json").cells) == 2


FIT = """
import signal, sys, time

import gradstep.__main__

signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    # nohup makes its commands ignore it, and the tests may be one.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
right = gradstep.fit

def wait_for_ctrl_c():
    print("now", file=sys.stderr, flush=True)
{wait}

class Careless:
    def __del__(self):
        wait_for_ctrl_c()

def fit(*arguments, callback, **options):
    def look(iterate):
        if iterate.n_iter == 5:
            {at_step_5}
        callback(iterate)

    return right(*arguments, **options, callback=look)

gradstep.fit = fit
sys.argv[1:] = "fit t.csv --label y --alpha 1e-9 --tol 1e-12 --max-iter 1000000000 --kernel numpy --quiet".split()
sys.argv += ["--save", "m.json"]
gradstep.__main__.main()
"""


def assert_fit_keeps_the_model(code: str, folder: Path, pauses: Sequence[float], number: int = signal.SIGINT) -> None:
    """Run a fit in a process and send it a signal when it asks for it, and again after each pause."""
    write_csv(folder / "t.csv", "x,y\n1,0\n2,1\n3,1\n0,0\n")
    line = [sys.executable, "-c", code]
    child = subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stderr.readline() == "now\n"
        child.send_signal(number)
        for pause in pauses:
            time.sleep(pause)
            child.send_signal(number)
        out, err = child.communicate(timeout=processes.PATIENCE)
    finally:
        child.kill()
    assert (child.returncode, err) == (130, "gradstep: error: interrupted\n")
    assert "interrupted after" in out
    assert json.loads((folder / "m.json").read_text())["n_iter"] >= 5


@pytest.mark.parametrize("pause", [0.0, 0.0005, 0.002, 0.01, 0.03, 0.1, 0.2])
def test_two_interrupts_of_fit_close_to_each_other_keep_the_model(tmp_path, pause):
    assert_fit_keeps_the_model(FIT.format(wait="", at_step_5="wait_for_ctrl_c()"), tmp_path, [pause])


def test_interrupt_that_python_forgets_ends_a_fit_after_its_step(tmp_path):
    code = FIT.format(wait="    time.sleep(60)", at_step_5="Careless()")
    assert_fit_keeps_the_model(code, tmp_path, [])


PREDICT = """
import signal, sys

import gradstep.__main__
from gradstep.data.models import Model

class Careless:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

right = Model.probabilities

def probabilities(model, X):
    Careless()
    return right(model, X)

Model.probabilities = probabilities
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[1:] = "predict m.json t.csv --out predictions.csv".split()
gradstep.__main__.main()
"""


def test_interrupt_that_python_forgets_ends_the_predictions(tmp_path, command):
    table = write_csv(tmp_path / "t.csv", "x,y\n" + "1,0\n2,1\n3,1\n0,0\n2,0\n" * 20_000)
    assert command("fit", table, "--label", "y", "--save", tmp_path / "m.json").code == 0
    line = [sys.executable, "-c", PREDICT]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=processes.PATIENCE)
    assert (done.returncode, done.stderr) == (130, "gradstep: error: interrupted\n")
    assert {path.name for path in tmp_path.iterdir()} == {"t.csv", "m.json"}


IN_A_CELL = """
import sys

import gradstep.__main__
import numpy as np

def loadtxt(*arguments, **options):
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as press:
        raise ValueError("could not convert string '1' to float64 at row 3, column 3.") from press

np.loadtxt = loadtxt
sys.argv[1:] = "fit t.csv --label y".split()
gradstep.__main__.main()
"""


def test_interrupt_that_numpy_takes_for_a_faulty_cell_is_an_interrupt(tmp_path):
    write_csv(tmp_path / "t.csv", "x,y\n1,0\n2,1\n3,1\n0,0\n")
    line = [sys.executable, "-c", IN_A_CELL]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "gradstep: error: interrupted\n")


posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_request_to_end_saves_as_an_interrupt_does(tmp_path, name):
    code = FIT.format(wait="", at_step_5="wait_for_ctrl_c()")
    assert_fit_keeps_the_model(code, tmp_path, [], getattr(signal, name))


@posix
def test_request_to_end_before_the_work_is_one_line():
    code = """if True:
        import os, signal
        import gradstep.__main__ as begin
        begin._run = lambda: os.kill(os.getpid(), signal.SIGTERM)
        begin.main()
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "gradstep: error: interrupted\n")


def test_nothing_but_the_record_is_written_where_nothing_was_timed(command, tmp_path, monkeypatch):
    def press_at_once(*arguments: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(timing, "first_call", press_at_once)
    line = ("compare", "--m", 20, "--n", 2, "--json", tmp_path / "run.json", "--pyperf", tmp_path / "pyperf.json")
    outcome = command(*line, "--quiet")
    assert_one_line(outcome, 130, "interrupted")
    assert outcome.out.splitlines()[-1] == "Nothing was timed."
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


# Before and after the work of a command


PRESSED_WHEN = """
import atexit, importlib.abc, signal, sys

import gradstep.__main__

class Press(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {name!r}:
            # Text that is run as code, as in the making of a dataclass, is a place of its own: see __main__.
            exec("signal.raise_signal(signal.SIGINT)")

class Careless:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Press())
sys.argv[1:] = ["info"]
{before}
gradstep.__main__.main()
"""


@pytest.mark.parametrize("name", ["click", "rich", "gradstep.cli.main", "gradstep.cli.info"])
@pytest.mark.parametrize("before", ["", "atexit.register(signal.raise_signal, signal.SIGINT)"])
def test_interrupt_while_a_command_is_loaded_is_one_line(name, before):
    line = [sys.executable, "-c", PRESSED_WHEN.format(name=name, before=before)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "gradstep: error: interrupted")


def test_interrupt_that_python_forgets_is_not_shown():
    before = "gradstep.__main__.heed_once(); Careless(); signal.signal(signal.SIGINT, signal.default_int_handler)"
    line = [sys.executable, "-c", PRESSED_WHEN.format(name="", before=before)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "processor" in done.stdout


def test_causes_that_go_round_in_a_circle_have_an_end():
    first, second = ValueError(), TypeError()
    first.__context__, second.__cause__ = second, first
    assert not became(first)
    second.__cause__ = KeyboardInterrupt()
    assert became(first)
