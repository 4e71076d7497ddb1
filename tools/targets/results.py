"""The results of the targets, and their file: the Structs are its format, and msgspec reads and writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from gradstep.compare.record.records import Record
from gradstep.files import write_whole

Unit = Literal["ratio", "factor", "MiB"]
Verdict = Literal["aim", "must", "missed", "not measured"]


class TargetResult(msgspec.Struct, frozen=True):
    """One target of gradstep, and what was measured.

    Attributes
    ----------
    group, case, threads : str
        What is compared with what, in which case, and on how many threads; the last one may be empty.
    must, aim : float
        The bounds: what has to be reached, and what is hoped for.
    unit : str
        "ratio": of two times, small is good. "factor": how many times faster, large is good. "MiB": small is good.
    measured : float or None
        The ratio of the medians, or the memory; None if it could not be measured.
    quartiles : tuple of two floats, or None
        Of the ratios of each round.
    against : str
        The contender that was compared with, if it was the fastest of several.
    reason : str or None
        Why it was not measured.
    """

    group: str
    case: str
    threads: str
    must: float
    aim: float
    unit: Unit
    measured: float | None = None
    quartiles: tuple[float, float] | None = None
    against: str = ""
    reason: str | None = None

    @property
    def place(self) -> str:
        """The case and the threads in words."""
        return f"{self.case}, {self.threads}" if self.threads else self.case

    @property
    def verdict(self) -> Verdict:
        """What became of the target."""
        if self.measured is None:
            return "not measured"
        if self._reaches(self.aim):
            return "aim"
        return "must" if self._reaches(self.must) else "missed"

    def _reaches(self, bound: float) -> bool:
        if self.measured is None:
            return False
        return self.measured >= bound if self.unit == "factor" else self.measured <= bound


class Regret(msgspec.Struct, frozen=True):
    """What gradstep's own choice costs at one size.

    Attributes
    ----------
    m, n : int
        The shape of X.
    dtype, order : str
        Of X.
    threads : str
        "1 thread", or "automatic", where gradstep chooses their number as well.
    ratio : float
        The time of gradstep's choice over that of the fastest of all variants, kernels and numbers of threads.
    quartiles : tuple of two floats, or None
        Of the ratios of each round.
    fastest : str
        The fastest one.
    """

    m: int
    n: int
    dtype: str
    order: str
    threads: str
    ratio: float
    quartiles: tuple[float, float] | None
    fastest: str

    @property
    def place(self) -> str:
        """The size in words."""
        return f"m = {self.m:,}, n = {self.n:,}, {self.dtype}, {self.order} order, {self.threads}"


class TargetsRecord(msgspec.Struct, frozen=True):
    """The measured table.

    Attributes
    ----------
    targets : list of TargetResult
        One for each row, in the order of the table.
    record : Record
        The cells that the results come from, and where they were measured.
    regrets : list of Regret
        What gradstep's own choice costs at sizes that were drawn at random.
    """

    targets: list[TargetResult]
    record: Record
    regrets: list[Regret] = msgspec.field(default_factory=list)


def save(results: TargetsRecord, path: Path) -> None:
    """Write the results as JSON, whole or not at all."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(results), indent=1).decode() + "\n")


def load(path: Path) -> TargetsRecord:
    """Read results that `save` wrote.

    Raises
    ------
    ValueError
        If the file is not JSON, or not of this format; the message says where.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=TargetsRecord)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}") from None
