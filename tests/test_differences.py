"""What `gradstep diff` calls faster or slower: on records of known numbers, and on a kernel that is slower."""

from __future__ import annotations

import dataclasses
import io
import math

import made_records
import numpy as np
import pytest
import scipy.stats
from command_line import assert_one_line
from rich.console import Console

import gradstep
from gradstep.compare.judge import differences, statistics
from gradstep.compare.measure import run as compare
from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.problems import ALPHA, Examples, Problem
from gradstep.compare.record import records
from gradstep.compare.record.records import READ_LIMIT, Check, Record, Result, changed
from gradstep.compare.show import difference_tables

SIZES = [(m, n) for m in (100, 1000, 10_000) for n in (2, 10, 100)]
TIMES = {"numba": 2e-3, "cython": 1e-3, "numpy": 3e-3}


def made(
    factors: dict[tuple[int, int, str], float] | None = None, spread: float = 0.02, read_limit: float = 1.0
) -> Record:
    """Return a record of nine cells, in which some times and all read limits are multiplied by a factor."""
    cells = []
    for m, n in SIZES:
        results = {name: seconds * (factors or {}).get((m, n, name), 1.0) for name, seconds in TIMES.items()}
        cell = made_records.cell(m, n, {}, read_limit=5e-4 * read_limit)
        cells.append(changed(cell, results=[made_records.result(*entry, spread) for entry in results.items()]))
    return made_records.record(*cells, noise=None)


def everywhere(factor: float) -> dict[tuple[int, int, str], float]:
    return {(m, n, name): factor for m, n in SIZES for name in TIMES}


def verdicts(found: differences.Differences) -> dict[tuple[int, int, str], str]:
    return {
        (change.key.m, change.key.n, change.key.contender): change.verdict
        for change in found.changes
        if change.verdict != "too close to call"
    }


def shown(before: Record, after: Record, **options: object) -> str:
    stream = io.StringIO()
    found = differences.between(before, after)
    difference_tables.show(found, before, after, ("a.json", "b.json"), Console(file=stream, **options))
    return stream.getvalue()


# The verdicts


def test_record_does_not_differ_from_itself():
    found = differences.between(made(), made())
    assert len(found.changes) == 27
    assert verdicts(found) == {}
    assert {change.ratio.value for change in found.changes} == {1.0}
    assert found.warnings == []
    assert "27 times: no difference beyond noise" in shown(made(), made())


@pytest.mark.parametrize(("factor", "verdict"), [(1.3, "slower"), (1 / 1.3, "faster")])
def test_one_change_is_found_where_the_machine_was_quiet(factor, verdict):
    place = (1000, 10, "cython")
    found = differences.between(made(), made({place: factor}))
    assert verdicts(found) == {place: verdict}
    (change,) = found.with_verdict(verdict)
    assert change.before == pytest.approx(1e-3)
    assert change.after == pytest.approx(1e-3 * factor)
    assert change.ratio.value == pytest.approx(factor)
    assert change.ratio.lower < factor < change.ratio.upper
    assert change.chance < 0.05 / 27


def test_change_of_all_is_found_where_the_read_limit_did_not_change():
    found = differences.between(made(), made(everywhere(1.3)))
    assert set(verdicts(found).values()) == {"slower"}
    assert len(verdicts(found)) == 27


def test_change_of_all_is_too_close_to_call_where_the_read_limit_changed_as_much():
    found = differences.between(made(), made(everywhere(1.3), read_limit=1.3))
    assert found.drift.deviation == pytest.approx(math.log(1.3))
    assert verdicts(found) == {}
    assert "a change below 1.81 times is too close to call" in shown(made(), made(everywhere(1.3), read_limit=1.3))


def test_large_change_is_told_from_drift():
    place = (100, 2, "numpy")
    assert verdicts(differences.between(made(), made({place: 4.0}, read_limit=1.3))) == {place: "slower"}


