"""What ``gradstep fit`` shows: the coefficients, how the training ended, and what to do where that is not the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from gradstep.cli import facts
from gradstep.compare.show import console
from gradstep.compare.show.console import PlainConsole
from gradstep.compare.show.words import duration
from gradstep.data.models import Model

# As many coefficients are shown, the largest.
_SHOWN = 20


class Training(NamedTuple):
    """How a model was trained, beside what it says itself."""

    kernel: str
    alpha: float | Literal["auto"]
    max_iter: int
    interrupted: bool
    seconds: float


def show(model: Model, training: Training, y: NDArray[np.float64], saved: Path | None) -> None:
    """Print a trained model on stdout.

    Parameters
    ----------
    model : Model
        The model.
    training : Training
        How it was trained.
    y : ndarray of shape (m,)
        The labels.
    saved : Path or None
        The file it was written to.
    """
    facts.show(_data(model, training))
    screen = PlainConsole()
    screen.print()
    console.print_whole(_coefficients(model), screen)
    if len(model.columns) > _SHOWN:
        screen.print(f"the largest {_SHOWN} of {len(model.columns):,}; --save FILE keeps all")
    screen.print()
    facts.show(_ending(model, training, y, saved))


def _data(model: Model, training: Training) -> Iterator[tuple[str, str]]:
    features = "1 feature" if len(model.columns) == 1 else f"{len(model.columns):,} features"
    yield "examples", f"{model.m:,} with {features}"
    yield "label", f"1 where {model.label} = {model.positive}"
    yield "kernel", training.kernel


def _coefficients(model: Model) -> Table:
    """Return the largest coefficients, and the intercept."""
    units = [("coefficient", [*model.coefficients, model.intercept])]
    if model.standardized is not None:
        inner = model.standardized
        units.append(("per standard deviation", [*inner["coefficients"], inner["intercept"]]))
    size = np.abs(units[-1][1][:-1])
    largest = np.argsort(-size, kind="stable")[:_SHOWN].tolist()
    table = console.table("column", *(name for name, _ in units))
    table.columns[0].justify, table.columns[0].overflow = "left", "fold"
    for j in [*largest, len(model.columns)]:
        name = [*model.columns, "(intercept)"][j]
        table.add_row(Text(name), *(f"{numbers[j]:.6g}" for _, numbers in units))
    return table


def _ending(model: Model, training: Training, y: NDArray[np.float64], saved: Path | None) -> Iterator[tuple[str, str]]:
    yield "J", f"{model.J:.9g}"
    yield "accuracy", f"{model.accuracy:.4f} on these examples ({model.correct:,} of {model.m:,})"
    yield "stopped", f"{_stopped(model, training.interrupted)} ({duration(training.seconds)})"
    yield "gradient", f"largest component {model.largest_gradient:.3g} (--tol {model.tol:g})"
    if (todo := advice(model, training, y)) is not None:
        yield "advice", todo
    if saved is not None:
        yield "wrote", f"{saved}; gradstep predict {saved} DATA applies it"


def _stopped(model: Model, interrupted: bool) -> str:
    if model.converged:
        return f"converged after {model.n_iter:,} steps"
    if interrupted:
        return f"interrupted after {model.n_iter:,} steps"
    return f"at --max-iter, after {model.n_iter:,} steps, before --tol was reached"


def advice(model: Model, training: Training, y: NDArray[np.float64]) -> str | None:
    """Return what to change where the model is not the best there is; None if nothing."""
    # A plane with every example on its side: twice as far from zero, each of them costs less.
    if model.l2 == 0.0 and model.correct == model.m and np.isin(y, (0.0, 1.0)).all():
        return (
            "the columns separate the classes, so without a penalty there is no best model: the coefficients grow "
            "for ever. Add --l2 0.01"
        )
    if model.converged or training.interrupted:
        return None
    if training.alpha != "auto":
        return "leave --alpha out, which chooses a rate that suits the data, or raise --max-iter"
    more = f"raise --max-iter (it was {training.max_iter:,}) or add a penalty (--l2 0.01)"
    return more if model.standardized is not None else f"add --standardize; if that is not enough, {more}"
