"""What `gradstep diff` calls faster or slower: on records of known numbers, and on a kernel that is slower."""

from __future__ import annotations

import dataclasses
import math

import made_records
import numpy as np
import pytest
import scipy.stats
from command_line import assert_one_line
from differing_records import SIZES, TIMES, everywhere, made, shown, shown_in_short

from gradstep.compare.judge import differences, statistics
from gradstep.compare.record import records
from gradstep.compare.record.records import READ_LIMIT, Check, Record, Result, changed


def verdicts(found: differences.Differences) -> dict[tuple[int, int, str], str]:
    return {
        (change.key.m, change.key.n, change.key.contender): change.verdict
        for change in found.changes
        if change.verdict != "too close to call"
    }


# The verdicts


def test_record_does_not_differ_from_itself():
    found = differences.between(made(), made())
    assert len(found.changes) == 27
    assert verdicts(found) == {}
    assert {change.ratio.value for change in found.changes} == {1.0}
    assert found.warnings == []
    assert shown_in_short(made(), made()).endswith("\n27 times compared: no difference beyond noise.\n")


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
    assert "Changes below 1.81× are too close to call:" in shown(made(), made(everywhere(1.3), read_limit=1.3))


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
    short = shown_in_short(made_records.record(*cells), made_records.record(*after))
    assert f"\n{len(others)} times stand in one record only (--details).\n" in short


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
    assert_one_line(outcome, 1, f"{tmp_path / 'a.json'} and {tmp_path / 'b.json'}: ", "no time in common")


def test_too_few_samples_are_not_judged():
    cell = made_records.cell(100, 10, {"cython": 1e-3}, read_limit=1e-4)
    few = changed(cell, results=[records.timed("cython", Check(True, 0.0, 1.0), 5 * [9e-3], 1)])
    found = differences.between(made_records.record(cell), made_records.record(few))
    assert found.changes == []
    assert [key.contender for key in found.too_few] == ["cython"]
    both = made_records.record(cell), made_records.record(few)
    assert "too few   samples to judge cython, random 100 x 10" in shown(*both)
    assert "\n1 time has too few samples to judge (--details).\n" in shown_in_short(*both)


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
    short = shown_in_short(before, after)
    assert (
        "\nThe machine differed: processor was Test processor and is Other.\n3 more things differed (--details).\n"
        in short
    )


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
