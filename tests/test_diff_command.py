"""What `gradstep diff` shows, its exit codes, and a run beside a baseline."""

from __future__ import annotations

import dataclasses

import made_records
import pytest
from command_line import UNHURRIED, assert_one_line
from differing_records import SIZES, made, shown, shown_in_short

import gradstep
from gradstep.compare.judge import differences
from gradstep.compare.measure import run as compare
from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.problems import ALPHA, Examples, Problem
from gradstep.compare.record import records
from gradstep.compare.record.records import Check, Record, Result, changed


def test_tables_fit_80_columns_and_show_the_largest_first():
    factors = {(10_000, 100, "numpy"): 12.0, (100, 2, "cython"): 2.0, (100, 10, "numba"): 0.1}
    lines = shown(made(), made(factors), width=80, force_terminal=True, color_system=None).splitlines()
    assert max(map(len, lines)) <= 80
    times = [
        line for line in lines if line.rstrip().endswith("s") is False and "× to " in line and "compared" not in line
    ]
    assert [line.split()[2] for line in times] == ["numpy", "cython", "numba"]
    assert times[0].split()[3:8] == ["3.00", "ms", "36.0", "ms", "12.0×"]
    headings = [line for line in lines if "beyond noise" in line]
    assert headings == [
        "slower beyond noise: random, float64, C order, threads = 1",
        "faster beyond noise: random, float64, C order, threads = 1",
    ]


def test_conditions_that_vary_are_columns():
    cell = made_records.cell(100, 10, {"numpy": 1e-3}, read_limit=1e-4)
    cells = [cell, changed(cell, dtype="float32", threads=None)]
    slow = [changed(each, results=[made_records.result("numpy", 9e-3)]) for each in cells]
    text = shown(made_records.record(*cells), made_records.record(*slow))
    assert "slower beyond noise: random, C order\n" in text
    rows = [line.split()[:4] for line in text.splitlines() if "9.00 ms" in line]
    assert sorted(rows) == [["float32", "auto", "100", "10"], ["float64", "1", "100", "10"]]


def test_largest_changes_are_shown_and_the_answer_comes_last():
    factors = {(m, n, name): 2.0 + m * n / 1e6 for m, n in SIZES for name in ("cython", "numba")}
    lines = shown_in_short(made(), made(factors | {(100, 2, "numpy"): 0.25}), width=80).splitlines()
    assert len(lines) <= 20
    assert "slower beyond noise, the largest 5 of 18: random, float64, C order, threads = 1" in lines
    rows = [line.split() for line in lines[:-1] if "× to " in line]
    assert [row[7] for row in rows] == ["3.00×", "3.00×", "2.10×", "2.10×", "2.10×", "4.00×"]
    assert lines[-1] == "27 times compared: 18 slower (2.00× to 3.00×), 1 faster (4.00×), 8 too close to call."
    assert (
        len([line for line in shown(made(), made(factors)).splitlines() if "× to " in line]) == 19
    )  # The answer has one as well.


# The commands


@pytest.fixture
def files(tmp_path):
    """Two records: in the second one thing takes 1.3 times as long, on a quiet machine."""
    records.save(made(), tmp_path / "a.json")
    records.save(made({(1000, 10, "cython"): 1.3}), tmp_path / "b.json")
    return tmp_path / "a.json", tmp_path / "b.json"


def test_diff_of_a_record_with_itself_exits_with_0(command, files):
    outcome = command("diff", files[0], files[0], "--fail-on", "1.0")
    assert (outcome.code, outcome.err) == (0, "")
    assert "no difference beyond noise" in outcome.out


def test_fail_on_takes_the_lower_end_of_the_interval(command, files):
    (change,) = differences.between(*map(records.load, files)).with_verdict("slower")
    assert 1.2 < change.ratio.lower < 1.3
    assert command("diff", *files).code == 0
    # 1.28 is less than the ratio, but more than its lower end.
    assert command("diff", *files, "--fail-on", 1.28).code == 0
    outcome = command("diff", *files, "--fail-on", 1.10)
    assert_one_line(outcome, 3, "1 time became at least 1.1× slower beyond noise", "cython, random 1,000 x 10", "1.30×")
    assert "27 times compared: 1 slower (1.30×), 26 too close to call." in outcome.out
    assert command("diff", *reversed(files), "--fail-on", 1.10).code == 0


