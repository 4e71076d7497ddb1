"""What is no array of real numbers: the message names the column or the kind, and the way out."""

from __future__ import annotations

import datetime
import decimal
import sys

import h5py
import numpy as np
import pandas
import polars
import pyarrow
import pytest
import scipy.sparse
from containers import exporter, zarr_array

from gradstep import gradient
from gradstep.extras import MissingExtra

X = np.array([[1.5, 1.0], [2.5, 0.0], [-1.0, 1.0], [0.5, 0.0]])
Y = np.array([0.0, 1.0, 1.0, 0.0])
W = np.array([0.5, -0.25])

REAL = "it should be real numbers"
CONVERT = "convert it to float if it holds numbers"
DROP = f"{REAL}: drop the column, or encode it"
DAYS = f"{REAL}: drop the column, or pass it as a number, such as days since a date"

DAY = datetime.date(2026, 1, 2)
COLUMNS = {
    "text": (["a", "b", "a", "b"], DROP),
    "dates": ([DAY] * 4, DAYS),
    "moments": ([datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC)] * 4, DAYS),
    "durations": ([datetime.timedelta(1)] * 4, DAYS),
    "decimals": ([decimal.Decimal("1.5")] * 4, DROP),
    "lists": ([[1.0, 2.0]] * 4, DROP),
    "nothing": ([None] * 4, DROP),
}
LIBRARIES = {
    "polars": (polars.DataFrame, lambda frame, name: frame[name].dtype),
    "pyarrow": (pyarrow.table, lambda table, name: table.column(name).type),
    "pandas of pyarrow": (
        lambda columns: pandas.DataFrame(
            {name: pandas.arrays.ArrowExtensionArray(pyarrow.array(column)) for name, column in columns.items()}
        ),
        lambda frame, name: frame[name].dtype,
    ),
}


def message(error, X, y=Y):
    with pytest.raises(error) as raised:
        gradient(X, y, W, 0.0)
    return str(raised.value)


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_column_of_another_kind(library, kind):
    values, ending = COLUMNS[kind]
    make, dtype_of = LIBRARIES[library]
    frame = make({"age": X[:, 0], "it": values})
    dtype = dtype_of(frame, "it")
    assert message(TypeError, frame) == f"X has column 'it' of dtype {dtype}; {ending}"


@pytest.mark.parametrize("library", LIBRARIES)
def test_labels_of_text(library):
    make, dtype_of = LIBRARIES[library]
    frame = make({"label": ["ill", "well", "ill", "well"]})
    expected = f"y has dtype {dtype_of(frame, 'label')}; {REAL} (float, integer or bool)"
    assert message(TypeError, X, frame["label"]) == expected


MISSING = {
    "pandas": pandas.DataFrame(
        {"age": pandas.array([1, 2, 3, 4], "Int64"), "hot": pandas.array([1, 0, None, 1], "boolean")}
    ),
    "pandas of pyarrow": pandas.DataFrame(
        {"age": [1, 2, 3, 4], "hot": pandas.Series([1, 0, None, 1], dtype="int8[pyarrow]")}
    ),
    "polars": polars.DataFrame({"age": [1.0, 2.0, 3.0, 4.0], "hot": [True, False, None, True]}),
    "polars of numbers": polars.DataFrame({"age": [1.0, 2.0, 3.0, 4.0], "hot": [1, 0, None, 1]}),
    "pyarrow": pyarrow.table({"age": [1, 2, 3, 4], "hot": pyarrow.chunked_array([[1, 0], [None, 1]])}),
}


@pytest.mark.parametrize("frame", MISSING.values(), ids=MISSING)
def test_a_missing_value(frame):
    expected = "X has a missing value at index (2, 1), column 'hot'; fill it in, or drop the row"
    assert message(ValueError, frame) == expected
    assert message(ValueError, X, frame["hot"]) == "y has a missing value at index 2; fill it in, or drop the row"


def test_a_missing_value_that_pandas_writes_as_nan():
    frame = pandas.DataFrame({"age": [1.0, 2.0, None, 4.0], "hot": [True, False, True, False]})
    assert message(ValueError, frame) == "X has nan at index (2, 0); it should be finite"


@pytest.mark.parametrize("label", [None, 3, ("a", "b"), "\x1b[31m"], ids=repr)
def test_names_of_columns_are_shown_as_they_are_written_in_python(label):
    frame = pandas.DataFrame({"age": X[:, 0], "it": ["a"] * 4})
    frame.columns = pandas.Index(["age", label], dtype=object, tupleize_cols=False)
    assert message(TypeError, frame).startswith(f"X has column {label!r} of dtype ")


def test_columns_of_the_same_name():
    frame = pandas.DataFrame([[1.0, "a"]] * 4, columns=["x", "x"])
    assert message(TypeError, frame).startswith("X has column 'x' of dtype ")


def test_sparse_columns():
    frame = pandas.DataFrame({"age": X[:, 0], "hot": pandas.arrays.SparseArray(X[:, 1])})
    way_out = "it should be dense: pass X.astype({'hot': 'float64'})"
    assert message(TypeError, frame) == f"X has column 'hot' of dtype {frame['hot'].dtype}; {way_out}"
    gradient(frame.astype({"hot": "float64"}), Y, W, 0.0)
    expected = f"y has dtype {frame['hot'].dtype}; it should be dense: pass y.astype('float64')"
    assert message(TypeError, X, frame["hot"]) == expected


class Todense:
    """Is sparse in the way of the package sparse."""

    ndim = 2

    def todense(self):
        return X

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("cannot convert a sparse array to dense automatically")


