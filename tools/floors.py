"""Prints the lowest versions that pyproject.toml allows, as constraints for pip: `make test-floors` installs them."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_NO_FLOORS = ("peers", "dev", "docs")
"""Extras of which no version is promised: they compare gradstep with others, check a checkout and build its pages."""

_FLOOR = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,-]+\])?>=(?P<version>[\d.]+)")


def requirements(project: dict) -> Iterator[str]:
    """Yield every requirement that has a floor, those of the build included."""
    yield from project["build-system"]["requires"]
    yield from project["project"]["dependencies"]
    for extra, names in project["project"]["optional-dependencies"].items():
        if extra not in _NO_FLOORS:
            yield from (name for name in names if not name.startswith("gradstep["))


def floors(names: Iterable[str]) -> dict[str, str]:
    """Return the lowest version that all requirements allow together, by name.

    Raises
    ------
    ValueError
        If a requirement names no lowest version.
    """
    lowest: dict[str, str] = {}
    for name in names:
        found = _FLOOR.match(name)
        if not found:
            raise ValueError(f"{name!r} names no lowest version: write NAME>=VERSION")
        project, version = found["name"].lower(), found["version"]
        lowest[project] = max(lowest.get(project, "0"), version, key=_number)
    return lowest


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def main() -> int:
    """Print one line for each requirement."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for name, version in sorted(floors(requirements(project)).items()):
        print(f"{name}=={version}")  # noqa: T201 - its output is what pip reads
    return 0


if __name__ == "__main__":
    sys.exit(main())
