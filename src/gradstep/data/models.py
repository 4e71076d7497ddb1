"""A trained model: what it predicts, how well it fits, and the JSON file that keeps it."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

import gradstep
from gradstep import files, json_files, validate
from gradstep.contract import Fit, FloatArray
from gradstep.data import labels
from gradstep.data.blocks import rows_at_a_time
from gradstep.data.standardization import Standardization
from gradstep.data.tables import Table
from gradstep.text import is_whole, quoted

SCHEMA = 1

# Two ways to compute a coefficient differ by less than this share of it.
_ROUNDED = 1e-9


@dataclass(frozen=True)
class Model:
    """The result of training on a table. The JSON file has these keys.

    Attributes
    ----------
    schema : int
        The version of this format.
    gradstep : str
        The version of gradstep that trained it.
    columns : list of str
        The names of the n features, in the order of the coefficients.
    label, positive : str
        The column of the labels, and its value that counts as 1.
    negative : str or None
        The value that counts as 0; None where there were several.
    coefficients : list of float
        For the columns as they are in the file, standardized or not:
        ``P(label = positive) = 1 / (1 + exp(-(intercept + sum_j coefficients[j] * x[j])))``.
    intercept : float
        See above.
    standardized : dict or None
        With ``--standardize`` the same model in the units it was trained in: ``means`` and ``scales`` of the columns,
        and ``coefficients`` and ``intercept`` for ``(x[j] - means[j]) / scales[j]``. The penalty l2 applies to these.
    l2, tol : float
        The strength of the penalty and the tolerance of the training.
    J : float
        The cost reached, penalty included.
    accuracy : float
        The share of the training examples whose label the model predicts.
    correct, m : int
        The number of these examples, and of all.
    n_iter : int
        The number of steps taken.
    converged : bool
        Whether the largest gradient component is at most `tol`.
    largest_gradient : float
        The largest absolute component of the gradient where training stopped, in the coordinates of the descent.
    """

    schema: int
    gradstep: str
    columns: list[str]
    label: str
    positive: str
    coefficients: list[float]
    intercept: float
    standardized: dict[str, Any] | None
    l2: float
    tol: float
    J: float
    accuracy: float
    correct: int
    m: int
    n_iter: int
    converged: bool
    largest_gradient: float
    negative: str | None = None

    def probabilities(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of the label `positive` for each row of X.

        Parameters
        ----------
        X : array-like of shape (k, n)
            The columns as they are in a file, in the order of `columns`.

        Raises
        ------
        ValueError
            If X has another number of columns, or holds NaN or infinity.
        TypeError
            If X does not hold real numbers.
        """
        rows = validate.copied("X", X)
        if rows.ndim != 2 or rows.shape[1] != len(self.columns):
            raise ValueError(f"X has shape {rows.shape}; the model has {len(self.columns)} columns")
        validate.require_finite("X", rows)
        if rows.dtype != np.float32:
            rows = rows.astype(np.float64)
        if (inner := self.standardized) is None:
            return sigmoid(_scores(rows, self.coefficients, self.intercept))
        units = Standardization(np.array(inner["means"]), np.array(inner["scales"]))
        return sigmoid(_scores(rows, inner["coefficients"], inner["intercept"], units))

    def labels(self, positive: NDArray[np.bool_]) -> list[str]:
        """Return the label of each row, from whether it is the positive one."""
        names = (f"not {self.positive}" if self.negative is None else self.negative, self.positive)
        return [names[k] for k in positive.tolist()]

    def save(self, path: Path) -> None:
        """Write the model as JSON, whole or not at all."""
        files.write_whole(path, json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def load(path: Path) -> Model:
    """Read the model that `Model.save` wrote.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it holds no model, or that of a newer version; the message names the file.
    """
    try:
        with files.named_where_memory_ends(path):
            content = _json(path)
        if not isinstance(content, dict) or "schema" not in content:
            raise ValueError("it has no schema")
        schema = content["schema"]
        if "cells" in content:
            raise ValueError("it is a record of gradstep compare")
        if type(schema) is int and schema > SCHEMA:
            raise _Newer(
                f"{path}: written by gradstep {content.get('gradstep')}, newer than this version "
                f"({gradstep.__version__}), which cannot read it; update gradstep"
            )
        return _checked(content)
    except _Newer:
        raise
    except ValueError as error:
        raise ValueError(f"{path}: not a model that gradstep fit --save wrote: {error}") from error


class _Newer(ValueError):
    """The model is sound, and this version too old for it."""


def _json(path: Path) -> object:
    content = json_files.content(path)
    if not content.lstrip().startswith(b"{"):
        raise ValueError("it is not JSON with the keys of a model")
    return json_files.loaded(content)


def _checked(content: dict[str, Any]) -> Model:
    """Return the model in the content of a file, or raise ValueError."""
    known = {field.name: content[field.name] for field in fields(Model) if field.name in content}
    for field in fields(Model):
        if field.default is MISSING and field.name not in known:
            raise ValueError(f"{field.name} is missing")
    for kind, names in _KINDS.items():
        for name in names:
            if name in known and not _HOLDS[kind](known[name]):
                raise ValueError(f"{name} is not {kind}")
    model = Model(**known)
    _require_columns(model)
    if model.schema < 1:
        raise ValueError("schema should be at least 1")
    if model.negative is not None and labels.as_class(model.positive) == labels.as_class(model.negative):
        raise ValueError("positive and negative are the same label")
    _require_possible_counts(model)
    _require_one_model(model)
    return model


def _require_possible_counts(model: Model) -> None:
    """Raise ValueError for numbers that no training ends with."""
    if not 0 <= model.correct <= model.m or model.m < 1:
        raise ValueError("correct should be from 0 to m, and m at least 1")
    if model.accuracy != model.correct / model.m:
        raise ValueError("accuracy should be correct / m")
    if model.tol <= 0.0:
        raise ValueError("tol should be positive")
    for name in ("l2", "J", "n_iter", "largest_gradient"):
        if getattr(model, name) < 0:
            raise ValueError(f"{name} should be at least 0")


@np.errstate(all="ignore")
def _require_one_model(model: Model) -> None:
    """Raise ValueError if what predicts, the standardized model, is not the one for the columns as they are."""
    if (inner := model.standardized) is None:
        return
    w = np.array(inner["coefficients"], np.float64)
    means, scales = (np.array(inner[name], np.float64) for name in ("means", "scales"))
    original_w, original_b = Standardization(means, scales).original_units(w, float(inner["intercept"]))
    # Sums may be added in another order on another machine.
    terms = np.append(original_w * means, inner["intercept"])
    if not (
        np.allclose(original_w, np.array(model.coefficients, np.float64), rtol=_ROUNDED, atol=0.0)
        and abs(original_b - model.intercept) <= _ROUNDED * np.abs(terms).sum()
    ):
        raise ValueError("standardized is another model than coefficients and intercept")


def _require_columns(model: Model) -> None:
    """Raise ValueError unless there is one finite number of each kind for each column."""
    per_column: dict[str, object] = {"coefficients": model.coefficients}
    if (inner := model.standardized) is not None:
        per_column |= {f"standardized {name}": inner.get(name) for name in ("means", "scales", "coefficients")}
        if not _is_number(inner.get("intercept")):
            raise ValueError("standardized intercept is not a number")
    if not model.columns:
        raise ValueError("it has no columns")
    name, count = Counter(map(labels.composed, model.columns)).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{count} columns are called {quoted(name)}")
    for name, numbers in per_column.items():
        if not _is_list(numbers, _is_number) or len(numbers) != len(model.columns):
            raise ValueError(f"{name} should hold {len(model.columns)} numbers, one for each column")
        if name.endswith("scales") and min(numbers) <= 0.0:
            raise ValueError(f"{name} should be positive")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_list(value: object, holds: Callable[[object], bool]) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and all(map(holds, value))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and is_whole(value)


_HOLDS: dict[str, Callable[[object], bool]] = {
    "text": _is_text,
    "text or null": lambda value: value is None or _is_text(value),
    "a number": _is_number,
    "an integer": lambda value: type(value) is int,
    "true or false": lambda value: isinstance(value, bool),
    "a list of text": lambda value: _is_list(value, _is_text),
    "a list of numbers": lambda value: _is_list(value, _is_number),
    "an object or null": lambda value: value is None or isinstance(value, dict),
}
_KINDS = {
    "text": ("gradstep", "label", "positive"),
    "text or null": ("negative",),
    "a number": ("intercept", "l2", "tol", "J", "accuracy", "largest_gradient"),
    "an integer": ("schema", "correct", "m", "n_iter"),
    "true or false": ("converged",),
    "a list of text": ("columns",),
    "a list of numbers": ("coefficients",),
    "an object or null": ("standardized",),
}


@np.errstate(all="ignore")
def sigmoid(z: FloatArray) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-z)), to a few roundings for every z; exp sees no positive argument.

    Examples
    --------
    >>> sigmoid(np.array([-800.0, 0.0, 800.0]))
    array([0. , 0.5, 1. ])
    """
    small = np.exp(-np.abs(z.astype(np.float64)))
    return np.asarray(np.where(z >= 0.0, 1.0, small) / (1.0 + small))


@np.errstate(all="ignore")
def _scores(X: FloatArray, w: ArrayLike, b: float, units: Standardization | None = None) -> NDArray[np.float64]:
    """Return X w + b in float64, where X is standardized first if there are units; without a copy of X as a whole."""
    wide_w = np.asarray(w, np.float64)
    z = np.empty(len(X))
    size = rows_at_a_time(X.shape[1])
    for start in range(0, len(X), size):
        rows = X[start : start + size]
        inner = rows if units is None else units.apply(rows)
        z[start : start + size] = inner.astype(np.float64, copy=False) @ wide_w + b
    for i in np.flatnonzero(~np.isfinite(z)).tolist():
        z[i] = _score_out_of_range(X[i], wide_w, b, units)
    return z


def _score_out_of_range(x: FloatArray, w: NDArray[np.float64], b: float, units: Standardization | None) -> float:
    """Return the score of a row in which a sum or a product overflows; the whole may be finite all the same."""
    exact = list(map(Fraction, x.tolist()))
    if units is not None:
        exact = [
            (x_j - Fraction(mean)) / Fraction(scale)
            for x_j, mean, scale in zip(exact, units.means.tolist(), units.scales.tolist(), strict=True)
        ]
    score = Fraction(b) + sum(x_j * Fraction(w_j) for x_j, w_j in zip(exact, w.tolist(), strict=True))
    try:
        return float(score)
    except OverflowError:
        return math.inf if score > 0 else -math.inf


def describe(
    fit: Fit,
    table: Table,
    standardization: Standardization | None,
    *,
    l2: float,
    tol: float,
) -> Model:
    """Return the model that a fit has reached.

    Parameters
    ----------
    fit : Fit
        Where the descent stopped.
    table : Table
        What it was trained on; X standardized already if `standardization` is given.
    standardization : Standardization or None
        What was done to the columns.
    l2, tol
        The arguments of the fit.
    """
    predicted = sigmoid(_scores(table.X, fit.w, fit.b)) >= 0.5
    correct = int(np.count_nonzero(predicted == (table.y >= 0.5)))
    w, b = (fit.w, fit.b) if standardization is None else standardization.original_units(fit.w, fit.b)
    return Model(
        schema=SCHEMA,
        gradstep=gradstep.__version__,
        columns=list(table.columns),
        label=table.label,
        positive=table.positive,
        coefficients=w.tolist(),
        intercept=b,
        standardized=None if standardization is None else _in_training_units(fit, standardization),
        l2=l2,
        tol=tol,
        J=fit.J,
        accuracy=correct / len(table.y),
        correct=correct,
        m=len(table.y),
        n_iter=fit.n_iter,
        converged=fit.converged,
        largest_gradient=fit.largest_scaled,
        negative=table.negative,
    )


def _in_training_units(fit: Fit, standardization: Standardization) -> dict[str, Any]:
    return {
        "means": standardization.means.tolist(),
        "scales": standardization.scales.tolist(),
        "coefficients": fit.w.tolist(),
        "intercept": fit.b,
    }
