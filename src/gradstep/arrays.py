"""The door for arrays: every container that users have is opened here, as an array without a copy or as rows to read.

`_READERS` says who reads what. No library is imported for it: what a caller hands in has been imported already.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy import typing as npt

from gradstep import extras, masks
from gradstep.rows import KEPT_BYTES, Array, Bits, Chunks, Column, Rows, Slices, joined, settled, side_by_side

REAL_KINDS = "fiub"


class ArrowStream(Protocol):
    """A table or column that exports its data as Arrow data."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


class ArrowArray(Protocol):
    """A record batch or array that does so in one piece."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any: ...


class DLPack(Protocol):
    """An array that exports its memory by DLPack."""

    def __dlpack__(self, *wanted: Any, **named: Any) -> Any: ...

    def __dlpack_device__(self) -> Any: ...


class DataSet(Protocol):
    """A data set on disk, or whatever else has the shape of an array and takes its keys."""

    @property
    def shape(self) -> Any: ...  # noqa: D102 - NumPy's name

    @property
    def dtype(self) -> Any: ...  # noqa: D102 - NumPy's name

    def __getitem__(self, key: Any, /) -> Any: ...


ArrayLike = npt.ArrayLike | ArrowStream | ArrowArray | DLPack | DataSet
"""What the functions of gradstep take: for a type checker more than what NumPy does."""

Label = tuple[Any, int] | None
"""The name of a column and its number; None for what has no columns."""

_REAL = "it should be real numbers"

# The names that polars and Arrow have for dtypes of real numbers.
_WIDTHS = ("8", "16", "32", "64")
_NUMBERS = {"Boolean", "bool", "halffloat", "float", "double", "Float16", "Float32", "Float64"}
_NUMBERS |= {name + width for name in ("Int", "UInt", "int", "uint") for width in _WIDTHS}

_DATES = "pass dates as numbers, such as days since the first"
_TEXT = "encode text as numbers"
_WAYS_OUT = {
    "M": _DATES,
    "m": _DATES,
    "U": _TEXT,
    "S": _TEXT,
    "T": _TEXT,
    "O": "convert it to float if it holds numbers",
}


def opened(name: str, values: ArrayLike) -> Array | Rows:
    """Return what a caller has handed in as an array, without a copy where there can be one, or as rows to read.

    Parameters
    ----------
    name : str
        The argument, for the messages.
    values : array-like
        What was given for it.

    Raises
    ------
    TypeError
        For what holds no real numbers; the message names the column or the kind, and the way out. An array that is
        returned may still hold something else, which its dtype says.
    ValueError
        For a value that is missing or masked, and for rows that are not alike.
    """
    if isinstance(values, Rows):
        return values
    values = masks.without(name, values)
    for package in _packages(type(values)):  # type: ignore[arg-type]  # mypy takes the class of a protocol for no key
        source = _READERS[package](name, values) if package in _READERS else None
        if source is not None:
            return source
    # An array that exports itself as a table, as that of xarray, does so with a row for each number.
    is_array = hasattr(values, "__array__") and hasattr(values, "dtype")
    if not is_array and (hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__")):
        source = _arrow_protocol(name, values)
        if source is not None:
            return source
    return converted(name, values)


@functools.lru_cache(maxsize=128)
def _packages(kind: type) -> tuple[str, ...]:
    """Return the packages that a class and its bases come from; to look takes as long as to read a short list."""
    return tuple(dict.fromkeys(str(base.__module__).partition(".")[0] for base in kind.__mro__))


def whole(name: str, values: ArrayLike) -> Array:
    """Return what a caller has handed in as an array, read as a whole where it cannot be had without a copy."""
    source = opened(name, values)
    return source if isinstance(source, np.ndarray) else source[...]


def widened(name: str, array: Array) -> Array | Rows:
    """Return numbers of a dtype from outside NumPy, such as bfloat16, as float32; TypeError for what is no number."""
    dtype = array.dtype
    if dtype.kind != "V" or dtype.names is not None or not np.can_cast(dtype, np.float32):
        require_numbers(name, dtype)
    return settled(Slices(array, np.dtype(np.float32), _as_float32))


def require_numbers(name: str, dtype: np.dtype[Any]) -> None:
    """Raise TypeError if the dtype of an array is not one of real numbers."""
    if dtype.kind in REAL_KINDS:
        return
    way_out = f": {_WAYS_OUT[dtype.kind]}" if dtype.kind in _WAYS_OUT else ""
    raise TypeError(f"{name} has dtype {dtype}; {_REAL} (float, integer or bool){way_out}")


def unmasked(name: str, values: Any) -> Any:
    """Return what another library will convert to an array; ValueError for a masked value, which it would unmask.

    Frames are returned as they are: they have names and no masks. Of anything else the values are asked for here.
    """
    if isinstance(values, np.ndarray):
        masks.refuse(name, values)
        return values
    if isinstance(values, (list, tuple)):
        return converted(name, masks.without(name, values))
    return whole(name, values) if hasattr(values, "__array__") and not is_frame(values) else values


def is_frame(values: Any) -> bool:
    """Whether these are columns, or one, of a library for tables."""
    kind: Any = type(values)
    return hasattr(values, "columns") or not _FRAMES.isdisjoint(_packages(kind))


def _pandas(name: str, values: Any) -> Array | Rows | None:
    """Read a frame, or a series, an index or an array of pandas' own."""
    if not hasattr(values, "columns"):
        return joined(_pandas_column(name, None, values)) if hasattr(values, "to_numpy") else None
    (m, n), dtypes = values.shape, list(values.dtypes)
    labels = [(label, j) for j, label in enumerate(values.columns)]
    for column, dtype in zip(labels, dtypes, strict=True):
        _require_pandas_numbers(name, column, dtype)
    if m and n and all(isinstance(dtype, np.dtype) for dtype in dtypes):
        common = np.result_type(*set(dtypes))
        row = values.iloc[:1]
        one_block = np.may_share_memory(row.to_numpy(), row.iloc[:, 0].to_numpy())
        if one_block or m * n * common.itemsize <= KEPT_BYTES:
            array: Array = values.to_numpy(dtype=common)
            return array
    return side_by_side([_pandas_column(name, column, values.iloc[:, column[1]]) for column in labels], m)


