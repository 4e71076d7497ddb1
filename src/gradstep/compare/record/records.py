"""The record of a comparison run: these Structs are the format of the JSON file, and document it.

All times are in seconds, all sizes in bytes. `schema` returns the same as JSON Schema.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from gradstep import files, json_files
from gradstep.compare.record import older, reading
from gradstep.compare.record.conditions import (
    Conditions,
    Count,
    Duration,
    Models,
    Order,
    Part,
    Sample,
    Setup,
    Threads,
    Words,
    says,
)
from gradstep.machine import Machine

__all__ = [
    "FAR_SLOWER", "READ_LIMIT", "SCHEMA", "Cause", "Cell", "Check", "Conditions", "FirstCall", "LeftOut", "Machine",
    "Noise", "Record", "Result", "Settings", "Setup", "Status", "as_json", "changed", "load", "save", "schema", "timed",
]  # fmt: skip

SCHEMA = 4
"""The version of the format. It grows by one whenever a key is added, changes its meaning or goes away."""

READ_LIMIT = "read limit"
"""The name under which the time just to read X once is listed among the contenders."""

FAR_SLOWER = 10.0
"""A contender this many times slower than the fastest cannot be the fastest, so it is timed in no added rounds."""

Status = Literal["timed", "wrong", "skipped"]
Cause = Literal["memory", "budget"]
AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)


class Check(Part, frozen=True):
    """The comparison of one result with an independent evaluation."""

    passed: Annotated[bool, says("Whether every component lies within the tolerance.")]
    error: Annotated[
        Duration | None,
        says(
            "The largest error of a component of (w, b, J), relative to the size of the terms summed up in it; null if "
            "the result is not finite or has the wrong shape."
        ),
    ]
    tolerance: Annotated[float, Meta(gt=0.0, description="The largest error that passes.")]


class Result(Part, frozen=True):
    """One contender on one problem."""

    contender: Words
    status: Annotated[Status, says("wrong: the result failed the check, so it was not timed.")]
    reason: Annotated[str | None, says("Why it was skipped or is wrong.")] = None
    expected: Annotated[Duration | None, says("If it was skipped: how long its calls would have taken.")] = None
    check: Annotated[Check | None, says("The check of its result; null if it was skipped.")] = None
    samples: Annotated[
        list[Sample],
        says(
            "Each is the mean time of one call within calls_per_sample calls. Sample k was taken in round k, as was "
            "sample k of every other contender of the cell. Rounds that were added to decide which contender is the "
            "fastest leave out those that are more than ten times slower, so these have fewer samples."
        ),
    ] = msgspec.field(default_factory=list)
    warm_up: Annotated[
        list[Sample], says("The samples taken before, until the time no longer fell; they count for nothing.")
    ] = msgspec.field(default_factory=list)
    calls_per_sample: Annotated[Count | None, says("How many calls one sample lasts.")] = None
    variant: Annotated[
        Words | None,
        says(
            "Which of its variants, all of which give the same bits, the kernel had found to be the fastest by the "
            "last round; null where it has none, and for peers."
        ),
    ] = None

    @property
    def median(self) -> float | None:
        """The median of the samples; None without any."""
        return statistics.median(self.samples) if self.samples else None


def timed(
    contender: str,
    check: Check,
    samples: list[float],
    calls_per_sample: int,
    warm_up: Sequence[float] = (),
    variant: str | None = None,
) -> Result:
    """Return the result of a contender that passed the check and was timed."""
    return Result(
        contender,
        "timed",
        check=check,
        samples=samples,
        warm_up=list(warm_up),
        calls_per_sample=calls_per_sample,
        variant=variant,
    )


class Cell(Conditions, frozen=True, kw_only=True):
    """All contenders on one problem, in one dtype, memory order and number of threads."""

    task: Annotated[str, says("What the labels mean.")]
    X_bytes: Annotated[Count, says("The size of X in memory.")]
    results: Annotated[list[Result], says("One for each contender, in the order of the settings.")]
    read_limit: Annotated[
        Result | None,
        says("Just reading X once, with the same threads and in the same rounds; null if no contender was timed."),
    ] = None


class LeftOut(Conditions, frozen=True, kw_only=True):
    """A problem, or one contender on it, that was planned and not measured."""

    contender: Annotated[Words | None, says("null if all contenders were left out; then there is no such cell.")]
    cause: Annotated[Cause, says("memory: it would not have fitted; budget: the time would not have sufficed.")]
    reason: Annotated[Words, says("The same in words, with numbers.")]


class Settings(Part, frozen=True):
    """The settings of the run."""

    contenders: Annotated[list[Words], says("Those that took part, in the order of the columns.")]
    dtypes: Annotated[list[Words], says("Of the data.")] = msgspec.field(default_factory=lambda: ["float64"])
    orders: Annotated[list[Order], says("Of the data.")] = msgspec.field(default_factory=lambda: ["C"])
    threads: list[Threads] = msgspec.field(default_factory=lambda: [1])
    rounds: Annotated[Count, says("The least number of samples per contender and problem, time allowing.")] = 7
    limit: Annotated[Duration, says("A contender was skipped where its calls were expected to take longer.")] = 20.0
    seed: Annotated[int, says("Fixes the random problems and the order of the samples.")] = 0
    alpha: Annotated[float, Meta(gt=0.0, description="The learning rate of the steps.")] = 1.0
    preset: Annotated[str | None, says("The name of the set of problems and contenders.")] = None
    budget: Annotated[Duration | None, says("How long the run should last at most; null: as long as it takes.")] = None
    base: Annotated[
        str | None,
        says(
            "The contender that others are compared with; null takes python, or numpy if python was timed in fewer "
            "than half of the cells."
        ),
    ] = None


class FirstCall(Part, frozen=True):
    """The one-time costs of a contender; they are never part of a sample."""

    contender: Words
    dtype: Annotated[Words, says("Of X; compilers compile for each dtype.")]
    order: Order
    threads: Threads
    imported: Annotated[Duration | None, says("Importing what it needs; null where an earlier entry has it.")]
    compiled: Annotated[
        Duration | None,
        says(
            "The first call less the second, which is compiling at run time, or loading what an earlier process "
            "compiled; null for contenders that do not compile."
        ),
    ]
    first: Annotated[Duration, says("The whole first call with 100 examples and 10 features.")]
    smallest: Annotated[
        Duration, says("A warm call with one example and one feature: what a call costs whatever the size.")
    ]
    models: Models = 1
    objective: Annotated[
        Duration | None,
        says(
            "The same as smallest by a function that gradstep.objective returned, which checks X and y once and not in "
            "each call; null for peers, and for several models."
        ),
    ] = None


class Noise(Part, frozen=True):
    """The same array, read again and again throughout the run: what varies in it is the machine."""

    X_bytes: Annotated[Count, says("How much each sample reads.")]
    samples: Annotated[
        list[tuple[Duration, Sample]],
        Meta(min_length=1, description="When each was taken, since the run began, and how long the reading took."),
    ]


class Record(Part, frozen=True, kw_only=True):
    """One comparison run. All times are in seconds, all sizes in bytes."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA, description="The version of this format.")] = SCHEMA
    created: Annotated[
        str,
        Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$", description="When the run began, ISO 8601 in UTC."),
    ]
    seconds: Annotated[Duration, says("How long the run lasted.")]
    complete: Annotated[bool, says("False if the run was interrupted; then the cells are those measured before.")]
    commit: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9a-f]{7,64}(-dirty)?$")] | None,
        says(
            "The git commit of the checkout that gradstep was imported from, followed by -dirty if a tracked file was "
            "changed; null if gradstep was installed in another way."
        ),
    ]
    timed: Annotated[Words, says("What one call is, in words.")]
    machine: Machine
    versions: Annotated[
        dict[str, str | None],
        Meta(
            description="The version of each package that a time depends on; null for what is not installed. cython "
            "is the one that compiled the kernel.",
            extra_json_schema={"required": ["gradstep"], "properties": {"gradstep": {"type": "string"}}},
        ),
    ]
    settings: Settings
    first_calls: list[FirstCall]
    unavailable: Annotated[dict[str, str], says("Contender to why it could not take part.")]
    notes: Annotated[list[str], says("What else a reader should know, such as a data set that was left out.")]
    left_out: Annotated[list[LeftOut], says("What the memory or the budget did not allow for.")]
    cells: Annotated[list[Cell], says("The measurements, in the order they were asked for.")]
    peers: Annotated[dict[str, str], says("The contenders from other libraries, and their versions.")] = msgspec.field(
        default_factory=dict
    )
    noise: Annotated[Noise | None, says("How quiet the machine was; null where X cannot just be read.")] = None

    def wrong(self) -> list[tuple[Cell, Result]]:
        """Return the results that failed the check."""
        return [(cell, result) for cell in self.cells for result in cell.results if result.status == "wrong"]


