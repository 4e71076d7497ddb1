"""The verdict of a record: which contender is fastest, by how much, and what it says about odd records."""

from __future__ import annotations

import itertools
import re

import made_records
import numpy as np
import pytest
import sample_records
from comparisons import shown_in_short
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradstep.compare.judge.findings import findings
from gradstep.compare.judge.verdict import Choice, Span, verdict
from gradstep.compare.record import records
from gradstep.compare.record.records import Conditions, Record, Result
from gradstep.compare.show.places import Places
from gradstep.compare.show.verdict import answer, sentences

KERNELS = ("python", "numba", "cython", "numpy")
PEERS = ("scikit-learn", "jax")


def said(record: Record, auto: str | None = None) -> list[str]:
    return sentences(findings(record), None if auto is None else lambda m, n: auto)


def spread_cell(m: int, n: int, times: dict[str, tuple[float, float]], **changes: object) -> records.Cell:
    """Return a cell of contenders with a median and a spread each."""
    results = [made_records.result(name, *time) for name, time in times.items()]
    return made_records.cell(m, n, {}, results=results, **changes)


# The sentences, on records whose every number is known.


def test_winner_everywhere_with_its_lead_and_the_code():
    record = made_records.record(
        made_records.cell(100, 2, {"python": 19e-5, "numba": 1.2e-5, "cython": 1e-5, "numpy": 4.3e-5}),
        made_records.cell(1000, 2, {"python": 158e-5, "numba": 1.9e-5, "cython": 1e-5, "numpy": 2.2e-5}),
    )
    assert said(record, "cython") == [
        "cython is the fastest kernel at every size, 1.2 to 1.9× faster than the next.",
        "cython is 19 to 158× faster than Python loops and 2.2 to 4.3× faster than NumPy.",
        'import gradstep; gradstep.step(X, y, w, b, alpha)  # kernel="auto" is cython',
    ]
    assert said(record)[-1] == 'import gradstep; gradstep.step(X, y, w, b, alpha, kernel="cython")'


def test_rounds_that_were_added_count():
    decided = made_records.cell(100, 2, {"numpy": 3e-5, "cython": 2e-5})
    few = [records.changed(each, samples=each.samples[:2]) for each in decided.results]
    record = made_records.record(decided, made_records.cell(1000, 2, {}, results=few))
    record = records.changed(record, settings=records.changed(record.settings, rounds=2))
    assert said(record)[:2] == [
        "cython is the fastest kernel at m = 100, 1.5× faster than the next.",
        "cython is ahead at m = 1,000; a verdict needs at least 6 rounds.",
    ]
    assert not any("needs at least" in each for each in said(records.changed(record, cells=[decided])))


def test_winners_by_size():
    cells = [
        made_records.cell(m, n, {"numpy": 1e-5 if m == 100 else 3e-5, "cython": 2e-5})
        for m in (100, 1000, 10_000)
        for n in (2, 10)
    ]
    assert said(made_records.record(*cells), "cython") == [
        "cython is the fastest kernel from m = 1,000 on, 1.5× faster than the next; numpy at m = 100.",
        "cython is from 2.0× slower to 1.5× faster than NumPy.",
        'import gradstep; gradstep.step(X, y, w, b, alpha)  # kernel="auto" is cython',
    ]


def test_lead_is_that_of_the_winner_who_is_named_first():
    # Each wins once; numba is ahead where it is open as well.
    record = made_records.record(
        spread_cell(100, 2, {"numba": (3e-5, 0.0), "cython": (1e-5, 0.0)}),
        spread_cell(1000, 2, {"numba": (1e-5, 0.0), "cython": (2e-5, 0.0)}),
        spread_cell(10_000, 2, {"numba": (1e-5, 0.0), "cython": (1.1e-5, 0.9)}),
    )
    assert said(record)[0] == "numba is the fastest kernel at m = 1,000, 2.0× faster than the next; cython at m = 100."


def test_tie_is_called_a_tie_and_what_is_open_too_close_to_call():
    record = made_records.record(
        spread_cell(100, 2, {"numba": (1.01e-5, 0.04), "cython": (1e-5, 0.0)}),
        spread_cell(1000, 2, {"numba": (1.1e-5, 0.9), "cython": (1e-5, 0.01)}),
        spread_cell(10_000, 2, {"numba": (1.3e-5, 0.0), "cython": (1e-5, 0.0)}),
    )
    assert said(record)[:2] == [
        "cython is the fastest kernel at m = 10,000, 1.3× faster than the next.",
        "cython and numba are within 5 % at m = 100. Too close to call at m = 1,000: cython or numba, cython ahead.",
    ]
    found = verdict(findings(record))
    assert [each.decision for each in found.kernels] == ["tie", "open", "decided"]
    assert found.leader == "cython"
    assert found.lead == Span(pytest.approx(1.3), pytest.approx(1.3))