def test_change_within_the_spread_of_the_samples_is_not_told():
    place = (1000, 10, "cython")
    assert verdicts(differences.between(made(spread=0.6), made({place: 1.3}, spread=0.6))) == {}


def test_small_change_counts_alone_and_not_among_many():
    """Of many times some differ by chance, so that each of them has to differ by more."""
    place = (1000, 10, "cython")

    def only(record: Record) -> Record:
        cells = [
            changed(cell, results=[each for each in cell.results if (cell.m, cell.n, each.contender) == place])
            for cell in record.cells
        ]
        return changed(record, cells=cells)

    before, after = made(), made({place: 1.06})
    assert verdicts(differences.between(only(before), only(after))) == {place: "slower"}
    assert verdicts(differences.between(before, after)) == {}


def test_chances_are_adjusted_as_scipy_does_it():
    generator = np.random.default_rng(5)
    factors = {(m, n, name): float(np.exp(0.06 * generator.standard_normal())) for m, n in SIZES for name in TIMES}
    found = differences.between(made(), made(factors))
    adjusted = scipy.stats.false_discovery_control([change.chance for change in found.changes])
    named = [change.verdict != "too close to call" for change in found.changes]
    assert named == [chance <= differences.SHARE_FALSE for chance in adjusted]
    assert 0 < sum(named) < 27


def test_error_of_a_median_is_the_spread_of_resampled_ones():
    generator = np.random.default_rng(3)
    samples = generator.lognormal(sigma=0.3, size=11)
    resampled = np.log(np.median(generator.choice(samples, size=(20_000, 11)), axis=1)).std()
    assert statistics.log_median_error(samples) == pytest.approx(resampled * math.sqrt(1.1), rel=0.05)
    for few in ([1.0], [1.0, 0.0], [1.0, math.inf]):
        with pytest.raises(ValueError):
            statistics.log_median_error(few)


def test_interval_and_chance_are_those_of_welch():
    """With a drift that many read limits agree on, the test is that of two normal means with known errors."""
    change = differences.between(made(spread=0.2), made({(100, 2, "numpy"): 1.2}, spread=0.2)).changes[2]
    (error,) = {statistics.log_median_error([s / 3e-3 for s in made_records.samples(3e-3, 0.2)])}
    variances, freedoms = np.array([error**2, error**2, differences.LEAST_DRIFT**2]), np.array([6, 6, 9])
    freedom = int(variances.sum() ** 2 / (variances**2 / freedoms).sum())
    student = scipy.stats.t(freedom)
    assert change.chance == pytest.approx(2 * student.sf(math.log(1.2) / math.sqrt(variances.sum())), rel=1e-6)
    assert change.ratio.upper == pytest.approx(
        1.2 * math.exp(student.ppf(0.975) * math.sqrt(variances.sum())), rel=1e-6
    )


def random_record(generator: np.random.Generator, slower: float = 1.0) -> Record:
    """Return a record of a machine that drifts: each time and each read limit is off by some 10 %, samples by 5 %."""

    def measured(name: str, seconds: float) -> Result:
        off = math.exp(0.1 * generator.standard_normal())
        samples = seconds * off * np.exp(0.05 * generator.standard_normal(7))
        return records.timed(name, Check(True, 0.0, 1e-11), samples.tolist(), 1)

    cells = []
    for m, n in SIZES:
        factor = slower if (m, n) == (1000, 10) else 1.0
        results = [measured(name, seconds * factor) for name, seconds in TIMES.items()]
        cells.append(changed(made_records.cell(m, n, {}), results=results, read_limit=measured(READ_LIMIT, 1e-3)))
    return made_records.record(*cells, noise=None)


def test_of_pairs_of_the_same_code_few_have_a_change_and_a_real_one_is_found():
    generator = np.random.default_rng(1)
    same = [differences.between(random_record(generator), random_record(generator)) for _ in range(25)]
    flagged = [len(verdicts(found)) for found in same]
    # At most one in twenty of the times; and of the pairs, because what is called a change is all chance here.
    assert sum(flagged) / (25 * 27) <= 0.05
    assert sum(count > 0 for count in flagged) / 25 <= 0.1
    slower = [differences.between(random_record(generator), random_record(generator, 3.0)) for _ in range(5)]
    found = sum(verdict == "slower" for each in slower for verdict in verdicts(each).values())
    assert found >= 0.8 * 5 * 3


