"""Which variant of a kernel ran: it is recorded, exported and named in the details, where a kernel has several."""

from __future__ import annotations

import pytest
from command_line import UNHURRIED, process
from comparisons import run_quickly, shown, shown_in_short

from gradstep import registry, variants
from gradstep.compare.measure.contenders import Contender, kernel_contender
from gradstep.compare.measure.problems import Problem
from gradstep.compare.record import exports, records
from gradstep.compare.record.records import Record

# Large enough for the variants to take turns.
TRIED = Problem(5000, 10)


@pytest.fixture(scope="module")
def measured() -> Record:
    """A record of a kernel with variants, one without, and what is no kernel."""
    other = Contender("other", kernel_contender("numpy").prepare)
    return run_quickly(kernel_contender("cython"), kernel_contender("numpy"), other, grid=[TRIED])


@pytest.fixture
def several() -> list[str]:
    """The variants of the Cython kernel here."""
    return list(variants.of(registry.load("cython")))


def test_variant_of_a_kernel_is_recorded_where_it_has_any(measured, several):
    cython, numpy, other = measured.cells[0].results
    assert cython.variant in several
    assert numpy.variant is None
    assert other.variant is None
    assert measured.cells[0].read_limit.variant is None


def test_pinned_variant_is_the_one_that_is_recorded(several):
    sizes = ("--m", TRIED.m, "--n", TRIED.n, "--kernels", "cython", "--rounds", "2", *UNHURRIED)
    for variant in (several[0], several[-1]):
        done = process("compare", *sizes, "--details", GRADSTEP_VARIANT=f"cython:{variant}")
        assert f"variants      cython {variant}" in done.out.splitlines()


def test_details_name_the_variants_and_the_table_does_not(measured):
    line = f"variants      cython {measured.cells[0].results[0].variant}"
    assert line in shown(measured).splitlines()
    assert line not in shown_in_short(measured)


def test_record_without_variants_has_no_line_of_them():
    assert "variants" not in shown(run_quickly(kernel_contender("numpy"), grid=[TRIED]))


def test_variant_is_read_back_and_exported(measured, tmp_path):
    records.save(measured, tmp_path / "x.json")
    assert records.load(tmp_path / "x.json") == measured
    found = {row.contender: row.variant for row in exports.rows(measured)}
    assert found["cython"] == measured.cells[0].results[0].variant
    assert found["numpy"] is None
