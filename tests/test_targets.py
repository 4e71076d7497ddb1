"""The table of targets: every row is measured, shown and kept, and one that cannot be measured says why."""

from __future__ import annotations

import collections
import dataclasses
import io
import json
import signal
import statistics
import sys

import pytest
from rich.console import Console

import gradstep
from gradstep.compare.measure import peers
from gradstep.compare.measure.peers import numpy_formula
from gradstep.compare.record.records import changed
from tools.targets import bench, footprint, results, run, show
from tools.targets.__main__ import main
from tools.targets.bench import Measured, NotMeasured, Scale
from tools.targets.results import TargetResult, TargetsRecord, Unit
from tools.targets.table import SECTIONS, TARGETS
from tools.targets.target import Section, Target

TINY = Scale(
    data_bytes=1 << 17,
    narrow_elements=1 << 15,
    largest=10_000,
    rounds=2,
    most_rounds=3,
    short_rounds=2,
    draws=4,
)


# Seconds for a section: none is over before all is measured, however busy the machine is.
PLENTY = 1e6


def shown(measured: TargetsRecord) -> str:
    stream = io.StringIO()
    show.show(measured, Console(file=stream, highlight=False))
    return stream.getvalue()


@pytest.fixture(scope="module")
def toy() -> TargetsRecord:
    """The whole table at toy size, with peers that need little to import."""
    present, _ = peers.chosen(["all"])
    quick = [each for each in present if each.name in ("numpy-formula", "numba-loop", "scikit-learn")]
    sections = [dataclasses.replace(section, seconds=PLENTY) for section in SECTIONS]
    return run.run(quick, scale=TINY, sections=sections, unavailable={"torch": "not asked for"})


def test_every_target_is_measured(toy):
    assert len(toy.targets) == len(TARGETS)
    names = [(target.group, target.place) for target in toy.targets]
    assert len(set(names)) == len(names)
    no_blas_limit = "numpy-formula" not in toy.record.peers
    for target in toy.targets:
        if no_blas_limit and ("NumPy" in target.group or "scikit-learn" in target.group):
            continue
        if "scikit-learn" in target.group and "scikit-learn" not in toy.record.peers:
            continue
        if target.unit == "MiB" and not sys.platform.startswith("linux"):
            continue
        assert target.reason is None, target
        assert target.measured is not None
        assert target.measured > 0.0 or target.unit == "MiB"
        if target.quartiles is not None:
            assert target.quartiles[0] <= target.quartiles[1]
    assert toy.record.wrong() == []


def test_measured_ratio_is_that_of_the_medians(toy):
    (cell,) = [each for each in toy.record.cells if (each.problem, each.n) == ("X in memory, 1 thread", 32)]
    medians = {result.contender: result.median for result in cell.results}
    assert cell.read_limit is not None
    measured = {(target.group, target.place): target for target in toy.targets}
    case = "n = 32, 1 thread"
    assert measured["Cython / read limit", case].measured == medians["cython"] / cell.read_limit.median
    assert measured["Numba / Cython", case].measured == medians["numba"] / medians["cython"]
    fastest = measured["Fastest peer / Cython", case]
    rivals = {name: medians[name] for name in toy.record.peers}
    assert fastest.against == min(rivals, key=rivals.__getitem__)
    assert fastest.measured == min(rivals.values()) / medians["cython"]


def test_rows_on_models_and_curvature_compare_what_they_name(toy):
    measured = {(target.group, target.place): target.measured for target in toy.targets}
    for problem, rows in {
        "8 models, X in memory, 1 thread": {
            "Cython, 8 models / 1 model": ("cython, 8 models", "cython, 1 model"),
            "Cython, 8 models / 8 passes": ("cython, 8 models", "cython, 8 passes"),
            "Numba, 8 models / 8 passes": ("numba, 8 models", "numba, 8 passes"),
        },
        "Hessian product, X in memory, 1 thread": {"hessp / gradient": ("hessp", "gradient")},
    }.items():
        (cell,) = [each for each in toy.record.cells if (each.problem, each.n) == (problem, 1000)]
        medians = {result.contender: result.median for result in cell.results}
        for group, (above, below) in rows.items():
            assert measured[group, "n = 1,000, 1 thread"] == medians[above] / medians[below], group


def test_bounds_get_no_easier_from_must_to_aim(toy):
    for target in toy.targets:
        assert target.aim >= target.must if target.unit == "factor" else target.aim <= target.must


def test_record_of_targets_survives_json(toy, tmp_path):
    path = tmp_path / "targets.json"
    results.save(toy, path)
    assert results.load(path) == toy
    path.write_text(path.read_text()[:-9])
    with pytest.raises(ValueError, match=r"targets\.json"):
        results.load(path)


