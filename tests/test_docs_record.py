"""What the pages show of a record is what the record says."""

from __future__ import annotations

from pathlib import Path

import pytest
import sample_records

from gradstep.compare.judge.findings import findings
from gradstep.compare.record import records
from gradstep.compare.record.records import timed
from gradstep.compare.show import words
from tools import docs_record

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture
def found():
    return findings(sample_records.sample(m_list=(100, 1_000_000), n_list=(2, 100), threads=(1, 2)))


def entries(table):
    """Return the cells of each row of a Markdown table, the line below its head left out."""
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [head, *rows]


def test_table_has_the_medians_of_one_thread_and_of_the_features_of_the_tutorial(found):
    head, python, cython, read_limit = entries(docs_record.table(found, {"python": "loops", "cython": "fast"}))
    assert head == ["m", "100", "1,000,000"]
    cells = [each for each in found.cells if (each.cell.n, each.cell.threads) == (100, 1)]
    times = [words.micro(each.times["cython"].value) for each in sorted(cells, key=lambda each: each.cell.m)]
    assert cython == ["fast", *times]
    assert read_limit[1:] == [words.micro(each.read_limit.time.value) for each in cells]
    # Too slow for a million rows: it was skipped there, and the table does not hide that.
    assert python[0] == "loops"
    assert python[2] == ""


def test_figure_has_a_bar_for_each_version_timed_at_the_largest_size(found):
    axes = docs_record.distance(found).axes[0]
    last = docs_record.column(found)[-1]
    assert last.cell.m == 1_000_000
    ratios = {line.name: line.over_read_limit.value for line in last.timed}
    shown = dict(zip((label.get_text() for label in axes.get_yticklabels()), axes.patches, strict=True))
    expected = {title: ratios[name] for name, title in docs_record.VERSIONS.items() if name in ratios}
    assert {title: bar.get_width() for title, bar in shown.items()} == pytest.approx(expected)
    assert "two loops in Python" not in expected


def test_losses_are_counted_and_listed():
    record = sample_records.sample(m_list=(100, 10_000), n_list=(100,), contenders=("cython", "scikit-learn"))
    nothing_lost = docs_record.losses(findings(record))
    assert nothing_lost == "On 0 of 2 problems of the record a peer is faster than every kernel.\n"
    first, second = record.cells
    alike = [timed(result.contender, sample_records.RIGHT, [1.0e-4] * 7, 1) for result in first.results]
    close = records.changed(record, cells=[records.changed(first, results=alike), second])
    assert docs_record.losses(findings(close)) == (
        "On 0 of 2 problems of the record a peer is faster than every kernel; on 1 it is too close to call.\n"
    )
    swapped = [
        timed(result.contender, sample_records.RIGHT, [3.0e-4 if result.contender == "cython" else 1.0e-4] * 7, 1)
        for result in first.results
    ]
    record = records.changed(record, cells=[records.changed(first, results=swapped), second])
    assert entries(docs_record.losses(findings(record)).split("\n\n")[1])[1:] == [
        ["100", "100", "1", "scikit-learn", "cython", "3.00× faster"]
    ]


def test_record_without_the_features_of_the_tutorial_is_refused():
    with pytest.raises(ValueError, match="100 features"):
        docs_record.column(findings(sample_records.sample(n_list=(2,))))


def test_the_record_of_the_pages_has_every_version_and_every_kernel():
    found = findings(records.load(CHECKOUT / "docs" / "comparison.json"))
    timed = {line.name for each in docs_record.column(found) for line in each.timed}
    assert timed >= {"python", "numpy", *docs_record.VERSIONS}


def test_everything_is_written_as_the_pages_name_it(tmp_path):
    docs_record.write(CHECKOUT / "docs" / "comparison.json", tmp_path / "record")
    pages = "".join(page.read_text(encoding="utf-8") for page in (CHECKOUT / "docs").glob("*.md"))
    for file in (tmp_path / "record").iterdir():
        assert f"../build/docs/record/{file.name}" in pages
