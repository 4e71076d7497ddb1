"""Results are written before they are shown, each for itself, never over an input; text from data stays text."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest
import sample_records
from command_line import UNHURRIED, assert_one_line, shell, write_csv
from rich.text import Text

import gradstep
from gradstep.cli.progress import on_stderr
from gradstep.compare.judge.findings import findings
from gradstep.compare.measure import run as runs
from gradstep.compare.record import records
from gradstep.compare.show import tables
from gradstep.compare.show.console import PlainConsole
from gradstep.compare.show.pictures import canvas
from gradstep.data import models
from gradstep.text import printable

TABLE = "x,y\n1,0\n2,1\n3,1\n0,0\n"
SMALL = ("--m", "50", "--n", "3", "--rounds", "2", "--kernels", "numpy", *UNHURRIED)
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such devices, pipes and links")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "t.csv", TABLE)


# Written before they are shown


@posix
@pytest.mark.parametrize(
    ("redirection", "code", "errors"),
    [
        ("> /dev/full", 1, "gradstep: error: standard output: No space left on device\n"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        ("2>&-", 0, ""),
        ("> /dev/full 2> /dev/full", 1, ""),
    ],
)
def test_model_is_written_although_it_cannot_be_shown(tmp_path, data, redirection, code, errors):
    done = shell(f"g fit t.csv --label y --l2 0.1 --save m.json {redirection}", tmp_path)
    assert (done.returncode, done.stderr) == (code, errors)
    assert json.loads((tmp_path / "m.json").read_text())["label"] == "y"


@posix
def test_full_output_of_any_command_is_one_line(tmp_path):
    for line in ("g --help", "g info"):
        done = shell(f"{line} > /dev/full", tmp_path)
        assert (done.returncode, done.stderr) == (1, "gradstep: error: standard output: No space left on device\n")


UNBUFFERED = pytest.mark.parametrize("unbuffered", ["", "1"])


@posix
@UNBUFFERED
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("predict m.json t.csv", 0),
        ("predict m.json t.csv > /dev/full", 1),
        ("fit none.csv", 2),
        ("info > /dev/full", 1),
    ],
)
def test_stderr_that_is_full_changes_no_exit_code(tmp_path, data, line, code, unbuffered):
    shell("g fit t.csv --label y --l2 0.1 --save m.json", tmp_path)
    done = shell(f"g {line} 2> /dev/full", tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (code, "")


@posix
@UNBUFFERED
@pytest.mark.parametrize("line", ["predict m.json t.csv", "fit t.csv --label y --l2 0.1", "info", "--help"])
def test_reader_that_has_gone_is_no_matter_for_words(tmp_path, data, line, unbuffered):
    shell("g fit t.csv --label y --l2 0.1 --save m.json", tmp_path)
    line = f"{{ sleep 0.2; g {line}; echo $? > code; }} 2> errors | true; cat code errors"
    done = shell(line, tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert done.stdout.splitlines()[0] == "1"
    assert "error" not in done.stdout
    assert "Exception" not in done.stdout


@posix
def test_record_is_written_although_it_cannot_be_shown(tmp_path):
    done = shell(f"g compare {' '.join(SMALL)} --quiet --json r.json > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (1, "gradstep: error: standard output: No space left on device\n")
    assert len(records.load(tmp_path / "r.json").cells) == 1


def test_output_that_lacks_the_letters_shows_them_as_escapes(tmp_path):
    write_csv(tmp_path / "t.csv", TABLE.replace("y", "größe"))
    done = shell("g fit t.csv --label größe --l2 0.1 --save m.json", tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"gr\xf6\xdfe" in done.stdout
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))["label"] == "größe"


@posix
def test_model_goes_through_a_pipe_which_stays_one(tmp_path, data):
    os.mkfifo(tmp_path / "pipe")
    done = shell("cat pipe > got & g fit t.csv --label y --l2 0.1 --save pipe > /dev/null; wait", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "got").read_text())["label"] == "y"
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)


@posix
def test_model_that_cannot_be_written_is_shown_all_the_same(command, data):
    outcome = command("fit", data, "--label", "y", "--l2", 0.1, "--save", "/dev/full")
    assert_one_line(outcome, 1, "/dev/full: No space left")
    assert "accuracy" in outcome.out


def test_one_output_that_fails_does_not_keep_the_others_from_being_written(command, tmp_path, monkeypatch):
    record = sample_records.sample()
    records.save(record, tmp_path / "record.json")
    for name in ("a.csv", "c.json"):
        (tmp_path / name).symlink_to("/dev/full")
    outcome = command(
        "export", tmp_path / "record.json", "--csv", tmp_path / "a.csv", "--parquet", tmp_path / "b.parquet",
        "--pyperf", tmp_path / "c.json",
    )  # fmt: skip
    lines = outcome.err.splitlines()
    assert (outcome.code, len(lines)) == (1, 3)
    assert [name in line for name, line in zip(("a.csv", "b.parquet", "c.json"), lines, strict=True)] == [True] * 3
    assert lines[1] == f"wrote {tmp_path / 'b.parquet'}"
    assert (tmp_path / "b.parquet").stat().st_size > 0
    line = ("compare", *SMALL, "--quiet", "--json", "/dev/full", "--csv", tmp_path / "run.csv")
    outcome = command(*line)
    assert_one_line(outcome, 1, "/dev/full")
    assert "numpy" in outcome.out
    assert (tmp_path / "run.csv").read_text().count("\n") == 5


def test_record_is_written_before_it_is_judged(command, tmp_path, monkeypatch):
    def broken(record: records.Record) -> None:
        raise ValueError("cannot judge")

    monkeypatch.setattr("gradstep.cli.compare.findings", broken)
    outcome = command("compare", *SMALL, "--quiet", "--json", tmp_path / "r.json")
    assert_one_line(outcome, 1, "cannot judge")
    assert len(records.load(tmp_path / "r.json").cells) == 1


# Never over an input or another output


def test_output_that_is_an_input_is_refused(command, data, tmp_path, monkeypatch):
    monkeypatch.setattr(gradstep, "fit", None)
    monkeypatch.setattr(runs, "run", None)
    records.save(sample_records.sample(), tmp_path / "r.json")
    (tmp_path / "soft").symlink_to("t.csv")
    os.link(data, tmp_path / "hard")
    before = data.read_bytes(), (tmp_path / "r.json").read_bytes()
    for save in (data, tmp_path / "soft", tmp_path / "hard", tmp_path / ".." / tmp_path.name / "t.csv"):
        assert_one_line(command("fit", data, "--label", "y", "--save", save), 1, "--save", "overwrite", "DATA")
        line = ("compare", "--data", data, "--label", "y", "--csv", save)
        assert_one_line(command(*line), 1, "--csv", "overwrite", "--data")
    r = tmp_path / "r.json"
    assert_one_line(command("compare", "--baseline", r, "--json", r), 1, "--json", "overwrite", "--baseline")
    assert_one_line(command("export", r, "--csv", r), 1, "--csv", "overwrite", "RECORD")
    assert_one_line(command("report", r, "--html", r), 1, "--html", "overwrite", "RECORD")
    assert before == (data.read_bytes(), r.read_bytes())


def test_two_outputs_in_one_file_are_refused(command, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "run", None)
    (tmp_path / "link").symlink_to("new")
    for other in ("new", "link"):
        line = ("compare", *SMALL, "--json", tmp_path / "new", "--csv", tmp_path / other)
        assert_one_line(command(*line), 1, "--json", "--csv", "the same file")
    records.save(sample_records.sample(), tmp_path / "r.json")
    line = ("export", tmp_path / "r.json", "--csv", tmp_path / "new", "--pyperf", tmp_path / "new")
    assert_one_line(command(*line), 1, "--csv", "--pyperf", "the same file")
    assert not (tmp_path / "new").exists()


def test_picture_in_the_place_of_an_input_or_another_output_is_refused(command, data, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "run", None)
    r, folder = tmp_path / "r.json", tmp_path / "pictures"
    records.save(sample_records.sample(), r)
    line = ("compare", *SMALL, "--plot", folder, "--json")
    # Also where the folder is only made at the end.
    assert_one_line(command(*line, folder / "speed-up.svg"), 1, "--plot", "overwrite", "speed-up.svg", "--json")
    folder.mkdir()
    (folder / "roofline.png").symlink_to("../t.csv")
    os.link(r, folder / "fastest-1-thread.svg")
    assert_one_line(command(*line, folder / "speed-up.svg"), 1, "--plot", "overwrite", "speed-up.svg", "--json")
    line = ("compare", "--data", data, "--label", "y", "--plot", folder)
    assert_one_line(command(*line), 1, "--plot", "overwrite", "t.csv", "--data")
    assert_one_line(command("report", r, "--plot", folder), 1, "--plot", "overwrite", "r.json", "RECORD")
    assert sorted(os.listdir(folder)) == ["fastest-1-thread.svg", "roofline.png"]
    (folder / "fastest-1-thread.svg").unlink()
    assert command("report", r, "--plot", folder, "--html", folder / "report.html").code == 0


@pytest.mark.parametrize("option", ["--limit", "--budget"])
@pytest.mark.parametrize("value", ["inf", "nan"])
def test_what_no_record_can_hold_is_refused_before_measuring(command, monkeypatch, option, value):
    monkeypatch.setattr(runs, "run", None)
    assert_one_line(command("compare", option, value), 2, option, "finite")


def test_ratio_that_is_not_finite_is_refused(command):
    assert_one_line(command("diff", "a", "b", "--fail-on", "nan"), 2, "--fail-on")


# Ctrl-C


def test_impatient_second_interrupt_does_not_lose_the_model(command, data, tmp_path, monkeypatch):
    real_fit, save = gradstep.fit, models.Model.save

    def fit_and_press(*arguments, **options):
        return real_fit(*arguments, **(options | {"callback": lambda iterate: signal.raise_signal(signal.SIGINT)}))

    def press_and_save(model, path):
        signal.raise_signal(signal.SIGINT)
        save(model, path)

    monkeypatch.setattr(gradstep, "fit", fit_and_press)
    monkeypatch.setattr(models.Model, "save", press_and_save)
    outcome = command("fit", data, "--label", "y", "--save", tmp_path / "m.json")
    assert_one_line(outcome, 130, "interrupted")
    assert json.loads((tmp_path / "m.json").read_text())["n_iter"] == 0
    assert "interrupted after 0 steps" in outcome.out


def test_interrupt_after_the_last_step_does_not_lose_the_model(command, data, tmp_path, monkeypatch):
    save = models.Model.save

    def press_and_save(model, path):
        signal.raise_signal(signal.SIGINT)
        save(model, path)

    monkeypatch.setattr(models.Model, "save", press_and_save)
    outcome = command("fit", data, "--label", "y", "--max-iter", 3, "--save", tmp_path / "m.json")
    assert_one_line(outcome, 130, "interrupted")
    assert json.loads((tmp_path / "m.json").read_text())["n_iter"] == 3


# Text from data

HOSTILE = "ok[/n] dose [mg] :smile: \x1b[2J $\\alpha"
SHOWN = "ok[/n] dose [mg] :smile: \\x1b[2J $\\alpha"


def test_what_a_terminal_obeys_is_spelled_out():
    assert printable("dose [mg], größe, 漢字") == "dose [mg], größe, 漢字"
    assert printable("\x1b]0;x\x07\r\n\x9b\u2028\u202e\udcff") == r"\x1b]0;x\x07\r\n\x9b\u2028\u202e\udcff"


@pytest.mark.parametrize("forced", ["", "1"])
def test_label_is_text(command, tmp_path, monkeypatch, forced):
    monkeypatch.setenv("FORCE_COLOR", forced)
    monkeypatch.setenv("COLUMNS", "120")
    write_csv(tmp_path / "t.csv", f'x,"{HOSTILE}"\n1,"{HOSTILE}"\n2,b\n')
    outcome = command("fit", tmp_path / "t.csv", "--label", HOSTILE, "--positive", HOSTILE, "--l2", 0.1, "--save",
                      tmp_path / "m.json")  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    assert f"1 where {SHOWN} = {SHOWN}" in outcome.out
    model = json.loads((tmp_path / "m.json").read_text())
    assert (model["label"], model["positive"]) == (HOSTILE, HOSTILE)
    for name in (HOSTILE, "x\x1b"):
        outcome = command("fit", tmp_path / f"{name.replace('/', '')}.csv", "--label", name)
        assert_one_line(outcome, 1, "\\x1b")
        assert "\x1b" not in outcome.err


def hostile_record(name: str = HOSTILE) -> records.Record:
    record = sample_records.sample()
    cells = [records.changed(cell, problem=name, task=name) for cell in record.cells]
    return records.changed(record, cells=cells, notes=[name])


def test_record_is_text(command, tmp_path):
    record = hostile_record()
    after = records.changed(
        record,
        cells=[
            records.changed(
                cell,
                results=[records.changed(r, samples=[3 * sample for sample in r.samples]) for r in cell.results],
            )
            for cell in record.cells
        ],
    )
    console = PlainConsole()
    with console.capture() as captured:
        tables.show(findings(record), console)
    assert f"{SHOWN}: {SHOWN}" in captured.get()
    assert f"note      {SHOWN}" in captured.get()
    records.save(record, tmp_path / "a.json")
    records.save(after, tmp_path / "b.json")
    outcome = command("diff", tmp_path / "a.json", tmp_path / "b.json")
    assert outcome.code == 0
    assert SHOWN in outcome.out
    assert "\x1b" not in outcome.out


def test_progress_is_text():
    with on_stderr() as bar:
        bar.add_task("ok[/n]")
        console = PlainConsole()
        console.file = io.StringIO()
        console.print(bar.get_renderable())
        console.print(Text("\x1b[2J"))
    assert "ok[/n]" in console.file.getvalue()
    assert "\\x1b[2J" in console.file.getvalue()


@pytest.mark.parametrize("name", ["a $x$ b", "$\\nosuch$", "漢字 \x1b"])
def test_pictures_take_names_as_they_are(tmp_path, name, recwarn):
    record = hostile_record(name)
    figure = canvas.figure(record, 4.0, name, name, name)
    for suffix in (".png", ".svg"):
        assert canvas.encoded(figure, suffix)
    assert not any(text.get_parse_math() for text in figure.texts)
    assert [str(warning.message) for warning in recwarn] == []


def test_pictures_of_any_name_are_drawn_without_a_word(command, tmp_path, recwarn):
    record = hostile_record("漢字 $\\nosuch$ \x1b -- <b>&")
    records.save(record, tmp_path / "r.json")
    outcome = command("report", tmp_path / "r.json", "--plot", tmp_path / "p", "--html", tmp_path / "r.html")
    assert (outcome.code, outcome.err.count("\n"), outcome.err.count("wrote ")) == (0, 2, 2)
    assert [str(warning.message) for warning in recwarn] == []
    for path in (tmp_path / "p").glob("*.svg"):
        xml.etree.ElementTree.parse(path)
    assert "<b>&" not in (tmp_path / "r.html").read_text(encoding="utf-8").replace("\\u003cb>&", "")


@posix
def test_every_picture_that_can_be_written_is(command, tmp_path):
    records.save(sample_records.sample(), tmp_path / "r.json")
    (tmp_path / "link").symlink_to("p")
    line = ("report", tmp_path / "r.json", "--plot", tmp_path / "link")
    assert command(*line).code == 0
    pictures = sorted((tmp_path / "p").iterdir())
    for path in pictures[:2]:
        path.unlink()
        path.symlink_to("/dev/full")
    for path in pictures[2:]:
        path.unlink()
    outcome = command(*line)
    lines = outcome.err.splitlines()
    assert (outcome.code, len(lines)) == (1, 2)
    assert all(path.name in line for path, line in zip(pictures, lines, strict=False))
    assert all(path.stat().st_size > 0 for path in pictures[2:])


def test_picture_that_cannot_be_written_is_refused_before_the_work(command, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "run", None)
    (tmp_path / "p" / "roofline.svg").mkdir(parents=True)
    assert_one_line(command("compare", *SMALL, "--plot", tmp_path / "p"), 1, "roofline.svg", "folder")


@posix
def test_file_name_that_is_no_text_is_compared_and_its_record_read(command, tmp_path):
    path = tmp_path / os.fsdecode(b"t\xff.csv")
    path.write_text(TABLE)
    line = ("compare", "--data", path, "--label", "y", "--rounds", 1, "--kernels", "numpy", "--quiet", *UNHURRIED)
    outcome = command(*line, "--json", tmp_path / "r.json")
    assert (outcome.code, outcome.err) == (0, "")
    assert records.load(tmp_path / "r.json").cells[0].problem == r"t\udcff.csv"