@pytest.mark.parametrize(
    "line",
    [
        ("diff", "a.json"),
        ("diff", "a.json", "b.json", "--fail-on", "0.9"),
        ("compare", "--fail-on", "1.1"),
        ("export", "a.json"),
    ],
)
def test_usage_errors(command, line):
    assert_one_line(command(*line), 2)


# A kernel that is really slower


@dataclasses.dataclass(frozen=True)
class RepeatingKernel:
    """The NumPy kernel, which does the work of each call again, so many times in all."""

    times: int
    name: str = "numpy"
    releases_gil: bool = False

    def partial_sums(self, *arguments: object, **options: object) -> None:
        for _ in range(self.times):
            gradstep.registry.load("numpy").partial_sums(*arguments, **options)


def contender(name: str, times: int) -> Contender:
    def prepare(examples: Examples) -> Call:
        X, y, w, b = examples
        kernel = RepeatingKernel(times)
        return lambda: gradstep.step(X, y, w, b, ALPHA, kernel=kernel, threads=1)

    return Contender(name, prepare)


def test_kernel_that_does_its_work_again_is_found(command, tmp_path):
    """The kernels before and after are interleaved in one run, so a loaded machine slows down both."""
    names = ["before", "after"]
    line_up = [contender("before", 1), contender("after", 100)]
    sizes = [Problem(m, 20) for m in (400, 500, 600)]
    whole = compare.run(lambda threads: line_up, sizes, records.Settings(names, rounds=9))
    for name in names:
        cells = []
        for cell in whole.cells:
            (result,) = (each for each in cell.results if each.contender == name)
            cells.append(changed(cell, results=[changed(result, contender="numpy")]))
        settings = changed(whole.settings, contenders=["numpy"])
        records.save(changed(whole, cells=cells, settings=settings, first_calls=[]), tmp_path / f"{name}.json")
    line = ("diff", tmp_path / "before.json", tmp_path / "after.json")
    outcome = command(*line)
    assert (outcome.code, outcome.err) == (0, "")
    assert "3 times compared: 3 slower (" in outcome.out
    assert_one_line(command(*line, "--fail-on", "1.10"), 3, "3 times became at least 1.1× slower", "numpy")
    assert command(line[0], line[2], line[1], "--fail-on", "1.10").code == 0


# A run beside a baseline

SMALL = ("compare", "--m", "50,60,70,80,90", "--n", "3", "--kernels", "numpy", "--quiet", *UNHURRIED)


def with_times(record: Record, factor: float) -> Record:
    """Return a record as of a machine on which all but reading was that much slower."""

    def slower(result: Result) -> Result:
        return records.timed(result.contender, Check(True, 0.0, 1.0), [factor * each for each in result.samples], 1)

    cells = [changed(cell, results=[slower(each) for each in cell.results]) for cell in record.cells]
    return changed(record, cells=cells)


def test_run_is_compared_with_its_baseline(command, tmp_path):
    path = tmp_path / "run.json"
    assert command(*SMALL, "--json", path).code == 0
    first = records.load(path)
    records.save(with_times(first, 1e-4), tmp_path / "faster.json")
    records.save(with_times(first, 1e4), tmp_path / "slower.json")
    outcome = command(*SMALL, "--baseline", tmp_path / "faster.json", "--json", tmp_path / "second.json")
    assert (outcome.code, outcome.err) == (0, "")
    assert f"before    {tmp_path / 'faster.json'}: gradstep" in outcome.out
    assert "after     this run: gradstep" in outcome.out
    assert "5 times compared: 5 slower (" in outcome.out
    outcome = command(*SMALL, "--baseline", tmp_path / "faster.json", "--fail-on", 1.1, "--json", path)
    assert_one_line(outcome, 3, "5 times became at least 1.1× slower", "and 2 more")
    assert records.load(path) != first
    outcome = command(*SMALL, "--baseline", tmp_path / "slower.json", "--fail-on", 1.1)
    assert (outcome.code, outcome.err) == (0, "")
    assert "5 times compared: 5 faster (" in outcome.out


def test_baseline_that_is_no_record_is_refused_before_anything_is_measured(command, tmp_path, monkeypatch):
    monkeypatch.setattr("gradstep.compare.measure.run.run", None)
    (tmp_path / "old.json").write_text("{")
    assert_one_line(command(*SMALL, "--baseline", tmp_path / "old.json"), 1, "old.json", "cut off")
