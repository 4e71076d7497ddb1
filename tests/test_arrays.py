"""Every container of numbers gives the bits that an array of the same numbers gives, and its memory where it can."""

from __future__ import annotations

import copy
import itertools
import pickle
import subprocess
import sys
import weakref

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from containers import ARRAYS, SERIES, TABLES, arrow_evenly_spaced, arrow_table, zarr_array
from hypothesis import given
from hypothesis import strategies as st

from gradstep import arrays, fit, gradient, objective, step
from gradstep.rows import Chunks, Rows

SMALL = np.random.default_rng(0).normal(size=(7, 3))
# More than is kept in memory.
LARGE = np.random.default_rng(1).normal(size=(31_003, 9))
BOTH = {"small": SMALL, "large": LARGE}

WITH_EACH_SIZE = pytest.mark.parametrize("values", BOTH.values(), ids=BOTH)


def problem(values):
    generator = np.random.default_rng(2)
    m, n = values.shape
    return (generator.random(m) < 0.5).astype(np.float64), generator.normal(size=n), generator.uniform(0.5, 2.0, m)


def bits(result):
    return [np.asarray(part).tobytes() for part in result]


@WITH_EACH_SIZE
@pytest.mark.parametrize("container", {**TABLES, **ARRAYS}.values(), ids={**TABLES, **ARRAYS})
def test_the_same_bits_as_an_array(container, values):
    y, w, weight = problem(values)
    exact = gradient(values.copy(container.order), y, w, 0.1, sample_weight=weight)
    made = container.make(values.copy())
    for threads in (1, 2):
        assert bits(gradient(made, y, w, 0.1, sample_weight=weight, threads=threads)) == bits(exact)


@pytest.mark.parametrize("container", {**TABLES, **ARRAYS}.values(), ids={**TABLES, **ARRAYS})
def test_the_same_bits_with_each_kernel(kernel, container):
    y, w, weight = problem(SMALL)
    exact = gradient(SMALL.copy(container.order), y, w, 0.1, sample_weight=weight, kernel=kernel)
    made = container.make(SMALL.copy())
    assert bits(gradient(made, y, w, 0.1, sample_weight=weight, kernel=kernel)) == bits(exact)


@pytest.mark.parametrize("container", {**SERIES, **ARRAYS}.values(), ids={**SERIES, **ARRAYS})
def test_labels_weights_and_parameters(container):
    y, w, weight = problem(SMALL)
    exact = step(SMALL, y, w, 0.1, 0.5, sample_weight=weight)
    given = [container.make(each.copy()) for each in (y, w, weight)]
    assert bits(step(SMALL, given[0], given[1], 0.1, 0.5, sample_weight=given[2])) == bits(exact)


@pytest.mark.filterwarnings("ignore::gradstep.ConvergenceWarning")
@WITH_EACH_SIZE
@pytest.mark.parametrize("name", ["pandas, two blocks", "polars", "pyarrow table, in pieces", "HDF5 in chunks", "zarr"])
def test_fit_and_objective(name, values):
    container = TABLES[name]
    y, _, weight = problem(values)
    exact = fit(values.copy(container.order), y, sample_weight=weight, max_iter=5)
    made = container.make(values.copy())
    result = fit(made, y, sample_weight=weight, max_iter=5)
    assert bits([result.w, result.b, result.history]) == bits([exact.w, exact.b, exact.history])
    theta = np.append(exact.w, exact.b)
    assert bits(objective(made, y)(theta)) == bits(objective(values.copy(container.order), y)(theta))


@WITH_EACH_SIZE
@pytest.mark.parametrize(
    "container",
    [each for each in {**TABLES, **ARRAYS}.values() if each.in_place],
    ids=[name for name, each in {**TABLES, **ARRAYS}.items() if each.in_place],
)
def test_an_array_is_read_in_place(container, values):
    memory = values.copy()
    made = container.make(memory)
    assert np.shares_memory(arrays.opened("X", made), memory)


@pytest.mark.parametrize(
    "container",
    [each for each in {**SERIES, **ARRAYS}.values() if each.in_place],
    ids=[name for name, each in {**SERIES, **ARRAYS}.items() if each.in_place],
)
def test_a_vector_is_read_in_place(container):
    memory = np.arange(5.0)
    made = container.make(memory)
    assert np.shares_memory(arrays.whole("y", made), memory)


