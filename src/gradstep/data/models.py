"""A trained model: how well it fits, and the JSON file that keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import gradstep
from gradstep.contract import Fit, KernelName
from gradstep.data.standardization import Standardization
from gradstep.data.tables import Table
from gradstep.files import write_whole

SCHEMA = 1


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
        The largest absolute component of (dw, db) where training stopped.
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

    def save(self, path: Path) -> None:
        """Write the model as JSON, whole or not at all."""
        write_whole(path, json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def describe(
    fit: Fit,
    table: Table,
    standardization: Standardization | None,
    *,
    l2: float,
    tol: float,
    kernel: KernelName = "auto",
    threads: int | None = None,
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
    l2, tol, kernel, threads
        The arguments of the fit.
    """
    predicted = table.X @ fit.w + fit.b >= 0.0
    correct = int(np.count_nonzero(predicted == (table.y >= 0.5)))
    _, dw, db = gradstep.gradient(table.X, table.y, fit.w, fit.b, l2=l2, kernel=kernel, threads=threads)
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
        largest_gradient=max(float(np.abs(dw).max()), abs(db)),
    )


def _in_training_units(fit: Fit, standardization: Standardization) -> dict[str, Any]:
    return {
        "means": standardization.means.tolist(),
        "scales": standardization.scales.tolist(),
        "coefficients": fit.w.tolist(),
        "intercept": fit.b,
    }