def test_table_of_targets_shows_bounds_and_what_became_of_them(toy):
    def row(measured: float | None, unit: Unit = "ratio", reason: str | None = None) -> TargetResult:
        aim = 3.0 if unit == "factor" else 1.0
        return TargetResult("A / B", "n = 1", "", 2.0, aim, unit, measured, None, "", reason)

    rows = [row(2.5), row(1.5), row(0.9), row(0.9, "factor"), row(2.1, "factor"), row(None, reason="no peer")]
    assert [each.verdict for each in rows] == ["missed", "must", "aim", "missed", "must", "not measured"]
    text = shown(changed(toy, targets=rows))
    lines = [line.split() for line in text.splitlines() if line.startswith("  n = 1")]
    assert lines[0][3:] == ["<2.00", "<1.00", "2.50", "MISSED"]
    assert lines[1][3:] == ["<2.00", "<1.00", "1.50", "must", "reached"]
    assert lines[3][3:] == [">2.00", ">3.00", "0.90", "MISSED"]
    assert lines[5][5:] == ["-", "not", "measured:", "no", "peer"]
    assert "6: 1 reach the aim, 2 reach what they must, 2 miss it, 1 not measured" in text
    doubtful = changed(rows[0], quartiles=(2.6, 2.7))
    assert "~2.50" in shown(changed(toy, targets=[doubtful]))
    whole = shown(toy)
    assert whole.count("\n  ") >= len(TARGETS)
    assert "left out  not asked for" in whole
    assert toy.regrets[0].place in whole


def test_a_section_that_has_taken_its_time_reads_what_it_has_and_measures_no_more():
    def takes_all_the_time(bench: bench.Bench) -> Measured:
        bench.allow(0.0, 1)
        return Measured(1.0)

    read_limit, larger = (each for each in TARGETS[:2])
    numba = next(each for each in TARGETS if (each.group, each.case) == ("Numba / Cython", read_limit.case))
    slow = Target("A / B", "n = 1", "", 1.0, 0.5, "ratio", takes_all_the_time)
    sections = [Section(PLENTY, (read_limit, slow, numba, larger)), Section(PLENTY, (larger,))]
    measured = run.run([], scale=TINY, sections=sections)
    reasons = [target.reason for target in measured.targets]
    assert reasons == [None, None, None, "the time for its section is over", None]
    assert len(measured.record.cells) == 2


def test_row_that_cannot_be_measured_says_why():
    def impossible(bench) -> Measured:
        raise NotMeasured("no such processor")

    peer_row = next(each for each in TARGETS if each.group == "Fastest peer / Cython")
    rows = (Target("A / B", "n = 1", "", 1.0, 0.5, "ratio", impossible), peer_row)
    measured = run.run([], scale=TINY, sections=[Section(PLENTY, rows)])
    assert [target.measured for target in measured.targets] == [None, None]
    assert measured.targets[0].reason == "no such processor"
    assert "gradstep[peers]" in str(measured.targets[1].reason)


def test_wrong_contender_is_no_base_of_a_ratio(monkeypatch):
    def skewed(X, y, w, b):
        gradient = right(X, y, w, b)
        return gradient._replace(db=gradient.db + 0.1)

    right = numpy_formula.gradient
    monkeypatch.setattr(numpy_formula, "gradient", skewed)
    (row,) = [target for target in TARGETS if target.group.startswith("gradient()") and "m = 10," in target.case]
    present, _ = peers.chosen(["all"])
    formula = [each for each in present if each.name == "numpy-formula"]
    if not formula:
        pytest.skip("threadpoolctl is not installed; it is in the extra peers")
    measured = run.run(formula, scale=TINY, sections=[Section(PLENTY, (row,))])
    assert measured.targets[0].verdict == "not measured"
    assert "off by" in str(measured.targets[0].reason)
    assert [result.contender for _, result in measured.record.wrong()] == ["formula"]


def test_every_model_and_the_product_are_checked(monkeypatch):
    def with_a_wrong_last_model(X, y, w, b, **options):
        found = right_gradient(X, y, w, b, **options)
        if found.dw.ndim == 2:
            found.dw[0, -1] += 1e-6
        return found

    def with_a_wrong_product(objective, theta, v):
        return right_product(objective, theta, v) + 1e-6

    right_gradient, right_product = gradstep.gradient, gradstep.Objective.hessp
    monkeypatch.setattr(gradstep, "gradient", with_a_wrong_last_model)
    monkeypatch.setattr(gradstep.Objective, "hessp", with_a_wrong_product)
    groups = ("Cython, 8 models / 1 model", "hessp / gradient")
    rows = tuple(next(each for each in TARGETS if each.group == group) for group in groups)
    measured = run.run([], scale=TINY, sections=[Section(PLENTY, rows)])
    assert [target.verdict for target in measured.targets] == ["not measured"] * 2
    assert all("off by" in str(target.reason) for target in measured.targets)
    wrong = {result.contender for _, result in measured.record.wrong()}
    assert wrong == {"cython, 8 models", "numba, 8 models", "hessp"}


