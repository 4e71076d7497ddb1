"""Problems with a known answer: inputs, their exact result, and the bound on a right kernel's error."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import bounds
import mpmath
import numpy as np
import oracle
from kernel_calls import parameters

from gradstep import Gradient, Kernel, engine, gradient


class Computed(NamedTuple):
    """Arrays in the dtype that the kernels compute in: float32 for float16 and float32, else float64."""

    X: np.ndarray
    y: np.ndarray
    theta: np.ndarray
    """One row: [w, b]."""
    sample_weight: np.ndarray | None
    direction: np.ndarray | None
    """One row: [v_w, v_b]."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Inputs of the gradient. What is computed from them is computed once and shared by all kernels and layouts."""

    name: str
    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    b: float
    sample_weight: np.ndarray | None = None
    l2: float = 0.0
    z_is_exact: bool = False
    direction: np.ndarray | None = None

    @property
    def m(self) -> int:
        return self.X.shape[0]

    @property
    def n(self) -> int:
        return self.X.shape[1]

    @functools.cached_property
    def computed(self) -> Computed:
        dtype = np.float32 if self.X.dtype.kind == "f" and self.X.itemsize <= 4 else np.float64
        weight = None if self.sample_weight is None else self.sample_weight.astype(dtype)
        direction = None if self.direction is None else self.direction.astype(dtype)[None, :]
        theta = parameters(self.w.astype(dtype), self.b)
        return Computed(self.X.astype(dtype, order="C"), self.y.astype(dtype), theta, weight, direction)

    @functools.cached_property
    def rows(self) -> oracle.Rows:
        X, y, theta, sample_weight, _ = self.computed
        return oracle.rows(X, y, theta[0, :-1], self.b, sample_weight)

    @functools.cached_property
    def curved_rows(self) -> oracle.CurvedRows:
        return oracle.curved_rows(self.rows, self._direction)

    @property
    def _direction(self) -> np.ndarray:
        if self.computed.direction is None:
            raise AssertionError(f"{self.name} has no direction")
        return self.computed.direction[0]

    @functools.cached_property
    def reference(self) -> oracle.Reference:
        return oracle.reference(self.rows, self.w, self.l2)

    @functools.cached_property
    def row_errors(self) -> bounds.RowErrors:
        X, y, theta, sample_weight, _ = self.computed
        return bounds.row_errors(X, y, theta[0, :-1], self.b, sample_weight, self.rows, self.z_is_exact)

    @functools.cached_property
    def curvature_errors(self) -> bounds.CurvatureErrors:
        return bounds.curvature_errors(self.row_errors, self._direction, self.curved_rows)

    @functools.cached_property
    def errors(self) -> bounds.GradientErrors:
        rows = engine.block_rows(self.n, self.X.dtype)
        return bounds.gradient_errors(self.row_errors, self.sample_weight is not None, rows, self.w, self.l2)

    def gradient(self, kernel: str | Kernel, X: np.ndarray | None = None, threads: int = 1) -> Gradient:
        """Compute the gradient, from the same values in another layout if X is given."""
        X = self.X if X is None else X
        weight = self.sample_weight
        return gradient(X, self.y, self.w, self.b, sample_weight=weight, l2=self.l2, kernel=kernel, threads=threads)

    def assert_right(self, actual: Gradient, what: str = "") -> None:
        """Fail unless every component of `actual` is within its bound."""
        where = f"{self.name}{what and ', '}{what}"
        assert actual.dw.shape == (self.n,), f"{where}: dw has shape {actual.dw.shape}"
        _assert_within(f"J of {where}", actual.J, self.reference.J, self.errors.J)
        _assert_within(f"db of {where}", actual.db, self.reference.db, self.errors.db)
        for j, value in enumerate(actual.dw.tolist()):
            _assert_within(f"dw[{j}] of {where}", value, self.reference.dw[j], self.errors.dw[j])

    def assert_right_sums(self, actual: np.ndarray, block_rows: int, what: str = "") -> None:
        """Fail unless what a kernel has written for this model without a direction is within its bounds."""
        _assert_blocks_within(self, actual, block_rows, self.rows, self.row_errors, what)

    def assert_right_curvatures(self, actual: np.ndarray, block_rows: int, what: str = "") -> None:
        """Fail unless what a kernel has written for this model with its direction is within its bounds."""
        what = f"curvature{what and ', '}{what}"
        _assert_blocks_within(self, actual, block_rows, self.curved_rows, self.curvature_errors, what)

    def assert_right_product(self, actual: np.ndarray, what: str = "") -> None:
        """Fail unless every component of ``[Hv, v'Hv]`` is within its bound."""
        rows = engine.block_rows(self.n, self.X.dtype)
        given = self.sample_weight is not None, rows, self._direction, self.l2
        exact, errors = oracle.product(self.curved_rows, self._direction, self.l2), self.curvature_errors
        for j, (value, bound) in enumerate(zip(actual.tolist(), bounds.product_errors(errors, *given), strict=True)):
            _assert_within(f"Hv[{j}] of {self.name}{what and ', '}{what}", value, exact[j], bound)

    def weighted(self) -> Problem:
        """Return the same problem with unequal weights, among them a zero, and a penalty."""
        weight = np.random.default_rng(self.m).uniform(0.5, 2.0, self.m)
        weight[self.m // 2] *= self.m == 1
        return replace(self, name=f"{self.name}, weighted", sample_weight=weight, l2=0.25)


def _assert_blocks_within(
    problem: Problem, actual: np.ndarray, block_rows: int, exact: Any, errors: Any, what: str
) -> None:
    """Compare the sums of each block, (blocks, n + 2), with the exact ones and their bounds."""
    assert actual.shape == (-(-problem.m // block_rows), problem.n + 2), f"the sums have shape {actual.shape}"
    for block, start in enumerate(range(0, problem.m, block_rows)):
        stop = min(start + block_rows, problem.m)
        exact_sums, bound = exact.sums(start, stop), errors.sums(start, stop, block_rows)
        for column, value in enumerate(actual[block].tolist()):
            where = f"out[{block}, {column}] of {problem.name}, blocks of {block_rows} rows{what and ', '}{what}"
            _assert_within(where, value, exact_sums[column], bound[column])


def _assert_within(what: str, actual: float, exact: Any, bound: float) -> None:
    # Not `error > bound`: an actual value of NaN has to fail.
    error = abs(mpmath.mpf(actual) - exact)
    if not error <= bound:
        raise AssertionError(
            f"{what} is {actual!r}; it should be {mpmath.nstr(exact, 20)}, "
            f"and the error {mpmath.nstr(error, 3)} is more than {float(bound):.3g}"
        )


@functools.cache
def random_problem(m: int, n: int, dtype: str = "float64") -> Problem:
    """Return a problem of m examples and n features whose labels are 0, 1 and, in every third row, fractional."""
    generator = np.random.default_rng([m, n])
    X = generator.standard_normal((m, n)).astype(dtype)
    y = (generator.random(m) < 0.5).astype(np.float64)
    y[2::3] = generator.random(len(y[2::3]))
    w = 3.0 * generator.standard_normal(n) / n**0.5
    direction = generator.standard_normal(n + 1)
    return Problem(f"({m}, {n}) {dtype}", X, y.astype(dtype), w.astype(dtype), 0.3, direction=direction)


@functools.cache
def random_weighted_problem(m: int, n: int, dtype: str = "float64") -> Problem:
    """Return `random_problem` with weights and a penalty."""
    return random_problem(m, n, dtype).weighted()


@functools.cache
def one_row(z: float, y: float, dtype: str = "float64") -> Problem:
    """Return the problem of one row whose z is exactly `z`: one feature z, w = 1 and b = 0; u is 1."""
    values = (np.array(array, dtype) for array in ([[z]], [y], [1.0]))
    return Problem(f"z = {z:g}, y = {y:g} {dtype}", *values, 0.0, z_is_exact=True, direction=np.array([0.0, 1.0]))


@functools.cache
def typed_problem(dtype: str) -> Problem:
    """Return a problem whose X holds small integers, which every dtype represents, in the given dtype."""
    generator = np.random.default_rng(5)
    low, high = {"b": (0, 2), "u": (0, 6)}.get(np.dtype(dtype).kind, (-3, 4))
    X = generator.integers(low, high, (65, 5)).astype(dtype)
    y = (generator.random(65) < 0.5).astype(np.float64)
    return Problem(f"X of {np.dtype(dtype)}", X, y, generator.standard_normal(5), -0.2)


def _spread(X: np.ndarray, row_step: int, column_step: int) -> np.ndarray:
    """Return X as a view with these steps into a larger array whose other elements are NaN or large."""
    shape = (X.shape[0] * abs(row_step), X.shape[1] * abs(column_step))
    view = np.full(shape, _other(X.dtype), X.dtype)[::row_step, ::column_step]
    view[:] = X
    return view


def _other(dtype: np.dtype) -> float:
    """Return what shows in a result that has read it: NaN, or the largest number of a dtype that has none."""
    if dtype.kind == "f":
        return np.nan
    return True if dtype.kind == "b" else np.iinfo(dtype).max


def _read_only(X: np.ndarray) -> np.ndarray:
    copy = X.copy()
    copy.flags.writeable = False
    return copy


def _memmap(X: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryFile() as file:
        file.write(X.tobytes())
        file.flush()
        return np.memmap(file, X.dtype, "r", shape=X.shape)


def _unaligned(X: np.ndarray) -> np.ndarray:
    view = np.ndarray(X.shape, X.dtype, np.zeros(X.nbytes + 1, np.uint8).data, offset=1)
    view[:] = X
    return view


def _window(X: np.ndarray, order: str) -> np.ndarray:
    """Return X as the middle of a larger array, surrounded by NaN or large numbers."""
    m, n = X.shape
    frame = np.full((m + 4, n + 3), _other(X.dtype), X.dtype, order=order)
    frame[2 : m + 2, 1 : n + 1] = X
    return frame[2 : m + 2, 1 : n + 1]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C order": np.ascontiguousarray,
    "F order": np.asfortranarray,
    "row-strided": lambda X: _spread(X, 3, 1),
    "column-strided": lambda X: _spread(X, 1, 2),
    "both strided": lambda X: _spread(X, 2, 3),
    "F order, column-strided": lambda X: _spread(X.T, 2, 1).T,
    "window in C order": lambda X: _window(X, "C"),
    "window in F order": lambda X: _window(X, "F"),
    "rows reversed": lambda X: _spread(X, -1, 1),
    "columns reversed": lambda X: _spread(X, 1, -1),
    "both reversed": lambda X: _spread(X, -1, -1),
    "read-only": _read_only,
    "memory-mapped": _memmap,
    "big-endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "little-endian": lambda X: X.astype(X.dtype.newbyteorder("<")),
    "unaligned": _unaligned,
}
"""Each turns a C-ordered array into one of the same values that lies otherwise in memory."""

BROADCASTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "one row for all": lambda X: np.broadcast_to(X[0], X.shape),
    "one column for all": lambda X: np.broadcast_to(X[:, :1], X.shape),
    "one value for all": lambda X: np.broadcast_to(X[0, 0], X.shape),
}
"""Each returns a view of X's shape in which strides are zero."""