def changed(struct: AnyStruct, **new: Any) -> AnyStruct:
    """Return a copy of a part of a record with other values in some fields."""
    return msgspec.structs.replace(struct, **new)


def save(record: Record, path: Path) -> None:
    """Write the record as JSON, whole or not at all."""
    files.write_whole(path, as_json(record))


def as_json(record: Record) -> str:
    """Return the record as JSON, as `save` writes it."""
    # The encoder of msgspec would write NaN as null, which no reader accepts; this one raises.
    return json.dumps(msgspec.to_builtins(record), indent=1, allow_nan=False) + "\n"


def load(path: Path) -> Record:
    """Read a record that `save` wrote.

    Raises
    ------
    ValueError
        If it is cut off, not JSON, no record of a version that can be read, or contradicts itself; the message names
        the file and the place in it.
    """
    try:
        with files.named_where_memory_ends(path):
            record = reading.decode(json_files.content(path), Record, SCHEMA, older.UPGRADES)
        for contradiction in _contradictions(record):
            raise ValueError(f"this is no valid record: {contradiction}")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return record


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a record."""
    return reading.schema(Record)


def _contradictions(record: Record) -> Iterator[str]:
    """Give what the types allow and no run writes."""
    if not record.versions.get("gradstep"):
        yield "versions lacks gradstep"
    named = set(record.settings.contenders)
    if READ_LIMIT in named:
        yield f'settings.contenders has "{READ_LIMIT}", which is no contender'
    places: dict[Conditions, int] = {}
    for number, cell in enumerate(record.cells):
        place = f"cells[{number}]"
        first = places.setdefault(cell.conditions, number)
        if first != number:
            yield f"{place} has the conditions of cells[{first}]: {cell.conditions.words}"
        names = Counter(result.contender for result in cell.results)
        for name, count in names.items():
            if name not in named:
                yield f'{place}.results has "{name}", which is not among settings.contenders'
            if count > 1:
                yield f'{place}.results has "{name}" {count} times'
        if cell.read_limit is not None and cell.read_limit.contender != READ_LIMIT:
            yield f'{place}.read_limit.contender should be "{READ_LIMIT}"'
        results = [(f"{place}.results[{index}]", result) for index, result in enumerate(cell.results)]
        if cell.read_limit is not None:
            results.append((f"{place}.read_limit", cell.read_limit))
        yield from itertools.chain.from_iterable(_contradictions_of(*each) for each in results)
        yield from _missed_rounds(place, [result for _, result in results if result.samples])


def _missed_rounds(place: str, timed: Sequence[Result]) -> Iterator[str]:
    """Give the results with fewer samples than others, unless they are so much slower that they missed added rounds."""
    most = max((len(result.samples) for result in timed), default=0)
    shortest = min((min(result.samples) for result in timed if result.contender != READ_LIMIT), default=0.0)
    for result in timed:
        if len(result.samples) < most and max(result.samples) < FAR_SLOWER * shortest:
            count = len(result.samples)
            yield f'{place} has {count} samples of "{result.contender}" and {most} of others, and it is not far slower'


def _contradictions_of(place: str, result: Result) -> Iterator[str]:
    if result.status == "timed":
        for name in ("samples", "calls_per_sample", "check"):
            if not getattr(result, name):
                yield f"{place} is timed and lacks {name}"
        if result.check is not None and not result.check.passed:
            yield f"{place} is timed, though its check failed"
        return
    if result.samples:
        yield f"{place} has samples, though it is {result.status}"
    if result.reason is None:
        yield f"{place}.reason should be str, because it is {result.status}"
