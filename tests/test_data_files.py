"""What is read from CSV, npz and Parquet files, and how it is standardized."""

from __future__ import annotations

import decimal
import io
import re
import sys
import zipfile

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from command_line import assert_one_line, write_csv

from gradstep.data import tables
from gradstep.data.standardization import Standardization

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
        ("\n \nx,y\n1,0\nfour,1\n", "line 5, column 'x': 'four' is not a finite number"),
        ("\n\n", "the file is empty"),
        ("x,y\n1,0\n1_000,1\n", "line 3, column 'x': '1_000' is not a finite number"),
        ("x,y\n1,0\n\uff11\uff12,1\n", "line 3, column 'x': '\uff11\uff12' is not a finite number"),
        ('x,y\n1,0\n"2,1' + 200_000 * "x", "line 3: 1 field; the header has 2"),
        ("x,y\n1,1\n2,1.0\n", "holds only '1', '1.0'; two classes are needed"),
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


# What pandas takes for missing, and what other programs write.
MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-NaN", "-nan", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None",
    "n/a", "nan", "null", "none", "-", "?", ".", "NaT", "nil", "na", "\\N", "\u2013",
    "#DIV/0!", "#REF!", "#NAME?", "#NUM!", "NA.", "...", "\u2026", "Not available", "<null>", "\u200b", "\ufeff NA",
    "#WERT!", "#NV", "#N/D", "#NOM?", "#\u00a1VALOR!", "Err:502", "(NULL)", "(n/a)", "[null]", "<missing>", "{}", "''",
    "( NA )", "NA_character_", ".a", "*", "n.d.", "not determined", "No value", "(n.a.)",
)  # fmt: skip


@pytest.mark.parametrize("spelling", MISSING)
def test_label_that_is_missing_is_refused_in_every_kind_of_file(tmp_path, spelling):
    values = ["ill", spelling, "well"]
    text = "x,y\n" + "".join(f'{k},"{value}"\n' for k, value in enumerate(values))
    np.savez(tmp_path / "d.npz", X=np.arange(3.0).reshape(3, 1), y=values)
    pyarrow.parquet.write_table(pyarrow.table({"x": [1.0, 2.0, 3.0], "y": values}), tmp_path / "d.parquet")
    for path in (write_csv(tmp_path / "d.csv", text), tmp_path / "d.npz", tmp_path / "d.parquet"):
        with pytest.raises(ValueError, match="rows without a value") as caught:
            tables.read(path, "y", "ill")
        assert str(path) in str(caught.value)


def test_number_that_is_missing_among_labels_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz", X=np.ones((3, 1)), y=[0.0, np.nan, 1.0], t=np.array(["NaT", "NaT", "NaT"], "M8[s]"))
    pyarrow.parquet.write_table(pyarrow.table({"x": [1.0, 2.0, 3.0], "y": [0.0, np.nan, 1.0]}), tmp_path / "d.parquet")
    for path in (tmp_path / "d.npz", tmp_path / "d.parquet"):
        with pytest.raises(ValueError, match="rows without a value"):
            tables.read(path, "y", "1")
    with pytest.raises(ValueError, match="neither numbers nor text"):
        tables.read(tmp_path / "d.npz", "t", "1")


def test_minus_beside_plus_is_a_class(tmp_path):
    table = tables.read(write_csv(tmp_path / "d.csv", "x,y\n1,+\n2,-\n"), "y", "+")
    np.testing.assert_array_equal(table.y, [1.0, 0.0])


@pytest.mark.parametrize("negative", ["(-)", "no", "-1", "0.", "#1", "err", ".5", "nada", "a/b", "nano", "[x]", "**"])
def test_what_looks_nearly_like_a_missing_value_is_a_class(tmp_path, negative):
    table = tables.read(write_csv(tmp_path / "d.csv", f'x,y\n1,(+)\n2,"{negative}"\n'), "y", "(+)")
    np.testing.assert_array_equal(table.y, [1.0, 0.0])
    assert table.negative == negative


def test_labels_and_columns_that_look_alike_are_the_same(tmp_path):
    text = "x,gro\u0308\u00dfe\n1,e\u0301\n2,\u00e9\n3,b\n"
    table = tables.read(write_csv(tmp_path / "d.csv", text), "gr\u00f6\u00dfe", "\u00e9")
    np.testing.assert_array_equal(table.y, [1.0, 1.0, 0.0])


def test_blank_lines_before_the_header_are_skipped(tmp_path):
    table = tables.read(write_csv(tmp_path / "d.csv", "\n\nx,y\n1,0\n2,1\n"), "y")
    np.testing.assert_array_equal(table.X, [[1.0], [2.0]])


