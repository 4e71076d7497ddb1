"""The command ``gradstep compare``: its options, the run, what is shown and what is written."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from gradstep import registry
from gradstep.cli import compare_help, endings, options, outputs, screen
from gradstep.cli.grouped import GroupedCommand, GroupedOption
from gradstep.cli.interrupts import Interrupts
from gradstep.cli.outputs import OUTPUTS, RECORD, Output
from gradstep.cli.progress import Heeding, RunProgress
from gradstep.cli.records import FAIL_ON, RECORD_FILE, require_no_slower, show_differences
from gradstep.compare.judge.decision import still_open
from gradstep.compare.judge.findings import Findings, findings
from gradstep.compare.measure import contenders, peers, presets, problems, run
from gradstep.compare.measure.contenders import Contender
from gradstep.compare.record import records
from gradstep.compare.record.records import Conditions, Record
from gradstep.extras import MissingExtra


@dataclass(frozen=True)
class _Wanted:
    """The options that say what is compared; None leaves it to the preset."""

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
    models: int
    threads: tuple[int | None, ...] | None
    rounds: int
    limit: float
    budget: float | None
    base: str | None


def peer_names(context: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Turn a list such as torch,jax into the names of peers; all has to stand alone."""
    if text is None:
        return None
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if names == (peers.ALL,):
        return names
    for name in names:
        if name not in peers.PEERS:
            raise click.BadParameter(f"there is no peer {name!r}; the peers are {', '.join(peers.PEERS)}, or all")
    return names


_option = partial(click.option, cls=GroupedOption)
_of_problems = partial(_option, group="Problems")
_of_contenders = partial(_option, group="Contenders")
_of_time = partial(_option, group="Time")


@click.command("compare", cls=GroupedCommand, help=compare_help.text(), context_settings={"max_content_width": 80})
@_of_problems(
    "--preset", type=click.Choice(list(presets.PRESETS)), default=presets.QUICK,
    help="What other options leave open; see above.",
)  # fmt: skip
@_of_problems("--m", "m_list", callback=options.counts, metavar="LIST", help="Numbers of examples, such as 100,1e5.")
@_of_problems("--n", "n_list", callback=options.counts, metavar="LIST", help="Numbers of features, such as 2,10,100.")
@_of_problems(
    "--data", callback=options.given, metavar="FILE|NAME", help=f"A file, or {', '.join(problems.DATA_SETS)}."
)
@_of_problems("--label", metavar="COLUMN", help="The column of the file with the labels.")
@_of_problems("--positive", metavar="VALUE", help="The value of the label that counts as 1.")
@_of_problems("--dtype", "dtypes", callback=options.dtypes, metavar="LIST", help="float64, float32 or both.")
@_of_problems(
    "--order", "orders", callback=options.orders, metavar="LIST", help="C (rows are contiguous), F (columns) or both."
)
@_of_problems(
    "--models", callback=options.models, default="1", metavar="NUMBER", help="How many models to step at once (1)."
)
@_of_contenders(
    "--kernels", callback=options.kernel_names, metavar="LIST", help=f"Some of {','.join(registry.KERNELS)}."
)
@_of_contenders(
    "--peers", "peer_names", callback=peer_names, metavar="all|LIST",
    help=f"Other libraries: {', '.join(peers.PEERS)}.",
)  # fmt: skip
@_of_contenders("--threads", callback=options.thread_counts, metavar="LIST", help="Such as 1,2,auto: by the size of X.")
@_of_contenders("--base", metavar="NAME", help="What the others are compared with.")
@_of_time(
    "--rounds", callback=options.rounds, default="7", metavar="NUMBER", help="Samples of each time; 7 by default."
)
@_of_time(
    "--limit", callback=options.positive, metavar="SECONDS", default="20",
    help="Skip what would take longer on a problem (20).",
)  # fmt: skip
@_of_time(
    "--budget", callback=options.positive_if_any, metavar="SECONDS",
    help=f"At most, by preset: {compare_help.budgets()}.",
)  # fmt: skip
@screen.DETAILS
@outputs.options(OUTPUTS)
@_option("--quiet", group="Output", is_flag=True, help="Show no progress, and do not name the files.")
@_option(
    "--baseline", group="Differences", type=RECORD_FILE, metavar="FILE",
    help="Compare with this record, as gradstep diff does.",
)  # fmt: skip
@FAIL_ON
@click.pass_context
def compare_command(
    context: click.Context,
    /,
    quiet: bool,
    details: bool,
    rounds: int,
    limit: float,
    preset: str,
    data: str | None,
    baseline: Path | None,
    fail_on: float | None,
    **rest: Any,
) -> None:
    """Run the comparison, show it and write it; `compare_help` has the help."""
    places = outputs.taken(rest, OUTPUTS)
    asked = _Wanted(preset=preset, data=data, rounds=rounds, limit=limit, **rest)
    outputs.require(places, _inputs(data, baseline))
    _require_label(asked)
    if fail_on is not None and baseline is None:
        raise click.UsageError("--fail-on needs --baseline FILE, the record that is compared with")
    base = None if baseline is None else records.load(baseline)
    tell = _hush if quiet else endings.say
    with Interrupts() as interrupts:
        record = _measure(asked, interrupts, quiet)
        # First of all, so that nothing that fails on the way to the other outputs and to the screen loses it.
        written = RECORD not in places or outputs.succeeds(partial(records.save, record), places[RECORD], tell)
        found = findings(record)
        try:
            written &= _write(found, places, tell)
        finally:
            # After the files, because a pager that is left early closes stdout; and also where writing them fails.
            screen.show(found, details)
        if interrupts.pressed:
            endings.complain("interrupted")
    if interrupts.pressed:
        context.exit(endings.INTERRUPTED)
    _require_right(context, found)
    differences = None if base is None else show_differences(base, record, (str(baseline), "this run"), details)
    if not written:
        context.exit(endings.FAILED)
    if differences is not None:
        require_no_slower(context, differences, fail_on)


