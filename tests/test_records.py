"""The file of a record: its schema, what is refused and in which words, and that it is written whole or not at all."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import re
import typing
from pathlib import Path

import jsonschema
import made_records
import pytest
from command_line import assert_one_line

from gradstep.compare.measure import run as compare
from gradstep.compare.measure.problems import Problem
from gradstep.compare.record import exports, machine, records, schema
from gradstep.compare.record.records import Check, LeftOut, Record, Result, TargetResult

CLASSES = (
    *(records.Record, machine.Machine, records.Settings, records.FirstCall, records.LeftOut, records.Cell),
    *(records.Result, records.Check, records.TargetResult, records.Noise),
)


def validator() -> jsonschema.protocols.Validator:
    return jsonschema.Draft7Validator(schema.schema())


@pytest.fixture(scope="module")
def measured() -> Record:
    """A record of a real run."""
    return compare.run(
        lambda threads: [compare.kernel_contender(name, threads) for name in ("numpy", "numba")],
        [Problem(30, 2), Problem(20, 3, "float32", "F")],
        records.Settings(["numpy", "numba"], rounds=2, threads=[1, None]),
    )


def full() -> Record:
    """A record in which everything occurs that can occur."""
    cell = made_records.cell(100, 10, {"numpy": 1e-3, "cython": 1e-4}, floor=1e-5)
    wrong = Result("python", "wrong", "off by 1.0, 1e-11 is allowed", check=Check(False, 1.0, 1e-11))
    skipped = Result("jax", "skipped", "about 30 s expected", expected=30.0)
    cell = dataclasses.replace(cell, results=[*cell.results, wrong, skipped])
    return made_records.record(
        cell,
        left_out=[LeftOut("random", 10**9, 10, "float64", "C", 1, None, "memory", "it needs 80 GB")],
        unavailable={"torch": "it is not installed"},
        notes=["a note"],
        peers={"jax": "jax 0.10"},
        targets=[TargetResult("a / b", "n = 2", 2.0, 1.0, "ratio", 1.5, (1.4, 1.6), "jax")],
    )


def as_json(record: Record) -> dict:
    return json.loads(json.dumps(dataclasses.asdict(record)))


# The schema


def test_schema_is_one_of_draft_7():
    jsonschema.Draft7Validator.check_schema(schema.schema())


def test_real_record_validates_and_is_read_back(measured, tmp_path):
    path = tmp_path / "record.json"
    records.save(measured, path)
    validator().validate(json.loads(path.read_text(encoding="utf-8")))
    assert records.load(path) == measured
    assert measured.complete
    assert len(measured.cells) == 4


def test_record_with_everything_in_it_validates_and_is_read_back(tmp_path):
    validator().validate(as_json(full()))
    records.save(full(), tmp_path / "record.json")
    assert records.load(tmp_path / "record.json") == full()


@pytest.mark.parametrize("described", CLASSES, ids=lambda each: each.__name__)
def test_schema_has_the_fields_of_the_dataclass_and_no_others(described):
    definition = schema.schema()["definitions"][described.__name__]
    names = [each.name for each in dataclasses.fields(described)]
    assert list(definition["properties"]) == names
    assert definition["required"] == names
    assert definition["additionalProperties"] is False


def test_schema_describes_every_dataclass_that_a_record_holds():
    def held(kind: object) -> set[type]:
        inner = set().union(*(held(part) for part in typing.get_args(kind)))
        if not dataclasses.is_dataclass(kind):
            return inner
        return {kind}.union(*(held(each) for each in typing.get_type_hints(kind).values()))

    assert held(Record) == set(CLASSES)
    assert {name for name in schema.schema()["definitions"] if name[0].isupper()} == {each.__name__ for each in CLASSES}


def test_values_of_the_schema_are_those_of_the_types():
    definitions = schema.schema()["definitions"]
    for described, name, kind in (
        (records.Result, "status", records.Status),
        (records.TargetResult, "unit", records.Unit),
        (records.LeftOut, "cause", records.Cause),
    ):
        assert definitions[described.__name__]["properties"][name]["enum"] == list(typing.get_args(kind))
    assert definitions["Record"]["properties"]["schema"]["const"] == schema.VERSION == records.SCHEMA


def places(content: object, place: tuple = ()) -> typing.Iterator[tuple]:
    """Give the path of every value in a JSON document."""
    yield place
    if isinstance(content, dict | list):
        for key, part in content.items() if isinstance(content, dict) else enumerate(content):
            yield from places(part, (*place, key))


def at(content: typing.Any, place: tuple) -> typing.Any:
    for key in place:
        content = content[key]
    return content


# Their keys are names that nobody fixes.
FREE = {("versions",), ("unavailable",), ("peers",), ("machine", "caches")}


def mutants(content: dict) -> typing.Iterator[tuple[str, dict]]:
    """Give copies of a record with one thing wrong: a key gone or unknown, or a value of another type."""
    for place in places(content):
        value = at(content, place)
        if isinstance(value, dict) and place not in FREE:
            for key in value:
                mutant = copy.deepcopy(content)
                del at(mutant, place)[key]
                yield f"{place} without {key}", mutant
            mutant = copy.deepcopy(content)
            at(mutant, place)["unknown"] = None
            yield f"{place} with an unknown key", mutant
        if place:
            mutant = copy.deepcopy(content)
            at(mutant, place[:-1])[place[-1]] = 7 if isinstance(value, str) else "text" if value is not None else {}
            yield f"{place} of another type", mutant


def test_every_mutant_is_refused_by_both_validators():
    second_opinion, count = validator(), 0
    # Two texts and a null of this record may be what the mutation makes of them.
    content = as_json(full())
    for what, mutant in mutants(content):
        if what.startswith(("('commit',)", "('settings', 'base')", "('settings', 'preset')")) and "type" in what:
            continue
        assert not second_opinion.is_valid(mutant), what
        with pytest.raises(ValueError) as refusal:
            schema.require_record(mutant)
        assert "\n" not in str(refusal.value)
        assert len(str(refusal.value)) < 250
        count += 1
    assert count > 300


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("cells", 0, "m"), 0, "cells[0].m must be bigger than or equal to 1; it is 0"),
        (("cells", 0, "m"), 1.5, "cells[0].m must be integer; it is 1.5"),
        (("cells", 0, "order"), "A", "cells[0].order must be one of ['C', 'F']; it is \"A\""),
        (("cells", 0, "results", 0, "samples"), [], "cells[0].results[0].samples must contain at least 1 items"),
        (("cells", 0, "results", 0, "samples", 2), 0.0, "samples[2] must be bigger than 0; it is 0.0"),
        (("cells", 0, "results", 0, "median"), None, "cells[0].results[0].median must be number; it is null"),
        (("cells", 0, "results", 0, "check"), None, "check must be object; it is null"),
        (("cells", 0, "results", 2, "samples"), [1.0], "results[2].samples must contain less than or equal to 0 items"),
        (("cells", 0, "results", 3, "reason"), None, "results[3].reason must be string; it is null"),
        (("created",), "yesterday", "created must match pattern"),
        (("commit",), "HEAD", "commit must match pattern"),
        (("machine", "caches"), {"L1i": 0}, "machine.caches"),
        (("settings", "threads"), [0], "settings.threads[0] must be bigger than or equal to 1"),
        (("cells", 0, "results", 0, "calls_per_sample"), None, "calls_per_sample must be integer; it is null"),
        (("cells", 0, "results", 0, "interquartile_range"), None, "interquartile_range must be number; it is null"),
        (("noise", "samples"), [], "noise.samples must contain at least 1 items; it is []"),
        (("noise", "samples"), [[1.0]], "noise.samples[0] must contain at least 2 items"),
        (("targets", 0, "quartiles"), [1.0, 2.0, 3.0], "targets[0].quartiles"),
    ],
)
def test_value_out_of_bounds_is_refused_and_named(place, value, words):
    content = as_json(full())
    at(content, place[:-1])[place[-1]] = value
    assert not validator().is_valid(content)
    with pytest.raises(ValueError) as refusal:
        schema.require_record(content)
    assert words in str(refusal.value)


def test_missing_and_unknown_keys_are_named():
    content = as_json(full())
    del content["cells"][0]["floor"], content["cells"][0]["task"]
    with pytest.raises(ValueError, match=r"^this is no valid record: cells\[0\] lacks task, floor$"):
        schema.require_record(content)
    content = {**as_json(full()), "speed": 1, "more": 2}
    with pytest.raises(ValueError, match=r'^this is no valid record: the record has the unknown "speed", "more"$'):
        schema.require_record(content)


# Files that are refused


@pytest.fixture
def written(tmp_path) -> Path:
    path = tmp_path / "record.json"
    records.save(full(), path)
    return path


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.6, 0.999])
def test_truncated_file_is_refused_in_one_line(command, written, tmp_path, share):
    cut = tmp_path / "cut.json"
    content = written.read_bytes()
    # The last two characters are "}\n".
    cut.write_bytes(content[: int(share * (len(content) - 2))])
    assert_one_line(command("diff", cut, written), 1, str(cut), "not JSON, or is cut off")
    assert_one_line(command("diff", written, cut), 1, str(cut), "not JSON, or is cut off")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[]", "no record of gradstep compare: it is a list and not an object"),
        (b"3.5", "it is a number"),
        (b"null", "it is null"),
        (b"{}", 'no record of gradstep compare: it lacks the key "schema"'),
        (b'{"benchmarks": [], "version": "1.0"}', 'it lacks the key "schema"'),
        (b'{"schema": 1, "cells": []}', "a record of version 1; this gradstep reads version 2 only"),
        (b'{"schema": 3}', "its version (the key schema) is 3; this gradstep reads 2"),
        (b'{"schema": true}', "is true"),
        (b'{"schema": "' + 100 * b"x" + b'"}', "xxx...; this gradstep reads 2"),
        (b'{"schema": 2}', "no valid record: the record lacks created, seconds"),
        (b'{"schema": 2, "seconds": NaN}', "not JSON: NaN"),
        (b'{"schema": 2, "seconds": 1e999}', "1e999 is too large"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (100_000 * b"[", "nested too deeply"),
        (b"\x89PNG", "UTF-8"),
    ],
)
def test_foreign_file_is_refused_in_one_line(command, written, tmp_path, content, words):
    path = tmp_path / "foreign.json"
    path.write_bytes(content)
    for line in (
        ("diff", written, path),
        ("export", path, "--csv", tmp_path / "x.csv"),
        ("compare", "--baseline", path),
    ):
        assert_one_line(command(*line), 1, str(path), words)
    assert not (tmp_path / "x.csv").exists()


def test_file_that_is_not_there_is_named(command, written, tmp_path):
    assert_one_line(command("diff", written, tmp_path / "none.json"), 1, "none.json: No such file or directory")
    assert_one_line(command("diff", tmp_path, written), 1, str(tmp_path), "directory")


# Writing


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_failed_write_leaves_the_old_file_and_nothing_else(written, monkeypatch, failing, error):
    def fail(*arguments: object) -> None:
        raise error

    before = written.read_bytes()
    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(error):
        records.save(made_records.record(), written)
    assert written.read_bytes() == before
    assert [entry.name for entry in written.parent.iterdir()] == ["record.json"]


# The documentation


DOCUMENTATION = Path(__file__).parents[1] / "docs" / "record.md"


@pytest.mark.skipif(not DOCUMENTATION.exists(), reason="an installed wheel is tested without the checkout's docs/")
def test_documentation_names_every_key_and_column():
    text = DOCUMENTATION.read_text(encoding="utf-8")
    for described in CLASSES:
        (part,) = (part for part in text.split("\n\n") if part.startswith(f"**{described.__name__}**"))
        assert {each.name for each in dataclasses.fields(described)} <= set(re.findall(r"`(\w+)`", part))
    (part,) = (part for part in text.split("\n\n") if part.startswith("The columns of CSV"))
    assert set(re.findall(r"`(\w+)`", part)) == set(exports.Row._fields)
    assert f"now {schema.VERSION}." in text


@pytest.mark.skipif(not DOCUMENTATION.exists(), reason="an installed wheel is tested without the checkout's docs/")
def test_record_of_the_documentation_is_one_of_this_version():
    path = DOCUMENTATION.with_name("comparison.json")
    validator().validate(json.loads(path.read_text(encoding="utf-8")))
    assert records.load(path).cells