def test_a_memory_map_is_read_in_place(tmp_path):
    np.save(tmp_path / "X.npy", SMALL)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert np.shares_memory(arrays.opened("X", mapped), mapped)


@pytest.mark.parametrize(
    "make",
    [lambda v: polars.Series(v.copy()), lambda v: pandas.Series(v, dtype="double[pyarrow]")],
    ids=["polars", "pandas"],
)
def test_a_column_of_another_library_is_read_in_place(make):
    series = make(np.arange(5.0))
    first, second = arrays.whole("y", series), arrays.whole("y", series)
    assert np.shares_memory(first, second)


@WITH_EACH_SIZE
def test_columns_that_lie_evenly_spaced_are_read_in_place(values):
    memory = np.asfortranarray(values)
    table = pyarrow.table(list(memory.T), names=[str(j) for j in range(memory.shape[1])])
    opened = arrays.opened("X", table)
    assert np.shares_memory(opened, memory)
    assert opened.flags.f_contiguous
    assert opened.tobytes("F") == memory.tobytes("F")


def test_an_arrow_file_is_read_in_place(tmp_path):
    table = pyarrow.table({str(j): LARGE[:, j] for j in range(9)})
    with pyarrow.OSFile(str(tmp_path / "X.arrow"), "wb") as file, pyarrow.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    with pyarrow.memory_map(str(tmp_path / "X.arrow")) as mapped:
        read = pyarrow.ipc.open_file(mapped).read_all()
        opened = arrays.opened("X", read)
        addresses = [column.chunk(0).buffers()[1].address for column in read.itercolumns()]
        assert [opened[:, j].ctypes.data for j in range(9)] == addresses
        assert np.array_equal(opened, LARGE)


@given(
    columns=st.lists(st.sampled_from(["f8", "f4", "i2", "u8", "?"]), min_size=1, max_size=5),
    m=st.integers(1, 30),
    skipped=st.integers(0, 9),
    data=st.data(),
)
def test_any_table_in_any_pieces(columns, m, skipped, data):
    generator = np.random.default_rng(m)
    drawn = [generator.integers(0, 9, m + skipped).astype(dtype) for dtype in columns]
    exact = np.column_stack(drawn)[skipped:]
    cuts = [sorted(data.draw(st.lists(st.integers(0, m + skipped), max_size=4))) for _ in columns]
    chunks = [
        [each[a:b] for a, b in itertools.pairwise([0, *cut, m + skipped])]
        for each, cut in zip(drawn, cuts, strict=True)
    ]
    table = pyarrow.table([pyarrow.chunked_array(each) for each in chunks], names=list(map(str, range(len(chunks)))))
    for library in (table.slice(skipped), polars.from_arrow(table, rechunk=False).slice(skipped)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gradstep.rows.KEPT_BYTES", 0)
            rows = arrays.opened("X", library)
        assert rows.dtype == exact.dtype
        assert np.array_equal(rows[...], exact)
        a, b = sorted(data.draw(st.tuples(st.integers(0, m), st.integers(0, m))))
        assert np.array_equal(rows[a:b], exact[a:b])
        out = np.empty((b - a, len(columns)), order="F")
        if isinstance(rows, Rows):
            rows.read(slice(a, b), out)
            assert np.array_equal(out, exact[a:b])


def test_columns_are_alive_as_long_as_the_array_over_them():
    memory = np.arange(4000.0)
    opened = arrays.opened("X", pyarrow.table(list(memory.reshape(4, 1000)), names=list("abcd")))
    assert np.shares_memory(opened, memory)
    alive = weakref.ref(memory)
    del memory
    assert alive() is not None
    assert opened[0].tolist() == [0.0, 1000.0, 2000.0, 3000.0]


@pytest.mark.parametrize("gap", [8, 20, 2000])
def test_columns_with_other_data_between_them_are_read_one_by_one(gap):
    memory = np.arange(12_000.0)
    columns = [memory[k * (1000 + gap) :][:1000] for k in range(4)]
    opened = arrays.opened("X", pyarrow.table(columns, names=list("abcd")))
    assert not np.shares_memory(opened, memory)
    assert np.array_equal(opened, np.column_stack(columns))


def test_columns_that_overlap(kernel):
    series = np.random.default_rng(3).normal(size=40)
    for lags in ([series[:-2], series[1:-1], series[2:]], [series[2:], series[1:-1], series[:-2]], [series, series]):
        table = pyarrow.table(lags, names=[str(j) for j in range(len(lags))])
        y, w, _ = problem(np.column_stack(lags))
        result = gradient(table, y, w, 0.0, kernel=kernel)
        exact = gradient(np.column_stack(lags), y, w, 0.0, kernel=kernel)
        assert np.hstack([result.J, *result[1:]]) == pytest.approx(np.hstack([exact.J, *exact[1:]]), rel=1e-13)


@pytest.mark.filterwarnings("ignore::gradstep.ConvergenceWarning")
@pytest.mark.parametrize("name", [*TABLES, *ARRAYS])
def test_many_models(name):
    make = {**TABLES, **ARRAYS}[name].make
    y, _, _ = problem(SMALL)
    labels, weights, w = np.column_stack([y, 1 - y, y]), np.abs(SMALL) + 0.5, SMALL[:3].copy()
    exact = gradient(SMALL, labels, w, [0.0, 0.5, 1.0], sample_weight=weights)
    given = gradient(SMALL, make(labels), make(w), [0.0, 0.5, 1.0], sample_weight=make(weights))
    assert bits(given) == bits(exact)
    first, second = fit(SMALL, make(labels), l2=0.1, max_iter=3), fit(SMALL, labels, l2=0.1, max_iter=3)
    assert bits([first.w, first.b]) == bits([second.w, second.b])


def mixed(library, values):
    """Return columns of five dtypes in a frame, and the array of float64 with the same numbers."""
    kinds = ["float64", "float32", "int16", "uint8", "bool"]
    whole = [values[:, 0], values[:, 1].astype("f4"), *(np.abs(values[:, j] * 9).astype("i2") for j in (2, 3))]
    given = [part.astype(kind) for part, kind in zip([*whole, values[:, 4] > 0], kinds, strict=True)]
    named = dict(zip("abcde", given, strict=True))
    frames = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "pyarrow": pyarrow.table}
    return frames[library](named), np.asfortranarray(np.column_stack(given).astype("f8"))


