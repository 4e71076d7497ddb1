"""The summary of a record in words: it answers the questions of a reader, and leaves nothing out."""

from __future__ import annotations

import re

import pytest
import reports
import sample_records

from gradstep.compare.judge.findings import findings
from gradstep.compare.record import records
from gradstep.compare.record.records import LeftOut, Noise, Record, Result
from gradstep.compare.show import summary, words

SETUP = {"problem": "random", "m": 100, "n": 100, "dtype": "float64", "order": "C", "threads": 1}


def said(record: Record) -> dict[str, str]:
    return {paragraph.heading: " ".join(paragraph.sentences) for paragraph in summary.paragraphs(findings(record))}


def test_summary_says_where_a_peer_is_faster():
    record = reports.measured()
    cell = record.cells[0]
    peer = cell.results[-1]
    cell.results[-1] = records.changed(peer, samples=[1e-9] * 7)
    lost = said(record)["Where gradstep loses"]
    assert "on 1 of 12 problems" in lost
    where = "m = 100, n = 2 (random data, float64, C order, 1 thread)"
    factor = words.times(cell.results[2].median / 1e-9)
    assert f"{where}: scikit-learn is {factor} faster than cython" in lost


def test_summary_says_what_was_left_out():
    record = reports.measured()
    left = [
        LeftOut(
            **{**SETUP, "m": m},
            contender=None,
            cause="memory",
            reason=f"X needs {m / 10**9 * 745:.0f} GiB and 6 are free",
        )
        for m in (3 * 10**9, 10**9)
    ]
    sections = said(records.changed(record, left_out=left, unavailable={"jax": "it is not installed"}))
    assert (
        "2 problems do not fit into memory; the smallest is m = 1,000,000,000, n = 100: X needs 745 GiB and 6 are free."
        in sections["Not measured"]
    )
    assert "jax did not take part: it is not installed." in sections["Not measured"]
    assert "python was skipped on 2 problems, the smallest m = 1,000,000, n = 100" in sections["Not measured"]


def test_summary_names_a_contender_that_the_budget_left_out_once():
    record = sample_records.sample(m_list=(100,), n_list=(2,))
    reason = "about 1 s expected, more than the budget of 5 s has left"
    results = record.cells[0].results
    results[:2] = [Result(result.contender, "skipped", reason) for result in results[:2]]
    left = [
        LeftOut(**{**SETUP, "n": 2}, contender=result.contender, cause="budget", reason=reason)
        for result in results[:2]
    ]
    sentences = said(records.changed(record, left_out=left))["Not measured"]
    assert sentences.count(reason) == 1
    assert "1 problem does not fit into the budget for python, numba" in sentences


def test_summary_gives_exponents_and_bounds():
    sections = said(reports.measured())
    assert "From m = 100 to 1,000,000 at n = 100" in sections["How times grow"]
    assert re.search(r"m\^\d\.\d\d \(\d\.\d\d to \d\.\d\d\) for cython", sections["How times grow"])
    assert re.search(r"cython: .* on \d+ problems?", sections["Bound by"])


def test_summary_names_what_is_too_close_to_call():
    record = sample_records.sample(m_list=(100, 200, 300, 400, 500, 600), n_list=(2,), contenders=("cython", "numpy"))
    for cell in record.cells:
        cell.results[1] = records.changed(cell.results[0], contender="numpy")
    sections = said(record)
    assert "(random data, float64, C order, 1 thread): m = 100, n = 2: cython or numpy" in sections["Too close to call"]
    assert sections["Too close to call"].endswith("m = 400, n = 2: cython or numpy; and 2 more.")


@pytest.mark.parametrize(("spread", "verdict"), [(0.0, "That is quiet."), (1.0, "Small differences mean little.")])
def test_summary_says_how_quiet_the_machine_was(spread, verdict):
    noise = Noise(1 << 20, [(k / 10, 1e-3 * (1 + spread * (k % 2))) for k in range(20)])
    assert (
        verdict
        in said(records.changed(sample_records.sample(m_list=(100,), n_list=(2,)), noise=noise))[
            "How quiet the machine was"
        ]
    )
