"""The table of targets for a terminal: must, aim and measured side by side."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from gradstep.compare.judge.findings import findings
from gradstep.compare.show.circumstances import circumstances
from tools.targets.results import Regret, TargetResult, TargetsRecord, Verdict

_STYLES: dict[Verdict, str] = {"aim": "bold green", "must": "green", "missed": "bold red", "not measured": "dim"}
_WORDS: dict[Verdict, str] = {"aim": "aim reached", "must": "must reached", "missed": "MISSED", "not measured": ""}
_WORST = 10
_COLUMNS = "{:<32}{:>7}{:>7}{:>10}  {:<13}{}"


def show(results: TargetsRecord, console: Console) -> None:
    """Print the results, grouped by what they compare, and how they were measured."""
    for line in itertools.chain(_lines(results), _regrets(results.regrets), _foot(results)):
        console.print(line, soft_wrap=not console.is_terminal, highlight=False)


def _lines(results: TargetsRecord) -> Iterator[Text]:
    yield Text("Targets: ratios of median times", style="bold")
    yield Text("float64, C order, X in memory, unless a row says otherwise")
    yield Text()
    yield Text(_COLUMNS.format("", "must", "aim", "measured", "quartiles", "").rstrip())
    for group, targets in itertools.groupby(results.targets, key=lambda target: target.group):
        yield Text(group, style="bold")
        for target in targets:
            yield _line(target)


def _line(target: TargetResult) -> Text:
    case = f"  {target.place}"
    sign = ">" if target.unit == "factor" else "<"
    must, aim = (f"{sign}{number(bound)}" for bound in (target.must, target.aim))
    if target.measured is None:
        return Text(_COLUMNS.format(case, must, aim, "-", "", f"not measured: {target.reason}"), style="dim")
    quartiles = "-".join(map(number, target.quartiles)) if target.quartiles is not None else ""
    mark = "~" if _is_doubtful(target) else ""
    line = Text(_COLUMNS.format(case, must, aim, f"{mark}{number(target.measured)}", quartiles, ""))
    line.append(_WORDS[target.verdict], style=_STYLES[target.verdict])
    if target.against:
        line.append(f" ({target.against})", style="dim")
    return line


def _regrets(regrets: list[Regret]) -> Iterator[Text]:
    """Return the sizes at which gradstep's choice costs most."""
    if regrets:
        yield Text()
        yield Text("Where gradstep's choice costs most, of the sizes that were drawn", style="bold")
    for each in worst(regrets):
        lower, upper = (number(value) for value in each.quartiles or (each.ratio, each.ratio))
        yield Text(f"  {number(each.ratio)}  {lower}-{upper}  {each.place}; the fastest: {each.fastest}")


def worst(regrets: list[Regret]) -> list[Regret]:
    """Return the ten sizes at which the choice costs most."""
    return sorted(regrets, key=lambda each: -each.ratio)[:_WORST]


def _is_doubtful(target: TargetResult) -> bool:
    """Whether the ratio of the medians lies outside the quartiles of the ratios: the machine changed between rounds."""
    if target.measured is None or target.quartiles is None:
        return False
    lower, upper = target.quartiles
    return not lower <= target.measured <= upper


def number(value: float) -> str:
    """Return a ratio, or a size in MiB, with three digits or four."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}"


def _foot(results: TargetsRecord) -> Iterator[Text]:
    yield Text()
    verdicts = [target.verdict for target in results.targets]
    words = {
        "aim": "reach the aim",
        "must": "reach what they must",
        "missed": "miss it",
        "not measured": "not measured",
    }
    counted = collections.Counter(words[verdict] for verdict in verdicts)
    yield Text(f"targets   {len(verdicts)}: {', '.join(f'{counted[each]} {each}' for each in words.values())}")
    yield Text(f"quartiles of the ratios of each round; {results.record.settings.rounds} rounds or more, interleaved")
    if any(_is_doubtful(target) for target in results.targets):
        yield Text("~         outside the quartiles: the machine was not quiet, so measure again")
    yield Text("(name)    the fastest peer, or the best of several ways")
    record = results.record
    yield Text(f"date      {record.created[:10]}, in {record.seconds / 60.0:.1f} minutes")
    yield from circumstances(findings(record))
