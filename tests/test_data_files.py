"""What is read from CSV, npz and Parquet files, and how it is standardized."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from command_line import assert_one_line, write_csv

from gradstep.data import tables

# Data files


def test_csv_with_quotes_a_byte_order_mark_and_blank_lines(tmp_path):
    text = '\ufeff"a, first",b,"the ""label"""\r\n1,2e0,"yes, sure"\r\n\r\n"3", 4,no\r\n'
    table = tables.read(write_csv(tmp_path / "data.csv", text), 'the "label"', "yes, sure")
    assert table.columns == ("a, first", "b")
    np.testing.assert_array_equal(table.X, [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(table.y, [1.0, 0.0])


@pytest.mark.parametrize(
    ("labels", "positive", "y"),
    [
        (["0", "1", "1.0"], None, [0.0, 1.0, 1.0]),
        (["0.25", "1", "0"], None, [0.25, 1.0, 0.0]),
        (["1", "2", "2"], "2.0", [0.0, 1.0, 1.0]),
        (["a", "b", "c"], "b", [0.0, 1.0, 0.0]),
        (["True", "False", "True"], None, [1.0, 0.0, 1.0]),
    ],
)
def test_labels(tmp_path, labels, positive, y):
    text = "label,x\n" + "".join(f"{label},{k}\n" for k, label in enumerate(labels))
    np.testing.assert_array_equal(tables.read(write_csv(tmp_path / "d.csv", text), "label", positive).y, y)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("x,y\n", "no row follows the header"),
        ("1,2\n3,1\n", "line 1 holds only numbers"),
        ("y\n1\n", "no column besides the label"),
        ("x,z\n1,0\n", "there is no column 'y'; there are 'x', 'z'"),
        ("y,y,x\n1,0,1\n", "2 columns are called 'y'"),
        ("x,y\n1,0\n\nfour,1\n", "line 4, column 'x': 'four' is not a finite number"),
        ("x,y\n1,0\n,1\n", "line 3, column 'x': the cell is empty"),
        ("x,y\n1,0\ninf,1\n", "line 3, column 'x': 'inf' is not a finite number"),
        ("x,y\n1,0\n2,1,7\n", "line 3: 3 fields; the header has 2"),
        ("x,y\n1,0,5\n2,1,7\n", "line 2: 3 fields; the header has 2"),
        ("x,z,y\n1,0\n", "line 2: 2 fields; the header has 3"),
        ("x,y\n1,0\n2,\n", "rows without a value"),
        ("x,y\n1,0\n2,0\n", "holds only '0'; two classes are needed"),
        ("x,y\n1,0\n2,2\n", "holds '0', '2'; name the value that counts as 1 with --positive"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        tables.read(write_csv(tmp_path / "data.csv", text), "y")
    assert "data.csv" in str(caught.value)


def test_csv_that_is_not_utf8(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes("größe,y\n1,0\n".encode("latin-1"))
    with pytest.raises(ValueError, match="UTF-8"):
        tables.read(path, "y")
    path.write_bytes("x,y\n1,0\n2,größer\n".encode("latin-1"))
    with pytest.raises(ValueError, match="UTF-8"):
        tables.read(path, "y")


def test_npz(tmp_path):
    path = tmp_path / "data.npz"
    X = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.savez(path, X=X, y=[0, 1, 1], outcome=["ill", "well", "ill"], text=["a", "b", "c"], short=[1, 0])
    table = tables.read(path)
    np.testing.assert_array_equal(table.X, X)
    assert (table.X.dtype, table.columns, table.label) == (np.float32, ("x0", "x1"), "y")
    np.testing.assert_array_equal(tables.read(path, "outcome", "ill").y, [1.0, 0.0, 1.0])
    for label, message in (("nosuch", "no array 'nosuch'"), ("short", "one label per row"), ("text", "--positive")):
        with pytest.raises(ValueError, match=message):
            tables.read(path, label)
    np.savez(path, X=[[0.0], [np.nan]], y=[0, 1])
    with pytest.raises(ValueError, match="row 2, column 'x0': nan"):
        tables.read(path)
    np.savez(path, X=np.array([["a"], [None]], dtype=object), y=[0, 1])
    with pytest.raises(ValueError, match="npz"):
        tables.read(path)
    path.write_text("no archive")
    with pytest.raises(ValueError, match="not an npz file"):
        tables.read(path)


def test_parquet(tmp_path):
    path = tmp_path / "data.parquet"

    def write(**columns: list[object]) -> None:
        pyarrow.parquet.write_table(pyarrow.table(columns), path)

    write(a=[1, 2, 3], state=["ill", "well", "ill"], b=[0.5, 1.5, 2.5])
    table = tables.read(path, "state", "ill")
    assert table.columns == ("a", "b")
    np.testing.assert_array_equal(table.X, [[1.0, 0.5], [2.0, 1.5], [3.0, 2.5]])
    np.testing.assert_array_equal(table.y, [1.0, 0.0, 1.0])
    write(a=[1, None], y=[0, 1])
    with pytest.raises(ValueError, match="column 'a': 1 values are missing"):
        tables.read(path, "y")
    write(a=["x", "z"], y=[0, 1])
    with pytest.raises(ValueError, match="column 'a': it holds string, not numbers"):
        tables.read(path, "y")
    path.write_text("no parquet")
    with pytest.raises(ValueError, match="not read as Parquet"):
        tables.read(path, "y")


def test_parquet_without_pyarrow_names_the_extra(command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    path = tmp_path / "data.parquet"
    path.write_bytes(b"")
    assert_one_line(command("fit", path, "--label", "y"), 1, "needs pyarrow", "gradstep[parquet]")


def test_file_of_unknown_kind(command, tmp_path):
    path = write_csv(tmp_path / "data.xlsx", "")
    assert_one_line(command("fit", path, "--label", "y"), 1, "data.xlsx", ".csv, .npz or .parquet")


# Standardizing


def test_standardization_leaves_constant_columns_at_zero():
    X = np.column_stack([np.arange(7.0), np.full(7, 0.1), np.full(7, 1e300)])
    standardization = tables.Standardization.of(X)
    standardized = standardization.apply(X)
    np.testing.assert_allclose(standardized.std(axis=0), [1.0, 0.0, 0.0])
    assert not standardized[:, 1:].any()
    w, b = standardization.original_units(np.array([2.0, 0.0, 0.0]), 0.5)
    np.testing.assert_allclose(X @ w + b, standardized @ [2.0, 0.0, 0.0] + 0.5)


def test_standardization_of_a_column_out_of_range():
    with pytest.raises(ValueError, match="column 1"):
        tables.Standardization.of(np.array([[1.0, 1e300], [2.0, -1e300]]))