def test_different_ties_are_not_one():
    cells = [
        spread_cell(100, 2, {"numba": (1.01e-5, 0.04), "cython": (1e-5, 0.0), "numpy": (3e-5, 0.0)}),
        spread_cell(1000, 2, {"numba": (3e-5, 0.0), "cython": (1e-5, 0.0), "numpy": (1.01e-5, 0.04)}),
    ]
    assert (
        said(made_records.record(*cells))[0] == "Two or more of cython, numba and numpy are within 5 % at every size."
    )


def test_peer_that_wins_is_named_with_the_sizes():
    cells = [
        made_records.cell(m, 2, {"cython": 1e-5, "numpy": 3e-5, "jax": 0.8e-5 if m == 1000 else 2e-5})
        for m in (100, 1000, 10_000)
    ]
    record = made_records.record(*cells, peers={"jax": "1.0"})
    assert said(record)[0] == "cython is the fastest kernel at every size, 3.0× faster than the next."
    assert "A peer wins at m = 1,000: jax, 1.2× faster than the fastest kernel." in said(record)
    slower = made_records.record(cells[0], cells[2], peers={"jax": "1.0"})
    assert "No peer is as fast: the fastest kernel is 2.0× faster than the fastest peer." in said(slower)
    unsure = spread_cell(100, 2, {"cython": (1e-5, 0.0), "jax": (0.9e-5, 0.5)})
    text = " ".join(said(made_records.record(unsure, peers={"jax": "1.0"})))
    assert "No peer is faster beyond doubt. Too close to call against jax at m = 100, n = 2." in text


def test_code_names_the_kernel_that_auto_does_not_take():
    cells = [made_records.cell(m, 2, {"cython": 2e-5, "numba": 1e-5}) for m in (100, 1000)]
    found = findings(made_records.record(*cells))
    assert verdict(found, lambda m, n: "cython").choice == Choice("numba", "cython")
    assert verdict(found, lambda m, n: "numba").choice == Choice("numba", "numba")
    assert verdict(found, lambda m, n: "cython" if m == 100 else "numba").choice == Choice("numba", None)
    level = findings(made_records.record(made_records.cell(100, 2, {"cython": 1.02e-5, "numba": 1e-5})))
    assert verdict(level, lambda m, n: "cython").choice == Choice("cython", "cython")


def test_code_runs():
    code = answer(findings(sample_records.sample()), lambda m, n: "cython").code
    assert code is not None
    names = {"X": np.ones((3, 2)), "y": np.array([0.0, 1.0, 1.0]), "w": np.zeros(2), "b": 0.0, "alpha": 0.1}
    exec(code, names)
    assert names["gradstep"].__name__ == "gradstep"


# Odd records


@pytest.mark.parametrize(
    ("record", "first"),
    [
        (made_records.record(), "Nothing was timed."),
        (made_records.record(made_records.cell(100, 2, {})), "Nothing was timed."),
        (sample_records.sample(contenders=["cython"]), "cython is the only kernel timed."),
        (sample_records.sample(contenders=["scikit-learn"]), "scikit-learn is the only peer timed."),
        (
            sample_records.sample(m_list=[100], n_list=[2]),
            "cython is the fastest kernel at m = 100, n = 2, 1.11× faster than the next.",
        ),
        (
            sample_records.sample(rounds=3),
            "cython is ahead at every size; a verdict needs at least 6 rounds.",
        ),
        (
            sample_records.sample(threads=[1, None], dtypes=["float64", "float32"]),
            "cython is the fastest kernel on every problem, 1.09 to 1.15× faster than the next.",
        ),
        (
            sample_records.sample(problem="wine", m_list=[178], n_list=[13]),
            "cython is the fastest kernel at m = 178, n = 13, 1.11× faster than the next.",
        ),
        (
            made_records.record(
                made_records.cell(100, 2, {"cython": 1.0}, results=[Result("cython", "wrong", "off by 1e-3")])
            ),
            "cython is WRONG at m = 100, n = 2; it was not timed there.",
        ),
        (
            made_records.record(made_records.cell(100, 2, {"numpy": 1.0}), made_records.cell(9, 2, {"numba": 1.0})),
            "numpy and numba were timed, but never on the same problem.",
        ),
    ],
)
def test_first_sentence_of_odd_records(record, first):
    assert said(record)[0] == first


