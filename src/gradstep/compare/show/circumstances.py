"""What a reader has to know of a run: how quiet the machine was, what was left out, the machine and the versions."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from rich.text import Text

from gradstep.compare.judge.findings import Findings
from gradstep.compare.record.records import Conditions, LeftOut, Record
from gradstep.compare.show import words
from gradstep.compare.show.places import Places

_CAUSES = {"memory": "for lack of memory", "budget": "within the budget"}


def circumstances(found: Findings) -> Iterator[Text]:
    """Return the lines below the tables."""
    record = found.record
    yield from _noise(found)
    yield from _left_out(record)
    yield Text(f"machine   {_machine(record)}")
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items() if version is not None)
    commit = "" if record.commit is None else f", commit {record.commit}"
    yield Text(f"versions  {versions}{commit}")
    if record.peers:
        yield Text(f"peers     {', '.join(f'{name} ({version})' for name, version in record.peers.items())}")


def checks(found: Findings) -> Iterator[str]:
    """Say how long a call takes without the checks of its input, for the kernel that is fastest on small problems.

    Only where it is the fastest kernel on a problem, and its time there is bound by call overhead.
    """
    calls = {
        (each.contender, each.dtype, each.order, each.threads, each.models): each for each in found.record.first_calls
    }
    for each in found.cells:
        kernels = [line for line in each.timed if line.name not in found.record.peers]
        fastest = min(kernels, key=lambda line: line.result.median or 0.0, default=None)
        if fastest is None or fastest.bound is None or fastest.bound.kind != "call overhead":
            continue
        cell = each.cell
        call = calls.get((fastest.name, cell.dtype, cell.order, cell.threads, cell.models))
        if call is not None and call.objective is not None:
            yield (
                f"With one example and one feature a call of {fastest.name} takes {words.micro(call.smallest)}, and "
                f"{words.micro(call.objective)} by gradstep.objective, which checks X and y once for all calls."
            )
            return


def in_short(found: Findings) -> Iterator[Text]:
    """Return what a reader must not miss, in a few lines."""
    record = found.record
    if found.spread is not None and found.noise_warning is not None:
        spread = f"{found.spread:.0%}".replace("%", " %")
        yield Text(
            f"Noisy machine: the same reading varied by {spread}; small differences mean little.", style="yellow"
        )
    yield from map(Text, [*_not_measured(record), *_absent(record)])
    yield from map(Text, record.notes)
    machine = record.machine
    cores = f"{machine.usable_cores} of {words.counted(machine.cores, 'core')}"
    yield Text(
        f"{machine.processor}, {cores}, gradstep {record.versions['gradstep']}. More with --details.", style="dim"
    )


def _not_measured(record: Record) -> Iterator[str]:
    """Say where the time or the memory did not suffice, and for what."""
    causes: dict[tuple[str, str], list[Conditions]] = collections.defaultdict(list)
    for left in record.left_out:
        causes[left.contender or "everything", _CAUSES[left.cause]].append(left.conditions)
    known = {(left.conditions, left.contender) for left in record.left_out}
    for cell in record.cells:
        for result in cell.results:
            if result.expected is not None and (cell.conditions, result.contender) not in known:
                causes[result.contender, f"within --limit {record.settings.limit:g}"].append(cell.conditions)
    places = Places({each.conditions: None for each in (*record.cells, *record.left_out)})
    for (name, cause), problems in causes.items():
        yield f"Not timed {cause}: {name} {places.where(problems)}."


def _absent(record: Record) -> Iterator[str]:
    """Say what could not take part, with the reason where it is one."""
    if len(record.unavailable) > 1:
        yield f"{words.listed(list(record.unavailable))} did not take part; --details says why."
    else:
        yield from record.unavailable.values()


def _noise(found: Findings) -> Iterator[Text]:
    noise = found.record.noise
    if noise is None or found.spread is None:
        return
    spread = f"reading the same {words.size(noise.X_bytes)} {len(noise.samples)} times varied by {found.spread:.0%}"
    if found.noise_warning is None:
        yield Text(f"noise     {spread}: the machine was quiet")
    else:
        yield Text(f"noise     {spread}: the machine was noisy, small differences mean little", style="bold yellow")


def _machine(record: Record) -> str:
    machine = record.machine
    caches = [f"{name} {words.size(count)}" for name, count in machine.caches.items()]
    facts = [
        f"{machine.processor}{' (virtual)' if machine.virtual else ''}",
        f"{machine.usable_cores} of {words.counted(machine.cores, 'core')} usable",
        *caches,
        f"{words.size(machine.memory)} of memory",
        *([] if machine.governor is None else [f"governor {machine.governor}"]),
        machine.system,
    ]
    return ", ".join(facts)


def _left_out(record: Record) -> Iterator[Text]:
    for cell, result in record.wrong():
        place = f"{result.contender}, {cell.m:,} x {cell.n:,}"
        yield Text(f"wrong     {place}: {result.reason}; not timed", style="bold red")
    if any(result.expected is not None for cell in record.cells for result in cell.results):
        limit = f"{record.settings.limit:g} s (--limit)"
        yield Text(f"skipped   its calls would take longer than the limit of {limit}")
    for left in record.left_out:
        if left.cause == "memory":
            yield Text(f"memory    {_place(left)} is left out: {left.reason}")
    yield from _beyond_budget(record)
    for cell in record.cells:
        lacking = (str(result.reason) for result in cell.results if result.status == "skipped")
        reason = next((each for each in lacking if "not enough memory" in each), None)
        if reason is not None:
            yield Text(f"memory    {cell.m:,} x {cell.n:,}: {reason}")
    for reason in record.unavailable.values():
        yield Text(f"left out  {reason}")
    for note in record.notes:
        yield Text(f"note      {note}")


def _beyond_budget(record: Record) -> Iterator[Text]:
    left_out = [left for left in record.left_out if left.cause == "budget"]
    if left_out and record.settings.budget is not None:
        yield Text(f"budget    {record.settings.budget:g} s (--budget) did not suffice for", style="yellow")
    for contender in dict.fromkeys(left.contender for left in left_out):
        places = ", ".join(_place(left) for left in left_out if left.contender == contender)
        yield Text(f"          {contender or 'any contender'}: {places}")


def _place(left: LeftOut) -> str:
    models = "" if left.models == 1 else f", {words.counted(left.models, 'model')}"
    return f"{left.problem} {left.m:,} x {left.n:,} ({left.dtype} {left.order} {left.threads or 'auto'}{models})"
