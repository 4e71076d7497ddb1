"""What became faster or slower from one record to another, as tables and words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradstep.compare.judge.differences import SHARE_FALSE, Change, Differences, Key
from gradstep.compare.record.records import Record
from gradstep.compare.show import console as consoles
from gradstep.compare.show.console import print_lines, print_whole
from gradstep.compare.show.words import counted, duration

# The parts of a key that become columns where they vary within a table; else they stand in its heading.
_CONDITIONS = ("problem", "dtype", "order", "threads")

# At most this many of the times that could not be compared are named; the others are counted.
_MOST_LISTED = 20


def show(differences: Differences, before: Record, after: Record, names: tuple[str, str], console: Console) -> None:
    """Print which times changed beyond noise, what is in one record only, and the circumstances."""
    print_lines(console, _head(differences, before, after, names))
    for verdict in ("slower", "faster"):
        if changes := differences.with_verdict(verdict):
            print_lines(console, [Text(), Text(f"{verdict} beyond noise{_shared(changes)}", style="bold")])
            print_whole(_table(changes), console)
    print_lines(console, [Text(), *_foot(differences, names)])


def _head(differences: Differences, before: Record, after: Record, names: tuple[str, str]) -> Iterator[Text]:
    for role, name, record in (("before", names[0], before), ("after", names[1], after)):
        commit = "" if record.commit is None else f", commit {record.commit}"
        yield Text(f"{role:<9} {name}: gradstep {record.versions['gradstep']}{commit}, {record.created}")
    for warning in differences.warnings:
        yield Text(f"warning   {warning}", style="yellow")
    yield Text(f"drift     {_drift_in_words(differences)}")


def _drift_in_words(differences: Differences) -> str:
    drift = differences.drift
    least = f"a change below {drift.least_ratio:.2f} times is too close to call"
    if not drift.ratios:
        return least
    lowest, highest = min(drift.ratios), max(drift.ratios)
    return f"just reading X took {lowest:.2f} to {highest:.2f} times as long in the second run; {least}"


def _varying(changes: Sequence[Change]) -> list[str]:
    """Return the conditions that become columns."""
    return [name for name in _CONDITIONS if len({getattr(change.key, name) for change in changes}) > 1]


def _shared(changes: Sequence[Change]) -> str:
    """Return the conditions that all changes of a table share, as part of its heading."""
    varying = _varying(changes)
    shared = [_condition(changes[0].key, name) for name in _CONDITIONS if name not in varying]
    return f": {', '.join(shared)}" if shared else ""


def _condition(key: Key, name: str) -> str:
    if name == "threads":
        return "threads by size" if key.threads is None else f"threads = {key.threads}"
    return f"{key.order} order" if name == "order" else str(getattr(key, name))


def _table(changes: Sequence[Change]) -> Table:
    varying = _varying(changes)
    table = consoles.table()
    for name in varying:
        table.add_column(name)
    for name in ("m", "n", "", "before", "after", "times as long", "interval"):
        table.add_column(name, justify="right" if name else "left")
    for key, old, new, ratio, _, _ in changes:
        conditions = [str(getattr(key, name) or "auto") for name in varying]
        interval = f"{ratio.lower:.2f} to {ratio.upper:.2f}"
        times = (duration(old), duration(new), f"{ratio.value:.2f}", interval)
        table.add_row(*conditions, f"{key.m:,}", f"{key.n:,}", key.contender, *times)
    return table


def _foot(differences: Differences, names: tuple[str, str]) -> Iterator[Text]:
    yield Text(f"compared  {_in_words(differences)}")
    if any(change.verdict != "too close to call" for change in differences.changes):
        yield Text("interval  covers the true ratio 95 % of the time, the drift between the runs included")
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
    total = len(differences.changes)
    slower, faster = (len(differences.with_verdict(verdict)) for verdict in ("slower", "faster"))
    times = counted(total, "time")
    if slower == faster == 0:
        return f"{times}: no difference beyond noise"
    return f"{times}: {slower} slower, {faster} faster, {total - slower - faster} too close to call"


def _where(key: Key) -> str:
    """Return a time's name within a sentence."""
    conditions = ", ".join(_condition(key, name) for name in ("dtype", "order", "threads"))
    return f"{key.contender}, {key.problem} {key.m:,} x {key.n:,}, {conditions}"


def names_of(changes: Sequence[Change]) -> str:
    """Return changes in one line, the first three by name."""
    named = "; ".join(f"{_where(change.key)}: {change.ratio.value:.2f}" for change in changes[:3])
    return named if len(changes) <= 3 else f"{named}; and {len(changes) - 3} more"
