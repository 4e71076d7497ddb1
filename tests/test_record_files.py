"""The file of a record: which files are refused, older versions, and that it is written whole or not at all."""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path

import made_records
import pytest
from command_line import assert_one_line, process

from gradstep.compare.record import records
from gradstep.compare.record.records import Record

# Files that are refused


@pytest.fixture
def written(tmp_path) -> Path:
    path = tmp_path / "record.json"
    records.save(made_records.full(), path)
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
        (b"[]", "no record of gradstep compare: it should be object, not array"),
        (b"3.5", "it should be object, not float"),
        (b"null", "it should be object, not null"),
        (b"{}", 'no record of gradstep compare: it lacks the key "schema"'),
        (b'{"benchmarks": [], "version": "1.0"}', 'it lacks the key "schema"'),
        (
            b'{"schema": 1, "cells": []}',
            "a record of version 1, and this gradstep reads versions 3 and 4: measure again",
        ),
        (
            b'{"schema": 2, "cells": []}',
            "a record of version 2, and this gradstep reads versions 3 and 4: measure again",
        ),
        (b'{"schema": 5}', "a record of version 5, and this gradstep reads versions 3 and 4: use a newer gradstep"),
        (b'{"schema": true}', "is true"),
        (b'{"schema": "' + 100 * b"x" + b'"}', "xxx...; this gradstep reads versions 3 and 4"),
        (b'{"schema": 3}', "no valid record: the record lacks created"),
        (b'{"schema": 4, "seconds": NaN}', "not JSON, or is cut off: "),
        (b'{"schema": 4, "seconds": Infinity}', "not JSON, or is cut off: "),
        (b'{"schema": 4, "seconds": 1e999}', "seconds is too large"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (100_000 * b"[", "it should be object, not array"),
        (b'{"schema": ' + 100_000 * b"[", "nested too deeply"),
        (b'{"notes": ' + 100_000 * b"[", "nested too deeply"),
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


# Older versions


def of_version_3(record: Record) -> dict:
    """Return a record as version 3 wrote it: of one model everywhere, and without variants."""
    content = json.loads(records.as_json(record))
    content["schema"] = 3
    for part in (*content["cells"], *content["left_out"], *content["first_calls"]):
        assert part.pop("models") == 1
    for call in content["first_calls"]:
        assert call.pop("objective") is None
    for cell in content["cells"]:
        for result in (*cell["results"], cell["read_limit"]):
            assert result.pop("variant") is None
    return content


def test_record_of_version_3_is_read_as_one_of_a_single_model_without_variants(tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps(of_version_3(made_records.full())), encoding="utf-8")
    assert records.load(path) == made_records.full()


@pytest.mark.parametrize(
    ("place", "key", "words"),
    [
        (("cells", 0), "models", "cells[0] has the unknown models"),
        (("left_out", 0), "models", "left_out[0] has the unknown models"),
        (("first_calls", 1), "models", "first_calls[1] has the unknown models"),
        (("first_calls", 0), "objective", "first_calls[0] has the unknown objective"),
        (("cells", 0, "results", 2), "variant", "cells[0].results[2] has the unknown variant"),
        (("cells", 0, "read_limit"), "variant", "cells[0].read_limit has the unknown variant"),
        (("cells", 0), "speed", "cells[0] has the unknown speed"),
    ],
)
def test_key_that_version_3_does_not_know_is_refused(tmp_path, place, key, words):
    content = of_version_3(made_records.full())
    part = content
    for step in place:
        part = part[step]
    part[key] = 1
    path = tmp_path / "old.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError) as refusal:
        records.load(path)
    assert str(refusal.value) == f"{path}: this is no valid record: {words}"


@pytest.mark.parametrize("key", ["cells", "left_out", "first_calls", "machine"])
@pytest.mark.parametrize("value", [None, 3, "text", [3], [[]], {"a": 1}])
def test_damaged_record_of_version_3_is_refused(tmp_path, key, value):
    content = {**copy.deepcopy(of_version_3(made_records.full())), key: value}
    path = tmp_path / "old.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match="this is no valid record: ") as refusal:
        records.load(path)
    assert "\n" not in str(refusal.value)


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


def test_file_that_is_larger_than_memory_is_not_read_whole(tmp_path):
    if sys.platform == "win32":
        pytest.skip("Windows has no such device")
    (tmp_path / "r.json").symlink_to("/dev/zero")
    assert_one_line(process("report", tmp_path / "r.json"), 1, "r.json: this is not JSON")


def test_byte_order_mark_is_no_part_of_a_record(written):
    content = written.read_bytes()
    record = records.load(written)
    written.write_bytes(b"\xef\xbb\xbf" + content)
    assert records.load(written) == record


@pytest.mark.parametrize("version", [3, 4])
def test_key_that_is_there_twice_is_refused(command, written, version):
    content = written.read_text().replace(f'"schema": {records.SCHEMA}', f'"schema": {version}')
    written.write_text(content.replace('"seconds":', '"seconds": 1, "seconds":', 1))
    assert_one_line(command("report", written), 1, "has the key 'seconds' more than once")


def test_what_is_wrong_is_quoted_in_short(command, written):
    for old, new in (('"seconds":', f'"{"s" * 3000}": 1, "seconds":'), ('"schema": 4', f'"schema": {10**3000}')):
        content = written.read_text()
        written.write_text(content.replace(old, new, 1))
        outcome = command("report", written)
        assert_one_line(outcome, 1, str(written))
        assert len(outcome.err) < len(str(written)) + 300
        written.write_text(content)


@pytest.mark.parametrize("key", ["cores", "usable_cores", "memory"])
def test_number_that_no_format_holds_is_refused(command, written, key):
    record = json.loads(written.read_text())
    record["machine"][key] = 10**400
    written.write_text(json.dumps(record))
    assert_one_line(command("report", written, "--details"), 1, "machine", "below 2**63")


def test_model_is_no_record_and_a_record_no_model(command, written, tmp_path):
    data, model = tmp_path / "t.csv", tmp_path / "m.json"
    data.write_text("x,y\n1,0\n2,1\n")
    command("fit", data, "--label", "y", "--max-iter", "2", "--save", model)
    assert_one_line(command("report", model), 1, "m.json: this is no record", "a model of gradstep fit")
    assert_one_line(command("predict", written, data), 1, "record.json: not a model", "a record of gradstep compare")