@pytest.mark.parametrize("m", [6, 60_001])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns_of_several_dtypes(library, m):
    frame, exact = mixed(library, np.random.default_rng(4).normal(size=(m, 5)))
    y, w, _ = problem(exact)
    opened = arrays.opened("X", frame)
    assert isinstance(opened, Rows) == (m > 6)
    assert opened.dtype == np.float64
    assert bits(gradient(frame, y, w, 0.1)) == bits(gradient(exact, y, w, 0.1))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize(
    ("dtypes", "common"),
    [
        (["float32", "bool"], "float32"),
        (["float32", "int16"], "float32"),
        (["float32", "int32"], "float64"),
        (["bool", "bool"], "bool"),
        (["int8", "uint8"], "int16"),
    ],
    ids=str,
)
def test_the_dtype_that_numpy_would_choose(library, dtypes, common):
    frames = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "pyarrow": pyarrow.table}
    frame = frames[library]({str(j): np.array([0, 1, 1], dtype) for j, dtype in enumerate(dtypes)})
    opened = arrays.opened("X", frame)
    assert (opened.dtype, opened.tolist()) == (np.dtype(common), [[0, 0], [1, 1], [1, 1]])


@pytest.mark.parametrize("dtype", ["Int64", "UInt8", "Float32", "boolean", "int8[pyarrow]", "bool[pyarrow]"])
def test_a_nullable_column_without_a_missing_value(dtype):
    frame = pandas.DataFrame({"a": pandas.array([0, 1, 1, 0], dtype), "b": [0.5, 1.5, 2.5, 3.5]})
    y, w, _ = problem(np.ones((4, 2)))
    exact = np.array([[0, 0.5], [1, 1.5], [1, 2.5], [0, 3.5]], order="F")
    assert bits(gradient(frame, y, w, 0.1)) == bits(gradient(exact, y, w, 0.1))
    assert arrays.whole("y", frame["a"]).tolist() == [0, 1, 1, 0]


def test_float16():
    half = LARGE.astype(np.float16)
    y, w, _ = problem(half)
    exact = gradient(np.asfortranarray(half), y, w, 0.1)
    apart = {str(j): np.concatenate([half[:, j], half[:j, j]])[: len(half)] for j in range(9)}
    tables = [arrow_evenly_spaced(half), pyarrow.table(apart), polars.DataFrame(apart)]
    for table in tables:
        assert bits(gradient(table, y, w, 0.1)) == bits(exact)