def test_tables_without_rows_say_so(tmp_path):
    np.savez(tmp_path / "d.npz", X=np.ones((0, 1)), y=np.ones(0), one=np.ones((2, 0)))
    pyarrow.parquet.write_table(pyarrow.table({"x": [1.0][:0], "y": [1.0][:0]}), tmp_path / "d.parquet")
    for path in (tmp_path / "d.npz", tmp_path / "d.parquet"):
        with pytest.raises(ValueError, match="rows") as caught:
            tables.read(path, "y")
        assert path.name in str(caught.value)


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
    with pytest.raises(ValueError, match=r"data\.parquet, row 2, column 'a': the cell is empty"):
        tables.read(path, "y")
    write(a=["x", "z"], y=[0, 1])
    with pytest.raises(ValueError, match=r"data\.parquet: column 'a' \('x'\) holds text, not numbers"):
        tables.read(path, "y")
    path.write_text("no parquet")
    with pytest.raises(ValueError, match="not read as Parquet"):
        tables.read(path, "y")


def assert_read_or_one_line(path, **options):
    """Read a file that is damaged somewhere; return whether that ended in the one line that names the file."""
    try:
        tables.read(path, "y", **options)
    except ValueError as error:
        refusal = str(error)
    else:
        return False
    assert refusal.startswith(str(path)), refusal
    return True


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_damaged_anywhere_is_refused_or_read(tmp_path, save):
    path = tmp_path / "d.npz"
    save(path, X=np.arange(8.0).reshape(4, 2), y=[0, 1, 1, 0])
    whole = path.read_bytes()
    right = tables.read(path, "y")
    random = np.random.default_rng(0)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        if not assert_read_or_one_line(path):
            # A name or a date has changed; the numbers have not.
            np.testing.assert_array_equal(tables.read(path, "y").X, right.X)
        path.write_bytes(whole[:place])
        assert assert_read_or_one_line(path)


def test_npz_with_members_that_are_no_arrays(command, tmp_path):
    path = tmp_path / "d.npz"
    array = io.BytesIO()
    np.save(array, np.ones((2, 1)))
    for content in (b"", b"text", array.getvalue()[:-1], array.getvalue() + b"more"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("X.npy", content)
            archive.writestr("y.npy", array.getvalue())
        assert_one_line(command("fit", path), 1, "d.npz", "'X'")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.txt", b"text")
    assert_one_line(command("fit", path), 1, "d.npz", "no array 'X'; there are 'X.txt'")
    np.savez(path, X=np.ones((2, 1)), y=[0, 1])
    encrypted = bytearray(path.read_bytes())
    # The first bit of the flags, in the local header and in the directory at the end.
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(encrypted)
    assert_one_line(command("fit", path), 1, "d.npz", "encrypted")


def test_npz_labels_in_bytes_are_text(tmp_path):
    np.savez(tmp_path / "d.npz", X=np.ones((2, 1)), y=np.array([b"ill", b"well"]), bad=np.array([b"\xff", b"a"]))
    np.testing.assert_array_equal(tables.read(tmp_path / "d.npz", "y", "ill").y, [1.0, 0.0])
    with pytest.raises(ValueError, match="UTF-8"):
        tables.read(tmp_path / "d.npz", "bad", "a")


def test_npz_of_what_is_no_text_names_the_file_and_the_array(command, tmp_path):
    beyond = np.array([ord("a"), 0x110000], np.uint32).view("U1")
    for labels in (np.array(["a", "\ud800"]), beyond, np.array([b"a", b"\xff"])):
        np.savez(tmp_path / "d.npz", X=np.ones((2, 1)), y=labels)
        outcome = command("fit", tmp_path / "d.npz", "--positive", "a")
        assert_one_line(outcome, 1, "d.npz: array 'y' holds what is no text")


def test_parquet_of_what_is_no_text_names_the_file_and_the_column(command, tmp_path):
    path = tmp_path / "d.parquet"
    ends = pyarrow.py_buffer(np.array([0, 1, 2], np.int32))
    bytes_in_text = pyarrow.Array.from_buffers(pyarrow.string(), 2, [None, ends, pyarrow.py_buffer(b"a\xff")])
    too_late = pyarrow.array([0, 2**62], pyarrow.timestamp("us"))
    for labels in (bytes_in_text, too_late):
        pyarrow.parquet.write_table(pyarrow.table({"x": [1, 2], "y": labels}), path)
        outcome = command("fit", path, "--label", "y", "--positive", "a")
        assert_one_line(outcome, 1, "d.parquet, column 'y': not read as text")
    pyarrow.parquet.write_table(pyarrow.table({"x": bytes_in_text.take([1, 0]), "y": [0, 1]}), path)
    assert_one_line(command("fit", path, "--label", "y"), 1, "d.parquet, column 'x': not read as text")


@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_parquet_damaged_anywhere_is_refused_or_read(tmp_path, compression):
    path = tmp_path / "d.parquet"
    content = pyarrow.table({"a": [0.5 * k for k in range(40)], "y": [k % 2 for k in range(40)]})
    pyarrow.parquet.write_table(content, path, compression=compression)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        assert_read_or_one_line(path)
        path.write_bytes(whole[:place])
        assert assert_read_or_one_line(path)


def test_parquet_page_that_claims_much_takes_little(tmp_path):
    path = tmp_path / "d.parquet"
    columns = {"a": [float(k) for k in range(16)], "y": [k % 2 for k in range(16)]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path, compression="none", use_dictionary=False)
    whole = path.read_bytes()
    # The first page's header: its kind, its two sizes, and what else there is.
    damaged, count = re.subn(
        rb"\x15\x00\x15.{1,2}?\x15.{1,2}?\x2c", b"\x15\x00" + 2 * b"\x15\xfe\xff\xff\xff\x0f" + b"\x2c",
        whole, count=1, flags=re.DOTALL,
    )  # fmt: skip
    assert count == 1
    path.write_bytes(damaged)
    held = pyarrow.default_memory_pool().max_memory()
    with pytest.raises(ValueError, match=re.escape(str(path))):
        tables.read(path, "y")
    assert pyarrow.default_memory_pool().max_memory() < held + (1 << 26)


def test_parquet_with_a_damaged_page_names_its_column(tmp_path):
    path = tmp_path / "d.parquet"
    content = pyarrow.table({"a": [1.0, 2.0], "b": [3.0, 4.0], "y": [0, 1]})
    pyarrow.parquet.write_table(content, path, compression="snappy")
    column = pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(1)
    damaged = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    damaged[start : start + 20] = b"\xff" * 20
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"d\.parquet, column 'b': not read as Parquet"):
        tables.read(path, "y")


