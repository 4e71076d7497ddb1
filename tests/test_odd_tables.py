"""CSV files as people damage them, and labels that look alike: nothing is counted wrongly or lost in silence."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import processes
import pyarrow
import pyarrow.parquet
import pytest
from command_line import Command, assert_one_line, process, write_csv

from gradstep.data import models, tables
from gradstep.data.blocks import drop
from gradstep.data.predictions import Predictions

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such devices, pipes and links")


# Quotation marks


@pytest.fixture
def model(command: Command, tmp_path: Path) -> Path:
    path = tmp_path / "model.json"
    data = write_csv(tmp_path / "train.csv", "x,y\n1,ill\n2,well\n3,well\n0,ill\n")
    command("fit", data, "--label", "y", "--positive", "ill", "--save", path)
    return path


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('x,note\n1,"a\n2,b\n3,c\n', 2),
        ('x,note\n1,a\n2,"b\n3,c\n0,"d\n1,e\n', 3),
        ('x,note\n1,"two\nlines"\n2,"b\n3,c\n', 4),
    ],
)
def test_quotation_mark_that_takes_in_rows_is_refused(command, model, tmp_path, text, line):
    data = write_csv(tmp_path / "t.csv", text)
    assert_one_line(command("predict", model, data), 1, f"t.csv, line {line}: a quotation mark is left open")
    assert_one_line(command("predict", model, data, "--id", "note"), 1, f"t.csv, line {line}: a quotation mark")


@posix
@pytest.mark.parametrize("rows", [0, 200_000])
def test_quotation_mark_that_takes_in_rows_of_a_pipe_is_refused(command, model, tmp_path, rows):
    path = tmp_path / "t.csv"
    os.mkfifo(path)
    text = "x,note\n" + "1,a\n" * rows + '1,"b\n2,c\n3,d\n'
    writer = threading.Thread(target=lambda: path.write_text(text))
    writer.start()
    outcome = command("predict", model, path)
    writer.join()
    assert_one_line(outcome, 1, f"t.csv, line {rows + 2}: a quotation mark is left open")


def test_quotation_mark_that_takes_in_labels_is_refused(command, tmp_path):
    data = write_csv(tmp_path / "t.csv", 'x,y\n1,ill\n2,"ill\n3,well\n0,well\n')
    assert_one_line(command("fit", data, "--label", "y", "--positive", "ill"), 1, "t.csv, line 3: a quotation mark")


def test_cells_of_several_lines_are_read(command, model, tmp_path):
    data = write_csv(tmp_path / "t.csv", 'note,x,more\n"a\nb",1,"say ""x""\r\n"\n"c",2,\n')
    assert command("predict", model, data, "--id", "note").out.count("ill") + 1 == 2


# Long cells and long lines


def test_long_cells_are_read_and_shown_in_short(command, model, tmp_path):
    long = "a" * 200_000
    data = write_csv(tmp_path / "t.csv", f"x,note,y\n1,{long},ill\n2,b,well\nthree,{long},ill\n")
    arguments = ("--label", "y", "--positive", "ill")
    assert_one_line(command("fit", data, *arguments, "--drop", "note"), 1, "line 4, column 'x': 'three' is not")
    shown = command("fit", data, *arguments)
    assert_one_line(shown, 1, "line 2: column 'note' ('aaaa", "leave it out with --drop note")
    assert len(shown.err) < 300
    assert_one_line(command("fit", data, "--label", "y", "--drop", long), 2)


@pytest.mark.parametrize("label", ["\x1c1", "1\x1f", "\x0c1", "\x851"])
def test_blanks_that_are_no_spaces_count_for_nothing_around_a_label(tmp_path, label):
    table = tables.read(write_csv(tmp_path / "t.csv", f"x,y\n1,{label}\n2,0\n"), "y")
    np.testing.assert_array_equal(table.y, [1.0, 0.0])


@posix
def test_line_without_end_is_refused(tmp_path):
    (tmp_path / "t.csv").symlink_to("/dev/zero")
    assert_one_line(process("fit", tmp_path / "t.csv", "--label", "y"), 1, "t.csv, line 1: it is longer than 16 MiB")


# Pipes, which cannot be read again


@posix
@pytest.mark.parametrize("rows", [1, 200_000])
def test_pipe_names_the_line_as_a_file_does(command, model, tmp_path, rows):
    path = tmp_path / "t.csv"
    os.mkfifo(path)
    text = "x,note\n" + "1,a\n" * rows + "four,b\n"
    writer = threading.Thread(target=lambda: path.write_text(text))
    writer.start()
    outcome = command("predict", model, path)
    writer.join()
    assert_one_line(outcome, 1, f"t.csv, line {rows + 2}, column 'x': 'four' is not a finite number")


# Labels


@pytest.mark.parametrize("values", [["True", "1", "1.0"], ["FALSE", "0"], ["ill", "ill\u200b"], ["a b", "a\u00a0b"]])
def test_spellings_of_one_class_are_one_class(tmp_path, values):
    text = "x,y\n" + "".join(f"{k},{value}\n" for k, value in enumerate(values))
    with pytest.raises(ValueError, match="two classes are needed"):
        tables.read(write_csv(tmp_path / "t.csv", text), "y")


@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_blanks_around_a_label_count_for_nothing_in_every_kind_of_file(tmp_path, suffix):
    values, path = ["ill", "ill ", " well"], tmp_path / f"t.{suffix}"
    if suffix == "npz":
        np.savez(path, X=np.arange(3.0).reshape(3, 1), y=values)
    else:
        pyarrow.parquet.write_table(pyarrow.table({"x": [1.0, 2.0, 3.0], "y": values}), path)
    np.testing.assert_array_equal(tables.read(path, "y", "ill").y, [1.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("values", "positive", "y", "spelled"),
    [
        (["true", "false"], None, [1.0, 0.0], ("true", "false")),
        (["TRUE", "FALSE"], None, [1.0, 0.0], ("TRUE", "FALSE")),
        (["True", "0", "1"], None, [1.0, 0.0, 1.0], ("1", "0")),
        (["True", "0", "1"], "1", [1.0, 0.0, 1.0], ("1", "0")),
        (["1", "0"], "true", [1.0, 0.0], ("true", "0")),
    ],
)
def test_truth_values_are_numbers(tmp_path, values, positive, y, spelled):
    text = "x,y\n" + "".join(f"{k},{value}\n" for k, value in enumerate(values))
    table = tables.read(write_csv(tmp_path / "t.csv", text), "y", positive)
    np.testing.assert_array_equal(table.y, y)
    assert (table.positive, table.negative) == spelled


@pytest.mark.parametrize(
    ("values", "labelled", "correct"),
    [
        (["ill", "well", "well"], 3, 3),
        (["ill", "dead", "Well"], 3, 1),
        (["ill", "", "well "], 2, 2),
    ],
)
def test_label_of_neither_class_is_never_right(model, tmp_path, values, labelled, correct):
    text = "x,y\n" + "".join(f'{x},"{value}"\n' for x, value in zip((0, 2, 3), values, strict=True))
    with tables.opened(write_csv(tmp_path / "t.csv", text)) as source:
        predictions = Predictions(models.load(model), source)
        assert [label for rows in predictions for label in rows.label] == ["ill", "well", "well"]
    assert (predictions.labelled, predictions.correct) == (labelled, correct)


def test_truth_values_are_compared_with_numbers(command, tmp_path):
    path = tmp_path / "m.json"
    command("fit", write_csv(tmp_path / "t.csv", "x,y\n0,0\n1,0\n2,1\n3,1\n"), "--label", "y", "--save", path)
    data = write_csv(tmp_path / "new.csv", "x,y\n0,False\n3,True\n2,true\n1,0\n")
    assert "accuracy 1.0000 against column 'y' (4 of 4)" in command("predict", path, data).err


# Names of columns in options


@pytest.mark.parametrize("name", ["", "a,b", 'a"b', "it's", "two words", "a\nb"])
def test_advice_to_leave_a_column_out_can_be_typed(command, tmp_path, name):
    quoted = name.replace('"', '""')
    data = write_csv(tmp_path / "t.csv", f'"{quoted}",x,y\nann,1,0\nbob,2,1\n')
    option = shlex.split(drop([name]))
    assert command("fit", data, "--label", "y", *option).code == 0


@pytest.mark.parametrize("option", ["--drop", "--columns"])
@pytest.mark.parametrize(
    ("text", "words"), [("", "it is empty"), ("a\nb", "should be a list"), ('"a', "should be a list")]
)
def test_list_of_columns_that_is_none_is_a_usage_error(command, tmp_path, option, text, words):
    data = write_csv(tmp_path / "t.csv", "x,y\n0,0\n1,1\n")
    assert_one_line(command("fit", data, "--label", "y", option, text), 2, option, words)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("0,1\n1,2\n3,4\n", 2),
        ("1,0\n2,1\n4,3\n", 2),
        ("1,7,0\n2,9,1\n4,9,3\n", 2),
        ("1,2\n3,4\n", 2),
        ("0,1,y\n1,2,0\n3,4,1\n", 2),
    ],
)
def test_names_that_are_numbers_are_names_where_the_model_has_them(command, tmp_path, text, rows):
    path = tmp_path / "m.json"
    data = write_csv(tmp_path / "t.csv", "0,1,y\n1,2,0\n3,4,1\n0,5,1\n2,1,0\n")
    assert command("fit", data, "--label", "y", "--l2", 0.1, "--save", path).code == 0
    right = command("predict", path, write_csv(tmp_path / "rows.csv", "1,2\n3,4\n")).out
    outcome = command("predict", path, write_csv(tmp_path / "new.csv", text))
    assert outcome.code == 0
    assert outcome.out == right
    assert outcome.out.count("\n") == 1 + rows


# Many columns


@pytest.mark.parametrize("suffix", ["csv", "npz", "parquet"])
def test_tables_of_many_columns_end(tmp_path, suffix):
    names = [f"x{j}" for j in range(20_000)]
    X = np.outer([1.0, 2.0, 0.0, 5.0], np.arange(1, len(names) + 1) % 7)
    path = tmp_path / f"t.{suffix}"
    if suffix == "npz":
        np.savez(path, X=X, y=[0, 1, 0, 1])
    elif suffix == "parquet":
        pyarrow.parquet.write_table(pyarrow.table({**dict(zip(names, X.T, strict=True)), "y": [0, 1, 0, 1]}), path)
    else:
        np.savetxt(path, np.column_stack([X, [0, 1, 0, 1]]), delimiter=",", header=",".join([*names, "y"]), comments="")
    # It took minutes: each column looked at all.
    line = [sys.executable, "-m", "gradstep", "fit", str(path), "--label", "y", "--max-iter", "2"]
    assert subprocess.run(line, capture_output=True, check=False, timeout=processes.PATIENCE).returncode == 0
    assert tables.read(path, "y", drop=names[1:]).columns == ("x0",)
    assert tables.read(path, "y", columns=names[:10_000]).X.shape == (4, 10_000)


def test_advice_for_many_columns_of_text_is_short(command, tmp_path):
    names = [f"x{j}" for j in range(500)]
    pyarrow.parquet.write_table(pyarrow.table({name: ["a", "b"] for name in [*names, "y"]}), tmp_path / "t.parquet")
    outcome = command("fit", tmp_path / "t.parquet", "--label", "y")
    assert_one_line(outcome, 1, "'x0' ('a')", "and 494 more hold text", "--columns")
    assert len(outcome.err) < 400
