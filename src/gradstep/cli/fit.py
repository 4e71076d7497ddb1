"""The command ``gradstep fit``: trains on a data file."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click

import gradstep
from gradstep import files, registry
from gradstep.cli import endings, facts, options, places
from gradstep.cli.interrupts import Interrupts
from gradstep.compare.show.words import duration
from gradstep.contract import Fit
from gradstep.data import models, tables
from gradstep.outcomes import FitInterrupted


def _kernel_name(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if name != "auto" and name not in registry.KERNELS:
        raise click.BadParameter(f"there is no kernel {name!r}; it should be auto, {', '.join(registry.KERNELS)}")
    return name


_FIT_HELP = """Train logistic regression on a data file by gradient descent.

DATA is a CSV file whose first line names the columns, an npz file with an array X and one of labels, or a Parquet
file (pip install 'gradstep[parquet]'). All columns but the label have to be numbers. Labels are numbers in [0, 1],
or text of which --positive names the value that counts as 1.

Columns of very different size make the descent slow; --standardize fixes that.

\b
What is printed
  J          the cost at the end: the mean negative log-likelihood, plus the penalty
  accuracy   the share of these examples whose label the model predicts
  stopped    converged, or after --max-iter steps, and the largest component of
             the gradient there

\b
The model file (JSON)
  coefficients, intercept   for the columns as they are in the file:
                            P = 1 / (1 + exp(-(intercept + sum of coefficient * column)))
  standardized              the same in the units of --standardize, with the means and
                            scales of the columns; else null

Ctrl-C ends the training, shows where it stopped, writes the model if --save was given, and exits with 130.

\b
Examples
  gradstep fit patients.csv --label outcome --positive ill --standardize
  gradstep fit arrays.npz --l2 0.01 --save model.json
"""


@click.command("fit", help=_FIT_HELP)
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--label", metavar="COLUMN", help="The column with the labels. For npz: the array, y by default.")
@click.option("--positive", metavar="VALUE", help="The value of the label that counts as 1; all others count as 0.")
@click.option("--standardize", is_flag=True, help="Give each column mean 0 and standard deviation 1 first.")
@click.option("--l2", type=float, default=0.0, show_default=True, help="Strength of the penalty (l2/2) ||w||^2.")
@click.option(
    "--alpha", callback=options.alpha, metavar="RATE|auto", default="auto", show_default=True, help="Learning rate."
)
@click.option("--tol", type=float, default=1e-6, show_default=True, help="Stop at gradient components this small.")
@click.option("--max-iter", type=int, default=10_000, show_default=True, help="Stop after this many steps.")
@click.option(
    "--kernel",
    callback=_kernel_name,
    metavar="NAME|auto",
    default="auto",
    show_default=True,
    help=f"The kernel that computes: {', '.join(registry.KERNELS)}.",
)
@click.option(
    "--threads",
    callback=options.threads,
    metavar="N|auto",
    default="auto",
    show_default=True,
    help="auto chooses by the size of X.",
)
@click.option(
    "--save", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the model to this JSON file."
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.pass_context
def fit_command(
    context: click.Context,
    data: Path,
    label: str | None,
    positive: str | None,
    standardize: bool,
    l2: float,
    alpha: float | Literal["auto"],
    tol: float,
    max_iter: int,
    kernel: str,
    threads: int | None,
    save: Path | None,
    quiet: bool,
) -> None:
    """Train logistic regression on a data file by gradient descent."""
    if label is None and data.suffix.lower() != ".npz":
        raise click.UsageError("--label COLUMN is missing: the column of the file that holds the labels")
    if save is not None:
        places.require_apart({"--save": save}, {"DATA": data})
        files.require_place_for(save)
    table = tables.read(data, label, positive)
    standardization = None
    if standardize:
        standardization = table.standardization()
        table = dataclasses.replace(table, X=standardization.apply(table.X))

    arguments: dict[str, Any] = {"l2": l2, "tol": tol, "kernel": kernel, "threads": threads}
    start = time.perf_counter()
    with Interrupts() as interrupts:
        shown = not quiet and sys.stderr.isatty()
        fit, interrupted = _trained(interrupts, table, alpha=alpha, max_iter=max_iter, progress=shown, **arguments)
        seconds = time.perf_counter() - start
        model = models.describe(fit, table, standardization, **arguments)
        # Before it is shown: the output may be full, or its reader gone.
        saved = save is None or endings.succeeds(partial(model.save, save))
        facts.show(_facts(model, interrupted, seconds))
        if interrupts.pressed:
            endings.complain("interrupted")
    if interrupts.pressed:
        context.exit(endings.INTERRUPTED)
    if not saved:
        context.exit(endings.FAILED)


def _trained(interrupts: Interrupts, table: tables.Table, **arguments: Any) -> tuple[Fit, bool]:
    """Return the fit, and whether Ctrl-C ended it; after that, Ctrl-C is only noted."""
    fit = None
    try:
        fit = gradstep.fit(table.X, table.y, **arguments)
        interrupts.hold()
    except FitInterrupted as interrupt:
        return interrupt.fit, True
    except KeyboardInterrupt:
        # Between the end of the fit and the call of hold the training is complete; before that there is none.
        if fit is None:
            raise
    return fit, False


def _facts(model: models.Model, interrupted: bool, seconds: float) -> Iterator[tuple[str, str]]:
    features = "1 feature" if len(model.columns) == 1 else f"{len(model.columns):,} features"
    yield "examples", f"{model.m:,} with {features}"
    yield "label", f"1 where {model.label} = {model.positive}"
    yield "J", f"{model.J:.9g}"
    yield "accuracy", f"{model.accuracy:.4f} on these examples ({model.correct:,} of {model.m:,})"
    yield "stopped", f"{_ending(model, interrupted)} ({duration(seconds)})"
    yield "gradient", f"largest component {model.largest_gradient:.3g} (--tol {model.tol:g})"


def _ending(model: models.Model, interrupted: bool) -> str:
    if model.converged:
        return f"converged after {model.n_iter:,} steps"
    if interrupted:
        return f"interrupted after {model.n_iter:,} steps"
    return f"at --max-iter, after {model.n_iter:,} steps, before --tol was reached"
