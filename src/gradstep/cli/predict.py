"""The command ``gradstep predict``: applies a saved model to a data file."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from gradstep import files
from gradstep.cli import endings, options, places, prediction_files
from gradstep.cli.grouped import GroupedCommand, GroupedOption
from gradstep.cli.interrupts import Interrupts
from gradstep.data import models, tables
from gradstep.data.blocks import NotNumbers, Unusable
from gradstep.data.predictions import Predictions
from gradstep.extras import require

_HELP = """Predict probabilities and labels for a data file.

MODEL is what gradstep fit --save wrote. DATA is a CSV, npz or Parquet file with the columns of the model, in any
order; other columns are ignored. Columns without names (npz, or a CSV file without a header) must be as many as
the model has, in its order.

\b
The result, a row for each row of DATA
  probability   of the label that counted as 1 in the training
  label         this label if the probability is at least --threshold, else
                the other one

It goes to stdout as CSV, or into a file with --out. If DATA holds the column of the labels, predict does not use
it, and shows the accuracy on stderr at the end.

DATA is read some rows at a time, so it may be larger than memory. Only an npz file whose X is stored by columns
is read whole.

\b
Examples
  gradstep fit patients.csv --label outcome --positive ill --save model.json
  gradstep predict model.json new.csv
  gradstep predict model.json new.csv --id patient --out predictions.csv
  gradstep predict model.json big.parquet --threshold 0.2 --out risks.parquet
"""

_option = partial(click.option, cls=GroupedOption)
_of_data = partial(_option, group="Data")
_of_result = partial(_option, group="Result")


@click.command("predict", cls=GroupedCommand, help=_HELP)
@click.argument("model", type=places.GivenPath())
@click.argument("data", type=places.GivenPath())
@_of_data(
    "--delimiter", callback=options.delimiter, metavar="CHARACTER", default=",", show_default=True,
    help="What separates the cells of a CSV file, such as ';' or tab.",
)  # fmt: skip
@_of_data("--id", "id_column", metavar="COLUMN", help="A column to repeat in the result, such as a key.")
@_of_result(
    "--threshold", callback=options.probability, metavar="P", default="0.5", show_default=True,
    help="The least probability for the label that counted as 1.",
)  # fmt: skip
@_of_result("--out", type=places.OutputFile(), metavar="FILE", help="Write the result to this file: .csv or .parquet.")
@click.pass_context
def predict_command(
    context: click.Context,
    model: Path,
    data: Path,
    delimiter: str,
    id_column: str | None,
    threshold: float,
    out: Path | None,
) -> None:
    """Predict probabilities and labels for a data file."""
    places.require_apart({} if out is None else {"--out": out}, {"MODEL": model, "DATA": data})
    if data.suffix.lower() == ".json" and model.suffix.lower() in tables.SUFFIXES:
        raise click.UsageError(f"the model comes first: gradstep predict {data} {model}")
    if id_column in prediction_files.COLUMNS:
        raise click.UsageError(f"--id {id_column}: the result has a column of this name; give that of DATA another one")
    if out is not None:
        _require_place_for(out)
    elif sys.stdout is None:
        raise OSError("there is no standard output; name a file with --out")
    trained = models.load(model)
    with Interrupts() as interrupts:
        try:
            predictions = _written(interrupts, trained, str(model), data, delimiter, threshold, id_column, out)
        except KeyboardInterrupt:
            endings.complain("interrupted")
    if interrupts.pressed:
        context.exit(endings.INTERRUPTED)
    _report(predictions, trained.label, out)


def _written(
    interrupts: Interrupts,
    model: models.Model,
    name: str,
    data: Path,
    delimiter: str,
    threshold: float,
    id_column: str | None,
    out: Path | None,
) -> Predictions:
    """Write the predictions for a file, and return them."""
    try:
        with tables.opened(data, delimiter) as source:
            predictions = Predictions(model, source, threshold, id_column, name)
            prediction_files.write(interrupts.heeded_between(predictions), out, id_column)
    except NotNumbers:
        # No column of a model can be left out.
        raise
    except Unusable as error:
        raise options.advised(error) from error
    except BrokenPipeError as error:
        if out is None:
            raise
        # To click, any such error is that of a standard output whose reader has left, which needs no word.
        raise OSError(f"{out}: {error.strerror}") from error
    return predictions


def _require_place_for(out: Path) -> None:
    if out.suffix.lower() not in prediction_files.SUFFIXES:
        raise click.UsageError(f"--out {out} should end in {' or '.join(prediction_files.SUFFIXES)}")
    files.require_place_for(out)
    if out.suffix.lower() == ".parquet":
        require("pyarrow.parquet", "parquet", "Writing Parquet")


def _report(predictions: Predictions, label: str, out: Path | None) -> None:
    """Say on stderr what was written, and how right it is where that can be known."""
    if out is not None:
        endings.say(f"wrote {out}: {_rows(predictions.rows)}")
    if predictions.labelled == 0:
        return
    accuracy = predictions.correct / predictions.labelled
    of = f"{predictions.correct:,} of {predictions.labelled:,}"
    unlabelled = predictions.rows - predictions.labelled
    without = f"; {_rows(unlabelled)} without a label" if unlabelled else ""
    endings.say(f"accuracy {accuracy:.4f} against column {label!r} ({of}{without})")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
