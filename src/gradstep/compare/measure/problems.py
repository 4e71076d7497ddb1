"""What is compared on: random problems of a given shape, the data sets of scikit-learn, and the user's own files."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradstep.contract import FloatArray
from gradstep.data import tables
from gradstep.data.standardization import Standardization
from gradstep.extras import require
from gradstep.validate import compute_dtype

# With a learning rate of 1 the updated w shows nearly all digits of dw, which makes the check of results sharp.
ALPHA = 1.0

_DRAWN = "random features, labels drawn from a logistic model"

# Labels for a given X are drawn in blocks of this many rows; the first block gives its mean and spread.
_ROWS_PER_LABELLING = 4096


class Examples(NamedTuple):
    """The arguments of one call of `gradstep.step`, apart from alpha.

    For one model y has shape (m,), w (n,), and b is a number. For k models w has shape (n, k) and b (k,); y has shape
    (m, k), or (m,) where all models have the same labels.
    """

    X: FloatArray
    y: FloatArray
    w: FloatArray
    b: Any

    @property
    def models(self) -> int:
        """The number of models."""
        return 1 if self.w.ndim == 1 else int(self.w.shape[1])

    @property
    def labels(self) -> FloatArray:
        """The labels in a shape that goes with scores: (m,) for one model, (m, k) or (m, 1) for several."""
        return self.y[:, np.newaxis] if self.w.ndim > self.y.ndim else self.y

    def one_by_one(self) -> list[Examples]:
        """Return the examples of each model alone, whose arrays are contiguous; X is shared."""
        labels = [np.ascontiguousarray(self.y if self.y.ndim == 1 else self.y[:, j]) for j in range(self.models)]
        return [Examples(self.X, y, np.ascontiguousarray(self.w[:, j]), float(self.b[j])) for j, y in enumerate(labels)]


@dataclass(frozen=True)
class Problem:
    """A random problem: normal features, weights scaled so that z does not grow with n, labels from that model.

    In the order "C" each row is contiguous in memory, in "F" each column is. The seed fixes every value. Several models
    have weights and labels of their own.

    Examples
    --------
    >>> Problem(4, 2).make().X.shape
    (4, 2)
    """

    m: int
    n: int
    dtype: str = "float64"
    order: str = "C"
    seed: int = 0
    models: int = 1
    name: ClassVar[str] = "random"
    task: ClassVar[str] = _DRAWN
    labels_are_shared: ClassVar[bool] = False
    load_seconds: ClassVar[float] = 0.0

    @property
    def X_bytes(self) -> int:
        """The size of X."""
        return self.m * self.n * np.dtype(self.dtype).itemsize

    def make(self) -> Examples:
        """Make the arrays; the same ones each time."""
        generator = np.random.default_rng([self.seed, self.m, self.n])
        X = generator.standard_normal((self.m, self.n), dtype=np.dtype(self.dtype).type)
        w, b = _weights(generator, self.n, self.models)
        z = X @ w.astype(self.dtype) + b
        y = generator.random(z.shape) < 1.0 / (1.0 + np.exp(-z))
        return _laid_out(X, y, w, b, self.dtype, self.order)


class _OfMatrix:
    """A problem around the values of an X of shape (m, n)."""

    X: NDArray[Any]
    load_seconds: ClassVar[float] = 0.0

    @property
    def m(self) -> int:
        """The number of examples."""
        return int(self.X.shape[0])

    @property
    def n(self) -> int:
        """The number of features."""
        return int(self.X.shape[1])


@dataclass(frozen=True, eq=False)
class RealProblem(_OfMatrix):
    """Given data with standardized columns, as usual before gradient descent.

    The name is that of the data set or file, and the task says what the labels mean. X is as it was read: `make`
    standardizes it. The seed fixes w and b. Several models have the same labels.
    """

    name: str
    task: str
    X: FloatArray
    labels: NDArray[np.float64]
    dtype: str = "float64"
    order: str = "C"
    seed: int = 0
    models: int = 1
    labels_are_shared: ClassVar[bool] = True

    @property
    def X_bytes(self) -> int:
        """The size of X in this dtype."""
        return self.X.size * np.dtype(self.dtype).itemsize

    def make(self) -> Examples:
        """Make the arrays; the same ones each time."""
        standardized = Standardization.of(self.X).apply(self.X)
        w, b = _weights(np.random.default_rng([self.seed, self.m, self.n]), self.n, self.models)
        return _laid_out(standardized, self.labels, w, b, self.dtype, self.order)


@dataclass(frozen=True, eq=False)
class GivenX(_OfMatrix):
    """A given X of any real dtype, used as it is; weights and labels as of `Problem`. The name says what is special."""

    name: str
    X: NDArray[Any]
    models: int = 1
    task: ClassVar[str] = _DRAWN
    labels_are_shared: ClassVar[bool] = False

    @property
    def dtype(self) -> str:
        """The dtype of X; the computation may have a wider one."""
        return self.X.dtype.name

    @property
    def order(self) -> str:
        """The memory order of X."""
        return "C" if self.X.flags.c_contiguous else "F"

    @property
    def X_bytes(self) -> int:
        """The size of X."""
        return self.X.nbytes

    def make(self) -> Examples:
        """Make the labels and weights; the same ones each time."""
        generator = np.random.default_rng([self.m, self.n])
        w, b = _weights(generator, self.n, self.models)
        computed = compute_dtype(self.X.dtype)
        some = self.X[:_ROWS_PER_LABELLING].astype(np.float64)
        w /= max(float(some.std()), np.finfo(np.float64).tiny)
        # In the middle of the values z is about 0, so both classes appear.
        b = b - float(some.mean()) * (float(w.sum()) if self.models == 1 else w.sum(axis=0))
        y = np.empty((self.m, *w.shape[1:]), computed)
        for first in range(0, self.m, _ROWS_PER_LABELLING):
            rows = slice(first, first + _ROWS_PER_LABELLING)
            z = self.X[rows] @ w + b
            y[rows] = generator.random(z.shape) < 1.0 / (1.0 + np.exp(-z))
        return Examples(self.X, y, w.astype(computed), b)


def _weights(generator: np.random.Generator, n: int, models: int) -> tuple[NDArray[np.float64], Any]:
    """Return w and b of one model, or of several, each of which has its own."""
    if models == 1:
        return generator.standard_normal(n) / math.sqrt(n), 0.1
    return generator.standard_normal((n, models)) / math.sqrt(n), np.linspace(0.1, 0.5, models)


def _laid_out(X: FloatArray, y: NDArray[Any], w: NDArray[np.float64], b: Any, dtype: str, order: str) -> Examples:
    array = np.asfortranarray if order == "F" else np.ascontiguousarray
    return Examples(array(X, dtype=dtype), y.astype(dtype), w.astype(dtype), b)


class Task(NamedTuple):
    """How the classes of a bundled data set become 0 and 1, and the shape of its X."""

    loader: str
    question: str
    is_positive: Callable[[NDArray[Any]], NDArray[np.bool_]]
    m: int
    n: int


# The numbers of the classes come from scikit-learn's documentation.
DATA_SETS: dict[str, Task] = {
    "breast_cancer": Task("load_breast_cancer", "is the tumour malignant?", lambda target: target == 0, 569, 30),
    "digits": Task("load_digits", "is the digit even?", lambda target: target % 2 == 0, 1797, 64),
    "iris": Task("load_iris", "is the flower an Iris virginica?", lambda target: target == 2, 150, 4),
    "wine": Task("load_wine", "is the wine from the first cultivar?", lambda target: target == 0, 178, 13),
}

# What importing scikit-learn takes.
_IMPORT = 2.0


@dataclass(frozen=True)
class BundledProblem:
    """A data set that scikit-learn bundles, as a `RealProblem`; it is imported when its arrays are made."""

    name: str
    dtype: str = "float64"
    order: str = "C"
    seed: int = 0
    models: int = 1
    labels_are_shared: ClassVar[bool] = True

    @property
    def m(self) -> int:
        """The number of examples."""
        return DATA_SETS[self.name].m

    @property
    def n(self) -> int:
        """The number of features."""
        return DATA_SETS[self.name].n

    @property
    def task(self) -> str:
        """What the labels mean."""
        return DATA_SETS[self.name].question

    @property
    def X_bytes(self) -> int:
        """The size of X in this dtype."""
        return self.m * self.n * np.dtype(self.dtype).itemsize

    @property
    def load_seconds(self) -> float:
        """About how long it takes to import scikit-learn, if that is still to come."""
        return 0.0 if "sklearn.datasets" in sys.modules else _IMPORT

    def make(self) -> Examples:
        """Make the arrays; the same ones each time."""
        loader, question, is_positive, _, _ = DATA_SETS[self.name]
        X, target = getattr(_datasets(self.name), loader)(return_X_y=True)
        labels = is_positive(target).astype(np.float64)
        return RealProblem(self.name, question, X, labels, self.dtype, self.order, self.seed, self.models).make()


AnyProblem = Problem | RealProblem | GivenX | BundledProblem


def conditions(problem: AnyProblem, threads: int | None) -> dict[str, Any]:
    """Return the fields of the record's `Conditions`."""
    fields = {name: getattr(problem, name) for name in ("m", "n", "dtype", "order", "models")}
    return {"problem": problem.name, **fields, "threads": threads}


