"""What `gradstep.kernels` allows is right in the compiled kernels, and what it does not allow raises ValueError."""

from __future__ import annotations

import ctypes
import functools
import itertools
from collections.abc import Callable
from typing import Any

import many_models
import numpy as np
import problems
import pytest
from availability import load_or_explain
from many_models import LABELS, WEIGHTS, random_models
from planted import PlantedKernel

from gradstep import gradient

M, N, BLOCK_ROWS = 9, 5, 4
FORMS = list(itertools.product(LABELS, WEIGHTS))
Sums = Callable[..., None]


@functools.cache
def inside_njit() -> Sums:
    """Return the Numba kernel as it is called from a user's compiled code, which is compiled once for all layouts."""
    import numba

    from gradstep.kernels import numba_loop

    def call(X, y, theta, block_rows, out, sample_weight, direction):
        numba_loop.partial_sums(X, y, theta, block_rows, out, sample_weight, direction)

    compiled_for: dict[Any, Sums] = {}

    def partial_sums(X, y, theta, block_rows, out, sample_weight=None, direction=None):
        given = X, y, theta, block_rows, out, sample_weight, direction
        signature = tuple(_of_any_layout(numba.typeof(argument)) for argument in given)
        if signature not in compiled_for:
            compiled_for[signature] = numba.njit([signature])(call)
        compiled_for[signature](*given)

    return partial_sums


def _of_any_layout(type_: Any) -> Any:
    from numba import types

    if not isinstance(type_, types.Array):
        return type_
    # Only out has three axes.
    return types.Array(type_.dtype, type_.ndim, "A", readonly=type_.ndim < 3, aligned=type_.aligned)


COMPILED = ("numba", "numba inside njit", "cython")


@pytest.fixture(params=COMPILED)
def partial_sums(request: pytest.FixtureRequest) -> Sums:
    """Return a compiled kernel."""
    return compiled_kernel(request.param)


def compiled_kernel(name: str) -> Sums:
    kernel = load_or_explain(name.removesuffix(" inside njit"))
    return inside_njit() if name == "numba inside njit" else kernel.partial_sums


