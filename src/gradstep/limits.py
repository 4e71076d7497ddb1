"""What the control groups of Linux leave to this process: cores and memory, of all nested groups and both versions."""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Iterator
from typing import NamedTuple

# After this many seconds the cores are looked up again: that takes some 50 microseconds, and a quota changes rarely.
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
    for line in text(f"{proc}/cgroup").splitlines():
        # Version 2 has one hierarchy, whose line names no controller.
        _, names, path = line.split(":", 2) if line.count(":") >= 2 else ("", "?", "")
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
    for line in text(f"{proc}/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        # A number, another, a device, the folder of the hierarchy and where it is mounted.
        where, (kind, _, options) = before.split(" "), (*after.split(" ", 2), "", "", "")[:3]
        if len(where) < 5 or kind not in ("cgroup", "cgroup2"):
            continue
        for name in options.split(",") if kind == "cgroup" else ("",):
            found.setdefault(name, (_unescaped(where[3]), _unescaped(where[4])))
    return found


def _unescaped(path: str) -> str:
    """Return a path as it is: the table of mounts has its spaces and the like as octal numbers."""
    for escaped, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(escaped, character)
    return path


def text(path: str, errors: str = "surrogateescape") -> str:
    """Return the text of a file of the system, such as those in /proc; none where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors=errors) as file:
            return file.read()
    except (OSError, ValueError):
        # A path with a NUL is a ValueError.
        return ""


def _numbers(path: str) -> list[float]:
    """Return the numbers in the first line of a file, "max" as infinity; none where there is anything else."""
    words = text(path).partition("\n")[0].split()
    if not all(word == "max" or word.removeprefix("-").isdecimal() for word in words):
        return []
    return [math.inf if word == "max" else float(word) for word in words]


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
    if len(quota_and_period) != 2 or min(quota_and_period) <= 0 or quota_and_period[1] == math.inf:
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
    # Above "high" a process is slowed down until it has given back enough.
    names = ("memory.max", "memory.high") if version_2 else ("memory.limit_in_bytes",)
    limits = [number for name in names for number in _numbers(f"{group.folder}/{name}")]
    used = _numbers(f"{group.folder}/{'memory.current' if version_2 else 'memory.usage_in_bytes'}")
    return max(0.0, min(limits) - used[0]) if limits and used else math.inf


_asked: tuple[float, float] | None = None


def usable_cores() -> int:
    """Return how many cores this process may use: by affinity, which is asked each time, and by quota, rounded up."""
    global _asked  # noqa: PLW0603 - one answer a process
    now = time.monotonic()
    if _asked is None or not 0 <= now - _asked[0] < _SECONDS:
        _asked = now, cores_of_quota()
    cores = _cores()
    return cores if cores <= _asked[1] else max(1, math.ceil(_asked[1]))


def _cores() -> int:
    """Return how many cores the system leaves to this process; at least 1, where it does not say."""
    try:
        if hasattr(os, "process_cpu_count"):
            # From Python 3.13 on: by affinity, or the number in PYTHON_CPU_COUNT.
            return os.process_cpu_count() or 1
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0)) or 1
    except OSError:
        # A sandbox may refuse the question.
        pass
    return os.cpu_count() or 1
