"""The torture in short; tests/minutes/test_torture_catches.py plants a fault for each of its parts."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from tools.torture import __main__
from tools.torture.part import Amount, Outcome

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the torture sends signals and reads /proc")

SHARES = {
    "sanitizers": 0.01,
    "threads": 0.03,
    "processes": 0.02,
    "growth": 0.02,
    "interrupts": 0.02,
    "environments": 0.2,
    "files": 0.02,
    "processors": 0.5,
}


@pytest.mark.parametrize("name", __main__.PARTS)
def test_part_in_short(name):
    outcome = __main__.PARTS[name](Amount(SHARES[name]), "")
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.failures == []
    assert outcome.tried > 0


def test_the_table_ends_with_what_failed(monkeypatch):
    failed = Outcome("nothing", 3, ["kernel numpy: [red]hangs"])
    monkeypatch.setitem(__main__.PARTS, "threads", lambda amount, first: failed)
    monkeypatch.setitem(__main__.PARTS, "growth", lambda amount, first: Outcome("little", skipped="there is no time"))
    done = CliRunner().invoke(__main__.main, ["threads", "growth"])
    assert done.exit_code == 1
    assert "threads: kernel numpy: [red]hangs" in done.output
    assert "there is no time" in done.output
    assert CliRunner().invoke(__main__.main, ["growth"]).exit_code == 0
