"""The command ``gradstep fit``: trains on a data file."""

from __future__ import annotations

import dataclasses
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import click

import gradstep
from gradstep import files, registry, select
from gradstep.cli import endings, fit_errors, fit_results, options, places
from gradstep.cli.grouped import GroupedCommand, GroupedOption
from gradstep.cli.interrupts import Interrupts
from gradstep.contract import Fit
from gradstep.data import labels, models, tables
from gradstep.data.blocks import Unusable
from gradstep.outcomes import ConvergenceWarning, FitDiverged, FitInterrupted
from gradstep.threads import named_threads


def _kernel_name(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if name != "auto" and name not in registry.KERNELS:
        raise click.BadParameter(f"there is no kernel {name!r}; it should be auto, {', '.join(registry.KERNELS)}")
    return name


_HELP = """Train logistic regression on a data file by gradient descent.

DATA is a CSV file whose first line names the columns, an npz file with an array X and one of labels, or a Parquet
file (pip install 'gradstep[parquet]'). All columns but the label have to be numbers; --drop leaves out those that
are not. Labels are numbers in [0, 1], or text of which --positive names the value that counts as 1.

\b
What is shown
  coefficients  for the columns as they are in the file, the largest first;
                with --standardize also per standard deviation, in that order
  J             the cost: the mean negative log-likelihood, plus the penalty
  accuracy      the share of these examples whose label the model predicts
  stopped       converged, or after --max-iter steps, and what to do then

The model file (JSON) holds the coefficients, and with --standardize the means and scales of the columns as well.
gradstep predict applies it to new data. Ctrl-C ends the training, shows where it stopped, writes the model if
--save was given, and exits with 130.

\b
Examples
  gradstep fit patients.csv --label outcome --positive ill --save model.json
  gradstep fit export.csv --delimiter ';' --label y --drop id,name
  gradstep fit arrays.npz --l2 0.01
"""

_option = partial(click.option, cls=GroupedOption)
_of_data = partial(_option, group="Data")
_of_training = partial(_option, group="Training")


@click.command("fit", cls=GroupedCommand, help=_HELP)
@click.argument("data", type=places.GivenPath())
@_of_data("--label", metavar="COLUMN", help="The column with the labels. For npz: the array, y by default.")
@_of_data("--positive", metavar="VALUE", help="The value of the label that counts as 1; all others count as 0.")
@_of_data("--columns", callback=options.columns, multiple=True, metavar="NAMES", help="Use only these columns: a,b.")
@_of_data("--drop", callback=options.columns, multiple=True, metavar="NAMES", help="Leave these columns out: a,b.")
@_of_data(
    "--delimiter", callback=options.delimiter, metavar="CHARACTER", default=",", show_default=True,
    help="What separates the cells of a CSV file, such as ';' or tab.",
)  # fmt: skip
@_of_training(
    "--standardize",
    is_flag=True,
    help="Give each column mean 0 and standard deviation 1 first, so that --l2 weighs all alike.",
)
@_of_training(
    "--l2", callback=options.nonnegative, default="0", show_default=True, metavar="NUMBER",
    help="Strength of the penalty (l2/2) ||w||^2.",
)  # fmt: skip
@_of_training(
    "--alpha", callback=options.alpha, metavar="RATE|auto", default="auto", show_default=True, help="Learning rate."
)
@_of_training(
    "--tol", callback=options.positive, default="1e-06", show_default=True, metavar="NUMBER",
    help="Stop at gradient components this small.",
)  # fmt: skip
@_of_training(
    "--max-iter", callback=options.steps, default="10000", show_default=True, metavar="STEPS",
    help="Stop after this many steps.",
)  # fmt: skip
@_of_training(
    "--kernel", callback=_kernel_name, metavar="NAME|auto", default="auto", show_default=True,
    help=f"The kernel that computes: {', '.join(registry.KERNELS)}.",
)  # fmt: skip
@_of_training(
    "--threads", callback=options.threads, metavar="N|auto", default="auto", show_default=True,
    help="auto chooses by the size of X.",
)  # fmt: skip
@_option("--save", group="Result", type=places.OutputFile(), metavar="FILE", help="Write the model to this JSON file.")
@_option("--quiet", group="Result", is_flag=True, help="Show no progress.")
@click.pass_context
def fit_command(
    context: click.Context,
    data: Path,
    label: str | None,
    positive: str | None,
    columns: tuple[str, ...],
    drop: tuple[str, ...],
    delimiter: str,
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
    places.require_apart({} if save is None else {"--save": save}, {"DATA": data})
    if label is None and data.suffix.lower() != ".npz":
        raise click.UsageError(f"--label COLUMN is missing: the column that holds the labels{_known(data, delimiter)}")
    # What the environment names and cannot be had is known before the work; no problem is too small to ask for.
    select.resolve(kernel, 1, 1)
    if threads is None:
        named_threads()
    if save is not None:
        files.require_place_for(save)
    try:
        table = tables.read(data, label, positive, delimiter=delimiter, columns=columns, drop=drop)
    except Unusable as error:
        raise options.advised(error) from error
    standardization = None
    if standardize:
        standardization = table.standardization()
        table = dataclasses.replace(table, X=standardization.apply(table.X))

    chosen = select.resolve(kernel, *table.X.shape)
    arguments: dict[str, Any] = {"l2": l2, "tol": tol, "kernel": chosen, "threads": threads}
    start = time.perf_counter()
    with Interrupts() as interrupts:
        shown = not quiet and sys.stderr.isatty()
        try:
            fit, interrupted = _trained(interrupts, table, alpha=alpha, max_iter=max_iter, progress=shown, **arguments)
        except (ValueError, TypeError, FitDiverged) as error:
            raise fit_errors.in_words_of(table, error, alpha) from error
        seconds = time.perf_counter() - start
        model = models.describe(fit, table, standardization, l2=l2, tol=tol)
        # Before it is shown: the output may be full, or its reader gone.
        saved = save is None or endings.succeeds(partial(model.save, save))
        training = fit_results.Training(chosen.name, max_iter, interrupted, seconds, fit.largest, fit.advice)
        fit_results.show(model, training, save if saved else None)
        if interrupts.pressed:
            endings.complain("interrupted")
    if interrupts.pressed:
        context.exit(endings.INTERRUPTED)
    if not saved:
        context.exit(endings.FAILED)


def _known(data: Path, delimiter: str) -> str:
    """Return the names of the columns as the end of a sentence; nothing where there is no file."""
    if not data.is_file():
        return ""
    with tables.opened(data, delimiter) as source:
        return f"; there are {labels.listed(list(source.names))}"


def _trained(interrupts: Interrupts, table: tables.Table, **arguments: Any) -> tuple[Fit, bool]:
    """Return the fit, and whether Ctrl-C ended it; after that, Ctrl-C is only noted."""
    fit = None
    try:
        with warnings.catch_warnings():
            # The end of the output says what to change, by the names of the options.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit = gradstep.fit(table.X, table.y, callback=lambda _: interrupts.heed(), **arguments)
        interrupts.hold()
    except FitInterrupted as interrupt:
        return cast(Fit, interrupt.fit), True
    except KeyboardInterrupt:
        # Between the end of the fit and the call of hold the training is complete; before that there is none.
        if fit is None:
            raise
    return fit, False
