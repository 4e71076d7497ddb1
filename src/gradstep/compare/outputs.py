"""Where the record of a comparison goes besides the screen: one row for each option."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gradstep import files
from gradstep.compare import records
from gradstep.compare.records import Record


@dataclass(frozen=True)
class Output:
    """An option of ``gradstep compare`` that names a file or folder which the record is written to.

    Attributes
    ----------
    option : str
        Such as "--json".
    metavar : str
        What its value is called in the help.
    help : str
        One sentence.
    require : callable
        Called with the path before anything is measured; raises an error of `OSError` or `MissingExtra` if the output
        could not be written in the end.
    write : callable
        Called with the record and the path.
    """

    option: str
    metavar: str
    help: str
    require: Callable[[Path], None]
    write: Callable[[Record, Path], None]

    @property
    def parameter(self) -> str:
        """The name of the option among the arguments of the command."""
        return self.option.removeprefix("--").replace("-", "_") + "_output"


OUTPUTS: tuple[Output, ...] = (
    Output("--json", "FILE", "Write the record with every sample to this file.", files.require_place_for, records.save),
)
