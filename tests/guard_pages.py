"""Runs a kernel on arrays next to inaccessible pages, as a script, because one byte too far kills the process.

``python guard_pages.py SUBJECT RECORD`` runs every case on `SUBJECT`. It writes each case to the file `RECORD` first,
so that the parent process knows which one was fatal.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradstep import processor, registry

_PROT_NONE = 0

# The bytes around an array on its own pages: NaN in every format, so that reading a number too many shows in the sums.
_FILL = 0xFF

# Arrays are shifted by up to 63 numbers of eight bytes.
_MOST_SHIFTED_BYTES = 512

LAYOUTS: dict[str, Callable[[int, int], tuple[int, int]]] = {
    "C order": lambda m, n: (n, 1),
    "F order": lambda m, n: (1, m),
    "rows of a wider array": lambda m, n: (n + 1, 1),
    "columns of a longer array": lambda m, n: (1, m + 3),
}
"""Each returns the strides of rows and of columns, in numbers."""

DTYPES = {
    "float64": "float64",
    "float32": "float32",
    "float16": "float32",
    "int8": "float64",
    "uint8": "float64",
    "bool": "float64",
}
"""The dtypes of X, each with that of all other inputs."""

WIDE_DTYPES = ("float64", "float32")
NARROW_DTYPES = tuple(name for name in DTYPES if name not in WIDE_DTYPES)

ARRAYS = ("X", "y", "theta", "out", "sample_weight", "direction")

# Tiles of models, with one more and one less, and more models than any tile has.
K = (1, 2, 3, 4, 5, 8, 9, 33)

ROWS: dict[str, Callable[[int], tuple[int, ...]]] = {
    "shared": lambda m: (1,),
    "a row each": lambda m: (m, 1),
    "rows apart": lambda m: (m + 3, 1),
    "rows backwards": lambda m: (-m - 1, 1),
    "the same row": lambda m: (0, 1),
}
"""Each returns the strides of labels or weights, in numbers."""

# All tails of eight and sixteen lanes, alone and after whole vectors.
_FEATURES = (*range(1, 18), 31, 32, 33)
_EXAMPLES = (*range(1, 18), 31, 32, 33, 63, 64, 65)
# The boundaries of the groups of rows that a kernel processes together.
_MANY_EXAMPLES = (127, 128, 129, 511, 512, 513, 1025)
# Rows of about 1600 and 20000 bytes, where kernels switch paths, in float64 and in float32.
_MANY_FEATURES = (199, 200, 201, 401, 2499, 2501, 5001)
SHAPES = [
    *itertools.product(_EXAMPLES, _FEATURES),
    *itertools.product(_MANY_EXAMPLES, (1, 2, 3, 4, 9, 17)),
    *itertools.product((1, 3, 4, 5, 8, 9, 13), _MANY_FEATURES),
]
READ_LENGTHS = (*range(1, 200), 1023, 1024, 1025, 4099)


@dataclass(frozen=True)
class Case:
    """One call of a kernel, without the placement of its arrays."""

    X_dtype: str
    layout: str
    m: int
    n: int
    block_rows: int
    k: int
    labels: str
    weights: str | None
    directed: bool


# What is one model's own. In steps of 143 of 480, one case differs in everything from the next.
_OF_MODELS = list(itertools.product(K, ROWS, (None, *ROWS), (False, True)))
_STEP = 143


def cases(shapes: list[tuple[int, int]], dtypes: tuple[str, ...] = WIDE_DTYPES) -> Iterator[Case]:
    """Yield two cases of each shape and dtype: a plain one, and one of the many ways to pass models and directions."""
    for number, (X_dtype, layout, (m, n)) in enumerate(itertools.product(dtypes, LAYOUTS, shapes)):
        plain_weights = ("shared", None)[number % 2]
        yield Case(X_dtype, layout, m, n, m, 1, "shared", plain_weights, directed=number % 4 > 1)
        k, labels, weights, directed = _OF_MODELS[number * _STEP % len(_OF_MODELS)]
        # Many models of many numbers take long in interpreted kernels, and show nothing that few do not.
        k = min(k, max(2, 20_000 // (m * n)))
        yield Case(X_dtype, layout, m, n, 1 + (m - 1) // 2, k, labels, weights, directed)


class Region:
    """Whole pages of memory between two inaccessible pages."""

    def __init__(self, pages: int) -> None:
        mprotect = ctypes.CDLL(None, use_errno=True).mprotect
        mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        size = pages * mmap.PAGESIZE
        self._mapping = mmap.mmap(-1, size + 2 * mmap.PAGESIZE)
        everything = np.frombuffer(self._mapping, np.uint8)
        for guard in (everything.ctypes.data, everything.ctypes.data + mmap.PAGESIZE + size):
            if mprotect(guard, mmap.PAGESIZE, _PROT_NONE) != 0:
                raise OSError(ctypes.get_errno(), "mprotect failed")
        self.memory = everything[mmap.PAGESIZE : mmap.PAGESIZE + size]
        self.blank = bytes([_FILL]) * size

    def place(self, values: np.ndarray, strides: tuple[int, ...], shift: int | None) -> np.ndarray:
        """Copy an array to `shift` numbers after the first guarded page, or for None to the very end."""
        self.memory.fill(_FILL)
        start = len(self.memory) - span_bytes(values, strides) if shift is None else shift * values.itemsize
        return lay(values, strides, self.memory[start:])


def span_bytes(values: np.ndarray, strides: tuple[int, ...]) -> int:
    """Return the bytes from the first number to the last one, with these strides in numbers."""
    steps = zip(values.shape, strides, strict=True)
    return (sum((length - 1) * abs(stride) for length, stride in steps) + 1) * values.itemsize


def lay(values: np.ndarray, strides: tuple[int, ...], memory: np.ndarray) -> np.ndarray:
    """Copy an array to the start of `memory`, with these strides in numbers; with one of 0 the last row remains."""
    forwards = [abs(step) * values.itemsize for step in strides]
    laid = np.ndarray(values.shape, values.dtype, memory.data, strides=forwards)
    laid = laid[tuple(slice(None, None, -1 if step < 0 else 1) for step in strides)]
    laid[...] = values
    return laid


def lay_in_ordinary_memory(values: np.ndarray, strides: tuple[int, ...]) -> np.ndarray:
    """Copy an array to memory with room on both sides for the writes of planted kernels."""
    room = 64
    return lay(values, strides, np.full(span_bytes(values, strides) + 2 * room, _FILL, np.uint8)[room:])


def region(name: str, size: int) -> Region:
    """Return the memory of the array called `name`, with room for `size` bytes at any shift."""
    return _region_of_pages(name, 1 + (size + _MOST_SHIFTED_BYTES) // mmap.PAGESIZE)


@functools.cache
def _region_of_pages(name: str, pages: int) -> Region:
    """Return a region that no array of another name shares."""
    return Region(pages)


@functools.cache
def random_numbers(dtype: str) -> np.ndarray:
    """Return enough numbers for every shape."""
    most = max(m * n for m, n in SHAPES)
    numbers = np.random.default_rng(most).standard_normal(most)
    if np.dtype(dtype).kind in "biu":
        numbers = np.rint(8 * np.abs(numbers))
    return numbers.astype(dtype)


def data(case: Case) -> dict[str, tuple[np.ndarray, tuple[int, ...]]]:
    """Return each array of a case with its strides in numbers."""
    m, n, k = case.m, case.n, case.k
    numbers = random_numbers(DTYPES[case.X_dtype])

    def of_models(start: int, rows: str) -> tuple[np.ndarray, tuple[int, ...]]:
        shape = (m,) if rows == "shared" else (k, m)
        return np.abs(np.resize(numbers[start:], shape)), ROWS[rows](m)

    labels, strides = of_models(0, case.labels)
    blocks = -(-m // case.block_rows)
    arrays = {
        "X": (random_numbers(case.X_dtype)[: m * n].reshape(m, n), LAYOUTS[case.layout](m, n)),
        "y": (labels % 1, strides),
        "theta": (np.resize(numbers[7:], (k, n + 1)), (n + 1, 1)),
        "out": (np.full((blocks, k, n + 2), np.nan), (k * (n + 2), n + 2, 1)),
    }
    if case.weights is not None:
        arrays["sample_weight"] = of_models(5, case.weights)
    if case.directed:
        arrays["direction"] = np.resize(numbers[3:], (k, n + 1)), (n + 1, 1)
    return arrays


def run_kernel(
    partial_sums: Callable[..., None],
    shapes: list[tuple[int, int]],
    record: Callable[[str], None],
    dtypes: tuple[str, ...] = WIDE_DTYPES,
) -> int:
    """Run a kernel on every case in ordinary memory and at both guarded pages; return the number of calls."""
    calls = 0
    for number, case in enumerate(cases(shapes, dtypes)):
        arrays = data(case)
        ordinary = {name: lay_in_ordinary_memory(*array) for name, array in arrays.items()}
        record(f"{case}, in ordinary memory")
        call(partial_sums, case, ordinary)
        expected = ordinary["out"].tobytes()
        assert np.isfinite(ordinary["out"]).all(), "a sum is not finite"
        # Both ends, and one offset from the start of a cache line, which cycles through all of them.
        for shift in (None, 0, 1 + number % (64 // np.dtype(case.X_dtype).itemsize - 1)):
            place = "ending at a guarded page" if shift is None else f"{shift} numbers after a guarded page"
            record(f"{case}, {place}")
            run_case(partial_sums, case, arrays, shift, expected)
            calls += 1
    return calls


def run_case(
    partial_sums: Callable[..., None],
    case: Case,
    arrays: dict[str, tuple[np.ndarray, tuple[int, ...]]],
    shift: int | None,
    expected: bytes,
) -> None:
    """Run a kernel once, and compare its sums and the bytes around them on the same pages."""
    regions, placed = {}, {}
    for name, (values, strides) in arrays.items():
        regions[name] = region(name, span_bytes(values, strides))
        placed[name] = regions[name].place(values, strides, shift)
    inputs = [name for name in arrays if name != "out"]
    before = {name: regions[name].memory.tobytes() for name in inputs}
    call(partial_sums, case, placed)
    assert placed["out"].tobytes() == expected, "the sums have other bits than in ordinary memory"
    for name in inputs:
        assert regions[name].memory.tobytes() == before[name], f"{name} or what lies beside it was written to"
    placed["out"].view(np.uint8)[...] = _FILL
    assert regions["out"].memory.tobytes() == regions["out"].blank, "what lies beside out was written to"


def call(partial_sums: Callable[..., None], case: Case, arrays: dict[str, np.ndarray]) -> None:
    """Call a kernel on the arrays of a case."""
    given = arrays["X"], arrays["y"], arrays["theta"], case.block_rows, arrays["out"]
    partial_sums(*given, arrays.get("sample_weight"), arrays.get("direction"))


def run_read(read: Callable[[np.ndarray], float], record: Callable[[str], None]) -> int:
    """Do the same with the function that measures the read limit."""
    calls = 0
    for dtype, length in itertools.product(("float64", "float32"), READ_LENGTHS):
        values = random_numbers(dtype)[:length]
        expected = read(values.copy())
        assert np.isfinite(expected)
        for shift in (None, *range(64 // values.itemsize)):
            record(f"read of {length} {dtype}, " + ("at the end" if shift is None else f"shifted by {shift}"))
            placed = region("X", values.nbytes).place(values, (1,), shift)
            assert read(placed) == expected, "the sum has other bits than in ordinary memory"
            calls += 1
    return calls


def shapes_for(subject: str) -> list[tuple[int, int]]:
    """Return the shapes for a kernel of the registry: every fifth one for interpreted loops."""
    return SHAPES if registry.KERNELS[subject].releases_gil else SHAPES[::5]


def numpy_sums(X, y, theta, block_rows, out, sample_weight=None, direction=None):
    """Call the NumPy kernel, on which the planted kernels below are based."""
    registry.load("numpy").partial_sums(X, y, theta, block_rows, out, sample_weight, direction)


def _address_of_last(array: np.ndarray) -> int:
    """Return the highest address of a number; where rows run backwards it is in the first one."""
    return array.ctypes.data + sum(
        (length - 1) * max(stride, 0) for length, stride in zip(array.shape, array.strides, strict=True)
    )


def _address_of_first(array: np.ndarray) -> int:
    return array.ctypes.data + sum(
        (length - 1) * min(stride, 0) for length, stride in zip(array.shape, array.strides, strict=True)
    )


def _reads(name: str, numbers: int) -> Callable[..., None]:
    """Return a kernel that also reads a number at this distance after the end of an array, or before its start."""

    def partial_sums(X, y, theta, block_rows, out, sample_weight=None, direction=None):
        numpy_sums(X, y, theta, block_rows, out, sample_weight, direction)
        array = dict(zip(ARRAYS, (X, y, theta, out, sample_weight, direction), strict=True))[name]
        if array is None:
            return
        origin = _address_of_last(array) if numbers > 0 else _address_of_first(array)
        ctypes.string_at(origin + numbers * array.itemsize, array.itemsize)

    return partial_sums


def _writes(name: str, numbers: int) -> Callable[..., None]:
    """Return a kernel that overwrites a number at this distance after the end of an array, or before its start."""

    def partial_sums(X, y, theta, block_rows, out, sample_weight=None, direction=None):
        numpy_sums(X, y, theta, block_rows, out, sample_weight, direction)
        array = {"X": X, "y": y, "theta": theta, "out": out}[name]
        origin = _address_of_last(array) if numbers >= 0 else _address_of_first(array)
        ctypes.memset(origin + numbers * array.itemsize, 1, array.itemsize)

    return partial_sums


def _reads_whole_vectors(X, *rest):
    """Read the last row of X eight numbers at a time, like a loop without a tail."""
    numpy_sums(X, *rest)
    if X.strides[1] == X.itemsize:
        ctypes.string_at(X[-1].ctypes.data, -(-X.shape[1] // 8) * 8 * X.itemsize)


def _writes_between_rows(X, *rest):
    """Write to the number after the first row where rows are not adjacent."""
    numpy_sums(X, *rest)
    if X.shape[0] > 1 and X.strides[0] > X.shape[1] * X.itemsize:
        ctypes.memset(_address_of_last(X[0]) + X.itemsize, 1, X.itemsize)


def _depends_on_the_address(X, y, theta, block_rows, out, *rest):
    """Compute different sums if X does not start at a multiple of 16 bytes."""
    numpy_sums(X, y, theta, block_rows, out, *rest)
    if X.ctypes.data % 16 != 0:
        out[-1, -1, -1] = np.nextafter(out[-1, -1, -1], np.inf)


FAULTY: dict[str, Callable[..., None]] = {
    **{f"reads the number after {name}": _reads(name, 1) for name in ARRAYS},
    **{f"reads the number before {name}": _reads(name, -1) for name in ("X", "y", "direction")},
    "reads whole vectors": _reads_whole_vectors,
    "writes after out": _writes("out", 1),
}
"""Planted kernels that touch a byte too many: the process must die."""

WRONG: dict[str, tuple[Callable[..., None], str]] = {
    "writes to X": (_writes("X", 0), "X or what lies beside it was written to"),
    "writes to theta": (_writes("theta", 0), "theta or what lies beside it was written to"),
    "writes before out": (_writes("out", -1), "what lies beside out was written to"),
    "writes between the rows": (_writes_between_rows, "X or what lies beside it was written to"),
    "depends on the address": (_depends_on_the_address, "the sums have other bits than in ordinary memory"),
}
"""Planted kernels that stay on accessible pages but are wrong, each with the expected message."""


def main(subject: str, record_path: str) -> None:
    """Run `subject`: a kernel, a build of the Cython kernel or its `read`, or a planted kernel."""
    import resource  # Windows has none, and the tests that import this file are skipped there

    # Planted kernels are expected to crash, and should not write core files.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    descriptor = os.open(record_path, os.O_WRONLY | os.O_CREAT)

    def record(case: str) -> None:
        os.pwrite(descriptor, f"{case:<300}".encode(), 0)

    group, _, name = subject.partition(":")
    if group == "planted":
        planted = FAULTY | {name: partial_sums for name, (partial_sums, _) in WRONG.items()}
        calls = run_kernel(planted[name], [(1, 1), (2, 3), (9, 13)], record)
    elif group == "cython":
        calls = run_kernel(processor.load(name).partial_sums, SHAPES, record)
    elif group == "narrow":
        calls = run_kernel(processor.load(name).partial_sums, SHAPES[::5], record, NARROW_DTYPES)
    elif group == "read":
        calls = run_read(processor.load(name).read, record)
    else:
        calls = run_kernel(registry.load(subject).partial_sums, shapes_for(subject), record)
    sys.stdout.write(f"{calls}\n")


if __name__ == "__main__":
    main(sys.argv[1], str(Path(sys.argv[2]).resolve()))
