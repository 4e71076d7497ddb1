"""The README's table is what the tool makes of the record beside it, and loses where the record loses."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import sample_records

from gradstep.compare.judge.findings import findings
from gradstep.compare.record import records
from gradstep.compare.record.records import timed

CHECKOUT = Path(__file__).parents[1]
CONTENDERS = ("python", "cython", "numpy", "scikit-learn")


@pytest.fixture(scope="module")
def tool():
    specification = importlib.util.spec_from_file_location("update_readme", CHECKOUT / "tools" / "update_readme.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def record():
    return sample_records.sample(m_list=(100, 10_000), n_list=(2, 100), contenders=CONTENDERS, threads=(1, 2))


def rows_of(table):
    """Return the entries of each row of a Markdown table below its head."""
    return [[entry.strip() for entry in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def with_times(record, m, n, **samples):
    """Return a record in which these contenders have these samples on a problem, with one thread."""
    cells = []
    for cell in record.cells:
        results = cell.results
        if (cell.m, cell.n, cell.threads) == (m, n, 1):
            results = [
                timed(result.contender, sample_records.RIGHT, samples[name], 1)
                if (name := result.contender.replace("-", "_")) in samples
                else result
                for result in results
            ]
        cells.append(records.changed(cell, results=results))
    return records.changed(record, cells=cells)


def test_readme_shows_the_record_beside_it(tool):
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    record = records.load(CHECKOUT / "docs" / "comparison.json")
    assert tool.update(readme, findings(record)) == readme
    # The record is one from which something can be learned: every size has a peer beside it.
    assert all(row[4] for row in rows_of(tool.table(findings(record))))


def test_picture_is_of_the_record_beside_it(tool):
    record = records.load(CHECKOUT / "docs" / "comparison.json")
    drawn = (CHECKOUT / "docs" / "comparison.svg").read_text(encoding="utf-8")
    again = tool.drawn(findings(record), ".svg").decode()
    # How curves are written depends on the version of Matplotlib; the words stand in comments, as letters are outlines.
    words = re.compile("<!-- (.*?) -->")
    assert words.findall(drawn) == words.findall(again)
    assert record.created[:10] in drawn
    assert drawn.count("<use ") == again.count("<use ")


def test_table_has_a_row_for_each_size_and_columns_for_each_number_of_threads(tool, record):
    table = tool.table(findings(record))
    assert table.splitlines()[0].count("Cython, ") == 2
    assert [row[:2] for row in rows_of(table)] == [["100", "2"], ["10,000", "2"], ["100", "100"], ["10,000", "100"]]
    assert all(re.fullmatch(r"\d[\d.]* (µs|ms)", row[2]) for row in rows_of(table))


def test_losses_are_bold_and_what_is_too_close_to_call_is_marked(tool, record):
    fast, slow, unsteady = [1.0] * 7, [2.0] * 7, [0.9, 1.1, 0.9, 1.1, 1.0, 0.9, 1.1]
    record = with_times(record, 100, 2, cython=slow, scikit_learn=fast)
    record = with_times(record, 10_000, 2, cython=fast, scikit_learn=slow)
    record = with_times(record, 100, 100, cython=fast, scikit_learn=unsteady)
    words = [row[4] for row in rows_of(tool.table(findings(record)))]
    assert words[:3] == ["**0.50 scikit-learn**", "2.00 scikit-learn", "≈ 1.00 scikit-learn"]
    legend = " ".join(tool.section(findings(record)).split())
    assert "faster, in 1 of 8 cases" in legend
    assert "spans 1, in 1." in legend


def test_update_replaces_what_stood_between_the_markers_and_nothing_else(tool, record):
    readme = f"before\n{tool.BEGIN}\nwhat stood there\n{tool.END}\nafter\n"
    updated = tool.update(readme, findings(record))
    assert updated.startswith(f"before\n{tool.BEGIN}\n")
    assert updated.endswith(f"{tool.END}\nafter\n")
    assert "what stood there" not in updated
    assert tool.update(updated, findings(record)) == updated


def test_readme_without_the_markers_is_refused(tool, record):
    with pytest.raises(ValueError, match="markers"):
        tool.update("no markers", findings(record))


def test_record_without_peers_is_refused(tool, record):
    with pytest.raises(ValueError, match="no peers"):
        tool.section(findings(records.changed(record, peers={})))
