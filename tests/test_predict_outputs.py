"""Where the predictions of ``gradstep predict`` go: whole files, pipes, terminals, and little memory on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import processes
import pyarrow
import pyarrow.parquet
import pytest
from command_line import assert_one_line, shell, write_csv
from test_models import model
from test_predict import TABLE, predicted

from gradstep.data import models
from gradstep.files import write_whole

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such devices, pipes and links")


@pytest.fixture
def saved(tmp_path):
    model().save(tmp_path / "m.json")
    return tmp_path / "m.json"


# Where it goes


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_output_that_is_an_input_is_refused_before_the_work(command, saved, tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(models, "load", None)
    (tmp_path / f"link{suffix}").symlink_to(saved)
    for out in (tmp_path / f"t{suffix}", tmp_path / f"link{suffix}"):
        outcome = command("predict", saved, tmp_path / f"t{suffix}", "--out", out)
        assert_one_line(outcome, 1, "--out", "would overwrite", "MODEL" if "link" in out.name else "DATA")


def test_output_that_cannot_be_written_is_refused_before_the_work(command, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "load", None)
    for out, code, part in (("p.xlsx", 2, ".csv or .parquet"), ("no/p.csv", 1, "folder")):
        assert_one_line(command("predict", saved, tmp_path / "t.csv", "--out", tmp_path / out), code, part)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    outcome = command("predict", saved, tmp_path / "t.csv", "--out", tmp_path / "p.parquet")
    assert_one_line(outcome, 1, "Writing Parquet needs pyarrow", "gradstep[parquet]")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_interrupt_leaves_the_old_file_and_no_part(command, saved, tmp_path, monkeypatch, suffix):
    right = models.Model.probabilities
    calls = []

    def once(model, X):
        calls.append(len(X))
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return right(model, X)

    monkeypatch.setattr(models.Model, "probabilities", once)
    folder = tmp_path / "out"
    folder.mkdir()
    write_whole(folder / f"p{suffix}", "old")
    table = write_csv(tmp_path / "t.csv", TABLE + "1,1\n" * 140_000)
    outcome = command("predict", saved, table, "--out", folder / f"p{suffix}")
    assert_one_line(outcome, 130, "interrupted")
    assert [entry.name for entry in folder.iterdir()] == [f"p{suffix}"]
    assert (folder / f"p{suffix}").read_text() == "old"


@posix
def test_interrupted_process_leaves_no_part(saved, tmp_path):
    write_csv(tmp_path / "t.csv", TABLE)
    os.mkfifo(tmp_path / "slow.csv")
    line = [sys.executable, "-m", "gradstep", "predict", "m.json", "slow.csv", "--out", "p.csv"]
    child = subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    # Opening waits until the child opens its end; then it waits for rows.
    with (tmp_path / "slow.csv").open("wb", buffering=0) as rows:
        rows.write(b"a,b\n")
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=processes.PATIENCE)
    assert (child.returncode, err) == (130, "gradstep: error: interrupted\n")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["m.json", "slow.csv", "t.csv"]


@posix
def test_reader_that_leaves_and_output_that_is_full(saved, tmp_path):
    write_csv(tmp_path / "t.csv", TABLE + "1,1\n" * 400_000)
    done = shell("g predict m.json t.csv | head -2; echo ${PIPESTATUS[0]}", tmp_path)
    assert done.stdout.splitlines()[::2] == ["probability,label", "1"]
    assert done.stderr == ""
    done = shell("g predict m.json t.csv > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (1, "gradstep: error: standard output: No space left on device\n")
    done = shell("g predict m.json t.csv >&-", tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "gradstep: error: there is no standard output; name a file with --out\n",
    )
    for suffix in ("csv", "parquet"):
        (tmp_path / f"full.{suffix}").symlink_to("/dev/full")
        done = shell(f"g predict m.json t.csv --out full.{suffix}", tmp_path)
        assert (done.returncode, done.stderr) == (1, f"gradstep: error: full.{suffix}: No space left on device\n")


@posix
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_reader_of_a_named_pipe_that_leaves_is_one_line(saved, tmp_path, suffix):
    write_csv(tmp_path / "t.csv", TABLE + "1,1\n" * 400_000)
    os.mkfifo(tmp_path / f"p.{suffix}")
    line = f"head -c 10 p.{suffix} > /dev/null & g predict m.json t.csv --out p.{suffix}; code=$?; wait; exit $code"
    done = shell(line, tmp_path)
    assert (done.returncode, done.stderr) == (1, f"gradstep: error: p.{suffix}: Broken pipe\n")


@pytest.mark.parametrize("name", ["probability", "label"])
@pytest.mark.parametrize("out", [(), ("--out", "p.csv"), ("--out", "p.parquet")])
def test_key_of_the_name_of_a_result_is_refused(command, saved, tmp_path, monkeypatch, name, out):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "t.csv", f"a,b,{name}\n1,2,k\n")
    assert_one_line(command("predict", saved, "t.csv", "--id", name, *out), 2, f"--id {name}", "has a column of this")
    assert not (tmp_path / "p.csv").exists()


@posix
def test_pipe_has_utf8_and_a_terminal_obeys_nothing(tmp_path):
    model(positive="größer\x1b[2J").save(tmp_path / "m.json")
    write_csv(tmp_path / "t.csv", "a,b\n9,0\n")
    done = shell("g predict m.json t.csv > p.csv", tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")
    assert predicted((tmp_path / "p.csv").read_text(encoding="utf-8"))[0]["label"] == "größer\x1b[2J"
    # Not on Windows.
    import pty

    primary, secondary = pty.openpty()
    line = [sys.executable, "-m", "gradstep", "predict", "m.json", "t.csv"]
    subprocess.run(line, cwd=tmp_path, stdout=secondary, check=True)
    os.close(secondary)
    shown = os.read(primary, 1000).decode()
    os.close(primary)
    assert "größer\\x1b[2J" in shown
    assert "\x1b" not in shown


# Larger than memory

MEMORY = """
import sys
from gradstep.cli.main import main
try:
    main(sys.argv[1:], prog_name="gradstep")
except SystemExit as end:
    assert end.code == 0
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak(folder, *arguments: str) -> float:
    """Return the peak of a process's memory in MB."""
    line = [sys.executable, "-c", textwrap.dedent(MEMORY), "predict", "m.json", *arguments]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) / 1e3


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="only Linux says it in /proc")
@pytest.mark.parametrize("suffix", ["csv", "npz", "parquet"])
def test_file_larger_than_the_memory_it_takes(tmp_path, suffix):
    n = 4
    model([f"x{j}" for j in range(n)], [0.1] * n).save(tmp_path / "m.json")
    X = np.random.default_rng(0).standard_normal((2_000_000, n))
    small, big = tmp_path / f"small.{suffix}", tmp_path / f"big.{suffix}"
    for path, rows in ((small, 10), (big, len(X))):
        if suffix == "npz":
            np.savez(path, X=X[:rows])
        elif suffix == "parquet":
            columns = {f"x{j}": X[:rows, j] for j in range(n)}
            pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=200_000)
        else:
            lines = "".join(",".join(f"{x:.9g}" for x in row) + "\n" for row in X[: min(rows, 1000)].tolist())
            repeats = max(1, rows // 1000)
            path.write_text(",".join(f"x{j}" for j in range(n)) + "\n" + lines * repeats)
    assert big.stat().st_size >= 60e6
    extra = peak(tmp_path, big.name, "--out", "p.csv") - peak(tmp_path, small.name, "--out", "p.csv")
    assert extra < 40
