"""The peers and the table of targets: that results are right, and that what is missing or wrong is told."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from gradstep.compare.measure import peers, timing
from gradstep.compare.measure import run as compare
from gradstep.compare.measure.problems import Problem
from gradstep.compare.measure.timing import Contender, Reference
from gradstep.compare.record import records
from gradstep.compare.record.records import Settings
from gradstep.compare.show import tables
from gradstep.extras import MissingExtra
from tools.targets import footprint, targets, targets_report
from tools.targets.bench import Measured, NotMeasured, Scale

TINY = Scale(data_bytes=1 << 17, narrow_elements=1 << 15, many_rows=1000, largest=10_000, rounds=2)


@pytest.fixture(params=peers.PEERS)
def peer(request: pytest.FixtureRequest) -> peers.Peer:
    """Each peer that is installed."""
    found = peers.PEERS[request.param]
    try:
        found.load()
    except MissingExtra as error:
        pytest.skip(str(error))
    return found


def shown(show, record: records.Record) -> str:
    stream = io.StringIO()
    show(record, Console(file=stream, highlight=False))
    return stream.getvalue()


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
        check = Reference.of(examples).check(step, timing.TOLERANCES[dtype])
        assert check.passed, check
    for array, old in zip(examples[:3], before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_peer_is_shown_with_its_version(peer):
    record = compare.run(lambda threads: [peer.contender()], [Problem(50, 3)], Settings([peer.name], rounds=1))
    assert record.peers == {peer.name: importlib.metadata.version(peer.packages[0])}
    assert f"peers     {peer.name} ({record.peers[peer.name]})" in shown(tables.show, record)


def test_wrong_peer_is_shown_as_wrong_and_not_timed():
    right = peers.PEERS["numba-loop"]

    def prepare(examples, threads):
        call = right.prepare(examples, threads)
        return lambda: call()._replace(b=examples.b)

    wrong = dataclasses.replace(right, name="planted", prepare=prepare)
    record = compare.run(
        lambda threads: [right.contender(), wrong.contender()], [Problem(50, 3)], Settings([], rounds=1)
    )
    good, bad = record.cells[0].results
    assert (good.status, bad.status, bad.samples) == ("timed", "wrong", [])
    assert "wrong     planted, 50 x 3" in shown(tables.show, record)


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


# Prints the processor time of each peer in units of wall time. Nothing else may have started threads in the process:
# those of BLAS go on spinning for a while.
BUSY_THREADS = """
import time
from gradstep.compare.measure import peers
from gradstep.compare.measure import timing
from gradstep.compare.measure.problems import Problem
examples = Problem(100_000, 16).make()
for peer in peers.installed()[0]:
    contender = peer.contender(1)
    call = contender.prepare(examples)
    with contender.setting(examples):
        call()
        timing.wait_until_idle()
        wall, processor = time.perf_counter(), time.process_time()
        while time.perf_counter() - wall < 0.1:
            call()
        print(peer.name, (time.process_time() - processor) / (time.perf_counter() - wall))
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
    with pytest.raises(MissingExtra, match=r"torch needs torch: pip install 'gradstep\[peers\]'"):
        peers.chosen(["numba-loop", "torch"])
    present, reasons = peers.chosen(["all"])
    assert "torch" not in [each.name for each in present]
    assert "gradstep[peers]" in reasons["torch"]
    assert "numba-loop" in [each.name for each in present]


# Targets


@pytest.fixture(scope="module")
def toy_record() -> records.Record:
    """The whole table at toy size, with peers that need nothing slow to import."""
    present, _ = peers.chosen(["all"])
    quick = [each for each in present if each.name in ("numpy-formula", "numba-loop")]
    return targets.run(quick, scale=TINY, unavailable={"torch": "not asked for"})


def test_every_target_is_measured(toy_record):
    assert len(toy_record.targets) == len(targets.TARGETS)
    names = [(target.group, target.case) for target in toy_record.targets]
    assert len(set(names)) == len(names)
    no_blas_limit = "numpy-formula" not in toy_record.peers
    for target in toy_record.targets:
        if no_blas_limit and "NumPy formula" in target.group:
            continue
        if target.unit == "MiB" and not sys.platform.startswith("linux"):
            continue
        assert target.reason is None, target
        assert target.measured is not None
        assert target.measured > 0.0 or target.unit == "MiB"
        if target.quartiles is not None:
            assert target.quartiles[0] <= target.quartiles[1]
    assert toy_record.wrong() == []