def task(problem: AnyProblem) -> str:
    """Return what the labels mean, and whether each of several models has its own.

    Examples
    --------
    >>> task(BundledProblem("iris", models=8))
    'is the flower an Iris virginica? Each model has the same labels'
    """
    if problem.models == 1:
        return problem.task
    return f"{problem.task}{'' if problem.task.endswith('?') else '.'} {_LABELS[problem.labels_are_shared]}"


_LABELS = {True: "Each model has the same labels", False: "Each model has labels of its own"}


def bundled(name: str, dtype: str = "float64", order: str = "C", seed: int = 0, models: int = 1) -> BundledProblem:
    """Return one of the data sets that scikit-learn bundles; nothing is downloaded.

    Raises
    ------
    MissingExtra
        If scikit-learn is not installed.
    """
    if find_spec("sklearn") is None:
        _datasets(name)
    return BundledProblem(name, dtype, order, seed, models)


def _datasets(name: str) -> Any:
    return require("sklearn.datasets", "compare", f"The data set {name}")


def from_name_or_file(
    source: str,
    label: str | None = None,
    positive: str | None = None,
    dtype: str = "float64",
    order: str = "C",
    seed: int = 0,
    models: int = 1,
) -> RealProblem | BundledProblem:
    """Return the bundled data set of this name or the content of the file of this name.

    Raises
    ------
    FileNotFoundError
        If `source` is neither.
    OSError, ValueError, MissingExtra
        As `gradstep.data.tables.read` and `bundled` do.
    """
    if source in DATA_SETS:
        return bundled(source, dtype, order, seed, models)
    path = Path(source)
    if not path.suffix and not path.exists():
        raise FileNotFoundError(f"{source}: neither a file nor one of the data sets {', '.join(DATA_SETS)}")
    table = tables.read(path, label, positive)
    # A column that cannot be standardized is refused, by name, before anything is measured.
    table.standardization()
    # Bytes of a file's name that are not UTF-8 are halves of characters in it, which no file could hold.
    name = path.name.encode("utf-8", "backslashreplace").decode("utf-8")
    return RealProblem(name, f"{table.label} = {table.positive}", table.X, table.y, dtype, order, seed, models)
