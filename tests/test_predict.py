"""The command ``gradstep predict``: finds the columns by name, streams, and writes probabilities and labels."""

from __future__ import annotations

import csv
import io
import json
import unicodedata

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from command_line import assert_one_line, write_csv
from test_models import model

from gradstep.data import models, tables
from gradstep.data.predictions import Predictions

# z = 0.25 + 0.5 a - 2 b
TABLE = "a,b\n1,2\n-3,0.5\n0,0\n4,1\n"
PROBABILITIES = [1 / (1 + np.exp(-z)) for z in (-3.25, -2.25, 0.25, 0.25)]
LABELS = ["well", "well", "ill", "ill"]


@pytest.fixture
def saved(tmp_path):
    model().save(tmp_path / "m.json")
    return tmp_path / "m.json"


def predicted(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def assert_predicts(outcome, probabilities=PROBABILITIES, labels=LABELS):
    assert outcome.code == 0, outcome.err
    rows = predicted(outcome.out)
    np.testing.assert_allclose([float(row["probability"]) for row in rows], probabilities, rtol=1e-14)
    assert [row["label"] for row in rows] == list(labels)


# The model of fit


@pytest.mark.parametrize("options", [(), ("--standardize",), ("--standardize", "--l2", 0.01), ("--max-iter", 0)])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_predict_reproduces_the_accuracy_that_fit_printed(command, breast_cancer, tmp_path, options, suffix):
    table = tmp_path / f"table{suffix}"
    rows = predicted(breast_cancer.read_text())
    names = [name for name in rows[0] if name != "diagnosis"]
    X = np.array([[float(row[name]) for name in names] for row in rows])
    diagnosis = [row["diagnosis"] for row in rows]
    if suffix == ".csv":
        table.write_bytes(breast_cancer.read_bytes())
    elif suffix == ".npz":
        np.savez(table, X=X, diagnosis=diagnosis)
    else:
        columns = {"diagnosis": diagnosis, **dict(zip(names, X.T, strict=True))}
        pyarrow.parquet.write_table(pyarrow.table(columns), table, row_group_size=100)
    path = tmp_path / "model.json"
    line = ("--label", "diagnosis", "--positive", "malignant", "--save", path, *options)
    trained = command("fit", table, *line)
    share = next(line for line in trained.out.splitlines() if line.startswith("accuracy")).split()[1]
    outcome = command("predict", path, table)
    known = models.load(path)
    assert outcome.err == f"accuracy {share} against column 'diagnosis' ({known.correct} of 569)\n"
    rows = predicted(outcome.out)
    assert len(rows) == 569
    assert {row["label"] for row in rows} <= {"malignant", "benign"}
    assert sum(row["label"] == truth for row, truth in zip(rows, diagnosis, strict=True)) == known.correct


def test_labels_that_are_numbers_or_truth_values(command, tmp_path):
    for values, names in (
        (("0", "1"), {"0", "1"}),
        (("False", "True"), {"False", "True"}),
        (("0.2", "0.9"), {"0", "1"}),
    ):
        text = "x,y\n" + "".join(f"{k},{values[k > 4]}\n" for k in range(10))
        table = write_csv(tmp_path / "t.csv", text)
        trained = command("fit", table, "--label", "y", "--l2", 0.01, "--save", tmp_path / "m.json")
        outcome = command("predict", tmp_path / "m.json", table)
        assert {row["label"] for row in predicted(outcome.out)} == names
        assert outcome.err.split()[1] in trained.out


def test_the_other_class_is_named_where_there_is_one(command, tmp_path):
    for third, other in (("größer", "größer"), ("c", "not é")):
        table = write_csv(tmp_path / "t.csv", f"x,y\n0,größer\n1,é\n2,{third}\n")
        command("fit", table, "--label", "y", "--positive", "é", "--save", tmp_path / "m.json")
        outcome = command("predict", tmp_path / "m.json", table, "--threshold", 1)
        assert {row["label"] for row in predicted(outcome.out)} == {other}


# The columns


@pytest.mark.parametrize(
    "text",
    [
        "b,a\n2,1\n0.5,-3\n0,0\n1,4\n",
        "name,b,more,a\nx,2,9,1\ny,0.5,9,-3\nz,0,,0\nz,1,nan,4\n",
        '\ufeff"a","b"\r\n1,2\r\n\r\n"-3",0.5\r\n\r\n0,0\r\n4e0, 1\r\n\r\n',
        "\n\na,b\n1,2\n-3,.5\n0,0\n4,1",
        "1,2\n-3,0.5\n0,0\n4,1\n",
        "\n1,2\n\n-3,0.5\n0,0\n4,1\n",
    ],
)
def test_columns_are_found(command, saved, tmp_path, text):
    outcome = command("predict", saved, write_csv(tmp_path / "t.csv", text))
    assert_predicts(outcome)
    assert outcome.err == ""


@pytest.mark.parametrize(("delimiter", "named"), [(";", ";"), ("\t", "tab"), ("\t", "\\t"), ("|", "|"), (" ", " ")])
def test_delimiters(command, saved, tmp_path, delimiter, named):
    table = write_csv(tmp_path / "t.csv", TABLE.replace(",", delimiter))
    assert_predicts(command("predict", saved, table, "--delimiter", named))
    if delimiter != " ":
        assert_one_line(command("predict", saved, table), 1, "t.csv", "'a', 'b'", "missing", "--delimiter")


@pytest.mark.parametrize("delimiter", ["", "::", "1", '"', "nosuch"])
def test_delimiter_that_is_none(command, saved, delimiter):
    assert_one_line(command("predict", saved, "t.csv", "--delimiter", delimiter), 2, "--delimiter", "tab")


def test_names_that_look_alike_are_the_same(command, tmp_path):
    model(["gr\u00f6\u00dfe", "a, b"]).save(tmp_path / "m.json")
    table = write_csv(tmp_path / "t.csv", '"a, b",gro\u0308\u00dfe\n2,1\n')
    assert_predicts(command("predict", tmp_path / "m.json", table), PROBABILITIES[:1], LABELS[:1])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,c\n1,2\n", ("t.csv: column 'b' of ", "m.json is missing", "there are 'a', 'c'")),
        ("c,d\n1,2\n", ("2 columns of ", "m.json, 'a', 'b', are missing")),
        ("a,b,a\n1,2,3\n", ("2 columns are called 'a'",)),
        ("1,2,3\n1,2,3\n", ("no names", "m.json has: 2, not 3")),
        ("", ("t.csv", "empty")),
        ("a,b\n1,2\n1,\n", ("t.csv, line 3, column 'b': the cell is empty",)),
        ("a,b\n1,2\n1,nan\n", ("line 3, column 'b': 'nan' is not a finite number",)),
        ("a,b\n1,2\n\n1,inf\n", ("line 4, column 'b'",)),
        ("a,b\n1,2\n1,x\n", ("line 3, column 'b': 'x' is not a finite number",)),
        ("a,b\n1,2\n1,2,3\n", ("line 3: 3 fields; the header has 2",)),
        ("a,b,c\n1,2,x\n1,2\n", ("line 3: 2 fields; the header has 3",)),
        ("1,2\n1,x\n", ("line 2, column 2: 'x' is not a finite number",)),
        ("a,b\nred,2\n", ("line 2: column 'a' ('red') holds text",)),
    ],
)
def test_table_that_cannot_be_used(command, saved, tmp_path, text, parts):
    outcome = command("predict", saved, write_csv(tmp_path / "t.csv", text), "--out", tmp_path / "p.csv")
    assert_one_line(outcome, 1, *parts)
    assert "--drop" not in outcome.err
    assert not (tmp_path / "p.csv").exists()