SECONDS = st.sampled_from([1e-6, 1.01e-6, 1.04e-6, 1.2e-6, 2e-6, 1e-3])
TIMES = st.dictionaries(
    st.sampled_from([*KERNELS, *PEERS]), st.tuples(SECONDS, st.sampled_from([0.0, 0.02, 0.9])), min_size=0, max_size=6
)
CONDITIONS = st.tuples(
    st.sampled_from([(100, 2), (1000, 2), (1000, 10), (569, 30)]),
    st.sampled_from(["float64", "float32"]),
    st.sampled_from(["C", "F"]),
    st.sampled_from([1, None]),
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(CONDITIONS, TIMES, min_size=1, max_size=6), st.sampled_from([None, "cython", "numpy"]))
def test_verdict_of_any_record_is_short_and_consistent(drawn, auto):
    cells = [
        spread_cell(m, n, times, dtype=dtype, order=order, threads=threads)
        for ((m, n), dtype, order, threads), times in drawn.items()
    ]
    record = made_records.record(*cells, peers=dict.fromkeys(PEERS, "1"))
    found = verdict(findings(record))
    with_kernel = [each for each in cells if any(result.contender in KERNELS for result in each.results)]
    assert [each.cell for each in found.kernels] == with_kernel
    assert (found.leader is None) == (not with_kernel)
    for each in found.kernels:
        medians = {result.contender: result.median for result in each.cell.results if result.contender in KERNELS}
        assert medians[each.fastest] == min(medians.values())
        assert bool(each.others) == (each.decision != "decided")
    lines = said(record, auto)
    assert 1 <= len(lines) <= 5
    screen = shown_in_short(record, force_terminal=True, color_system=None, width=80).splitlines()
    assert max(map(len, screen)) <= 80
    assert " ".join(screen).replace("  ", " ").count(sentences(findings(record))[0]) == 1
    code = [line for line in lines if line.startswith("import gradstep; ")]
    assert code == lines[len(lines) - len(code) :]
    assert len(code) == bool(with_kernel)
    for line in lines[: len(lines) - len(code)]:
        assert line.endswith(".")
        assert not re.search(r"None|\.\.|  | ,|\bat at\b|-\d", line)
        assert all(float(number.replace(",", "")) > 1.0 for number in re.findall(r"([\d.,]+)×", line))


# Places


def problems(**varying: tuple[object, ...]) -> list[Conditions]:
    base = {"problem": "random", "dtype": "float64", "order": "C", "threads": 1, "m": 100, "n": 2}
    return [
        Conditions(**base | dict(zip(varying, values, strict=True))) for values in itertools.product(*varying.values())
    ]


def test_places_are_described_by_what_they_have_in_common():
    among = problems(m=(100, 1000, 10_000), n=(2, 10, 100), threads=(1, None))
    places = Places(among)

    def where(**wanted: object) -> str:
        return places.where(
            each for each in among if all(getattr(each, name) in values for name, values in wanted.items())
        )

    assert places.where(among) == "on every problem"
    assert where(m=[100]) == "at m = 100"
    assert where(m=[100, 1000]) == "up to m = 1,000"
    assert where(n=[10, 100]) == "from n = 10 on"
    assert where(threads=[None]) == "with threads by size"
    assert where(threads=[1], n=[2]) == "on 1 thread at n = 2"
    assert where(m=[100, 1000], n=[100]) == "where m is at most 1,000 and n is 100"
    assert where(m=[100], n=[2], threads=[1]) == "at 100 x 2 on 1 thread"
    assert places.where(among[1:]) == "on 17 of 18 problems"


def test_data_is_named_and_counts_as_a_size():
    data = Conditions(problem="wine", dtype="float64", order="C", threads=1, m=178, n=13)
    among = [data, *problems(m=(100, 1000), n=(2, 10))]
    places = Places(among)
    assert places.where([data]) == "on wine"
    assert places.where(among[1:]) == "on random data"
    assert places.where(among[:2]) == "at wine and 100 x 2"
    assert places.where(among) == "at every size"
    assert Places([data]).where([data]) == "at m = 178, n = 13"


def test_no_two_sets_of_places_have_one_description():
    among = problems(m=(100, 1000, 10_000), n=(2, 10), threads=(1,))
    places = Places(among)
    described: dict[str, set[Conditions]] = {}
    for size in range(1, len(among) + 1):
        for some in itertools.combinations(among, size):
            where = places.where(some)
            if " of 6 sizes" not in where:
                assert described.setdefault(where, set(some)) == set(some)
    assert len(described) > 20
