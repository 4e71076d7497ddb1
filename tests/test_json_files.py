"""The JSON of models and records: what both refuse, in bounded memory and in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import made_records
import pytest
from command_line import assert_one_line
from test_models import model

from gradstep import json_files
from gradstep.compare.record import records


@pytest.fixture(params=["model", "record"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.json"
    if request.param == "model":
        model().save(path)
    else:
        records.save(made_records.full(), path)
        # Older records are read as they are, too.
        path.write_text(path.read_text().replace(f'"schema": {records.SCHEMA}', '"schema": 3'))
    return path


def reading(path: Path) -> tuple[object, ...]:
    return ("predict", path, "t.csv") if path.stem == "model" else ("report", path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"m": 1, "m": 2}', "it has the key 'm' more than once in one object"),
        (b'{"m": [{"n": {"a": 1, "b": 2, "a": 1}}]}', "it has the key 'a' more than once in one object"),
        (b'{"m": NaN}', "it holds NaN"),
        (b'{"m": [-Infinity]}', "it holds -Infinity"),
        (b'{"m": ' + b"1" * 5000 + b"}", "it holds an integer of 5,000 digits"),
        (b'{"m": "\xff"}', "it is not text in UTF-8"),
        (b'{"m": ' + b"[" * 200_000, "it is nested too deeply"),
    ],
)
def test_what_readers_would_differ_in_is_refused(content, words):
    with pytest.raises(ValueError, match=r"^it ") as refusal:
        json_files.loaded(content)
    assert str(refusal.value) == words


def test_long_integer_is_refused_in_our_words(command, written):
    written.write_text(written.read_text().replace('"schema"', f'"more": {"1" * 5000}, "schema"', 1))
    assert_one_line(command(*reading(written)), 1, f"{written.name}: ", "it holds an integer of 5,000 digits")


def test_file_larger_than_any_of_ours_is_refused(command, written):
    with written.open("r+b") as file:
        file.truncate(1 << 31)
    assert_one_line(command(*reading(written)), 1, f"{written.name}: ", "it is larger than 512 MiB")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="only Linux says in /proc what is in use")
@pytest.mark.parametrize("kind", ["model", "table", "record"])
def test_file_that_does_not_fit_into_memory_is_named(tmp_path, kind):
    path = tmp_path / ("t.csv" if kind == "table" else "r.json")
    with path.open("wb") as file:
        file.write(b"x,y\n" + b"1,2\n" * 10_000_000 if kind == "table" else b'{"a": [' + b"[],{}," * 10_000_000)
    line = {"model": ["predict", path, "t.csv"], "table": ["fit", path, "--label", "y"], "record": ["report", path]}
    code = """if True:
        import resource
        import gradstep.cli.fit, gradstep.cli.predict, gradstep.cli.records
        from gradstep.__main__ import main
        (used,) = (int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize"))
        resource.setrlimit(resource.RLIMIT_AS, ((used << 10) + (200 << 20),) * 2)
        main()
    """
    command = [sys.executable, "-c", code, *map(str, line[kind])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1, f"gradstep: error: {path}: there is not enough memory to read it\n"
    )  # fmt: skip
