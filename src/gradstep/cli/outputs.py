"""Where the record of a comparison goes besides the screen: one row for each option."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from gradstep import files
from gradstep.cli import endings, places, screen
from gradstep.cli.grouped import GroupedOption
from gradstep.compare.judge.findings import Findings
from gradstep.compare.record import exports, records
from gradstep.compare.record.records import Record
from gradstep.compare.show.html import page
from gradstep.compare.show.pictures import drawing


@dataclass(frozen=True)
class Output:
    """An option of ``gradstep compare`` that names a file or folder to write the record to.

    Attributes
    ----------
    option : str
        Such as "--json".
    metavar : str
        What its value is called in the help.
    help : str
        One sentence.
    require : callable
        Called with the path before anything is measured; raises `OSError` or `MissingExtra` if the output could not be
        written in the end.
    write : callable
        Called with the judged record and the path.
    """

    option: str
    metavar: str
    help: str
    require: Callable[[Path], None]
    write: Callable[[Findings, Path], None]

    @property
    def parameter(self) -> str:
        """The name of the option among the arguments of the command."""
        return self.option.removeprefix("--").replace("-", "_") + "_output"


def _of_record(save: Callable[[Record, Path], None]) -> Callable[[Findings, Path], None]:
    """Return what writes the record itself, whatever was found in it."""
    return lambda found, path: save(found.record, path)


def _write_page(found: Findings, path: Path) -> None:
    """Write the report, which names the kernel that "auto" takes here if the record is of this machine."""
    page.write(found, path, screen.auto(found.record))


def _draw(found: Findings, folder: Path) -> None:
    """Write every picture that the record supports, and name on stderr those that it does not."""
    for name, reason in drawing.write(found, folder).items():
        endings.warn(f"{name} is not drawn: {reason}")


RECORD = Output(
    "--json",
    "FILE",
    "The record with every sample, for report, diff and export.",
    files.require_place_for,
    _of_record(records.save),
)

EXPORTS = (
    Output(
        "--csv",
        "FILE",
        "A line per sample.",
        files.require_place_for,
        _of_record(exports.save_csv),
    ),
    Output(
        "--parquet",
        "FILE",
        "The same as Parquet.",
        exports.require_parquet,
        _of_record(exports.save_parquet),
    ),
    Output(
        "--pyperf",
        "FILE",
        "For python -m pyperf show and compare_to.",
        exports.require_pyperf,
        _of_record(exports.save_pyperf),
    ),
)
"""The record in the formats of other tools, which ``gradstep export`` writes as well."""

PICTURES = Output(
    "--plot",
    "DIR",
    "Pictures, as PNG and SVG.",
    drawing.require,
    _draw,
)

DRAWINGS: tuple[Output, ...] = (
    Output(
        "--html",
        "FILE",
        "A report with charts and tables: one file, offline.",
        page.require,
        _write_page,
    ),
    PICTURES,
)
"""What shows a record to people, which ``gradstep report`` writes as well."""

OUTPUTS: tuple[Output, ...] = (RECORD, *EXPORTS, *DRAWINGS)


# What is shown goes there, where the system has such names; `places` sees to the files of the other outputs.
_STREAMS = {"standard output": Path("/dev/stdout"), "standard error": Path("/dev/stderr")}


def options(outputs: Sequence[Output]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command one option for each output."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for output in reversed(outputs):
            path = places.GivenPath() if output is PICTURES else places.OutputFile()
            command = click.option(
                output.option, output.parameter, cls=GroupedOption, group="Output", type=path, metavar=output.metavar,
                help=output.help,
            )(command)  # fmt: skip
        return command

    return decorate


def taken(given: dict[str, Any], outputs: Sequence[Output]) -> dict[Output, Path]:
    """Take the values of these options out of a command's arguments, and return the paths that were given."""
    wanted = {output: given.pop(output.parameter) for output in outputs}
    return {output: path for output, path in wanted.items() if path is not None}


def require(wanted: Mapping[Output, Path], inputs: Mapping[str, Path]) -> None:
    """Raise an error if an output could not be written in the end, or would overwrite an input or another output."""
    options = {output.option: path for output, path in wanted.items()}
    places.require_apart(options, inputs)
    if PICTURES in wanted:
        _require_apart_from_pictures(wanted[PICTURES], {**inputs, **options, **_STREAMS})
    for output, path in wanted.items():
        output.require(path)


def _require_apart_from_pictures(folder: Path, others: Mapping[str, Path]) -> None:
    for name, path in others.items():
        if path != folder and drawing.may_replace(folder, path):
            raise ValueError(f"a picture in {PICTURES.option} {folder} would overwrite {path}, which is {name}")


def write(found: Findings, wanted: Mapping[Output, Path], tell: Callable[[str], None] = endings.say) -> bool:
    """Write every output, and return whether all could be written; `tell` hears of each, stderr of what could not."""
    # A list, so that one that fails does not keep the others from being tried.
    written = [succeeds(partial(output.write, found), path, tell) for output, path in wanted.items()]
    return all(written)


def succeeds(save: Callable[[Path], None], path: Path, tell: Callable[[str], None]) -> bool:
    """Write one output, and return whether that worked; `tell` hears of it, stderr of what could not be written."""
    succeeded = endings.succeeds(partial(save, path))
    if succeeded:
        tell(f"wrote {path}{os.sep if path.is_dir() else ''}")
    return succeeded
