"""Records in the formats of other tools, read by these tools."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import made_records
import pyarrow.parquet
import pytest
from command_line import UNHURRIED, assert_one_line

from gradstep.compare.record import exports, records
from gradstep.compare.record.records import READ_LIMIT, Record, Result


def made(factor: float = 1.0) -> Record:
    """Return a record of two cells with three contenders, of which one was skipped once."""
    cells = [
        made_records.cell(m, 10, {"numpy": 2e-3 * factor, "jax": 1e-3}, read_limit=1e-4, threads=threads)
        for m, threads in ((100, 1), (1000, None))
    ]
    skipped = Result("python", "skipped", 'it would take "too long", they say', expected=99.0)
    cells[1] = records.changed(cells[1], results=[*cells[1].results, skipped])
    warmed = [records.changed(each, warm_up=[3e-3, 2e-3]) for each in cells[0].results]
    cells[0] = records.changed(cells[0], results=warmed)
    return made_records.record(*cells, peers={"jax": "jax 0.10"})


@pytest.fixture
def saved(tmp_path) -> Path:
    records.save(made(), tmp_path / "run.json")
    return tmp_path / "run.json"


def pyperf(*arguments: object) -> str:
    """Run pyperf's own command line."""
    line = [sys.executable, "-m", "pyperf", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_csv_has_a_line_for_each_sample(command, saved, tmp_path):
    outcome = command("export", saved, "--csv", tmp_path / "run.csv")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", f"wrote {tmp_path / 'run.csv'}\n")
    with (tmp_path / "run.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(exports.Row._fields)
    # Seven samples of two contenders and the read limit in each of two cells, and the contender that was skipped.
    assert len(lines) == 2 * 3 * 7 + 1
    record = made()
    of_numpy = [line for line in lines if (line["m"], line["contender"]) == ("100", "numpy")]
    assert [float(line["seconds"]) for line in of_numpy] == record.cells[0].results[0].samples
    assert [line["round"] for line in of_numpy] == list("0123456")
    assert {line["threads"] for line in lines if line["m"] == "1000"} == {""}
    assert {line["contender"] for line in lines} == {"numpy", "jax", "python", READ_LIMIT}
    assert {line["version"] for line in lines if line["contender"] == "jax"} == {"jax 0.10"}
    (skipped,) = (line for line in lines if line["status"] == "skipped")
    assert skipped["reason"] == 'it would take "too long", they say'
    assert (skipped["round"], skipped["seconds"]) == ("", "")
    first = dict(lines[0])
    assert (first["created"], first["commit"], first["complete"]) == (record.created, record.commit, "True")
    assert (first["problem"], first["n"], first["dtype"], first["order"]) == ("random", "10", "float64", "C")
    assert (first["X_bytes"], first["calls_per_sample"], first["usable_cores"]) == ("8000", "3", "2")


def test_parquet_has_the_same_rows_with_types(command, saved, tmp_path):
    command("export", saved, "--parquet", tmp_path / "run.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "run.parquet")
    assert table.to_pylist() == [row._asdict() for row in exports.rows(made())]
    kinds = {name: str(table.schema.field(name).type) for name in ("seconds", "m", "threads", "complete", "contender")}
    assert kinds == {"seconds": "double", "m": "int64", "threads": "int64", "complete": "bool", "contender": "string"}


def test_parquet_of_columns_that_are_all_empty_keeps_the_types(tmp_path):
    whole = made()
    record = records.changed(whole, cells=[records.changed(whole.cells[0], threads=None)], commit=None)
    exports.save_parquet(record, tmp_path / "run.parquet")
    fields = pyarrow.parquet.read_table(tmp_path / "run.parquet").schema
    assert (str(fields.field("threads").type), str(fields.field("commit").type)) == ("int64", "string")


def test_pyperf_shows_and_compares_the_export(command, saved, tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    assert command("export", saved, "--pyperf", first).code == 0
    exports.save_pyperf(made(factor=3.0), second)
    said = pyperf("show", first)
    assert "numpy: random, m=100, n=10, float64, C, threads=1" in said
    assert "jax: random, m=1000, n=10, float64, C, threads=auto" in said
    assert "2.00 ms" in said
    compared = pyperf("compare_to", first, second, "--table")
    (line,) = (line for line in compared.splitlines() if "numpy: random, m=100," in line)
    assert "3.00x slower" in line
    stats = pyperf("stats", first)
    assert "Total number of values: 7" in stats


def test_pyperf_file_has_every_timed_result_once(tmp_path):
    pyperf_module = pytest.importorskip("pyperf")
    whole = made()
    twice = records.changed(whole, cells=[*whole.cells, whole.cells[0]])
    exports.save_pyperf(twice, tmp_path / "twice.json")
    suite = pyperf_module.BenchmarkSuite.load(str(tmp_path / "twice.json"))
    names = suite.get_benchmark_names()
    assert len(names) == 9
    assert f"{READ_LIMIT}: random, m=100, n=10, float64, C, threads=1" in names
    assert "numpy: random, m=100, n=10, float64, C, threads=1, repetition 2" in names
    benchmark = suite.get_benchmark("numpy: random, m=100, n=10, float64, C, threads=1")
    assert list(benchmark.get_values()) == whole.cells[0].results[0].samples
    metadata = benchmark.get_metadata()
    assert (metadata["loops"], metadata["unit"]) == (3, "second")
    assert (metadata["cpu_model_name"], metadata["numpy_version"]) == ("Test processor", "2.0.0")
    assert "numba_version" not in metadata
    (run,) = benchmark.get_runs()
    assert run.warmups == ((3, 3e-3), (3, 2e-3))


def test_pyperf_takes_blank_facts_and_names_that_it_would_take_for_one(command, tmp_path):
    pyperf_module = pytest.importorskip("pyperf")
    blank = {"numpy": " ", "numba": "\n"}
    cells = [made_records.cell(100, 10, {"numpy": 2e-3, " numpy": 1e-3, "a\nb": 1e-3, "a\\nb": 2e-3})]
    record = made_records.record(*cells, versions={**made_records.record().versions, **blank})
    records.save(record, tmp_path / "run.json")
    outcome = command("export", tmp_path / "run.json", "--pyperf", tmp_path / "run.pyperf")
    assert (outcome.code, outcome.err) == (0, f"wrote {tmp_path / 'run.pyperf'}\n")
    suite = pyperf_module.BenchmarkSuite.load(str(tmp_path / "run.pyperf"))
    place = ": random, m=100, n=10, float64, C, threads=1"
    assert suite.get_benchmark_names() == [
        *(f"numpy{place}", f"numpy{place}, repetition 2", f"a\\nb{place}", f"a\\nb{place}, repetition 2")
    ]
    assert "numpy_version" not in suite.get_benchmarks()[0].get_metadata()


def test_compare_writes_all_exports(command, tmp_path):
    line = ["compare", "--m", 50, "--n", 3, "--rounds", 2, "--kernels", "numpy", "--quiet", *UNHURRIED]
    for name in ("json", "csv", "parquet", "pyperf"):
        line += [f"--{name}", tmp_path / f"run.{name}"]
    outcome = command(*line)
    assert (outcome.code, outcome.err) == (0, "")
    samples = records.load(tmp_path / "run.json").cells[0].results[0].samples
    table = pyarrow.parquet.read_table(tmp_path / "run.parquet").to_pylist()
    assert [row["seconds"] for row in table if row["contender"] == "numpy"] == samples
    assert "numpy: random, m=50, n=3, float64, C, threads=1" in pyperf("show", tmp_path / "run.pyperf")
    assert len((tmp_path / "run.csv").read_text().splitlines()) == 1 + len(table)


def test_record_without_times_has_no_pyperf_file(command, tmp_path):
    records.save(made_records.record(), tmp_path / "empty.json")
    outcome = command("export", tmp_path / "empty.json", "--pyperf", tmp_path / "x.json")
    assert_one_line(outcome, 1, "x.json", "nothing was timed")
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(("option", "package"), [("--parquet", "pyarrow"), ("--pyperf", "pyperf")])
def test_missing_extra_is_named_before_anything_is_measured(command, saved, tmp_path, monkeypatch, option, package):
    monkeypatch.setitem(sys.modules, package, None)
    fix = f"gradstep[{option.removeprefix('--')}]"
    assert_one_line(command("export", saved, option, tmp_path / "x"), 1, package, fix)
    monkeypatch.setattr("gradstep.compare.measure.run.run", None)
    assert_one_line(command("compare", option, tmp_path / "x"), 1, package, fix)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("option", ["--csv", "--parquet", "--pyperf"])
def test_place_that_cannot_be_written_is_refused_before_anything_is_measured(command, tmp_path, monkeypatch, option):
    monkeypatch.setattr("gradstep.compare.measure.run.run", None)
    assert_one_line(command("compare", option, tmp_path / "nosuch" / "x"), 1, "folder of this file does not exist")


def test_json_of_pyperf_is_told_from_a_record(command, saved, tmp_path):
    exports.save_pyperf(made(), tmp_path / "pyperf.json")
    assert json.loads((tmp_path / "pyperf.json").read_text())["benchmarks"]
    assert_one_line(command("diff", saved, tmp_path / "pyperf.json"), 1, "pyperf.json", "no record of gradstep compare")


def test_pyperf_gets_every_name_that_a_record_may_have(command, tmp_path):
    record = made()
    cells = [records.changed(cell, problem="a\nb \x1b[2J") for cell in record.cells]
    machine = dataclasses.replace(record.machine, processor="", system="two\nlines")
    records.save(records.changed(record, cells=cells, machine=machine), tmp_path / "r.json")
    assert command("export", tmp_path / "r.json", "--pyperf", tmp_path / "p.json").code == 0
    assert r"a\nb \x1b[2J, m=100" in pyperf("show", tmp_path / "p.json")
