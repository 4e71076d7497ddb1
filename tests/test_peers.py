"""The peers: their results are right, they keep to their threads, and a missing one names its extra."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import re
import subprocess
import sys

import numpy as np
import pytest
from comparisons import run_quickly, shown

from gradstep.compare.measure import peers
from gradstep.compare.measure.contenders import Contender, kernel_contender
from gradstep.compare.measure.problems import Problem
from gradstep.compare.measure.reference import Reference, tolerance
from gradstep.extras import MissingExtra, install


@pytest.fixture(params=peers.PEERS)
def peer(request: pytest.FixtureRequest) -> peers.Peer:
    """Each peer that is installed."""
    found = peers.PEERS[request.param]
    try:
        found.load()
    except MissingExtra as error:
        pytest.skip(str(error))
    return found


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_peer_takes_the_same_step(peer, dtype, order, threads):
    examples = Problem(3001, 7, dtype, order).make()
    before = [np.copy(array) for array in examples[:3]]
    contender = peer.contender(threads)
    call = contender.prepare(examples)
    with contender.setting(examples):
        first, again = call(), call()
    for step in (first, again):
        check = Reference.of(examples).check(step, tolerance(dtype))
        assert check.passed, check
    for array, old in zip(examples[:3], before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_peer_is_shown_with_its_version(peer):
    record = run_quickly(peer.contender(), rounds=1)
    assert record.peers == {peer.name: importlib.metadata.version(peer.packages[0])}
    assert f"peers     {peer.name} ({record.peers[peer.name]})" in shown(record)


def test_wrong_peer_is_shown_as_wrong_and_not_timed():
    right = peers.PEERS["numba-loop"]

    def prepare(examples, threads):
        call = right.prepare(examples, threads)
        return lambda: call()._replace(b=examples.b)

    wrong = dataclasses.replace(right, name="planted", prepare=prepare)
    record = run_quickly(right.contender(), wrong.contender(), rounds=1)
    good, bad = record.cells[0].results
    assert (good.status, bad.status, bad.samples) == ("timed", "wrong", [])
    assert "wrong     planted, 50 x 3" in shown(record)


def test_setting_of_a_peer_is_taken_back(peer):
    examples = Problem(50, 3).make()
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="it is in the extra peers")
    before = threadpoolctl.threadpool_info()
    contender = peer.contender(1)
    call = contender.prepare(examples)
    with contender.setting(examples):
        call()
    after = {pool["filepath"]: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    assert all(after[pool["filepath"]] == pool["num_threads"] for pool in before)


# Prints the processor time of each peer in units of wall time: the least of several spans, because the threads of BLAS,
# once started, go on spinning for a while, for longer on a busy machine. It needs a process of its own for that reason.
BUSY_THREADS = """
import time
from gradstep.compare.measure import peers
from gradstep.compare.measure import sampling
from gradstep.compare.measure.problems import Problem
examples = Problem(100_000, 16).make()

def busy_threads(call):
    sampling.wait_until_idle()
    wall, processor = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < 0.1:
        call()
    return (time.process_time() - processor) / (time.perf_counter() - wall)

for peer in peers.installed()[0]:
    contender = peer.contender(1)
    call = contender.prepare(examples)
    with contender.setting(examples):
        call()
        print(peer.name, min(busy_threads(call) for _ in range(5)))
"""


def test_peers_stay_on_the_one_thread_they_are_given():
    done = subprocess.run([sys.executable, "-c", BUSY_THREADS], capture_output=True, text=True, check=True)
    busy = {name: float(threads) for name, threads in map(str.split, done.stdout.splitlines())}
    assert "numba-loop" in busy
    # Two busy threads would use nearly twice the wall time; a busy machine only makes it less.
    assert all(threads < 1.4 for threads in busy.values()), busy


def test_missing_peer_names_the_extra(monkeypatch):
    # None in sys.modules makes an import fail as if the package were not installed.
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=re.escape(f"torch needs torch: {install('peers')}")):
        peers.chosen(["numba-loop", "torch"])
    present, reasons = peers.chosen(["all"])
    assert "torch" not in [each.name for each in present]
    assert "gradstep[peers]" in reasons["torch"]
    assert "numba-loop" in [each.name for each in present]


def test_contender_without_version_is_no_peer():
    assert run_quickly(Contender("x", kernel_contender("numpy").prepare)).peers == {}
