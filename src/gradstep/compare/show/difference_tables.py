"""What became faster or slower from one record to another, as tables and words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradstep.compare.judge.differences import SHARE_FALSE, Change, Differences, Key
from gradstep.compare.judge.statistics import Interval
from gradstep.compare.record.records import Record
from gradstep.compare.show import console as consoles
from gradstep.compare.show.console import print_lines, print_whole
from gradstep.compare.show.words import counted, micro, times

# The parts of a key that become columns where they vary within a table; else they stand in its heading.
_CONDITIONS = ("problem", "dtype", "order", "threads", "models")

# At most this many of the changes of a kind, and of the times that could not be compared, are named in short and whole.
_MOST_CHANGES = 5
_MOST_LISTED = 20
_MOST_WARNINGS = 2


def show(differences: Differences, before: Record, after: Record, names: tuple[str, str], console: Console) -> None:
    """Print the largest changes beyond noise, and last the answer in two lines."""
    print_lines(console, _head(before, after, names))
    _show_changes(differences, _MOST_CHANGES, console)
    print_lines(console, [Text(), *_reservations(differences), *_answer(differences)])


def show_details(
    differences: Differences, before: Record, after: Record, names: tuple[str, str], console: Console
) -> None:
    """Print all changes beyond noise, what is in one record only, what else differs, and last the answer."""
    print_lines(console, _head(before, after, names))
    for warning in differences.warnings:
        print_lines(console, [Text(f"warning   {warning}", style="yellow")])
    _show_changes(differences, len(differences.changes), console)
    print_lines(console, [Text(), *_foot(differences, names), Text(), *_answer(differences)])


def _head(before: Record, after: Record, names: tuple[str, str]) -> Iterator[Text]:
    for role, name, record in (("before", names[0], before), ("after", names[1], after)):
        commit = "" if record.commit is None else f", commit {record.commit}"
        yield Text(f"{role:<9} {name}: gradstep {record.versions['gradstep']}{commit}, {record.created}")


def _show_changes(differences: Differences, most: int, console: Console) -> None:
    for verdict in ("slower", "faster"):
        if changes := differences.with_verdict(verdict):
            some = f", the largest {most} of {len(changes)}" if len(changes) > most else ""
            print_lines(console, [Text(), Text(f"{verdict} beyond noise{some}{_shared(changes)}", style="bold")])
            print_whole(_table(changes[:most]), console)


def _reservations(differences: Differences) -> Iterator[Text]:
    """Say how the runs differed besides the code, and count what could not be compared; the details list it."""
    for warning in differences.warnings[:_MOST_WARNINGS]:
        yield Text(f"{warning[0].upper()}{warning[1:]}.", style="yellow")
    if more := len(differences.warnings[_MOST_WARNINGS:]):
        yield Text(f"{counted(more, 'more thing')} differed (--details).", style="yellow")
    if alone := len(differences.only_before) + len(differences.only_after):
        yield Text(f"{counted(alone, 'time')} stand{'s' if alone == 1 else ''} in one record only (--details).")
    if few := len(differences.too_few):
        yield Text(f"{counted(few, 'time')} {'has' if few == 1 else 'have'} too few samples to judge (--details).")


def _answer(differences: Differences) -> Iterator[Text]:
    least = differences.drift.least_ratio
    yield Text(f"Changes below {times(least)} are too close to call: the machine alone may cause them.")
    yield Text(f"{_in_words(differences)}.", style="bold")


def _varying(changes: Sequence[Change]) -> list[str]:
    """Return the conditions that become columns."""
    return [name for name in _CONDITIONS if len({getattr(change.key, name) for change in changes}) > 1]


def _shared(changes: Sequence[Change]) -> str:
    """Return the conditions that all changes of a table share, as part of its heading."""
    varying = _varying(changes)
    shared = [_condition(changes[0].key, name) for name in _CONDITIONS if name not in varying]
    return f": {', '.join(filter(None, shared))}" if shared else ""


def _condition(key: Key, name: str) -> str:
    """Return one condition in words; nothing where it is a single model."""
    if name == "models":
        return "" if key.models == 1 else counted(key.models, "model")
    if name == "threads":
        return "threads by size" if key.threads is None else f"threads = {key.threads}"
    return f"{key.order} order" if name == "order" else str(getattr(key, name))


def _table(changes: Sequence[Change]) -> Table:
    varying = _varying(changes)
    table = consoles.table()
    for name in varying:
        table.add_column(name)
    for name in ("m", "n", "", "before", "after", changes[0].verdict, "95 %"):
        table.add_column(name, justify="right" if name else "left")
    for change in changes:
        key = change.key
        conditions = [str(getattr(key, name) or "auto") for name in varying]
        ratio = _above_one(change)
        medians = micro(change.before), micro(change.after)
        ratios = times(ratio.value), f"{times(ratio.lower)} to {times(ratio.upper)}"
        table.add_row(*conditions, f"{key.m:,}", f"{key.n:,}", key.contender, *medians, *ratios)
    return table


def _above_one(change: Change) -> Interval:
    """Return by how much something became slower, or faster."""
    if change.verdict == "slower":
        return change.ratio
    value, lower, upper = change.ratio
    return Interval(1.0 / value, 1.0 / upper, 1.0 / lower)


def _foot(differences: Differences, names: tuple[str, str]) -> Iterator[Text]:
    drift = differences.drift.ratios
    if drift:
        changed = f"the read limits of the second run are {min(drift):.2f} to {max(drift):.2f} times those of the first"
        yield Text(f"drift     {changed}")
    if any(change.verdict != "too close to call" for change in differences.changes):
        yield Text("95 %      of such intervals cover the true ratio, the drift between the runs included")
        yield Text(f"chance    explains at most {SHARE_FALSE:.0%} of the changes that are named".replace("%", " %"))
    yield from _listed("too few   samples to judge", [(key, "") for key in differences.too_few])
    for name, entries in zip(names, (differences.only_before, differences.only_after), strict=True):
        yield from _listed(f"only in   {name}:", entries)


def _listed(head: str, entries: Sequence[tuple[Key, str]]) -> Iterator[Text]:
    """Return a line for each time and reason, up to a limit."""
    for key, reason in entries[:_MOST_LISTED]:
        yield Text(f"{head} {_where(key)}{f' ({reason})' if reason else ''}")
    if len(entries) > _MOST_LISTED:
        yield Text(f"{head} {len(entries) - _MOST_LISTED} more")


def _in_words(differences: Differences) -> str:
    compared = f"{counted(len(differences.changes), 'time')} compared"
    said = [_counted(differences.with_verdict(verdict), verdict) for verdict in ("slower", "faster")]
    if not any(said):
        return f"{compared}: no difference beyond noise"
    close = len(differences.with_verdict("too close to call"))
    return f"{compared}: {', '.join([*filter(None, said), f'{close} too close to call'])}"


def _counted(changes: Sequence[Change], verdict: str) -> str:
    """Return how many times became slower or faster, and by how much."""
    if not changes:
        return ""
    ratios = [_above_one(change).value for change in changes]
    lowest, highest = times(min(ratios)), times(max(ratios))
    return f"{len(changes)} {verdict} ({lowest if lowest == highest else f'{lowest} to {highest}'})"


def _where(key: Key) -> str:
    """Return a time's name within a sentence."""
    conditions = ", ".join(filter(None, (_condition(key, name) for name in _CONDITIONS[1:])))
    return f"{key.contender}, {key.problem} {key.m:,} x {key.n:,}, {conditions}"


def names_of(changes: Sequence[Change]) -> str:
    """Return changes in one line, the first three by name."""
    named = "; ".join(f"{_where(change.key)}: {times(change.ratio.value)}" for change in changes[:3])
    return named if len(changes) <= 3 else f"{named}; and {len(changes) - 3} more"