# What is matched


def test_times_are_matched_by_everything_that_they_depend_on():
    base = made_records.cell(100, 10, {"numpy": 1e-3}, read_limit=1e-4)
    others: list[dict[str, object]] = [
        {"problem": "wine"}, {"m": 101}, {"n": 11}, {"dtype": "float32"}, {"order": "F"}, {"threads": 2},
        {"threads": None},
    ]  # fmt: skip
    cells = [base, *(changed(base, **change) for change in others)]
    after = [changed(cell, results=[made_records.result("numpy", 9e-3)]) for cell in cells[:1]]
    found = differences.between(made_records.record(*cells), made_records.record(*after))
    assert [change.key for change in found.changes] == [
        differences.Key(problem="random", m=100, n=10, dtype="float64", order="C", threads=1, contender="numpy")
    ]
    assert len(found.only_before) == len(others)
    assert found.only_after == []
    text = shown(made_records.record(*cells), made_records.record(*after))
    for part in ("numpy, wine 100 x 10, float64, C order, threads = 1", "F order", "float32", "threads by size", "101"):
        assert part in text
    assert text.count("only in   a.json: ") == len(others)


def test_time_that_the_other_record_lacks_is_told_with_its_reason():
    def with_result(result: Result) -> Record:
        cell = made_records.cell(100, 10, {"cython": 1e-3}, read_limit=1e-4)
        return made_records.record(changed(cell, results=[*cell.results, result]))

    timed = with_result(made_records.result("numpy", 1e-3))
    wrong = with_result(Result("numpy", "wrong", "off by 1.0", check=Check(False, 1.0, 1e-11)))
    found = differences.between(timed, wrong)
    assert [(key.contender, reason) for key, reason in found.only_before] == [("numpy", "wrong there: off by 1.0")]
    assert "only in   a.json: numpy, random 100 x 10" in shown(timed, wrong)
    assert "(wrong there: off by 1.0)" in shown(timed, wrong)
    assert [key.contender for key, _ in differences.between(wrong, timed).only_after] == ["numpy"]


def test_many_times_that_cannot_be_compared_are_counted():
    cells = [made_records.cell(m, 10, {"numpy": 1e-3}, read_limit=1e-4) for m in range(1, 32)]
    text = shown(made_records.record(*cells), made_records.record(cells[0]))
    assert text.count("only in   a.json: numpy") == 20
    assert "only in   a.json: 10 more\n" in text


def test_records_without_a_common_time_are_refused(command, tmp_path):
    for name, m in (("a.json", 100), ("b.json", 200)):
        records.save(made_records.record(made_records.cell(m, 10, {"numpy": 1e-3})), tmp_path / name)
    outcome = command("diff", tmp_path / "a.json", tmp_path / "b.json")
    assert_one_line(outcome, 1, "no time in common")


def test_too_few_samples_are_not_judged():
    cell = made_records.cell(100, 10, {"cython": 1e-3}, read_limit=1e-4)
    few = changed(cell, results=[records.timed("cython", Check(True, 0.0, 1.0), 5 * [9e-3], 1)])
    found = differences.between(made_records.record(cell), made_records.record(few))
    assert found.changes == []
    assert [key.contender for key in found.too_few] == ["cython"]
    assert "too few   samples to judge cython, random 100 x 10" in shown(
        made_records.record(cell), made_records.record(few)
    )


