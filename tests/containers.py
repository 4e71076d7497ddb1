"""The containers that users keep their numbers in, each made of one array of float64."""

from __future__ import annotations

import ctypes
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import narwhals
import numpy as np
import pandas
import polars
import pyarrow
import zarr


class Container(NamedTuple):
    """How a container is made of an array, and how gradstep reads it."""

    make: Callable[[np.ndarray], Any]
    order: str = "C"
    """Of the array that gives the same bits."""
    in_place: bool = False
    """Whether it keeps the memory that it is made of, so that gradstep reads that."""


def exporter(values: Any, *offered: str) -> Any:
    """Return what offers some attributes of an object, as one of a library that gradstep does not know would."""
    own = {name: _method(getattr(values, name)) for name in offered}
    return type("Exporter", (), {**own, "values": values})()


def _method(found: Any) -> Any:
    """Return what a class holds, so that an instance has it: NumPy 2.0 calls methods through the class."""
    return (lambda self, *given, **named: found(*given, **named)) if callable(found) else found


def names(values: np.ndarray) -> list[str]:
    return [f"c{j}" for j in range(values.shape[1])]


def columns(values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns, each further from the one before than that was."""
    m, n = values.shape
    apart = {}
    memory = np.empty(n * m + n * n)
    for j, name in enumerate(names(values)):
        column = memory[j * m + j * j :][:m]
        column[:] = values[:, j]
        apart[name] = column
    return apart


def pandas_blocks(values: np.ndarray) -> pandas.DataFrame:
    """Return a frame of two blocks."""
    frame = pandas.DataFrame(values[:, :-1], columns=names(values)[:-1], copy=False)
    return frame.assign(last=np.concatenate([[0.0], values[:, -1]])[1:])


def pandas_arrow(values: np.ndarray) -> pandas.DataFrame:
    return pandas.DataFrame(
        {name: pandas.arrays.ArrowExtensionArray(pyarrow.array(column)) for name, column in columns(values).items()}
    )


def arrow_table(values: np.ndarray, pieces: int = 1) -> pyarrow.Table:
    """Return a table whose columns are in pieces, each column in others."""
    m = len(values)
    chunked = {}
    for j, (name, column) in enumerate(columns(values).items()):
        cuts = [0, *(min(m, k * m // pieces + j) for k in range(1, pieces)), m]
        chunked[name] = pyarrow.chunked_array([column[a:b] for a, b in itertools.pairwise(cuts)])
    return pyarrow.table(chunked)


def arrow_evenly_spaced(values: np.ndarray) -> pyarrow.Table:
    """Return a table that lies in memory as a frame does: the columns of an uncompressed Arrow file do."""
    return pyarrow.table(list(np.asfortranarray(values).T), names=names(values))


def polars_pieces(values: np.ndarray) -> polars.DataFrame:
    cuts = np.linspace(0, len(values), 4).astype(int)
    parts = [polars.DataFrame(columns(values[a:b])) for a, b in itertools.pairwise(cuts)]
    return polars.concat(parts, rechunk=False)


def hdf5(values: np.ndarray, **storage: Any) -> h5py.Dataset:
    file = h5py.File(f"{next(_numbers)}", "w", driver="core", backing_store=False)
    return file.create_dataset("X", data=values, **storage)


def zarr_array(values: np.ndarray, chunks: tuple[int, ...]) -> zarr.Array:
    array = zarr.create_array(zarr.storage.MemoryStore(), shape=values.shape, chunks=chunks, dtype=values.dtype)
    array[:] = values
    return array


def memory_map(values: np.ndarray) -> np.memmap:
    path = Path(tempfile.mkdtemp()) / "X.npy"
    np.save(path, values)
    mapped = np.load(path, mmap_mode="r")
    path.unlink()
    path.parent.rmdir()
    return mapped


def c_array(values: np.ndarray) -> Any:
    """Return an array of ctypes in the memory of `values`."""
    kind = ctypes.c_double
    for length in reversed(values.shape):
        kind = kind * length
    return kind.from_buffer(values)


_numbers = itertools.count()

TABLES = {
    "pandas, one block": Container(lambda v: pandas.DataFrame(v, copy=False), in_place=True),
    "pandas, one block by columns": Container(lambda v: pandas.DataFrame(v.copy("F"), copy=False), "F"),
    "pandas, two blocks": Container(pandas_blocks, "F"),
    "pandas, strange index": Container(
        lambda v: pandas.DataFrame(v, index=[9] * len(v), columns=["a"] * v.shape[1], copy=False), in_place=True
    ),
    "pandas, nullable": Container(lambda v: pandas_blocks(v).astype("Float64"), "F"),
    "pandas, of pyarrow": Container(pandas_arrow, "F"),
    "polars": Container(lambda v: polars.DataFrame(columns(v)), "F"),
    "polars, in pieces": Container(polars_pieces, "F"),
    "pyarrow table": Container(arrow_table, "F"),
    "pyarrow table, in pieces": Container(lambda v: arrow_table(v, 5), "F"),
    "pyarrow table, evenly spaced": Container(arrow_evenly_spaced, "F"),
    "pyarrow record batch": Container(lambda v: arrow_table(v).to_batches()[0], "F"),
    "pyarrow array of structs": Container(lambda v: arrow_table(v).to_struct_array(), "F"),
    "narwhals": Container(lambda v: narwhals.from_native(polars.DataFrame(columns(v))), "F"),
    "Arrow stream": Container(lambda v: exporter(arrow_table(v, 5), "__arrow_c_stream__"), "F"),
    "Arrow array": Container(lambda v: exporter(arrow_table(v).to_batches()[0], "__arrow_c_array__"), "F"),
    "HDF5": Container(hdf5),
    "HDF5 in chunks": Container(lambda v: hdf5(v, chunks=(max(1, len(v) // 3), 2), compression="gzip")),
    "zarr": Container(lambda v: zarr_array(v, (max(1, len(v) // 3), 2))),
    "zarr in small chunks": Container(lambda v: zarr_array(v, (max(1, len(v) // 50), v.shape[1]))),
}
"""Containers of two dimensions."""

ARRAYS = {
    "DLPack": Container(lambda v: exporter(v, "__dlpack__", "__dlpack_device__"), in_place=True),
    "memoryview": Container(memoryview, in_place=True),
    "ctypes": Container(c_array, in_place=True),
    "array interface": Container(lambda v: exporter(v, "__array_interface__"), in_place=True),
    "memory map": Container(memory_map),
    "list": Container(np.ndarray.tolist),
}
"""Containers of any number of dimensions."""

SERIES = {
    "pandas": Container(lambda v: pandas.Series(v, copy=False), in_place=True),
    "pandas, strange index": Container(lambda v: pandas.Series(v, index=[1] * len(v), copy=False), in_place=True),
    "pandas index": Container(pandas.Index),
    "pandas array": Container(lambda v: pandas.array(v, "Float64")),
    "pandas, nullable": Container(lambda v: pandas.Series(v, dtype="Float64")),
    "pandas, of pyarrow": Container(lambda v: pandas.Series(v, dtype="double[pyarrow]")),
    "polars": Container(polars.Series),
    "polars, in pieces": Container(
        lambda v: polars.concat([polars.Series(v[:2]), polars.Series(v[2:])], rechunk=False)
    ),
    "pyarrow": Container(pyarrow.array, in_place=True),
    "pyarrow, in pieces": Container(lambda v: pyarrow.chunked_array([v[:2], v[2:]])),
    "narwhals": Container(lambda v: narwhals.from_native(polars.Series(v), series_only=True)),
    "Arrow stream": Container(lambda v: exporter(pyarrow.chunked_array([v]), "__arrow_c_stream__"), in_place=True),
    "Arrow array": Container(lambda v: exporter(pyarrow.array(v), "__arrow_c_array__"), in_place=True),
    "HDF5": Container(hdf5),
    "zarr": Container(lambda v: zarr_array(v, (2,))),
}
"""Containers of one dimension."""