def _measure(asked: _Wanted, interrupts: Interrupts, quiet: bool) -> Record:
    """Return the record of the run, as far as it went."""
    try:
        return _run(asked, interrupts, quiet)
    except run.RunInterrupted as interruption:
        return interruption.record


def _run(asked: _Wanted, interrupts: Interrupts, quiet: bool) -> Record:
    """Measure what the options name, and what the preset says for the others; after that, Ctrl-C is only noted."""
    started = time.perf_counter()
    preset = presets.PRESETS[asked.preset]
    chosen, reasons = peers.chosen(asked.peer_names or preset.peers)
    in_turn = [] if asked.models == 1 else peers.one_after_another(chosen)
    names = asked.kernels or preset.kernels
    known = [*names, *(peer.name for peer in chosen)]
    if asked.base is not None and asked.base not in known:
        raise click.UsageError(f"--base {asked.base} is not among the contenders, which are {', '.join(known)}")
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

    def line_up(threads: int | None) -> Sequence[Contender]:
        return peers.beside([contenders.kernel_contender(name, threads) for name in names], chosen, threads)

    expected = [Conditions(**problems.conditions(*each)) for each in itertools.product(given, settings.threads)]
    watched: AbstractContextManager[run.Progress] = nullcontext(run.Progress()) if quiet else RunProgress(expected)
    with watched as progress:
        record = run.run(
            line_up,
            given,
            settings,
            skip_unavailable=asked.kernels is None,
            unavailable=reasons,
            notes=[*notes, *in_turn],
            progress=Heeding(progress, interrupts),
            still_open=still_open,
            started=started,
        )
        interrupts.hold()
    return record


def _problems(
    asked: _Wanted, preset: presets.Preset, kinds: Sequence[tuple[str, str]]
) -> tuple[list[problems.AnyProblem], list[str]]:
    """Return the problems of a run in each dtype and order, and notes on data sets that were left out."""
    sized = bool(asked.m_list or asked.n_list)
    grid = preset.sizes(asked.m_list, asked.n_list) if asked.data is None or sized else []
    notes = []
    data: list[problems.AnyProblem] = []
    if asked.data is not None:
        data = [
            problems.from_name_or_file(asked.data, asked.label, asked.positive, *kind, models=asked.models)
            for kind in kinds
        ]
    elif preset.data is not None and not sized:
        try:
            data = [problems.bundled(preset.data, *kind, models=asked.models) for kind in kinds]
        except MissingExtra as error:
            notes = [f"{preset.data} is left out. {error}"]
    return [*data, *(problems.Problem(m, n, *kind, models=asked.models) for kind in kinds for m, n in grid)], notes


def _inputs(data: str | None, baseline: Path | None) -> dict[str, Path]:
    """Return the files that the command reads."""
    inputs = {} if data is None or data in problems.DATA_SETS else {"--data": Path(data)}
    return inputs if baseline is None else {**inputs, "--baseline": baseline}


def _hush(line: str) -> None:
    """Say nothing."""


def _write(found: Findings, places: dict[Output, Path], tell: Callable[[str], None]) -> bool:
    """Write all but the record, and return whether that worked; where nothing was timed there is nothing to write."""
    if not _timed(found):
        return True
    return outputs.write(found, {output: path for output, path in places.items() if output is not RECORD}, tell)


def _require_right(context: click.Context, found: Findings) -> None:
    """Fail if a result is wrong or nothing was measured."""
    if wrong := found.record.wrong():
        names = ", ".join(dict.fromkeys(result.contender for _, result in wrong))
        endings.complain(f"{len(wrong)} of the results are wrong ({names}); the table shows which")
        context.exit(endings.FAILED)
    if not _timed(found):
        endings.complain("nothing was measured: every contender was skipped on every problem")
        context.exit(endings.FAILED)


def _timed(found: Findings) -> bool:
    return any(cell.timed for cell in found.cells)


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