def test_warnings_name_what_differs_besides_the_code():
    before = made()
    after = changed(
        made(),
        complete=False,
        machine=dataclasses.replace(before.machine, processor="Other", memory=before.machine.memory + 4096),
        versions={**before.versions, "numpy": "2.1.0", "numba": "0.61"},
        settings=changed(before.settings, rounds=9),
        peers={"jax": "0.10"},
    )
    assert differences.between(before, after).warnings == [
        "the second run was interrupted",
        "the machine differed: processor was Test processor and is Other",
        "the versions differed: numpy was 2.0.0 and is 2.1.0",
        "the versions differed: numba was none and is 0.61",
        "the settings differed: rounds was 7 and is 9",
    ]
    assert "warning   the versions differed: numpy was 2.0.0 and is 2.1.0\n" in shown(before, after)


def test_without_read_limits_a_warning_says_so():
    def bare() -> Record:
        return made_records.record(made_records.cell(100, 10, {"numpy": 1e-3}), noise=None)

    (warning,) = differences.between(bare(), bare()).warnings
    assert "no read limit is in both records" in warning
    assert "too close to call" in shown(bare(), bare())


def test_noise_watch_counts_as_a_read_limit():
    def with_watch(seconds: float, size: int = 64 << 20) -> Record:
        return changed(made(), noise=records.Noise(size, [(0.0, seconds), (1.0, seconds)]))

    assert differences.between(with_watch(1e-3), with_watch(2e-3)).drift.ratios[-1] == pytest.approx(2.0)
    assert len(differences.between(with_watch(1e-3), with_watch(2e-3)).drift.ratios) == 10
    assert len(differences.between(with_watch(1e-3), with_watch(2e-3, 1 << 20)).drift.ratios) == 9


# What is shown


def test_tables_fit_80_columns_and_show_the_largest_first():
    factors = {(10_000, 100, "numpy"): 12.0, (100, 2, "cython"): 2.0, (100, 10, "numba"): 0.1}
    lines = shown(made(), made(factors), width=80, force_terminal=True, color_system=None).splitlines()
    assert max(map(len, lines)) <= 80
    times = [line for line in lines if line.rstrip().endswith("s") is False and " to " in line and "ms" in line]
    assert [line.split()[2] for line in times] == ["numpy", "cython", "numba"]
    assert times[0].split()[3:8] == ["3.00", "ms", "36.0", "ms", "12.00"]
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
    rows = [line.split()[:4] for line in text.splitlines() if "9.00" in line]
    assert sorted(rows) == [["float32", "auto", "100", "10"], ["float64", "1", "100", "10"]]


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
    assert_one_line(
        outcome, 3, "1 time became at least 1.1 times as long beyond noise", "cython, random 1,000 x 10", "1.30"
    )
    assert "1 slower, 0 faster, 26 too close to call" in outcome.out
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
    assert "3 times: 3 slower, 0 faster, 0 too close to call" in outcome.out
    assert_one_line(command(*line, "--fail-on", "1.10"), 3, "3 times became at least 1.1 times as long", "numpy")
    assert command(line[0], line[2], line[1], "--fail-on", "1.10").code == 0


# A run beside a baseline

SMALL = ("compare", "--m", "50,60,70,80,90", "--n", "3", "--kernels", "numpy", "--quiet")


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
    assert "5 times: 5 slower, 0 faster" in outcome.out
    outcome = command(*SMALL, "--baseline", tmp_path / "faster.json", "--fail-on", 1.1, "--json", path)
    assert_one_line(outcome, 3, "5 times became at least 1.1 times as long", "and 2 more")
    assert records.load(path) != first
    outcome = command(*SMALL, "--baseline", tmp_path / "slower.json", "--fail-on", 1.1)
    assert (outcome.code, outcome.err) == (0, "")
    assert "5 times: 0 slower, 5 faster" in outcome.out


def test_baseline_that_is_no_record_is_refused_before_anything_is_measured(command, tmp_path, monkeypatch):
    monkeypatch.setattr("gradstep.compare.measure.run.run", None)
    (tmp_path / "old.json").write_text("{")
    assert_one_line(command(*SMALL, "--baseline", tmp_path / "old.json"), 1, "old.json", "cut off")
