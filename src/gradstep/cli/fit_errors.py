"""Why a training failed, in words of the data file: its name, its column's, and the options of the command."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gradstep.data.tables import Table
from gradstep.outcomes import FitDiverged


def in_words_of(table: Table, error: Exception, alpha: float | Literal["auto"]) -> ValueError:
    """Return the error of a training as one that names the file, and the column where one is to blame.

    Parameters
    ----------
    table : Table
        What was trained on.
    error : Exception
        What `gradstep.fit` raised.
    alpha : float or "auto"
        The learning rate.
    """
    if alpha != "auto":
        return ValueError(f"{table.path}: {_with_a_given_rate(error, alpha)}")
    wide = np.flatnonzero(~np.isfinite(_reach(table)))
    if len(wide):
        column = table.columns[int(wide[0])]
        return ValueError(f"{table.path}, column {column!r}: its values lie too far apart; divide them by a number")
    return ValueError(f"{table.path}: {error}")


def _with_a_given_rate(error: Exception, alpha: float) -> str:
    if isinstance(error, FitDiverged):
        return f"J is no longer finite: --alpha {alpha:g} is too large; take a smaller one, or leave --alpha out"
    return str(error)


def _reach(table: Table) -> NDArray[np.float64]:
    """Return how far each column goes from its first value; infinite where float64 does not hold it."""
    X = table.X
    origin = X[0].astype(np.float64)
    with np.errstate(over="ignore"):
        reach: NDArray[np.float64] = np.maximum(X.max(axis=0) - origin, origin - X.min(axis=0))
    return reach