def test_regret_compares_the_choice_with_the_fastest_of_all(toy):
    cells = {cell.problem: cell for cell in toy.record.cells}
    for number, each in enumerate(toy.regrets, start=1):
        medians = {result.contender: result.median for result in cells[f"size {number}, all variants"].results}
        assert each.fastest == min(medians, key=medians.__getitem__)
        own, fastest = cells[f"size {number}, the fastest"].results
        assert fastest.contender == each.fastest
        assert each.ratio == own.median / fastest.median
    ratios = [each.ratio for each in toy.regrets]
    assert len(ratios) == TINY.draws
    measured = {target.case: target.measured for target in toy.targets if target.group.startswith("Regret")}
    assert measured == {"median": statistics.median(ratios), "worst": max(ratios)}


def test_every_section_knows_how_many_cells_share_its_time(toy):
    first_words = {"X in memory": 0, "float32": 4, "uint8": 4, "F and C": 4, "8 models": 6, "Hessian": 7}
    counted = collections.Counter(
        section for cell in toy.record.cells for words, section in first_words.items() if cell.problem.startswith(words)
    )
    assert counted == {number: SECTIONS[number].cells for number in (0, 4, 6, 7)}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak memory is read from /proc")
def test_footprint_of_many_models_grows_with_their_sums_and_not_with_the_rows():
    n, models = 2000, 33
    # In processes of their own: what the other tests have freed could be used again.
    few, many = (footprint.measure(m, n, 1, models) for m in (1000, 8000))
    assert few > models * n * 8
    assert many < few + 8000 * models * 8


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak memory is read from /proc")
def test_footprint_sees_a_copy_of_X(monkeypatch):
    X_bytes = 40_000 * 100 * 8
    real_step = gradstep.step
    frugal = footprint.measure_here(40_000, 100, 1)
    assert 0 <= frugal < X_bytes / 4

    def greedy(X, *rest, **options):
        return real_step(X + 0.0, *rest, **options)

    monkeypatch.setattr(gradstep, "step", greedy)
    assert footprint.measure_here(40_000, 100, 1) > 0.8 * X_bytes


# The command


@pytest.fixture
def two_rows(monkeypatch):
    """Let the command measure two rows, at toy size."""
    monkeypatch.setattr(bench.Scale, "of_this_machine", classmethod(lambda cls: TINY))
    peer_row = next(each for each in TARGETS if each.group == "Fastest peer / Cython")
    monkeypatch.setattr(run, "SECTIONS", [Section(PLENTY, (TARGETS[0], peer_row))])


def targets_command(capfd, *arguments: object) -> tuple[int, str, str]:
    """Run the command, and return its exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments], prog_name="targets")
    out, err = capfd.readouterr()
    return ended.value.code or 0, out, err


def test_command_measures_shows_and_writes(capfd, two_rows, tmp_path):
    path = tmp_path / "targets.json"
    code, out, err = targets_command(capfd, "--peers", "numba-loop", "--json", path, "--quiet")
    assert (code, err) == (0, "")
    assert "must" in out
    assert "Cython / read limit" in out
    groups = ["Cython / read limit", "Fastest peer / Cython"]
    assert [target.group for target in results.load(path).targets] == groups
    assert list(json.loads(path.read_text())) == ["targets", "record", "regrets"]


def test_command_refuses_what_it_cannot_do_before_measuring(capfd, monkeypatch, tmp_path):
    monkeypatch.setattr(run, "run", None)
    code, out, err = targets_command(capfd, "--json", tmp_path / "nosuch" / "targets.json")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "nosuch" in err
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, err = targets_command(capfd, "--peers", "torch")
    assert code == 1
    assert "gradstep[peers]" in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")
def test_interrupted_targets_keep_the_rows_before(capfd, two_rows, tmp_path, monkeypatch):
    def is_interrupted(_: bench.Bench) -> Measured:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the interrupt did not come")

    rows = (TARGETS[0], dataclasses.replace(TARGETS[1], measure=is_interrupted), TARGETS[2])
    monkeypatch.setattr(run, "SECTIONS", [Section(PLENTY, rows)])
    path = tmp_path / "targets.json"
    code, out, err = targets_command(capfd, "--peers", "numba-loop", "--json", path)
    assert (code, err) == (130, "gradstep: error: interrupted\n")
    assert f"{rows[0].case}, {rows[0].threads}" in out
    measured = results.load(path)
    assert not measured.record.complete
    assert [target.case for target in measured.targets] == [rows[0].case]
    assert len(measured.record.cells) == 1