def _pandas_column(name: str, column: Label, series: Any) -> Column:
    dtype = series.dtype
    _require_pandas_numbers(name, column, dtype)
    if isinstance(dtype, np.dtype):
        return [series.to_numpy()]
    own = getattr(series, "array", series)
    if hasattr(dtype, "pyarrow_dtype"):
        return _arrow_column(name, column, own.__arrow_array__())
    missing = own.isna()
    if missing.any():
        _refuse_missing(name, column, int(np.argmax(missing)))
    return [own.to_numpy(dtype=getattr(dtype, "numpy_dtype", np.float64))]


def _require_pandas_numbers(name: str, column: Label, dtype: Any) -> None:
    if type(dtype).__name__ == "SparseDtype":
        of_dtype, dense = f"dtype {dtype}", repr(str(dtype.subtype))
        if column is not None:
            of_dtype, dense = f"column {column[0]!r} of {of_dtype}", f"{{{column[0]!r}: {dense}}}"
        raise TypeError(f"{name} has {of_dtype}; it should be dense: pass {name}.astype({dense})")
    if dtype.kind not in REAL_KINDS:
        _refuse_column(name, column, dtype, dates=dtype.kind in "mM")


def _polars(name: str, values: Any) -> Array | Rows | None:
    """Read a frame or a series of polars."""
    if hasattr(values, "collect"):
        raise TypeError(f"{name} is a {type(values).__name__}, which holds no values yet; pass {name}.collect()")
    if hasattr(values, "get_columns"):
        columns = [_polars_column(name, (series.name, j), series) for j, series in enumerate(values.get_columns())]
        return side_by_side(columns, values.height)
    return joined(_polars_column(name, None, values)) if hasattr(values, "get_chunks") else None


