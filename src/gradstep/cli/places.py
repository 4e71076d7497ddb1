"""What a command reads and writes: paths that name something, and outputs that are no input and no other output."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gradstep import files


class GivenPath(click.Path):
    """A path on the command line; text without a letter, as of a variable that is not set, names nothing."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """Return the path."""
        if not os.fspath(value):
            self.fail("it is empty; it should be a path", parameter, context)
        return super().convert(value, parameter, context)


class OutputFile(GivenPath):
    """The path of a file to be written, not that of a folder."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """Return the path, whose last separator Path would drop."""
        if os.fspath(value).endswith(os.sep):
            self.fail(f"{value!r} is a folder; it should be a file", parameter, context)
        return super().convert(value, parameter, context)


def require_apart(outputs: Mapping[str, Path], inputs: Mapping[str, Path]) -> None:
    """Raise ValueError if an output is the same file as an input or another output, also through links.

    Standard output and error are outputs, too. Both map what the user calls it, such as "--json", to its path.
    """
    # First, because the words of an error go to standard error.
    for name, path in inputs.items():
        files.require_not_standard_stream(path, f"read as {name}")
    for name, path in outputs.items():
        if not files.is_stream(path):
            files.require_not_standard_stream(path, f"written as {name}")
    for (name, path), (read_as, read) in itertools.product(outputs.items(), inputs.items()):
        if files.is_same(path, read):
            raise ValueError(f"{name} {path} would overwrite {read}, which is read as {read_as}")
    for (name, path), (other, second) in itertools.combinations(outputs.items(), 2):
        if files.is_same(path, second):
            raise ValueError(f"{name} {path} and {other} {second} are the same file")
