"""What the table of targets rests on: the choice that is made before it is measured, the sizes drawn, and the page."""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from clocks import Clock
from made_records import cell, record

import gradstep
from gradstep import processor, registry, variants
from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.problems import Problem
from gradstep.contract import PartialSums
from tools.targets import choosing, page, regret, results
from tools.targets.results import Regret, TargetResult, TargetsRecord

PERFORMANCE = Path(__file__).parent.parent / "docs" / "performance.md"


class Twins(NamedTuple):
    """A kernel with two variants."""

    name: str
    releases_gil: bool
    partial_sums: PartialSums
    variants: dict[str, PartialSums]


def test_choice_is_made_in_the_preparation_and_under_the_conditions_of_the_calls(monkeypatch):
    @contextlib.contextmanager
    def setting(examples):
        settings.append(examples)
        yield
        settings.pop()

    def sums(*args):
        calls.append(len(settings))
        clock.pass_by(1e-3)
        numpy_sums(*args)

    clock, settings, calls = Clock(), [], []
    monkeypatch.setattr(time, "perf_counter", clock.perf_counter)
    numpy_sums = registry.load("numpy").partial_sums
    twins = Twins("twins", True, sums, {"one": sums, "other": sums})
    contender = Contender("A", lambda examples: lambda: gradstep.step(*examples, 1.0, kernel=twins, threads=1), setting)
    examples = Problem(2000, 20).make()
    before = variants.in_question()
    call = choosing.settled(contender).prepare(examples)
    assert variants.in_question() == before
    assert len(calls) > 10
    assert set(calls) == {1}
    calls.clear()
    call()
    assert calls == [0]
    choosing.settled(contender).prepare(examples)
    assert calls == [0, 1, 1]


def test_sizes_are_drawn_alike_each_time_and_differ_in_all_that_matters():
    sizes = regret.drawn(60, 10**7)
    assert sizes == regret.drawn(60, 10**7)
    assert max(size.m * size.n for size in sizes) <= 10**7
    assert {(size.dtype, size.order) for size in sizes} == set(itertools.product(("float32", "float64"), "CF"))
    assert {size.threads for size in sizes} == {1, None}
    tens = {(len(str(size.m)), len(str(size.n))) for size in sizes}
    assert {digits for digits, _ in tens} == set(range(1, 8))
    assert {digits for _, digits in tens} == set(range(1, 6))


# The page


def row(
    case: str, threads: str, measured: float | None, group: str = "A / B", reason: str | None = None
) -> TargetResult:
    quartiles = None if measured is None else (0.5, 3.0)
    return TargetResult(group, case, threads, 2.0, 1.0, "ratio", measured, quartiles, "", reason)


def made(*rows: TargetResult, regrets: list[Regret] | None = None) -> TargetsRecord:
    whole = record(cell(1000, 10, {"cython": 1e-3, "torch": 2e-3}, read_limit=5e-4))
    return TargetsRecord(list(rows), whole, regrets or [])


def test_page_gets_the_results_between_its_markers(tmp_path):
    measured = made(row("n = 1", "1 thread", 1.5), row("n = 2", "1 thread", 1.6), row("n = 1", "", 1.7, "C / D"))
    saved, text = tmp_path / "targets.json", tmp_path / "page.md"
    results.save(measured, saved)
    text.write_text(f"# Speed\n\n{page.BEGIN}\noutdated\n{page.END}\n\nAfter.\n", encoding="utf-8")
    page.main(saved, text)
    written = text.read_text(encoding="utf-8")
    assert written.startswith(f"# Speed\n\n{page.BEGIN}\n### Test processor, AVX2, 2 cores, 2026-01-01\n")
    assert written.endswith(f"{page.END}\n\nAfter.\n")
    assert "outdated" not in written
    below = "\N{LESS-THAN OR EQUAL TO} 2.00"
    assert f"| n = 1 | {below} | 1.50 (0.50 to 3.00) |\n| n = 2 | {below} | 1.60 (0.50 to 3.00) |\n" in written
    assert f"| C / D | must | measured |\n| --- | --- | --- |\n| n = 1 | {below} | 1.70 (0.50 to 3.00) |\n" in written
    assert "- versions gradstep 0.1.0, numpy 2.0.0, commit 0123456789\n" in written
    page.main(saved, text)
    assert text.read_text(encoding="utf-8") == written


def test_page_shows_what_became_of_a_row():
    rows = [row("n = 1", "1 thread", 2.5), row("n = 1", "all cores", None, reason="no time"), row("n = 2", "", 0.9)]
    text = page.markdown(made(*rows))
    below = "\N{LESS-THAN OR EQUAL TO} 2.00"
    assert "| A / B | must | 1 thread | must | all cores | must | measured |\n" in text
    assert f"| n = 1 | {below} | **2.50** (0.50 to 3.00) | {below} | not measured: no time |  |  |\n" in text
    assert f"| n = 2 |  |  |  |  | {below} | 0.90\\* (0.50 to 3.00) |\n" in text
    assert "Of 3 targets 1 reach the aim, 0 what they must, 1 miss it (**bold**), and 1 were not measured." in text


def test_page_lists_the_largest_regrets():
    regrets = [Regret(10**k, 2, "float64", "C", "automatic", 1.0 + k / 100, None, f"cython:{k}") for k in range(12)]
    text = page.markdown(made(row("n = 1", "", 1.5), regrets=regrets))
    assert "The 10 largest regrets of the 12 sizes:" in text
    listed = [line for line in text.splitlines() if "cython:" in line]
    assert listed[0] == "| 1.11 | 100,000,000,000 | 2 | float64 | C | automatic | cython:11 |"
    assert len(listed) == 10


@pytest.mark.parametrize("text", ["no markers", f"{page.END}\n{page.BEGIN}\n", f"{page.BEGIN}\n" * 2 + page.END])
def test_page_without_its_markers_is_refused(text):
    with pytest.raises(ValueError, match="markers"):
        page.update(text, "new")


def test_page_on_performance_has_a_place_for_the_results_and_names_all_variants():
    text = PERFORMANCE.read_text(encoding="utf-8")
    assert page.update(text, "").count(page.END) == 1
    names = {f"cython:{variant}" for variant in processor.WORTH_TRYING["avx512"]}
    if registry.available()["numba"] is None:
        names |= {f"numba:{variant}" for variant in variants.of(registry.load("numba"))}
    assert set(re.findall(r"^\| `(\w+:[\w-]+)`", text, re.MULTILINE)) >= names