def good(labels: str = "per model", weights: str = "per model", k: int = 3) -> dict[str, Any]:
    """Return arguments that meet the contract."""
    given = random_models(M, N, "float64", k, labels, weights).arguments(directed=True)
    return given | {"block_rows": BLOCK_ROWS, "out": np.full((-(-M // BLOCK_ROWS), k, N + 2), np.nan)}


def misaligned(values: np.ndarray) -> np.ndarray:
    """Return the same values, one byte after an aligned address."""
    memory = np.empty(values.nbytes + 1, np.uint8)
    copied = np.ndarray(values.shape, values.dtype, memory.data, 1)
    copied[...] = values
    assert not copied.flags.aligned
    return copied


def packed(values: np.ndarray) -> np.ndarray:
    """Return the same rows, each followed by one byte that moves the next one off its place."""
    records = np.zeros(len(values), [("x", values.dtype, values.shape[1]), ("gap", "u1")])
    records["x"] = values
    return records["x"]


def strided(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the same values with gaps along an axis."""
    index = [slice(None)] * values.ndim
    index[axis] = slice(None, None, 2)
    return np.repeat(values, 2, axis)[tuple(index)]


def wide(values: np.ndarray) -> np.ndarray:
    """Return the same rows in a wider array."""
    return np.hstack([values, values])[:, : values.shape[1]]


def read_only(values: np.ndarray) -> np.ndarray:
    """Return a view that may not be written to."""
    view = values.view()
    view.flags.writeable = False
    return view


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C order": np.ascontiguousarray,
    "F order": np.asfortranarray,
    "rows backwards": lambda X: X[::-1].copy()[::-1],
    "columns backwards in F order": lambda X: np.asfortranarray(X[:, ::-1])[:, ::-1],
    "every other row": lambda X: strided(X, 0),
    "every other row, backwards": lambda X: strided(X[::-1], 0)[::-1],
    "every other column in F order": lambda X: strided(X.T, 0).T,
    "a window": wide,
    "read-only": read_only,
}


SHAPES = [(9, 5), (9, 2), (9, 1), (1, 5), (1, 1), (1100, 3), (700, 17)]
ALLOWED = [
    *itertools.product(("numba", "cython"), LAYOUTS, ("float64", "float32"), SHAPES),
    # Numba compiles the whole kernel into the caller, again for each form of labels and weights.
    *itertools.product(("numba inside njit",), LAYOUTS, ("float64",), [(9, 5)]),
    *itertools.product(("numba inside njit",), ("C order", "F order"), ("float32",), [(9, 2)]),
]


@pytest.mark.parametrize(("name", "layout", "dtype", "shape"), ALLOWED)
def test_what_is_allowed_is_right(name, layout, dtype, shape):
    partial_sums, (m, n) = compiled_kernel(name), shape
    # The long ones are there for groups of rows, which are the same for each model.
    k = 1 if m > 100 else 3
    labels, weights = FORMS[(m + n) % len(FORMS)]
    models = random_models(m, n, dtype, k, labels, weights)
    models.assert_right(PlantedKernel("compiled", partial_sums), BLOCK_ROWS, layout, X=LAYOUTS[layout](models.X))


@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
def test_rows_without_stride(partial_sums, name):
    arguments = good()
    repeated = np.broadcast_to(arguments[name][0], arguments[name].shape)
    partial_sums(**(arguments | {name: repeated}))
    copied = np.empty_like(arguments["out"])
    partial_sums(**(arguments | {name: repeated.copy(), "out": copied}))
    assert np.isfinite(copied).all()
    assert arguments["out"].tobytes() == copied.tobytes()


@pytest.mark.parametrize("arrange", many_models.STRIDES.values(), ids=many_models.STRIDES)
def test_labels_and_weights_apart(partial_sums, arrange):
    arguments = good()
    partial_sums(**arguments)
    apart = {name: arrange(arguments[name]) for name in ("y", "sample_weight")}
    out = np.empty_like(arguments["out"])
    partial_sums(**(arguments | apart | {"out": out}))
    assert np.isfinite(out).all()
    assert arguments["out"].tobytes() == out.tobytes()


def change(**changes: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a function that changes some arguments."""
    return lambda given: given | {name: new(given[name]) for name, new in changes.items()}


def overlapping(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a function that lets `out` begin with the last number of another array."""

    def changed(given: dict[str, Any]) -> dict[str, Any]:
        out, values = given["out"], given[name]
        memory = np.zeros(values.size + out.size - 1)
        other = memory[: values.size].reshape(values.shape)
        other[...] = values
        return given | {name: other, "out": memory[values.size - 1 :].reshape(out.shape)}

    return changed


BROKEN = {
    "X neither in C nor in F order": change(X=strided),
    "columns backwards in C order": change(X=lambda X: X[:, ::-1]),
    "rows apart by a part of a number": change(X=packed),
    "X misaligned": change(X=misaligned),
    "X without rows": change(X=lambda X: X[:0], y=lambda y: y[:, :0], sample_weight=lambda c: c[:, :0]),
    "X without columns": change(
        X=lambda X: X[:, :0], theta=lambda t: t[:, :1].copy(), direction=lambda v: v[:, :1].copy()
    ),
    "no model": change(
        y=lambda y: y[:0],
        theta=lambda t: t[:0],
        sample_weight=lambda c: c[:0],
        direction=lambda v: v[:0],
        out=lambda out: out[:, :0],
    ),
    "y too short": change(y=lambda y: y[:, :-1].copy()),
    "y too long": change(y=lambda y: np.hstack([y, y])),
    "y of too few models": change(y=lambda y: y[:-1]),
    "y of too many models": change(y=lambda y: np.vstack([y, y])),
    "y with a row for each example": change(y=lambda y: y.T.copy()),
    "y strided": change(y=strided),
    "y backwards": change(y=lambda y: y[:, ::-1]),
    "y apart by a part of a number": change(y=packed),
    "y misaligned": change(y=misaligned),
    "y of another dtype": change(y=lambda y: y.astype("float32")),
    "y integers": change(y=lambda y: y.astype(int)),
    "shared y too short": change(y=lambda y: y[0, :-1]),
    "shared y too long": change(y=lambda y: np.append(y[0], 0.0)),
    "shared y strided": change(y=lambda y: strided(y[0])),
    "shared y backwards": change(y=lambda y: y[0, ::-1]),
    "shared y misaligned": change(y=lambda y: misaligned(y[0])),
    "theta narrow": change(theta=lambda t: t[:, :-1].copy()),
    "theta wide": change(theta=lambda t: np.hstack([t, t])),
    "theta strided": change(theta=strided),
    "theta a window": change(theta=wide),
    "theta in F order": change(theta=np.asfortranarray),
    "theta of too few models": change(theta=lambda t: t[:-1]),
    "theta misaligned": change(theta=misaligned),
    "theta of another dtype": change(theta=lambda t: t.astype("float32")),
    "weights too short": change(sample_weight=lambda c: c[:, :-1].copy()),
    "weights of too few models": change(sample_weight=lambda c: c[:-1]),
    "weights strided": change(sample_weight=strided),
    "weights apart by a part of a number": change(sample_weight=packed),
    "weights misaligned": change(sample_weight=misaligned),
    "weights of another dtype": change(sample_weight=lambda c: c.astype("float32")),
    "shared weights too short": change(sample_weight=lambda c: c[0, :-1]),
    "shared weights strided": change(sample_weight=lambda c: strided(c[0])),
    "direction narrow": change(direction=lambda v: v[:, :-1].copy()),
    "direction of too few models": change(direction=lambda v: v[:-1]),
    "direction of too many models": change(direction=lambda v: np.vstack([v, v])),
    "direction strided": change(direction=strided),
    "direction in F order": change(direction=np.asfortranarray),
    "direction misaligned": change(direction=misaligned),
    "direction of another dtype": change(direction=lambda v: v.astype("float32")),
    "block_rows 0": change(block_rows=lambda _: 0),
    "block_rows negative": change(block_rows=lambda _: -1),
    "out narrow": change(out=lambda out: out[..., :-1].copy()),
    "out a narrow window": change(out=lambda out: out[..., :-1]),
    "out wide": change(out=lambda out: np.dstack([out, out])),
    "out of too few models": change(out=lambda out: out[:, :-1].copy()),
    "out of too many models": change(out=lambda out: np.hstack([out, out])),
    "out short": change(out=lambda out: out[:-1]),
    "out long": change(out=lambda out: np.vstack([out, out])),
    "out in F order": change(out=np.asfortranarray),
    "out models first": change(out=lambda out: out.swapaxes(0, 1).copy().swapaxes(0, 1)),
    "out a window": change(out=lambda out: np.dstack([out, out])[..., : out.shape[-1]]),
    "out misaligned": change(out=misaligned),
    "out over a part of X": overlapping("X"),
    "out over a part of y": overlapping("y"),
    "out over a part of theta": overlapping("theta"),
    "out over a part of the weights": overlapping("sample_weight"),
    "out over a part of the direction": overlapping("direction"),
    "out float32": change(out=lambda out: out.astype("float32")),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_not_allowed_raises(partial_sums, broken):
    arguments = BROKEN[broken](good())
    before = arguments["out"].tobytes()
    with pytest.raises((ValueError, BufferError)):
        partial_sums(**arguments)
    assert arguments["out"].tobytes() == before, "out was written to"


@pytest.mark.parametrize(
    "changes",
    [
        {"X": lambda X: X[0]},
        {"X": lambda X: X.astype(int)},
        {"y": lambda y: y[None]},
        {"theta": lambda theta: theta[0]},
        {"direction": lambda v: v[0]},
        {"out": lambda out: out[:, 0]},
    ],
    ids=["X 1-D", "X integers", "y 3-D", "theta 1-D", "direction 1-D", "out 2-D"],
)
def test_what_numba_cannot_even_compile(partial_sums, changes):
    with pytest.raises(Exception, match=r"(should|nopython|not C-contiguous)"):
        partial_sums(**change(**changes)(good()))


def swapped(values: np.ndarray) -> np.ndarray:
    """Return the same values in the other byte order."""
    return values.astype(values.dtype.newbyteorder())


def masked(values: np.ndarray) -> np.ndarray:
    """Return the same values with the first one masked."""
    array = np.ma.array(values, copy=True)
    array[(0,) * values.ndim] = np.ma.masked
    return array


ODD = {
    "misaligned": (misaligned, "aligned"),
    "other byte order": (swapped, ""),
    "other byte order, read-only": (lambda values: read_only(swapped(values)), ""),
    "masked": (masked, "not be masked"),
    "list": (np.ndarray.tolist, "be an array"),
    "without axes": (lambda values: np.array(1.0), ""),
    "longdouble": (lambda values: values.astype(np.longdouble), ""),
    "objects": (lambda values: values.astype(object), ""),
    "read-only": (read_only, None),
}


@pytest.mark.parametrize("kernel", ["numba", "cython"])
def test_an_odd_argument_is_named_whatever_came_before(kernel):
    """What Numba has seen once it takes other arrays for: each kind comes before and after each other."""
    partial_sums = load_or_explain(kernel).partial_sums
    expected = good()
    partial_sums(**expected)
    names = [name for name, value in expected.items() if isinstance(value, np.ndarray)]
    for name, (form, (odd, said)) in itertools.product(names, [*ODD.items(), *reversed(ODD.items())]):
        given = good() | {name: odd(good()[name])}
        if said is None and name != "out":
            partial_sums(**given)
            assert given["out"].tobytes() == expected["out"].tobytes(), (name, form)
            continue
        with pytest.raises((TypeError, ValueError), match=f"^{name} should .*{said or ''}"):
            partial_sums(**given)


@pytest.mark.parametrize("kernel", ["numba", "cython"])
@pytest.mark.parametrize("rows", [2.0, 2.5, "2", None, 0, -1, 2**70, np.array([2]), np.float64(2.0)], ids=repr)
def test_block_rows_that_are_none(kernel, rows):
    with pytest.raises((TypeError, ValueError), match="^block_rows"):
        load_or_explain(kernel).partial_sums(**(good() | {"block_rows": rows}))


def test_a_subclass_and_every_kind_of_integer():
    for kernel, rows in itertools.product(
        ("numba", "cython"), (BLOCK_ROWS, np.int8(BLOCK_ROWS), np.uint64(BLOCK_ROWS))
    ):
        given = good() | {"block_rows": rows, "X": np.ma.array(good()["X"])}
        load_or_explain(kernel).partial_sums(**given)
        expected = good()
        load_or_explain(kernel).partial_sums(**expected)
        assert given["out"].tobytes() == expected["out"].tobytes()


def test_a_buffer_without_strides():
    cython = load_or_explain("cython")
    arguments = good()
    expected = np.empty_like(arguments["out"])
    cython.partial_sums(**(arguments | {"out": expected}))
    buffers = {}
    for name in ("X", "y", "theta", "direction"):
        rows, columns = arguments[name].shape
        buffers[name] = (ctypes.c_double * columns * rows)(*(tuple(row) for row in arguments[name].tolist()))
    cython.partial_sums(**(arguments | buffers))
    assert arguments["out"].tobytes() == expected.tobytes()
    with pytest.raises(ValueError, match="^out should be "):
        cython.partial_sums(**(arguments | {"out": buffers["X"]}))


@pytest.mark.parametrize("name", ["X", "y", "w", "sample_weight"])
def test_every_kernel_computes_with_misaligned_arguments(kernel, name):
    problem = problems.random_weighted_problem(9, 3)
    given = {"X": problem.X, "y": problem.y, "w": problem.w, "sample_weight": problem.sample_weight}
    given[name] = misaligned(given[name])
    problem.assert_right(gradient(**given, b=problem.b, l2=problem.l2, kernel=kernel), name)