def test_decimal_comma_is_explained(command, saved, tmp_path):
    table = write_csv(tmp_path / "t.csv", "a;b\n1,5;2\n")
    outcome = command("predict", saved, table, "--delimiter", ";")
    assert_one_line(outcome, 1, "line 2, column 'a': '1,5' is not a finite number; decimals should have a point")


def test_table_without_rows_has_no_predictions(command, saved, tmp_path):
    outcome = command("predict", saved, write_csv(tmp_path / "t.csv", "a,b\n"))
    assert (outcome.code, outcome.out, outcome.err) == (0, "probability,label\n", "")
    empty = pyarrow.table({"a": pyarrow.array([], "f8"), "b": pyarrow.array([], "f8")})
    pyarrow.parquet.write_table(empty, tmp_path / "t.parquet")
    assert command("predict", saved, tmp_path / "t.parquet", "--out", tmp_path / "p.parquet").code == 0
    assert pyarrow.parquet.read_table(tmp_path / "p.parquet").num_rows == 0


def test_values_of_any_size(command, saved, tmp_path):
    table = write_csv(tmp_path / "t.csv", "a,b\n1e308,1e308\n1e-320,-1e-320\n-1e308,1e308\n0,-1e308\n")
    z = 0.25
    assert_predicts(command("predict", saved, table), [0, 1 / (1 + np.exp(-z)), 0, 1], ["well", "ill", "well", "ill"])


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=6).map(
    lambda name: unicodedata.normalize("NFC", name.strip())
)


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(st.data())
def test_columns_are_found_in_any_order_among_others(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("any")
    # A name of letters, because a header of numbers is none.
    names = data.draw(st.lists(NAMES.map(lambda name: f"c{name}"), min_size=1, max_size=6, unique=True))
    order = data.draw(st.permutations(names))
    columns = names[: data.draw(st.integers(1, len(names)))]
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    rows = data.draw(st.lists(st.lists(numbers, min_size=len(names), max_size=len(names)), max_size=4))
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([order, *rows])
    trained = model(columns, data.draw(st.lists(numbers, min_size=len(columns), max_size=len(columns))), label="no")
    with tables.opened(folder / "t.csv") as source:
        found = [p for block in Predictions(trained, source) for p in block.probability.tolist()]
    X = np.array(rows, float).reshape(len(rows), len(names))[:, [order.index(name) for name in columns]]
    np.testing.assert_allclose(found, trained.probabilities(X), rtol=1e-9)


# Labels in the table


def test_labels_in_the_table_are_compared_and_those_that_lack_are_counted(command, saved, tmp_path):
    table = write_csv(tmp_path / "t.csv", "a,b,state\n1,2,well\n-3,0.5,ill\n0,0,ill\n4,1,NA\n0,0,\n")
    outcome = command("predict", saved, table)
    assert_predicts(outcome, [*PROBABILITIES, PROBABILITIES[2]], [*LABELS, "ill"])
    assert outcome.err == "accuracy 0.6667 against column 'state' (2 of 3; 2 rows without a label)\n"


def test_ids_and_threshold(command, saved, tmp_path):
    table = write_csv(tmp_path / "t.csv", 'key,a,b\nü,1,2\n007,-3,0.5\n,0,0\n"x,""y",4,1\n')
    outcome = command("predict", saved, table, "--id", "key", "--threshold", 0.05)
    assert [row["key"] for row in predicted(outcome.out)] == ["ü", "007", "", 'x,"y']
    assert [row["label"] for row in predicted(outcome.out)] == ["well", "ill", "ill", "ill"]
    outcome = command("predict", saved, table, "--id", "a")
    assert_predicts(outcome)
    assert [row["a"] for row in predicted(outcome.out)] == ["1", "-3", "0", "4"]
    assert_one_line(command("predict", saved, table, "--id", "nosuch"), 1, "no column 'nosuch'", "'a', 'b', 'key'")
    assert_one_line(command("predict", saved, table, "--threshold", 1.5), 2, "--threshold")
    for wrong in ("nan", "half", "-0.1"):
        assert_one_line(command("predict", saved, table, "--threshold", wrong), 2, wrong, "a number from 0 to 1")


# Other kinds of file


def test_parquet_with_several_row_groups(command, saved, tmp_path):
    a, b = np.arange(10.0), np.linspace(0, 1, 10)
    table = pyarrow.table({"key": list("abcdefghij"), "b": b, "a": a, "state": [None, "ill"] * 5})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet", row_group_size=3)
    outcome = command("predict", saved, tmp_path / "t.parquet", "--id", "key", "--out", tmp_path / "p.parquet")
    assert outcome.code == 0
    assert outcome.err.splitlines()[0] == f"wrote {tmp_path / 'p.parquet'}: 10 rows"
    assert "of 5; 5 rows without a label" in outcome.err
    written = pyarrow.parquet.read_table(tmp_path / "p.parquet").to_pydict()
    assert list(written) == ["key", "probability", "label"]
    assert written["key"] == list("abcdefghij")
    np.testing.assert_allclose(written["probability"], 1 / (1 + np.exp(-(0.25 + 0.5 * a - 2 * b))), rtol=1e-14)
    assert written["label"] == ["ill" if p >= 0.5 else "well" for p in written["probability"]]


@pytest.mark.parametrize(
    ("a", "parts"),
    [
        ([1.0, 2.0, 3.0, None], ("row 4, column 'a': the cell is empty",)),
        ([1.0, 2.0, 3.0, np.inf], ("row 4, column 'a': inf is not a finite number",)),
        (["x", None, "y", "z"], ("column 'a' ('x') holds text",)),
        ([[1], [2], [3], [4]], ("column 'a': it holds list",)),
    ],
)
def test_parquet_that_cannot_be_used(command, saved, tmp_path, a, parts):
    pyarrow.parquet.write_table(pyarrow.table({"a": a, "b": [1, 2, 3, 4]}), tmp_path / "t.parquet", row_group_size=2)
    assert_one_line(command("predict", saved, tmp_path / "t.parquet"), 1, "t.parquet", *parts)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_by_position(command, saved, tmp_path, order, save):
    X = np.array([[1, 2], [-3, 0.5], [0, 0], [4, 1]], order=order)
    save(tmp_path / "t.npz", X=X, state=["well", "well", "ill", "well"], key=[5, 6, 7, 8])
    outcome = command("predict", saved, tmp_path / "t.npz", "--id", "key")
    assert_predicts(outcome)
    assert "accuracy 0.7500 against column 'state' (3 of 4)" in outcome.err
    assert [row["key"] for row in predicted(outcome.out)] == ["5", "6", "7", "8"]
    save(tmp_path / "t.npz", X=np.ones((4, 3)))
    assert_one_line(command("predict", saved, tmp_path / "t.npz"), 1, "t.npz", "2, not 3")


def test_npz_that_is_cut_off_or_damaged_is_refused(command, saved, tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, X=np.ones((1000, 2)))
    damaged = bytearray(path.read_bytes())
    damaged[9000] ^= 1
    path.write_bytes(damaged)
    outcome = command("predict", saved, path, "--out", tmp_path / "p.csv")
    assert_one_line(outcome, 1, "t.npz", "array 'X'", "CRC")
    assert not (tmp_path / "p.csv").exists()


# Models and files that are something else


def test_model_and_data_the_wrong_way_round(command, saved, tmp_path):
    table = write_csv(tmp_path / "t.csv", TABLE)
    assert_one_line(command("predict", table, saved), 2, "the model comes first: gradstep predict", "m.json")
    assert_one_line(command("predict", table, table), 1, "t.csv: not a model that gradstep fit --save wrote")
    assert_one_line(command("predict", saved, saved), 1, "m.json: the name should end in .csv, .npz or .parquet")
    assert_one_line(command("predict", saved, tmp_path / "no.csv"), 1, "no.csv: No such file")
    assert_one_line(command("predict", tmp_path / "no.json", table), 1, "no.json: No such file")
    assert_one_line(command("predict", saved), 2, "DATA")


def test_model_of_a_newer_version(command, saved, tmp_path):
    content = json.loads(saved.read_text())
    saved.write_text(json.dumps({**content, "schema": 2, "gradstep": "9.9"}))
    outcome = command("predict", saved, write_csv(tmp_path / "t.csv", TABLE))
    assert_one_line(outcome, 1, "m.json: written by gradstep 9.9", "update gradstep")