ROWS = ["pandas, two blocks", "polars, in pieces", "pyarrow table, in pieces", "HDF5", "HDF5 in chunks", "zarr"]


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_read_as_those_of_an_array(name):
    rows = arrays.opened("X", TABLES[name].make(LARGE.copy()))
    m = len(LARGE)
    assert (type(rows).__mro__[1], rows.shape, rows.ndim, rows.dtype, rows.nbytes) == (
        Rows,
        LARGE.shape,
        2,
        LARGE.dtype,
        LARGE.nbytes,
    )
    for key in (0, m - 1, slice(0, 5), slice(m - 3, m + 9), slice(10_000, 21_000), slice(None), (slice(None), 4), ...):
        assert np.array_equal(rows[key], LARGE[key])
    for start in range(0, m, 997):
        part = slice(start, start + 997)
        assert np.array_equal(rows[part], LARGE[part])
    assert np.array_equal(np.asarray(rows), LARGE)
    out = np.empty((100, 9), np.float32)
    rows.read(slice(10_300, 10_400), out)
    assert np.array_equal(out, LARGE[10_300:10_400].astype(np.float32))


@pytest.mark.parametrize("name", ["pandas, two blocks", "polars, in pieces", "pyarrow table, in pieces", "zarr"])
def test_rows_pickle_and_copy(name):
    rows = arrays.opened("X", TABLES[name].make(LARGE.copy()))
    for again in (pickle.loads(pickle.dumps(rows)), copy.deepcopy(rows)):
        assert np.array_equal(again[200:300], LARGE[200:300])


class Counted:
    """Counts the rows that are read of a data set."""

    def __init__(self, source):
        self._source = source
        self.rows = self.largest = 0

    def __getattr__(self, name):
        return getattr(self._source, name)

    def __getitem__(self, key):
        values = self._source[key]
        self.rows += len(values)
        self.largest = max(self.largest, len(values))
        return values


def test_a_chunk_is_read_once_for_all_of_its_blocks():
    counted = Counted(zarr_array(LARGE, (10_000, 9)))
    chunks = Chunks(counted, 10_000)
    for start in range(0, 31_003, 1_700):
        assert np.array_equal(chunks[start : start + 1_700], LARGE[start : start + 1_700])
    assert counted.rows < 1.2 * len(LARGE)


def test_a_large_chunk_is_read_in_parts():
    wide = np.broadcast_to(np.arange(2000.0), (5000, 2000))
    counted = Counted(wide)
    chunks = Chunks(counted, 5000)
    for start in range(0, 5000, 100):
        assert chunks[start : start + 100].shape == (100, 2000)
    assert 1 << 20 < wide[0].nbytes * counted.largest <= 32 << 20
    assert counted.rows < 1.05 * 5000


@pytest.mark.filterwarnings("ignore::gradstep.ConvergenceWarning")
def test_a_column_whose_squares_overflow(kernel):
    wide = LARGE * np.array([1e160, *[1.0] * 8])
    y, _, _ = problem(wide)
    exact = fit(np.asfortranarray(wide), y, max_iter=2)
    assert bits([fit(arrow_table(wide, 3), y, max_iter=2).w]) == bits([exact.w])


def test_a_value_that_is_not_finite_is_found_in_rows():
    bad = LARGE.copy()
    bad[20_500, 4] = np.nan
    y, w, _ = problem(bad)
    for name in ROWS:
        with pytest.raises(ValueError, match=r"^X has nan at index \(20500, 4\); it should be finite$"):
            gradient(TABLES[name].make(bad), y, w, 0.0)


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="NumPy 2.0 knows no version of DLPack")
def test_dlpack_is_asked_for_version_1():
    memory = SMALL.copy()
    memory.flags.writeable = False
    wanted = {}

    class Asked:
        def __dlpack_device__(self):
            return memory.__dlpack_device__()

        def __dlpack__(self, **given):
            wanted.update(given)
            return memory.__dlpack__(**given)

    assert np.shares_memory(arrays.opened("X", Asked()), memory)
    assert wanted["max_version"] >= (1, 0)


def test_nothing_is_imported_for_an_array():
    code = (
        "import sys, gradstep\n"
        "gradstep.gradient([[1.0, 2.0], [3.0, 4.0]], memoryview(b'\\0\\1'), (0.0, 0.0), 0.0)\n"
        "names = {'pandas', 'polars', 'pyarrow', 'torch', 'jax', 'h5py', 'zarr', 'narwhals', 'nanoarrow'}\n"
        "assert not names & set(sys.modules), names & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