def _polars_column(name: str, column: Label, series: Any) -> Column:
    dtype = str(series.dtype)
    if dtype not in _NUMBERS:
        _refuse_column(name, column, dtype, dates=series.dtype.is_temporal())
    if series.null_count():
        _refuse_missing(name, column, series.is_null().arg_max())
    if dtype == "Boolean":
        return [Bits(series)]
    return [chunk.to_numpy(allow_copy=False) for chunk in series.get_chunks() if len(chunk)]


def _pyarrow(name: str, values: Any) -> Array | Rows | None:
    """Read a table, a record batch, an array or a chunked array of pyarrow."""
    if str(getattr(values, "type", "")).startswith("struct<"):
        values = sys.modules["pyarrow"].Table.from_struct_array(values)
    if hasattr(values, "num_columns"):
        columns = [
            _arrow_column(name, (column_name, j), values.column(j)) for j, column_name in enumerate(values.schema.names)
        ]
        return side_by_side(columns, values.num_rows)
    return joined(_arrow_column(name, None, values)) if hasattr(values, "null_count") else None


def _arrow_column(name: str, column: Label, values: Any) -> Column:
    dtype = str(values.type)
    if dtype not in _NUMBERS:
        _refuse_column(name, column, dtype, dates=dtype.startswith(("date", "time", "duration")))
    if values.null_count:
        _refuse_missing(name, column, int(np.argmax(np.asarray(values.is_null()))))
    chunks: Sequence[Any] = getattr(values, "chunks", [values])
    chunks = [chunk for chunk in chunks if len(chunk)]
    return [Bits(chunk) if dtype == "bool" else chunk.to_numpy(zero_copy_only=True) for chunk in chunks]


def _arrow_protocol(name: str, values: Any) -> Array | Rows | None:
    """Read what any other library exports as Arrow data; without pyarrow leave it to NumPy, if that can read it."""
    if importlib.util.find_spec("pyarrow") is None and hasattr(values, "__array__"):
        return None
    pyarrow = extras.require("pyarrow", "parquet", f"{name} as Arrow data")
    arrow = (
        pyarrow.chunked_array(values)
        if hasattr(values, "__arrow_c_stream__")
        else pyarrow.chunked_array([pyarrow.array(values)])
    )
    return _pyarrow(name, arrow)


def _narwhals(name: str, values: Any) -> Array | Rows | None:
    """Read the frame or series that narwhals has wrapped."""
    return opened(name, values.to_native()) if hasattr(values, "to_native") else None


def _dask(name: str, values: Any) -> Array | Rows | None:
    """Compute what Dask has put off: its own `__array__` drops masks."""
    return opened(name, values.compute()) if hasattr(values, "compute") else None


def _xarray(name: str, values: Any) -> Array | Rows | None:
    """Read the array that xarray has wrapped."""
    return opened(name, values.data) if hasattr(values, "data") else None


def _torch(name: str, values: Any) -> Array | Rows | None:
    """Read a tensor of PyTorch; what numbers it holds does not depend on whether its gradient is wanted."""
    if not hasattr(values, "detach"):
        return None
    kind = type(values).__name__
    if "sparse" in str(values.layout):
        raise TypeError(f"{name} is a sparse {kind}; it should be dense: pass {name}.to_dense()")
    if values.device.type != "cpu":
        raise TypeError(f"{name} is a {kind} on {values.device}; it should be on the CPU: pass {name}.cpu()")
    tensor = values.detach()
    if tensor.is_floating_point() and (tensor.is_neg() or str(tensor.dtype) not in _TORCH_FLOATS):
        return settled(Slices(tensor, np.dtype(_TORCH_FLOATS.get(str(tensor.dtype), "float32")), _plain_tensor))
    return converted(name, tensor)


_TORCH_FLOATS = {"torch.float16": "float16", "torch.float32": "float32", "torch.float64": "float64"}


def _plain_tensor(part: Any) -> Array:
    """Return a part of a tensor whose numbers NumPy cannot read in place: bfloat16 and the like, or negated ones."""
    part = part.resolve_neg()
    array: Array = (part if str(part.dtype) in _TORCH_FLOATS else part.float()).numpy()
    return array


