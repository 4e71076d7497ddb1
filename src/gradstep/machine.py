"""The machine this process runs on: its processor, system and memory, and the versions of the software on it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradstep import limits, registry
from gradstep.contract import KernelUnavailable
from gradstep.environment import BadVariable

# The features that the speed of a step can depend on, out of several hundred.
_FEATURES = (
    *("sse2", "sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni"),
    *("avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile"),
    *("asimd", "asimdhp", "asimddp", "sve", "sve2"),
)

CPU = Path("/sys/devices/system/cpu/cpu0")
CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """The machine that measured.

    Attributes
    ----------
    processor : str
        Its name, as the system gives it.
    architecture : str
        Such as x86_64 or arm64.
    cores : int
        All cores that the system sees.
    usable_cores : int
        The cores that this process may use.
    system : str
        The operating system and its release.
    features : list of str
        The instruction sets of the processor that matter here, as Linux names them; empty where it is not Linux.
    caches : dict
        The sizes in bytes of "L1d", "L2" and "L3" of the first core, as far as they are known. On a virtual
        machine others may use them as well.
    governor : str or None
        How the system chooses the clock frequency; None if that is not known.
    memory : int
        All of it, in bytes.
    virtual : bool or None
        Whether this is a virtual machine; None if that is not known.
    """

    processor: str
    architecture: str
    cores: int
    usable_cores: int
    system: str
    features: list[str]
    caches: dict[str, int]
    governor: str | None
    memory: int
    virtual: bool | None

    def __post_init__(self) -> None:
        unknown = sorted(name for name in self.caches if not re.fullmatch("L[1-9]d?", name))
        if unknown:
            raise ValueError(f"caches has the unknown {unknown[0]}")
        numbers = (self.cores, self.usable_cores, self.memory, *self.caches.values())
        # Other formats hold no larger integers.
        if not 1 <= min(numbers) <= max(numbers) < 2**63:
            raise ValueError("should have positive numbers of cores and bytes, below 2**63")

    @classmethod
    def here(cls) -> Machine:
        """Describe this machine."""
        flags = _flags()
        return cls(
            processor=processor_name(),
            architecture=platform.machine(),
            cores=os.cpu_count() or 1,
            usable_cores=limits.usable_cores(),
            system=f"{platform.system()} {platform.release()}",
            features=[name for name in _FEATURES if name in flags],
            caches=caches(),
            governor=_first_line(CPU / "cpufreq" / "scaling_governor"),
            memory=_memory().total,
            # Only the flags of x86 processors show a hypervisor.
            virtual="hypervisor" in flags if "sse2" in flags else None,
        )


def _flags() -> set[str]:
    """Return the flags of the processor as Linux lists them: "flags" on x86, "Features" on ARM."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo(), re.MULTILINE)
    return set(found[1].split()) if found else set()


def cpuinfo() -> str:
    """Return what Linux says about the processor; an empty text elsewhere."""
    return limits.text(str(CPUINFO), errors="replace")


def _first_line(path: Path) -> str | None:
    return limits.text(str(path), errors="replace").strip() or None


def processor_name() -> str:
    """Return the name of the processor, or of its architecture where the system gives no more."""
    named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo(), re.MULTILINE)
    if named:
        return named[1].strip()
    return sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()


def sysctl(name: str) -> str:
    """Return the answer of sysctl on macOS; an empty text elsewhere, or without an answer."""
    if sys.platform != "darwin":
        return ""
    answer = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def caches() -> dict[str, int]:
    """Return the sizes in bytes of the data caches of the first core, as far as they are known."""
    sizes = {}
    for folder in sorted((CPU / "cache").glob("index*")):
        level, kind, size = (_first_line(folder / name) for name in ("level", "type", "size"))
        match = re.fullmatch(r"(\d+)([KMG]?)", size or "")
        if match and kind in ("Data", "Unified"):
            sizes["L1d" if level == "1" else f"L{level}"] = (
                int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]
            )
    for name, question in (("L1d", "hw.l1dcachesize"), ("L2", "hw.l2cachesize"), ("L3", "hw.l3cachesize")):
        if answer := sysctl(question):
            sizes[name] = int(answer)
    return {name: size for name, size in sorted(sizes.items()) if size > 0}


def last_level_cache() -> int:
    """Return the size in bytes of the largest cache of the first core; 32 MiB if none is known."""
    return max(caches().values(), default=32 << 20)


def available_memory() -> int:
    """Return how many bytes this process can still take, of the machine or its container, without swapping.

    Cached files count as used where a container has a limit, so the answer is cautious.
    """
    return int(min(_memory().available, limits.memory_left()))


class _Memory(NamedTuple):
    """All memory of the machine and what is free of it, in bytes."""

    total: int
    available: int


def _memory() -> _Memory:
    # Imported here, because all else in this module does without what only `gradstep compare` installs.
    import psutil

    try:
        memory = psutil.virtual_memory()
    except OSError:
        # A sandbox without /proc. Linux has no other word for what can be freed.
        pages = [os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES")]
        return _Memory(*(number * os.sysconf("SC_PAGE_SIZE") for number in pages))
    return _Memory(memory.total, memory.available)


def commit(source: Path = Path(__file__)) -> str | None:
    """Return the git commit of the checkout that gradstep is imported from, in 10 digits.

    "-dirty" is appended if a tracked file is changed. None if gradstep is not imported from a checkout, or git is not
    installed.
    """
    # An editable installation consists of links to the files of the checkout.
    source = source.resolve()
    if shutil.which("git") is None or _git(source, "ls-files", "--error-unmatch", source.name) is None:
        return None
    head = _git(source, "rev-parse", "--short=10", "HEAD")
    changed = _git(source, "status", "--porcelain", "--untracked-files=no")
    return f"{head}-dirty" if changed else head


def _git(source: Path, *question: str) -> str | None:
    """Return the output of git in the folder of a file, or None if git fails."""
    command = ["git", "-C", str(source.parent), *question]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None


def versions() -> dict[str, str | None]:
    """Return the version of each package that a time depends on; None for what is not installed."""
    return {
        # Its own number: a copy of the package, or one in an archive, has no metadata to ask.
        "gradstep": str(sys.modules["gradstep"].__version__),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "numpy": np.__version__,
        "numba": _installed("numba"),
        "cython": _cython_of_the_build(),
        "scikit-learn": _installed("scikit-learn"),
    }


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except (ImportError, LookupError, ValueError, OSError):
        # Not there, or what describes it is damaged.
        return None


def _cython_of_the_build() -> str | None:
    """Return the version of the Cython that compiled the kernel, which may not be installed here."""
    try:
        kernel = registry.load("cython")
    except (KernelUnavailable, BadVariable):
        return None
    # Cython keeps the types that its modules share in a module named after its version: _cython_3_1_2. The types of
    # Cython 3.1.0 and 3.1.1 do not know their module.
    shared = getattr(type(kernel.partial_sums), "__module__", "")
    return shared.removeprefix("_cython_").replace("_", ".") if shared.startswith("_cython_") else "unknown"