def test_measured_ratio_is_that_of_the_medians(toy_record):
    (cell,) = [each for each in toy_record.cells if (each.problem, each.n) == ("X in memory, 1 thread", 32)]
    medians = {result.contender: result.median for result in cell.results}
    assert cell.read_limit is not None
    measured = {(target.group, target.case): target for target in toy_record.targets}
    case = "n = 32, 1 thread"
    assert measured["Cython / read limit", case].measured == medians["cython"] / cell.read_limit.median
    assert measured["Numba / Cython", case].measured == medians["numba"] / medians["cython"]
    fastest = measured["Fastest peer / Cython", case]
    rivals = {name: medians[name] for name in toy_record.peers}
    assert fastest.against == min(rivals, key=rivals.__getitem__)
    assert fastest.measured == min(rivals.values()) / medians["cython"]


def test_bounds_get_no_easier_from_must_to_aim(toy_record):
    for target in toy_record.targets:
        assert target.aim >= target.must if target.unit == "factor" else target.aim <= target.must


def test_record_of_targets_survives_json(toy_record, tmp_path):
    records.save(toy_record, tmp_path / "targets.json")
    assert records.load(tmp_path / "targets.json") == toy_record


def test_table_of_targets_shows_bounds_and_what_became_of_them(toy_record):
    def row(measured: float | None, unit: targets.Unit = "ratio", reason: str | None = None) -> targets.TargetResult:
        aim = 3.0 if unit == "factor" else 1.0
        return targets.TargetResult("A / B", "n = 1", 2.0, aim, unit, measured, None, "", reason)

    rows = [row(2.5), row(1.5), row(0.9), row(0.9, "factor"), row(2.1, "factor"), row(None, reason="no peer")]
    assert [each.verdict for each in rows] == ["missed", "must", "aim", "missed", "must", "not measured"]
    text = shown(targets_report.show, records.changed(toy_record, targets=rows))
    lines = [line.split() for line in text.splitlines() if line.startswith("  n = 1")]
    assert lines[0][3:] == ["<2.00", "<1.00", "2.50", "MISSED"]
    assert lines[1][3:] == ["<2.00", "<1.00", "1.50", "must", "reached"]
    assert lines[3][3:] == [">2.00", ">3.00", "0.90", "MISSED"]
    assert lines[5][5:] == ["-", "not", "measured:", "no", "peer"]
    assert "6: 1 reach the aim, 2 reach what they must, 2 miss it, 1 not measured" in text
    doubtful = dataclasses.replace(rows[0], quartiles=(2.6, 2.7))
    assert "~2.50" in shown(targets_report.show, records.changed(toy_record, targets=[doubtful]))
    whole = shown(targets_report.show, toy_record)
    assert whole.count("\n  ") >= len(targets.TARGETS)
    assert "left out  not asked for" in whole


def test_row_that_cannot_be_measured_says_why():
    def impossible(bench) -> Measured:
        raise NotMeasured("no such processor")

    rows = [targets.Target("A / B", "n = 1", 1.0, 0.5, "ratio", impossible), targets.TARGETS[10]]
    record = targets.run([], scale=TINY, targets=rows)
    assert [target.measured for target in record.targets] == [None, None]
    assert record.targets[0].reason == "no such processor"
    assert "gradstep[peers]" in str(record.targets[1].reason)


def test_wrong_contender_is_no_base_of_a_ratio(monkeypatch):
    def skewed(X, y, w, b):
        gradient = peers_gradient(X, y, w, b)
        return gradient._replace(db=gradient.db + 0.1)

    peers_gradient = peers.numpy_gradient
    monkeypatch.setattr(peers, "numpy_gradient", skewed)
    (row,) = [
        target for target in targets.TARGETS if target.group.startswith("gradient()") and "m = 10," in target.case
    ]
    present, _ = peers.chosen(["all"])
    formula = [each for each in present if each.name == "numpy-formula"]
    if not formula:
        pytest.skip("threadpoolctl is not installed; it is in the extra peers")
    record = targets.run(formula, scale=TINY, targets=[row])
    assert record.targets[0].verdict == "not measured"
    assert "off by" in str(record.targets[0].reason)
    assert [result.contender for _, result in record.wrong()] == ["formula"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak memory is read from /proc")
def test_footprint_sees_a_copy_of_X(monkeypatch):
    import gradstep

    X_bytes = 40_000 * 100 * 8
    real_step = gradstep.step
    frugal = footprint.measure_here(40_000, 100, 1)
    assert 0 <= frugal < X_bytes / 4

    def greedy(X, *rest, **options):
        return real_step(X + 0.0, *rest, **options)

    monkeypatch.setattr(gradstep, "step", greedy)
    assert footprint.measure_here(40_000, 100, 1) > 0.8 * X_bytes


def test_contender_without_version_is_no_peer():
    nameless = Contender("x", compare.kernel_contender("numpy").prepare)
    record = compare.run(lambda threads: [nameless], [Problem(50, 3)], Settings([]))
    assert record.peers == {}