def _dataset(name: str, values: Any) -> Array | Rows | None:
    """Read a data set of HDF5 or zarr, by rows."""
    kind = type(values)
    if not hasattr(kind, "chunks"):
        return None
    try:
        shape, dtype, chunks = values.shape, np.dtype(values.dtype), values.chunks
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{name} is a {kind.__name__} that cannot be read: {error}") from error
    require_numbers(name, dtype)
    if not shape:
        return np.asarray(values[()])
    return settled(Slices(Chunks(values, chunks[0]) if chunks else values, dtype))


_FRAMES = {"pandas", "polars", "pyarrow", "narwhals"}

_READERS: dict[str, Callable[[str, Any], Array | Rows | None]] = {
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _pyarrow,
    "narwhals": _narwhals,
    "dask": _dask,
    "xarray": _xarray,
    "torch": _torch,
    "h5py": _dataset,
    "zarr": _dataset,
}
"""By the package that a container's class comes from: reads it, or returns None for what is no container."""


def converted(name: str, values: Any) -> Array:
    """Return `values` as an array by what NumPy itself knows: buffers, `__array__`, nested lists, DLPack."""
    only_dlpack = hasattr(values, "__dlpack__") and not hasattr(values, "__array__")
    try:
        array = np.from_dlpack(values) if only_dlpack else np.asanyarray(values)
    except MemoryError:
        raise
    except Exception as error:  # the conversion is another library's, which raises anything
        masks.refuse_numbers(name, values)
        kind = ValueError if isinstance(error, (ValueError, OverflowError)) else TypeError
        raise kind(f"{name} {_why_no_array(name, values, error)}") from error
    if type(array) is not np.ndarray:
        # Some libraries return a masked array where NumPy asks for an array.
        masks.refuse(name, array)
        array = np.asarray(array)
    if array.dtype.kind == "b":
        # Of numbers NumPy makes NaN, or an error.
        masks.refuse_numbers(name, values)
    if array.dtype.kind == "O" and array.ndim == 0 and not isinstance(values, np.ndarray):
        raise TypeError(f"{name} {_why_no_array(name, values, None)}")
    return array


def _as_float32(part: Array) -> Array:
    return np.asarray(part, np.float32)


def _why_no_array(name: str, values: Any, error: Exception | None) -> str:
    """Return what is wrong with values that NumPy cannot convert, and what to do."""
    for method in ("toarray", "todense"):
        if hasattr(values, method):
            return f"is a sparse {type(values).__name__}; it should be dense: pass {name}.{method}()"
    if isinstance(values, (list, tuple)):
        lengths = [np.size(row) if isinstance(row, np.ndarray) else _length(row) for row in values]
        odd = next((k for k, length in enumerate(lengths) if length != lengths[0]), None)
        if odd is not None:
            return f"has {lengths[odd]} values at index {odd} and {lengths[0]} at index 0; its rows should be alike"
    if error is None:
        what = "None" if values is None else f"a {type(values).__name__}"
        return f"is {what}; it should be an array of real numbers"
    return f"is a {type(values).__name__} that cannot be read as an array of real numbers: {error}"


def _length(row: object) -> int:
    """Return how many values a row holds: 1 for a number, also for one that is an array without axes."""
    try:
        return len(row)  # type: ignore[arg-type]  # what has no length says so
    except TypeError:
        return 1


def _refuse_column(name: str, column: Label, dtype: Any, *, dates: bool) -> NoReturn:
    if column is None:
        way_out = f": {_DATES}" if dates else ""
        raise TypeError(f"{name} has dtype {dtype}; {_REAL} (float, integer or bool){way_out}")
    way_out = "pass it as a number, such as days since a date" if dates else "encode it"
    if str(dtype) == "object":
        way_out += ", or convert it to float if it holds numbers"
    raise TypeError(f"{name} has column {column[0]!r} of dtype {dtype}; {_REAL}: drop the column, or {way_out}")


def _refuse_missing(name: str, column: Label, row: int) -> NoReturn:
    if column is None:
        raise ValueError(f"{name} has a missing value at index {row}; fill it in, or drop the row")
    label, j = column
    where = f"index ({row}, {j}), column {label!r}"
    raise ValueError(f"{name} has a missing value at {where}; fill it in, or drop the row")
