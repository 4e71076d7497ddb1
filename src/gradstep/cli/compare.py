"""The command ``gradstep compare``: what is asked for, the run, what is shown and what is written."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from gradstep.cli import endings, options, outputs
from gradstep.cli.interrupts import Interrupts
from gradstep.cli.outputs import OUTPUTS, RECORD, Output
from gradstep.cli.progress import Heeding, RunProgress
from gradstep.cli.records import FAIL_ON, RECORD_FILE, require_no_slower, show_differences
from gradstep.compare.judge import findings
from gradstep.compare.measure import peers, presets, problems
from gradstep.compare.measure import run as compare
from gradstep.compare.record import records
from gradstep.compare.show import tables
from gradstep.extras import MissingExtra
from tools.targets import targets, targets_report

_PRESETS = [*presets.PRESETS, presets.TARGETS]


@dataclass(frozen=True)
class _Wanted:
    """The options of the command that say what is compared; None where the preset decides."""

    m_list: tuple[int, ...] | None
    n_list: tuple[int, ...] | None
    kernels: tuple[str, ...] | None
    peer_names: tuple[str, ...] | None
    preset: str
    data: str | None
    label: str | None
    positive: str | None
    dtypes: tuple[str, ...] | None
    orders: tuple[str, ...] | None
    threads: tuple[int | None, ...] | None
    rounds: int
    limit: float
    budget: float | None
    base: str | None


@click.command("compare")
@click.option(
    "--preset",
    type=click.Choice(_PRESETS),
    default=presets.QUICK,
    show_default=True,
    help="What is compared where no other option says so.",
)
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
@click.option("--data", metavar="FILE|NAME", help="A CSV, npz or Parquet file, or a data set of scikit-learn.")
@click.option("--label", metavar="COLUMN", help="The column of the file that holds the labels.")
@click.option("--positive", metavar="VALUE", help="The value of the label that counts as 1.")
@click.option(
    "--dtype", "dtypes", callback=options.dtypes, metavar="LIST", help="float64, float32 or both. Default: float64."
)
@click.option(
    "--order",
    "orders",
    callback=options.orders,
    metavar="LIST",
    help="C: rows are contiguous in memory. F: columns are. Or both. Default: C.",
)
@click.option(
    "--threads",
    callback=options.thread_counts,
    metavar="LIST",
    help="Such as 1,2,auto. auto chooses by the size of X. The python kernel always runs on one. Default: 1.",
)
@click.option("--base", metavar="NAME", help="The kernel or peer that the others are compared with.")
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Samples of each time.")
@click.option(
    "--limit",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    default=20.0,
    show_default=True,
    help="Skip a contender where its calls on one problem would take longer.",
)
@click.option(
    "--budget",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Plan the run to take no longer, and say what that leaves out. Default: 45 for quick, else none.",
)
@outputs.options(OUTPUTS)
@click.option("--baseline", type=RECORD_FILE, metavar="FILE", help="Compare with this record, as `gradstep diff` does.")
@FAIL_ON
@click.option("--quiet", is_flag=True, help="Show no progress and no warnings.")
@click.pass_context
def compare_command(
    context: click.Context,
    /,
    quiet: bool,
    rounds: int,
    limit: float,
    preset: str,
    data: str | None,
    baseline: Path | None,
    fail_on: float | None,
    **rest: Any,
) -> None:
    """Compare the kernels on one gradient-descent step.

    Without options: on the breast cancer data, if scikit-learn is installed, and on random data of
    m = 100 to 100,000 examples and n = 2 to 100 features. Takes less than a minute.

    \b
    Presets; what other options name replaces what the preset would take
      quick     the above
      scaling   m from 100 to 1e6 at n = 100, and n from 1 to 1e4 at m = 1000
      targets   what gradstep's speed must be and should be, in some minutes; only
                --peers, --quiet and the files to be written apply
      full      all kernels and installed peers, both dtypes and orders, one thread and
                all cores; half an hour or more

    \b
    Columns
      time       the median time of one call of gradstep.step, and the interval that
                 holds the true median in 95 % of all cases
      per row    that divided by m
      GB/s       the size of X divided by the time
      x read     the time, divided by the time only to read X with the same threads
      speed-up   how many times as fast as the base, taken round by round, and its
                 interval; "cannot tell" where that spans 1. The base is --base, or
                 python, or numpy where python would have taken too long

    Every result is first checked against an independent evaluation in float64; a wrong one is shown as "wrong", is
    not timed, and makes the exit code 1. All take turns in random order, after they have warmed up. Import,
    compilation and the first call have lines of their own and are part of no time. What does not fit into the free
    memory or the budget is left out, and named.

    Ctrl-C ends the run, shows and writes what was measured until then, and exits with 130. With --baseline the times
    are compared with those of an earlier record at the end; --fail-on makes the exit code 3 where one became that
    much slower.

    docs/comparing.md tells how all this is measured, and how to read its words.

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
      gradstep compare --preset scaling --budget 120
      gradstep compare --m 1e4,1e6 --n 10 --kernels cython,numpy --threads 1,auto
      gradstep compare --m 1e6 --n 10 --kernels cython --peers all --base torch
      gradstep compare --data digits --dtype float64,float32
      gradstep compare --json run.json --html run.html --plot pictures
      gradstep compare --data patients.csv --label outcome --positive ill --json run.json
    """
    places = outputs.taken(rest, OUTPUTS)
    asked = _Wanted(preset=preset, data=data, rounds=rounds, limit=limit, **rest)
    _require_label(asked)
    if asked.preset == presets.TARGETS:
        heeded = {"preset", "peer_names", "quiet", "baseline", "fail_on"}
        _require_alone(context, heeded | {output.parameter for output in OUTPUTS})
    if fail_on is not None and baseline is None:
        raise click.UsageError("--fail-on needs --baseline FILE, the record that is compared with")
    for output, path in places.items():
        output.require(path)
    base = None if baseline is None else records.load(baseline)
    with Interrupts() as interrupts:
        record = _measure(asked, interrupts, quiet)
        show = targets_report.show if asked.preset == presets.TARGETS else tables.show
        try:
            _write(record, places)
        finally:
            # After the files: a pager that is left early closes stdout. And whatever happens to the files.
            show(record, Console(highlight=False))
    if interrupts.pressed:
        endings.complain("interrupted")
        context.exit(endings.INTERRUPTED)
    _require_right(context, record)
    if not quiet and (warning := findings.noise_warning(record)) is not None:
        endings.warn(warning)
    if base is not None:
        require_no_slower(context, show_differences(base, record, (str(baseline), "this run")), fail_on)


def _measure(asked: _Wanted, interrupts: Interrupts, quiet: bool) -> compare.Record:
    """Return the record of the run, as far as it went; from then on Ctrl-C is only noted."""
    run = _run_targets if asked.preset == presets.TARGETS else _run
    watched: AbstractContextManager[compare.Progress] = nullcontext(compare.Silent()) if quiet else RunProgress()
    with watched as progress:
        try:
            record = run(asked, Heeding(progress, interrupts))
        except compare.RunInterrupted as interruption:
            record = interruption.record
        interrupts.hold()
    return record


def _run_targets(asked: _Wanted, progress: compare.Progress) -> compare.Record:
    chosen, reasons = peers.chosen(asked.peer_names or (peers.ALL,))
    return targets.run(chosen, unavailable=reasons, progress=progress)


def _run(asked: _Wanted, progress: compare.Progress) -> compare.Record:
    """Measure what a preset and the options beside it say."""
    preset = presets.PRESETS[asked.preset]
    chosen, reasons = peers.chosen(asked.peer_names or preset.peers)
    names = asked.kernels or preset.kernels
    known = [*names, *(peer.name for peer in chosen)]
    if asked.base is not None and asked.base not in known:
        raise click.UsageError(f"--base {asked.base} does not take part; those who do are {', '.join(known)}")
    dtypes, orders = asked.dtypes or preset.dtypes, asked.orders or preset.orders
    given, notes = _problems(asked, preset, list(itertools.product(dtypes, orders)))
    settings = records.Settings(
        known,
        threads=list(asked.threads or preset.threads()),
        rounds=asked.rounds,
        limit=asked.limit,
        alpha=problems.ALPHA,
        preset=asked.preset,
        budget=asked.budget or preset.budget,
        base=asked.base,
    )

    def line_up(threads: int | None) -> Sequence[compare.Contender]:
        return peers.beside([compare.kernel_contender(name, threads) for name in names], chosen, threads)

    return compare.run(
        line_up,
        given,
        settings,
        skip_unavailable=asked.kernels is None,
        unavailable=reasons,
        notes=notes,
        progress=progress,
    )


def _problems(
    asked: _Wanted, preset: presets.Preset, kinds: Sequence[tuple[str, str]]
) -> tuple[list[problems.AnyProblem], list[str]]:
    """Return the problems of a run in each dtype and order, and notes on data sets that were left out."""
    sized = bool(asked.m_list or asked.n_list)
    grid = preset.sizes(asked.m_list, asked.n_list) if asked.data is None or sized else []
    notes = []
    data: list[problems.AnyProblem] = []
    if asked.data is not None:
        data = [problems.from_name_or_file(asked.data, asked.label, asked.positive, *kind) for kind in kinds]
    elif preset.data is not None and not sized:
        try:
            data = [problems.bundled(preset.data, *kind) for kind in kinds]
        except MissingExtra as error:
            notes = [f"{preset.data} is left out. {error}"]
    return [*data, *(problems.Problem(m, n, *kind) for kind in kinds for m, n in grid)], notes


def _require_alone(context: click.Context, allowed: set[str]) -> None:
    """Refuse options beside the targets that these would not heed."""
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if given and option.name not in allowed:
            raise click.UsageError(
                f"{option.opts[0]} has no meaning beside --preset {presets.TARGETS}, which sets it itself"
            )


def _write(record: compare.Record, places: dict[Output, Path]) -> None:
    """Write what was asked for; where nothing was timed there is nothing to export or to draw, only the record."""
    for output, path in places.items():
        if output is RECORD or _timed(record):
            output.write(record, path)


def _require_right(context: click.Context, record: compare.Record) -> None:
    """Fail if a result is wrong or nothing was measured."""
    if wrong := record.wrong():
        guilty = ", ".join(dict.fromkeys(result.contender for _, result in wrong))
        endings.complain(f"{len(wrong)} of the results are wrong ({guilty}); the table shows which")
        context.exit(endings.FAILED)
    if not _timed(record):
        endings.complain("nothing was measured: every contender was skipped on every problem")
        context.exit(endings.FAILED)


def _timed(record: compare.Record) -> bool:
    return any(result.status == "timed" for cell in record.cells for result in cell.results)


def _require_label(asked: _Wanted) -> None:
    """Refuse combinations of options that have no meaning."""
    data = asked.data
    is_file = data is not None and data not in problems.DATA_SETS
    if not is_file and (asked.label or asked.positive):
        raise click.UsageError("--label and --positive belong to a file given by --data")
    if data is None or not is_file or asked.label is not None:
        return
    if Path(data).exists() and Path(data).suffix.lower() != ".npz":
        raise click.UsageError(f"--data {data} needs --label COLUMN, the column that holds the labels")
