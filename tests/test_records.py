"""A record: its schema, which values are refused and in which words, and its documentation."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import typing
from pathlib import Path

import jsonschema
import made_records
import pytest

from gradstep import machine
from gradstep.compare.measure import run
from gradstep.compare.measure.contenders import kernel_contender
from gradstep.compare.measure.problems import Problem
from gradstep.compare.record import exports, records
from gradstep.compare.record.records import READ_LIMIT, Record, Result

CLASSES = (
    *(records.Record, machine.Machine, records.Settings, records.FirstCall, records.LeftOut, records.Cell),
    *(records.Result, records.Check, records.Noise),
)


def validator() -> jsonschema.protocols.Validator:
    return jsonschema.Draft202012Validator(records.schema())


def names_of(described: type) -> list[str]:
    return [*described.__struct_fields__] if described is not machine.Machine else [*described.__dataclass_fields__]


def refusal_of(content: dict, path: Path) -> str:
    """Return why this content of a file is refused, without the name of the file."""
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError) as refusal:
        records.load(path)
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.fixture(scope="module")
def measured() -> Record:
    """A record of a real run."""
    return run.run(
        lambda threads: [kernel_contender(name, threads) for name in ("numpy", "numba")],
        [Problem(30, 2), Problem(20, 3, "float32", "F")],
        records.Settings(["numpy", "numba"], rounds=2, threads=[1, None]),
    )


def as_json(record: Record) -> dict:
    return json.loads(records.as_json(record))


# The schema


def test_schema_is_one_of_draft_2020_12():
    jsonschema.Draft202012Validator.check_schema(records.schema())


def test_real_record_validates_and_is_read_back(measured, tmp_path):
    path = tmp_path / "record.json"
    records.save(measured, path)
    validator().validate(json.loads(path.read_text(encoding="utf-8")))
    assert records.load(path) == measured
    assert measured.complete
    assert len(measured.cells) == 4


def test_record_with_everything_in_it_validates_and_is_read_back(tmp_path):
    validator().validate(as_json(made_records.full()))
    records.save(made_records.full(), tmp_path / "record.json")
    assert records.load(tmp_path / "record.json") == made_records.full()


@pytest.mark.parametrize("described", CLASSES, ids=lambda each: each.__name__)
def test_schema_has_the_fields_of_the_class_and_no_others(described):
    definition = records.schema()["$defs"][described.__name__]
    assert list(definition["properties"]) == names_of(described)
    assert definition["required"] == names_of(described)
    assert definition["additionalProperties"] is False


def test_schema_describes_every_class_and_every_field_whose_name_does_not():
    definitions = records.schema()["$defs"]
    assert set(definitions) == {each.__name__ for each in CLASSES}
    silent = set()
    for name, definition in definitions.items():
        assert definition["description"]
        silent |= {(name, field) for field, kind in definition["properties"].items() if "description" not in kind}
    # The fields of a machine are described where it is; the others hold what has a description of its own.
    assert {(name, field) for name, field in silent if name != "Machine"} == {
        *(("Result", "contender"), ("FirstCall", "contender"), ("Settings", "threads"), ("Record", "machine")),
        *(("Record", "settings"), ("Record", "first_calls")),
    }
    for field in names_of(machine.Machine):
        assert re.search(rf"\b{field}\b.* : ", definitions["Machine"]["description"]), field


def test_values_of_the_schema_are_those_of_the_types():
    definitions = records.schema()["$defs"]
    for described, name, kind in (
        (records.Result, "status", records.Status),
        (records.LeftOut, "cause", records.Cause),
    ):
        assert sorted(definitions[described.__name__]["properties"][name]["enum"]) == sorted(typing.get_args(kind))
    version = definitions["Record"]["properties"]["schema"]
    assert version["minimum"] == version["maximum"] == records.SCHEMA


def test_fields_with_defaults_do_not_share_them():
    one, other = Result("a", "skipped", "x"), Result("b", "skipped", "x")
    one.samples.append(1.0)
    assert other.samples == []


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


def test_every_mutant_is_refused_by_both_validators(tmp_path):
    second_opinion, count = validator(), 0
    # Two texts and a null of this record may be what the mutation makes of them.
    content = as_json(made_records.full())
    for what, mutant in mutants(content):
        if what.startswith(("('commit',)", "('settings', 'base')", "('settings', 'preset')")) and "type" in what:
            continue
        assert not second_opinion.is_valid(mutant), what
        assert len(refusal_of(mutant, tmp_path / "x.json")) < 250
        count += 1
    assert count > 300


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("cells", 0, "m"), 0, "cells[0].m should be int >= 1"),
        (("cells", 0, "m"), 2**63, "cells[0].m should be int <= 9223372036854775807"),
        (("cells", 0, "m"), 1.5, "cells[0].m should be int, not float"),
        (("cells", 0, "order"), "A", "cells[0].order should be str matching regex '^[CF]$'"),
        (("cells", 0, "results", 2, "status"), "late", "cells[0].results[2].status cannot be 'late'"),
        (("cells", 0, "results", 0, "samples", 2), 0.0, "samples[2] should be float > 1e-15"),
        (("cells", 0, "results", 0, "samples", 2), 1e13, "samples[2] should be float <= 1000000000000.0"),
        (("cells", 0, "results", 0, "calls_per_sample"), 0, "results[0].calls_per_sample should be int >= 1"),
        (("created",), "yesterday", "created should be str matching regex"),
        (("commit",), "HEAD", "commit should be str matching regex"),
        (("settings", "threads"), [0], "settings.threads[0] should be int >= 1"),
        (("versions",), {"numpy": "2.0"}, "versions lacks gradstep"),
        (("versions",), {"gradstep": None}, "versions lacks gradstep"),
        (("noise", "samples"), [], "noise.samples should be array of length >= 1"),
        (("noise", "samples"), [[1.0]], "noise.samples[0] should be array of length 2"),
        (("noise", "samples"), [[-1.0, 1.0]], "noise.samples[0][0] should be float >= 0.0"),
    ],
)
def test_value_out_of_bounds_is_refused_and_named(tmp_path, place, value, words):
    content = as_json(made_records.full())
    at(content, place[:-1])[place[-1]] = value
    assert not validator().is_valid(content)
    assert words in refusal_of(content, tmp_path / "x.json")


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("cells", 0, "results", 0, "samples"), [], "cells[0].results[0] is timed and lacks samples"),
        (("cells", 0, "results", 0, "check"), None, "cells[0].results[0] is timed and lacks check"),
        (("cells", 0, "results", 0, "calls_per_sample"), None, "is timed and lacks calls_per_sample"),
        (("cells", 0, "results", 0, "check", "passed"), False, "is timed, though its check failed"),
        (("cells", 0, "results", 0, "samples"), [1e-9], 'cells[0] has 1 samples of "numpy" and 7 of others'),
        (("cells", 0, "results", 2, "samples"), [1.0], "results[2] has samples, though it is wrong"),
        (("cells", 0, "results", 3, "reason"), None, "results[3].reason should be str, because it is skipped"),
        (("cells", 0, "results", 1, "contender"), "numpy", 'cells[0].results has "numpy" 2 times'),
        (("cells", 0, "results", 1, "contender"), "fast", '"fast", which is not among settings.contenders'),
        (("cells", 0, "read_limit", "contender"), "numpy", 'read_limit.contender should be "read limit"'),
        (("cells", 0, "read_limit", "samples"), [1e-9], 'has 1 samples of "read limit" and 7 of others'),
        (("settings", "contenders", 0), READ_LIMIT, 'settings.contenders has "read limit", which is no contender'),
        (("machine", "caches"), {"L1d": 0}, "machine should have positive numbers"),
        (("machine", "caches"), {"L1i": 100}, "machine caches has the unknown L1i"),
        (("machine", "memory"), 0, "machine should have positive numbers"),
    ],
)
def test_what_no_run_writes_is_refused_and_named(tmp_path, place, value, words):
    content = as_json(made_records.full())
    at(content, place[:-1])[place[-1]] = value
    assert words in refusal_of(content, tmp_path / "x.json")


def test_contender_that_is_far_slower_may_have_missed_added_rounds(tmp_path):
    content = as_json(made_records.full())
    fast, slow = (at(content, ("cells", 0, "results", number)) for number in (0, 1))
    slow["samples"] = [1.01 * records.FAR_SLOWER * min(fast["samples"])]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    assert len(records.load(path).cells[0].results[1].samples) == 1


def test_two_cells_of_the_same_conditions_are_refused(tmp_path):
    content = as_json(made_records.full())
    content["cells"] *= 2
    assert refusal_of(content, tmp_path / "x.json") == (
        "this is no valid record: cells[1] has the conditions of cells[0]: "
        "random data, m = 100, n = 10, float64, C order, 1 thread"
    )


def test_missing_and_unknown_keys_are_named(tmp_path):
    content = as_json(made_records.full())
    del content["cells"][0]["read_limit"]
    assert refusal_of(content, tmp_path / "x.json") == "this is no valid record: cells[0] lacks read_limit"
    del content["cells"][0]["task"]
    assert refusal_of(content, tmp_path / "x.json") == "this is no valid record: cells[0] lacks task"
    content = {**as_json(made_records.full()), "speed": 1}
    assert refusal_of(content, tmp_path / "x.json") == "this is no valid record: the record has the unknown speed"
    content = as_json(made_records.full())
    content["machine"]["speed"] = 1
    assert refusal_of(content, tmp_path / "x.json") == 'this is no valid record: machine has the unknown "speed"'


# The documentation


DOCUMENTATION = Path(__file__).parents[1] / "docs" / "record.md"
in_a_checkout = pytest.mark.skipif(
    not DOCUMENTATION.exists(), reason="an installed wheel is tested without the checkout's docs/"
)


@in_a_checkout
def test_documentation_names_every_column_and_the_version():
    text = DOCUMENTATION.read_text(encoding="utf-8")
    (part,) = (part for part in text.split("\n\n") if part.startswith("The columns of CSV"))
    assert set(re.findall(r"`(\w+)`", part)) == set(exports.Row._fields)
    assert f"now {records.SCHEMA}." in text


@in_a_checkout
def test_command_of_the_documentation_prints_the_schema():
    text = DOCUMENTATION.read_text(encoding="utf-8")
    (code,) = re.findall(r"^\$ python -c '(.*)'$", text, re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == records.schema()


@in_a_checkout
def test_python_of_the_documentation_runs(monkeypatch, capsys):
    text = DOCUMENTATION.read_text(encoding="utf-8")
    (code, shown) = re.findall(r"```(?:python|text)\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(DOCUMENTATION.parent)
    exec(compile(code, str(DOCUMENTATION), "exec"), {})
    assert capsys.readouterr().out == shown


@in_a_checkout
def test_record_of_the_documentation_is_one_of_this_version():
    path = DOCUMENTATION.with_name("comparison.json")
    validator().validate(json.loads(path.read_text(encoding="utf-8")))
    assert records.load(path).cells
