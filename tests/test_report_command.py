"""The command gradstep report on the screen: what the comparison showed, and what it means on this machine."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import sample_records

from gradstep import environment, registry
from gradstep.compare.record import records
from gradstep.machine import Machine

HERE = 'import gradstep; gradstep.step(X, y, w, b, alpha)  # kernel="auto" is cython'
ELSEWHERE = 'import gradstep; gradstep.step(X, y, w, b, alpha, kernel="cython")'


def saved(folder: Path, machine: Machine) -> Path:
    path = folder / "run.json"
    records.save(records.changed(sample_records.sample(), machine=machine), path)
    return path


def test_report_shows_the_record_in_short_or_whole(command, tmp_path):
    path = saved(tmp_path, sample_records.MACHINE)
    outcome = command("report", path)
    assert (outcome.code, outcome.err) == (0, "")
    assert "cython is the fastest kernel at every size" in outcome.out
    assert "One-time costs" not in outcome.out
    details = command("report", path, "--details")
    assert "One-time costs" in details.out
    assert details.out.splitlines()[-4:] == outcome.out.splitlines()[-4:]


@pytest.mark.parametrize(
    ("changes", "code"), [({}, HERE), ({"memory": 1 << 40}, HERE), ({"processor": "another"}, ELSEWHERE)]
)
def test_code_leaves_the_choice_to_auto_only_on_the_machine_of_the_record(command, tmp_path, changes, code):
    if registry.available()["cython"] is not None:
        pytest.skip("auto takes another kernel here")
    path = saved(tmp_path, dataclasses.replace(Machine.here(), **changes))
    assert command("report", path).out.splitlines()[-1] == code


@pytest.mark.parametrize("kernel", ["nosuch", "numpy"])
def test_code_names_the_kernel_where_auto_takes_another_or_none(command, tmp_path, monkeypatch, kernel):
    path = saved(tmp_path, Machine.here())
    monkeypatch.setenv("GRADSTEP_KERNEL", kernel)
    environment.variable.cache_clear()
    outcome = command("report", path)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == ELSEWHERE
