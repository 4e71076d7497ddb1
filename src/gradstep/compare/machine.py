"""What a measurement depends on besides the code: the processor, the system, and the versions of what runs."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gradstep import engine, registry
from gradstep.contract import KernelUnavailable


@dataclass(frozen=True)
class Machine:
    """The machine that measured.

    Attributes
    ----------
    processor : str
        Its name, as the system tells it.
    architecture : str
        Such as x86_64 or arm64.
    cores : int
        All that the system sees.
    usable_cores : int
        Those that this process may use.
    system : str
        The operating system and its release.
    """

    processor: str
    architecture: str
    cores: int
    usable_cores: int
    system: str

    @classmethod
    def here(cls) -> Machine:
        """Describe this machine."""
        system = f"{platform.system()} {platform.release()}"
        return cls(processor_name(), platform.machine(), os.cpu_count() or 1, engine.usable_cores(), system)


def processor_name() -> str:
    """Return the name of the processor, or of its architecture where the system does not tell more."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
        if named:
            return named[1].strip()
    if sys.platform == "darwin":
        question = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        answer = subprocess.run(question, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return answer.stdout.strip()
    return platform.processor() or platform.machine()


def last_level_cache() -> int:
    """Return the size in bytes of the largest cache of the first core; 32 MiB where the system does not tell it."""
    found = [0]
    for size in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        told = re.fullmatch(r"(\d+)([KMG]?)", size.read_text(encoding="ascii").strip())
        if told:
            found.append(int(told[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[told[2]])
    return max(found) or 32 << 20


def versions() -> dict[str, str | None]:
    """Return the versions of what a result depends on; None for what is not installed."""
    return {
        "gradstep": version("gradstep"),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "numpy": version("numpy"),
        "numba": _installed("numba"),
        "cython": _cython_of_the_build(),
        "scikit-learn": _installed("scikit-learn"),
    }


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cython_of_the_build() -> str | None:
    """Return the version of the Cython that compiled the kernel, which may not be installed here."""
    try:
        kernel = registry.load("cython")
    except KernelUnavailable:
        return None
    # Cython keeps the types that its modules share in a module named after its version: _cython_3_1_2.
    shared = type(kernel.partial_sums).__module__
    return shared.removeprefix("_cython_").replace("_", ".") if shared.startswith("_cython_") else "unknown"
