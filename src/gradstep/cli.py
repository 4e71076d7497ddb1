"""The command line: ``gradstep compare``, ``gradstep info`` and ``gradstep fit``."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any, Literal, NoReturn

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table as RichTable

import gradstep
from gradstep import compare, engine, files, instruction_sets, models, options, registry, select, tables
from gradstep.compare import peers, problems, records, report, targets, targets_report
from gradstep.compare.machine import Machine, versions
from gradstep.compare.progress import RunProgress
from gradstep.contract import KernelUnavailable
from gradstep.descent import FitDiverged, FitInterrupted
from gradstep.extras import MissingExtra

FAILED, USAGE, INTERRUPTED = 1, 2, 130

# What a user can cause. Anything else is a defect of gradstep, and its traceback is wanted.
EXPECTED = (OSError, ValueError, TypeError, MemoryError, KernelUnavailable, FitDiverged, MissingExtra)

DEFAULT_DATA = "breast_cancer"
DEFAULT_M = (100, 1_000, 10_000, 100_000)
DEFAULT_N = (2, 10, 100)


class Commands(click.Group):
    """The group of commands, in which every error is one line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run a command and end the process: 0, 1 a run failed, 2 usage, 130 Ctrl-C."""
        extra["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **extra) or 0)
        except click.UsageError as error:
            _complain(error.format_message())
            sys.exit(USAGE)
        except click.Abort:
            _complain("interrupted")
            sys.exit(INTERRUPTED)
        except OSError as error:
            _complain(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error))
            sys.exit(FAILED)
        except EXPECTED as error:
            _complain(str(error) or type(error).__name__)
            sys.exit(FAILED)


def _complain(message: str) -> None:
    click.echo(f"gradstep: error: {' '.join(message.split())}", err=True)


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
      gradstep info                      what is installed, and what "auto" chooses
      gradstep fit data.csv --label y    train on a file
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@main.command("compare")
@click.option(
    "--m", "m_list", callback=options.counts, metavar="LIST", help="Numbers of examples, such as 100,1000,1e5."
)
@click.option("--n", "n_list", callback=options.counts, metavar="LIST", help="Numbers of features, such as 2,10,100.")
@click.option(
    "--kernels",
    callback=options.kernel_names,
    metavar="LIST",
    help="Some of python,numba,cython,numpy. Default: all that can run.",
)
@click.option(
    "--peers",
    "peer_names",
    callback=options.peer_names,
    metavar="all|LIST",
    help="Other libraries beside the kernels. all: those that are installed.",
)
@click.option(
    "--preset",
    type=click.Choice(["targets"]),
    help="targets: measure what gradstep's speed must be and should be, in some minutes.",
)
@click.option("--data", metavar="FILE|NAME", help="A CSV, npz or Parquet file, or a data set of scikit-learn.")
@click.option("--label", metavar="COLUMN", help="The column of the file that holds the labels.")
@click.option("--positive", metavar="VALUE", help="The value of the label that counts as 1.")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option(
    "--order",
    type=click.Choice(["C", "F"], case_sensitive=False),
    default="C",
    metavar="C|F",
    show_default=True,
    help="C: rows are contiguous in memory. F: columns are.",
)
@click.option(
    "--threads",
    callback=options.threads,
    metavar="N|auto",
    default="1",
    show_default=True,
    help="auto chooses by the size of X. The python kernel always runs on one.",
)
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Samples of each time.")
@click.option(
    "--limit",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    default=20.0,
    show_default=True,
    help="Skip a kernel where its calls on one problem would take longer.",
)
@click.option("--json", "json_file", type=OUTPUT, metavar="FILE", help="Write every sample to this file.")
@click.pass_context
def compare_command(
    context: click.Context,
    m_list: tuple[int, ...] | None,
    n_list: tuple[int, ...] | None,
    kernels: tuple[str, ...] | None,
    peer_names: tuple[str, ...] | None,
    preset: str | None,
    data: str | None,
    label: str | None,
    positive: str | None,
    dtype: str,
    order: str,
    threads: int | None,
    rounds: int,
    limit: float,
    json_file: Path | None,
) -> None:
    """Compare the kernels on one gradient-descent step.

    Without options: on the breast cancer data, if scikit-learn is installed, and on random data of
    m = 100 to 100,000 examples and n = 2 to 100 features. Takes less than a minute.

    \b
    Columns
      m, n       the number of examples and of features
      a kernel   the median time of one call of gradstep.step, and how many times as
                 fast that is as the kernel marked "base" in the same row: python, or
                 numpy where python would have taken too long. The fastest is green.

    Every result is first checked against an independent evaluation in float64; a wrong one is shown as "wrong", is
    not timed, and makes the exit code 1. The kernels take turns in random order. The first call, in which numba
    compiles, has a line of its own and is part of no time.

    With --peers there is a line for each contender, with the version of the library and how far its result is off.
    With --preset targets the options --peers and --json apply, and no other: sizes and threads are those of the table.

    \b
    "x read" is the time of only reading X with the same threads, the floor of what a step can cost
    where X is larger than the cache.

    \b
    Peers (pip install 'gradstep[peers]')
      numpy-formula   the vectorized formula in NumPy, two passes over X by BLAS
      numba-loop      the textbook loop, compiled by Numba with fastmath=True
      scikit-learn    LinearModelLoss.loss_gradient with HalfBinomialLoss
      daal4py         oneDAL's logistic loss, value and gradient
      torch           binary_cross_entropy_with_logits and autograd
      jax             jit(value_and_grad)

    \b
    Data sets of scikit-learn (pip install 'gradstep[compare]')
      breast_cancer   is the tumour malignant?
      digits          is the digit even?
      iris            is the flower an Iris virginica?
      wine            is the wine from the first cultivar?

    \b
    Examples
      gradstep compare
      gradstep compare --m 1e4,1e6 --n 10 --kernels cython,numpy --threads auto
      gradstep compare --m 1e6 --n 10 --kernels cython --peers all --threads 2
      gradstep compare --data digits --dtype float32
      gradstep compare --data patients.csv --label outcome --positive ill --json run.json
    """
    _require_label(data, label, positive)
    if json_file is not None:
        files.require_place_for(json_file)
    if preset is not None:
        _require_alone(context, {"preset", "peer_names", "json_file"})
        chosen, reasons = peers.chosen(peer_names or (peers.ALL,))
        with RunProgress() as progress:
            record = targets.run(chosen, unavailable=reasons, progress=progress)
        targets_report.show(record, Console(highlight=False))
        _end_compare(context, record, json_file)
        return
    chosen, reasons = peers.chosen(peer_names or ())
    given_data, notes = _data_problems(data, label, positive, dtype, order, alone=not (m_list or n_list))
    grid = []
    if data is None or m_list or n_list:
        grid = [problems.Problem(m, n, dtype, order) for m in m_list or DEFAULT_M for n in n_list or DEFAULT_N]
    names = kernels or tuple(registry.KERNELS)
    settings = records.Settings(list(names), [dtype], [order], [threads], rounds, limit, alpha=problems.ALPHA)
    with RunProgress() as progress:
        record = compare.run(
            lambda threads: peers.beside([compare.kernel_contender(each, threads) for each in names], chosen, threads),
            [*given_data, *grid],
            settings,
            skip_unavailable=kernels is None,
            notes=notes,
            progress=progress,
        )
    record = dataclasses.replace(record, unavailable={**record.unavailable, **reasons})
    report.show(record, Console(highlight=False))
    _end_compare(context, record, json_file)


def _require_alone(context: click.Context, allowed: set[str]) -> None:
    """Refuse options beside --preset that it would not heed."""
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if given and option.name not in allowed:
            raise click.UsageError(f"{option.opts[0]} has no meaning beside --preset, which sets it itself")


def _end_compare(context: click.Context, record: compare.Record, json_file: Path | None) -> None:
    """Write the record, and fail if a result is wrong or nothing was measured."""
    if json_file is not None:
        records.save(record, json_file)
    if wrong := record.wrong():
        guilty = ", ".join(dict.fromkeys(result.contender for _, result in wrong))
        _complain(f"{len(wrong)} of the results are wrong ({guilty}); the table shows which")
        context.exit(FAILED)
    if not any(result.status == "timed" for cell in record.cells for result in cell.results):
        _complain("nothing was measured: every kernel was skipped on every problem")
        context.exit(FAILED)


def _require_label(data: str | None, label: str | None, positive: str | None) -> None:
    """Refuse combinations of options that have no meaning."""
    is_file = data is not None and data not in problems.DATA_SETS
    if not is_file and (label or positive):
        raise click.UsageError("--label and --positive belong to a file given by --data")
    if data is not None and is_file and label is None and Path(data).exists() and Path(data).suffix.lower() != ".npz":
        raise click.UsageError(f"--data {data} needs --label COLUMN, the column that holds the labels")


def _data_problems(
    data: str | None, label: str | None, positive: str | None, dtype: str, order: str, alone: bool
) -> tuple[list[problems.RealProblem], list[str]]:
    """Return the data sets of a run, and notes on those that were left out."""
    if data is not None:
        return [problems.from_name_or_file(data, label, positive, dtype, order)], []
    if not alone:
        return [], []
    try:
        return [problems.bundled(DEFAULT_DATA, dtype, order)], []
    except MissingExtra as error:
        return [], [f"{DEFAULT_DATA} is left out. {error}"]


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
        threads, reason = engine.threads_for(size)
        facts.add_row("threads", f"{threads} for an X of {words}: {reason}")
    facts.add_row("instructions", _instruction_set())
    for name, problem in gradstep.available().items():
        facts.add_row(f"kernel {name}", problem or f"available: {registry.KERNELS[name].summary}")
    for m, n in ((100, 10), (1_000_000, 100)):
        choice = select.choose(m, n)
        facts.add_row("auto takes", f"{choice.kernel.name} for m = {m:,}, n = {n}: {choice.reason}")
    report.print_whole(facts, Console(highlight=False))


def _instruction_set() -> str:
    """Tell which build of the Cython kernel runs, and why, or why none does."""
    try:
        name, reason = instruction_sets.chosen()
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
        _complain("interrupted")
        context.exit(INTERRUPTED)


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
    facts.add_row("stopped", f"{stopped} ({report.duration(seconds)})")
    facts.add_row("gradient", f"largest component {model.largest_gradient:.3g} (--tol {model.tol:g})")
    report.print_whole(facts, Console(highlight=False))


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
