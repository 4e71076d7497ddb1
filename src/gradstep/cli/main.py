"""The command line: ``gradstep compare``, ``diff``, ``export``, ``report``, ``info`` and ``fit``."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any, Literal, NoReturn

import click
from rich.console import Console
from rich.table import Table as RichTable

import gradstep
from gradstep import files, processor, registry, select, threads
from gradstep.cli import endings, options
from gradstep.cli.compare import compare_command
from gradstep.cli.records import diff_command, export_command, report_command
from gradstep.compare.record.machine import Machine, versions
from gradstep.compare.show.console import print_whole
from gradstep.compare.show.words import duration
from gradstep.contract import KernelUnavailable
from gradstep.data import models, tables
from gradstep.descent import FitDiverged, FitInterrupted
from gradstep.extras import MissingExtra

# What a user can cause. Anything else is a defect of gradstep, and its traceback is wanted.
EXPECTED = (OSError, ValueError, TypeError, MemoryError, KernelUnavailable, FitDiverged, MissingExtra)


class Commands(click.Group):
    """The group of commands, in which every error is one line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run a command and end the process: 0, 1 a run failed, 2 usage, 3 became slower, 130 Ctrl-C."""
        extra["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **extra) or 0)
        except click.UsageError as error:
            endings.complain(error.format_message())
            sys.exit(endings.USAGE)
        except click.Abort:
            endings.complain("interrupted")
            sys.exit(endings.INTERRUPTED)
        except OSError as error:
            endings.complain(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error))
            sys.exit(endings.FAILED)
        except EXPECTED as error:
            endings.complain(str(error) or type(error).__name__)
            sys.exit(endings.FAILED)


OUTPUT = click.Path(dir_okay=False, path_type=Path)


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(gradstep.__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """The gradient-descent step of logistic regression, by four kernels.

    The kernels are python (two explicit loops), numba and cython (the loops, compiled) and numpy (vectorized).

    \b
    Begin with
      gradstep compare                   how fast each kernel is on this machine
      gradstep diff old.json new.json    what became faster or slower between two records
      gradstep info                      what is installed, and what "auto" chooses
      gradstep fit data.csv --label y    train on a file
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (compare_command, diff_command, export_command, report_command):
    main.add_command(_command)


@main.command("info")
def info_command() -> None:
    """Show versions, processor, threads and kernels.

    For each kernel: whether it can run here or, if not, why and what would cure that. "auto" is what the functions of
    gradstep choose when neither a kernel nor a number of threads is named.

    \b
    Environment variables
      GRADSTEP_KERNEL    the kernel that "auto" takes
      GRADSTEP_THREADS   the number of threads that "auto" takes
      GRADSTEP_ISA       the instruction set of the cython kernel: baseline, avx2 or avx512

    \b
    Example
      gradstep info
    """
    machine = Machine.here()
    facts = RichTable.grid(padding=(0, 2, 0, 0))
    facts.add_column(no_wrap=True, style="bold")
    facts.add_column(overflow="fold")
    for name, version in versions().items():
        facts.add_row(name, version or "not installed")
    facts.add_row("processor", f"{machine.processor} ({machine.architecture})")
    facts.add_row("cores", f"{machine.usable_cores} usable of {machine.cores}")
    facts.add_row("system", machine.system)
    for size, words in ((1 << 16, "64 KiB"), (1 << 30, "1 GiB")):
        number, reason = threads.threads_for(size)
        facts.add_row("threads", f"{number} for an X of {words}: {reason}")
    facts.add_row("instructions", _instruction_set())
    for name, problem in gradstep.available().items():
        facts.add_row(f"kernel {name}", problem or f"available: {registry.KERNELS[name].summary}")
    for m, n in ((100, 10), (1_000_000, 100)):
        choice = select.choose(m, n)
        facts.add_row("auto takes", f"{choice.kernel.name} for m = {m:,}, n = {n}: {choice.reason}")
    print_whole(facts, Console(highlight=False))


def _instruction_set() -> str:
    """Tell which build of the Cython kernel runs, and why, or why none does."""
    try:
        name, reason = processor.chosen()
    except (ImportError, KernelUnavailable) as error:
        return f"none: {error}"
    return f"{name} in the cython kernel: {reason}"


@main.command("fit")
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
    "--kernel", type=click.Choice(["auto", *registry.KERNELS]), default="auto", show_default=True, help="Who computes."
)
@click.option(
    "--threads",
    callback=options.threads,
    metavar="N|auto",
    default="auto",
    show_default=True,
    help="auto chooses by the size of X.",
)
@click.option("--save", type=OUTPUT, metavar="FILE", help="Write the model to this JSON file.")
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
    """Train logistic regression on a data file by gradient descent.

    DATA is a CSV file whose first line names the columns, an npz file with an array X and one of labels, or a Parquet
    file (pip install 'gradstep[parquet]'). All columns but the label have to be numbers. Labels are numbers in [0, 1],
    or text of which --positive names the value that counts as 1.

    Columns of very different size make the descent slow: --standardize cures that.

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
    if label is None and data.suffix.lower() != ".npz":
        raise click.UsageError("--label COLUMN is missing: the column of the file that holds the labels")
    if save is not None:
        files.require_place_for(save)
    table = tables.read(data, label, positive)
    standardization = None
    if standardize:
        standardization = tables.Standardization.of(table.X)
        table = dataclasses.replace(table, X=standardization.apply(table.X))

    start = time.perf_counter()
    interrupted = False
    try:
        fit = gradstep.fit(
            table.X,
            table.y,
            alpha=alpha,
            tol=tol,
            max_iter=max_iter,
            l2=l2,
            kernel=kernel,
            threads=threads,
            progress=not quiet and sys.stderr.isatty(),
        )
    except FitInterrupted as interrupt:
        fit, interrupted = interrupt.fit, True
    seconds = time.perf_counter() - start

    model = models.describe(fit, table, standardization, l2=l2, tol=tol, kernel=kernel, threads=threads)
    _show_fit(model, interrupted, seconds)
    if save is not None:
        model.save(save)
    if interrupted:
        endings.complain("interrupted")
        context.exit(endings.INTERRUPTED)


def _show_fit(model: models.Model, interrupted: bool, seconds: float) -> None:
    if model.converged:
        stopped = f"converged after {model.n_iter:,} steps"
    elif interrupted:
        stopped = f"interrupted after {model.n_iter:,} steps"
    else:
        stopped = f"at --max-iter, after {model.n_iter:,} steps, before --tol was reached"
    facts = RichTable.grid(padding=(0, 2, 0, 0))
    facts.add_column(no_wrap=True, style="bold")
    facts.add_column(overflow="fold")
    facts.add_row("examples", f"{model.m:,} with {_plural(len(model.columns), 'feature')}")
    facts.add_row("label", f"1 where {model.label} = {model.positive}")
    facts.add_row("J", f"{model.J:.9g}")
    facts.add_row("accuracy", f"{model.accuracy:.4f} on these examples ({model.correct:,} of {model.m:,})")
    facts.add_row("stopped", f"{stopped} ({duration(seconds)})")
    facts.add_row("gradient", f"largest component {model.largest_gradient:.3g} (--tol {model.tol:g})")
    print_whole(facts, Console(highlight=False))


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
