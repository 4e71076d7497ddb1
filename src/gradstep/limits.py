"""What the control groups of Linux leave to this process: cores and memory, of all nested groups and both versions."""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Iterator
from typing import NamedTuple

# An answer about cores this old is asked for anew: reading takes some 50 microseconds, and a quota changes rarely.
_SECONDS = 1.0


class Group(NamedTuple):
    """A control group that this process is in."""

    folder: str
    version: int


def groups(controller: str, proc: str = "/proc/self") -> Iterator[Group]:
    """Yield the groups of this process that may limit what a controller counts, the innermost first.

    Parameters
    ----------
    controller : str
        "cpu" or "memory".
    proc : str
        Where Linux describes this process.
    """
    mounts = _mounts(proc)
    for line in _lines(f"{proc}/cgroup"):
        _, names, path = line.split(":", 2)
        # Version 2 has one hierarchy, whose line names no controller.
        name = controller if controller in names.split(",") else names
        if (mount := mounts.get(name)) is None or name not in ("", controller):
            continue
        root, folder = mount
        # In a namespace of its own a process sees paths that the mounted folder does not begin with.
        inside = path.removeprefix(root.rstrip("/")) if path.startswith(root) else "/"
        parts = [part for part in inside.split("/") if part and part != ".."]
        for depth in range(len(parts), -1, -1):
            yield Group("/".join([folder, *parts[:depth]]), 1 if name else 2)


@functools.cache
def _mounts(proc: str) -> dict[str, tuple[str, str]]:
    """Return for each controller (for version 2: "") which folder of its hierarchy is mounted, and where."""
    found: dict[str, tuple[str, str]] = {}
    for line in _lines(f"{proc}/mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, folder = before.split(" ")[3:5]
        if kind == "cgroup2":
            found.setdefault("", (root, folder))
        elif kind == "cgroup":
            for name in options.split(","):
                found.setdefault(name, (root, folder))
    return found


def _lines(path: str) -> list[str]:
    """Return the lines of a file of the system; none where it does not exist or may not be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _numbers(path: str) -> list[float]:
    """Return the numbers in the first line of a file, "max" as infinity; none where there are none."""
    try:
        return [math.inf if word == "max" else float(word) for word in _lines(path)[0].split()]
    except (IndexError, ValueError):
        return []


def cores_of_quota(proc: str = "/proc/self") -> float:
    """Return how many cores' time the quotas of this process's groups leave; infinity without one."""
    return min((_quota(group) for group in groups("cpu", proc)), default=math.inf)


def _quota(group: Group) -> float:
    if group.version == 2:
        quota_and_period = _numbers(f"{group.folder}/cpu.max")
    else:
        quota_and_period = [
            number
            for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            for number in _numbers(f"{group.folder}/{name}")
        ]
    if len(quota_and_period) != 2 or min(quota_and_period) <= 0:
        # Version 1 writes -1 for no limit.
        return math.inf
    return quota_and_period[0] / quota_and_period[1]


def memory_left(proc: str = "/proc/self") -> float:
    """Return how many bytes the limits of this process's groups leave; infinity without one.

    Cached files count as used, so the answer is cautious.
    """
    return min((_memory_left(group) for group in groups("memory", proc)), default=math.inf)


def _memory_left(group: Group) -> float:
    version_2 = group.version == 2
    limit = _numbers(f"{group.folder}/{'memory.max' if version_2 else 'memory.limit_in_bytes'}")
    used = _numbers(f"{group.folder}/{'memory.current' if version_2 else 'memory.usage_in_bytes'}")
    return max(0.0, limit[0] - used[0]) if limit and used else math.inf


_asked: tuple[float, float] | None = None


def usable_cores() -> int:
    """Return how many cores this process may use: by affinity, which is asked each time, and by quota, rounded up."""
    global _asked  # noqa: PLW0603 - one answer a process
    now = time.monotonic()
    if _asked is None or not 0 <= now - _asked[0] < _SECONDS:
        _asked = now, cores_of_quota()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if cores <= _asked[1] else max(1, math.ceil(_asked[1]))
