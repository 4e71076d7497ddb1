"""What a part of the torture is: how much it does, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple


class Amount(NamedTuple):
    """How much of a part is done: all of it, or a share.

    Attributes
    ----------
    share : float
        1 for everything.
    """

    share: float = 1.0

    def of(self, whole: int) -> int:
        """Return this share of a number of tries, at least one."""
        return max(1, round(self.share * whole))

    def seconds(self, whole: float) -> float:
        """Return this share of a duration."""
        return self.share * whole


@dataclass
class Outcome:
    """What came of a part.

    Attributes
    ----------
    what : str
        What was tried, in a few words.
    tried : int
        How often.
    failures : list of str
        What failed, one line each.
    skipped : str
        Why nothing was tried; empty if it was.
    """

    what: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: str = ""

    def check(self, failure: str) -> None:
        """Count one try; a text that is not empty says how it failed."""
        self.tried += 1
        if failure:
            self.failures.append(failure)


Run = Callable[[Amount, str], Outcome]
"""Runs a part. The text is Python that every child process runs first: the tests plant a fault there."""