@pytest.mark.parametrize(
    ("sparse", "way_out"),
    [(scipy.sparse.csr_array(X), "toarray"), (scipy.sparse.coo_matrix(X), "toarray"), (Todense(), "todense")],
    ids=["array", "matrix", "another"],
)
def test_sparse_arrays(sparse, way_out):
    expected = f"X is a sparse {type(sparse).__name__}; it should be dense: pass X.{way_out}()"
    assert message(TypeError, sparse) == expected
    gradient(getattr(sparse, way_out)(), Y, W, 0.0)


def test_a_lazy_frame_holds_no_values():
    lazy = polars.LazyFrame({"a": X[:, 0], "b": X[:, 1]})
    assert message(TypeError, lazy) == "X is a LazyFrame, which holds no values yet; pass X.collect()"
    gradient(lazy.collect(), Y, W, 0.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full((4, 2), "a"), "X has dtype <U1; {}: encode text as numbers"),
        (np.full((4, 2), b"a"), "X has dtype |S1; {}: encode text as numbers"),
        (
            np.zeros((4, 2), "M8[D]"),
            "X has dtype datetime64[D]; {}: pass dates as numbers, such as days since the first",
        ),
        (
            np.zeros((4, 2), "m8[D]"),
            "X has dtype timedelta64[D]; {}: pass dates as numbers, such as days since the first",
        ),
        (np.zeros((4, 2), complex), "X has dtype complex128; {}"),
        (np.zeros((4, 2), object), "X has dtype object; {}: convert it to float if it holds numbers"),
    ],
    ids=["text", "bytes", "dates", "durations", "complex", "objects"],
)
def test_the_dtype_of_an_array(values, expected):
    assert message(TypeError, values) == expected.format(f"{REAL} (float, integer or bool)")


@pytest.mark.parametrize(
    ("values", "kind"),
    [({"a": [1.0]}, "a dict"), (None, "None"), ((row for row in X), "a generator")],
    ids=["dict", "None", "generator"],
)
def test_what_is_no_array_at_all(values, kind):
    assert message(TypeError, values) == f"X is {kind}; it should be an array of real numbers"


def test_a_column_of_objects():
    ending = f"{REAL}: drop the column, or encode it, or {CONVERT}"
    frame = pandas.DataFrame({"age": X[:, 0], "hot": X[:, 1].astype(object)})
    assert message(TypeError, frame) == f"X has column 'hot' of dtype object; {ending}"
    gradient(frame.astype(float), Y, W, 0.0)


def test_data_sets(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        text = file.create_dataset("text", data=["a", "b"])
        cube = file.create_dataset("cube", data=np.zeros((4, 2, 3)))
        number = file.create_dataset("number", data=1.0)
        closed = file.create_dataset("closed", data=X)
        assert message(TypeError, text) == f"X has dtype object; {REAL} (float, integer or bool): {CONVERT}"
        shape = "X has 3 dimension(s), shape (4, 2, 3); it should have 2: (m examples, n features)"
        assert message(ValueError, cube) == shape
        assert message(ValueError, number).startswith("X has 0 dimension(s), shape (); ")
    assert message(ValueError, closed).startswith("X is a Dataset that cannot be read: ")
    assert message(ValueError, zarr_array(np.zeros(4), (2,))).startswith("X has 1 dimension(s), shape (4,); ")


@pytest.mark.parametrize(
    "frame", [pandas.DataFrame, polars.DataFrame, pyarrow.table], ids=["pandas", "polars", "pyarrow"]
)
def test_frames_that_hold_nothing(frame):
    assert message(ValueError, frame({})).startswith("X has shape (0, 0); it should hold at least one example")
    no_rows = frame({"a": np.empty(0), "b": np.empty(0)})
    assert message(ValueError, no_rows).startswith("X has shape (0, 2); it should hold at least one example")


def test_a_frame_for_labels_names_its_shape():
    assert message(ValueError, X, pandas.DataFrame({"y": Y})).startswith(
        "y has shape (4, 1); it should have shape (4,)"
    )
    assert message(ValueError, X, polars.DataFrame({"y": Y})).startswith(
        "y has shape (4, 1); it should have shape (4,)"
    )


class Elsewhere:
    """Lies on a GPU, as far as DLPack says."""

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, **wanted):
        raise BufferError("the data lies on a GPU")


def test_an_array_on_another_device():
    assert message(TypeError, Elsewhere()).startswith(
        "X is a Elsewhere that cannot be read as an array of real numbers: "
    )


def test_arrow_data_without_pyarrow(monkeypatch):
    table = pyarrow.table({"a": X[:, 0], "b": X[:, 1]})
    stream = exporter(table, "__arrow_c_stream__")
    both = exporter(table, "__arrow_c_stream__", "__array__")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"^X as Arrow data needs pyarrow: .*gradstep\[parquet\]"):
        gradient(stream, Y, W, 0.0)
    assert gradient(both, Y, W, 0.0).J == gradient(X, Y, W, 0.0).J


class OnDevice:
    """One number on another device, as libraries for these have it: an array without axes that NumPy may not read."""

    shape = ()

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise TypeError("pass .get()")

    def __len__(self) -> int:
        raise TypeError("len() of unsized object")


def test_a_list_of_numbers_on_another_device():
    assert (
        message(TypeError, [OnDevice()] * 3)
        == "X is a list that cannot be read as an array of real numbers: pass .get()"
    )
    with pytest.raises(TypeError, match=r"^y is a list .*: pass \.get\(\)$"):
        gradient(np.ones((3, 2)), [OnDevice()] * 3, [0.0, 0.0], 0.0)
