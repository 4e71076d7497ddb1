"""What ``gradstep fit`` shows: the coefficients, how the training ended, and what to do if it did not converge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.table import Table
from rich.text import Text

from gradstep import advice
from gradstep.cli import facts
from gradstep.compare.show import console
from gradstep.compare.show.console import PlainConsole
from gradstep.compare.show.words import duration
from gradstep.data.models import Model

# At most this many coefficients are shown: the largest.
_SHOWN = 20


class Training(NamedTuple):
    """How a model was trained, besides what it says itself."""

    kernel: str
    max_iter: int
    interrupted: bool
    seconds: float
    largest: float
    """The largest component of the gradient for the columns that were given to the training."""
    advice: str | None
    """What `gradstep.fit` advises to a user of Python."""


def show(model: Model, training: Training, saved: Path | None) -> None:
    """Print a trained model on stdout.

    Parameters
    ----------
    model : Model
        The model.
    training : Training
        How it was trained.
    saved : Path or None
        The file it was written to.
    """
    facts.show(_data(model, training))
    screen = PlainConsole()
    screen.print()
    console.print_whole(_coefficients(model), screen)
    for note in _notes(model):
        screen.print(note)
    screen.print()
    facts.show(_ending(model, training, saved))


def _data(model: Model, training: Training) -> Iterator[tuple[str, str]]:
    features = "1 feature" if len(model.columns) == 1 else f"{len(model.columns):,} features"
    yield "examples", f"{model.m:,} with {features}"
    plain = (model.positive, model.negative) == ("1", "0")
    yield "label", model.label if plain else f"1 where {model.label} = {model.positive}"
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


def _notes(model: Model) -> Iterator[str]:
    """Yield the lines below the table of coefficients."""
    if len(model.columns) > _SHOWN:
        yield f"the largest {_SHOWN} of {len(model.columns):,}; --save FILE keeps all"
    if len(model.columns) > 1 and model.standardized is None:
        yield "their size depends on the units of the columns; to compare them, --standardize"


def _ending(model: Model, training: Training, saved: Path | None) -> Iterator[tuple[str, str]]:
    yield "J", f"{model.J:.9g}"
    yield "accuracy", f"{model.accuracy:.4f} on these examples ({model.correct:,} of {model.m:,})"
    yield "stopped", f"{_stopped(model, training.interrupted)} ({duration(training.seconds)})"
    yield "gradient", _gradient(model, training)
    if (todo := _advice(training)) is not None:
        yield "advice", todo
    if saved is not None:
        yield "wrote", f"{saved}; gradstep predict {saved} DATA applies it"


def _gradient(model: Model, training: Training) -> str:
    judged = f"largest component {model.largest_gradient:.3g} (--tol {model.tol:g})"
    if model.standardized is not None or training.largest == model.largest_gradient:
        return judged
    return f"{judged} for standardized columns, {training.largest:.3g} for the columns as they are"


def _stopped(model: Model, interrupted: bool) -> str:
    if model.converged:
        return f"converged after {model.n_iter:,} steps"
    if interrupted:
        return f"interrupted after {model.n_iter:,} steps"
    return f"at --max-iter, after {model.n_iter:,} steps, before --tol was reached"


def _advice(training: Training) -> str | None:
    """Return what to change where the model is not the best there is, by the names of the options."""
    if training.advice is None:
        return None
    if training.advice == advice.SEPARABLE:
        return (
            "the columns separate the classes, so without a penalty no model is the best: the coefficients grow for "
            "ever. Add --l2 0.01"
        )
    if training.advice == advice.FOR_A_GIVEN_ALPHA:
        return f"leave --alpha out, so that it is chosen for each step, or raise --max-iter ({training.max_iter:,} now)"
    if training.advice == advice.SLOW:
        return (
            f"raise --max-iter ({training.max_iter:,} now), add a penalty (--standardize --l2 0.001), or leave out "
            "columns that nearly depend on others (--drop)"
        )
    return "raise --tol: J no longer falls, for its sums are rounded"
