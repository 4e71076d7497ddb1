"""Where a command writes: no output may be an input of the same command, or another output of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from gradstep import files


def require_apart(outputs: Mapping[str, Path], inputs: Mapping[str, Path]) -> None:
    """Raise ValueError if an output is the same file as an input or another output, also through links.

    Standard output is an output, too. Both map what the user calls it, such as "--json", to its path.
    """
    for (name, path), (read_as, read) in itertools.product(outputs.items(), inputs.items()):
        if files.is_same(path, read):
            raise ValueError(f"{name} {path} would overwrite {read}, which is read as {read_as}")
    for verb, paths in (("read", inputs), ("written", outputs)):
        for name, path in paths.items():
            files.require_not_standard_output(path, f"{verb} as {name}")
    for (name, path), (other, second) in itertools.combinations(outputs.items(), 2):
        if files.is_same(path, second):
            raise ValueError(f"{name} {path} and {other} {second} are the same file")