def test_parquet_of_other_types(tmp_path):
    path = tmp_path / "d.parquet"
    decimals = pyarrow.array([decimal.Decimal("1.25"), decimal.Decimal("2.50")])
    categories = pyarrow.array(["ill", "well"]).dictionary_encode()
    plain = pyarrow.array([0, 1])
    pyarrow.parquet.write_table(pyarrow.table({"a": decimals, "b": plain, "y": categories}), path)
    table = tables.read(path, "y", "ill")
    np.testing.assert_array_equal(table.X, [[1.25, 0.0], [2.5, 1.0]])
    np.testing.assert_array_equal(table.y, [1.0, 0.0])
    pyarrow.parquet.write_table(pyarrow.table({"a": plain, "y": decimals}), path)
    np.testing.assert_array_equal(tables.read(path, "y", "2.5").y, [0.0, 1.0])
    for other in ([[1], [2, 3]], [{"k": 1}, {"k": 2}], [b"a", b"b"], pyarrow.array([b"a", b"b"], pyarrow.binary(1))):
        pyarrow.parquet.write_table(pyarrow.table({"a": pyarrow.array(other), "y": plain}), path)
        with pytest.raises(ValueError, match=r"d\.parquet, column 'a': it holds .*, not numbers"):
            tables.read(path, "y")
        pyarrow.parquet.write_table(pyarrow.table({"x": plain, "y": pyarrow.array(other)}), path)
        with pytest.raises(ValueError, match=r"d\.parquet, column 'y': it holds .*, neither numbers nor text"):
            tables.read(path, "y", "a")


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
    standardization = Standardization.of(X)
    standardized = standardization.apply(X)
    np.testing.assert_allclose(standardized.std(axis=0), [1.0, 0.0, 0.0])
    assert not standardized[:, 1:].any()
    w, b = standardization.original_units(np.array([2.0, 0.0, 0.0]), 0.5)
    np.testing.assert_allclose(X @ w + b, standardized @ [2.0, 0.0, 0.0] + 0.5)


def test_standardization_of_a_column_out_of_range():
    with pytest.raises(ValueError, match="column 1"):
        Standardization.of(np.array([[1.0, 1e300], [2.0, -1e300]]))


def test_column_that_cannot_be_standardized_is_named(command, tmp_path):
    path = write_csv(tmp_path / "d.csv", "a,dose,y\n1,1e300,0\n2,-1e300,1\n")
    line = ("--label", "y")
    assert_one_line(command("fit", path, *line, "--standardize"), 1, "d.csv", "column 'dose' cannot be standardized")
    assert_one_line(command("compare", "--data", path, *line), 1, "d.csv", "column 'dose' cannot be standardized")
