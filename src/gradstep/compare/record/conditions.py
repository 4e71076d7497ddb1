"""The conditions of a measurement, and the kinds of values that a record is made of.

A record is described here and in `records`, and nowhere else: the Structs are the format of the file.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


def says(description: str) -> Meta:
    """Return the description of a field, which the JSON Schema repeats."""
    return Meta(description=description)


# The largest integer that other formats hold, such as Parquet.
_LARGEST = 2**63 - 1

# A file name with two of them has fewer than 255 characters.
_LONGEST_SLUG = 80

Words = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1, le=_LARGEST)]
Duration = Annotated[float, Meta(ge=0.0)]
# No real time lies outside these bounds, and within them no rate or ratio overflows.
Sample = Annotated[float, Meta(gt=1e-15, le=1e12)]
Order = Annotated[
    str, Meta(pattern="^[CF]$", description="Of X. C: each row is contiguous in memory; F: each column is.")
]
Threads = Annotated[
    Count | None, says("With how many threads it is called; null lets each call choose by the size of X.")
]
Models = Annotated[Count, says("How many models one call takes a step of, in one pass over X where it can.")]


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a record. Its JSON object has the same keys, all of them, and no others."""


class Setup(Part, frozen=True, kw_only=True):
    """What two cells must have in common to stand in one picture: all conditions but the size."""

    problem: Annotated[Words, says('"random", or the name of the data set or file.')]
    dtype: Annotated[Words, says("Of X.")]
    order: Order
    threads: Threads
    models: Models = 1

    @property
    def data(self) -> str:
        """The data in words."""
        return "random data" if self.problem == "random" else self.problem

    @property
    def kind(self) -> str:
        """How X is stored and computed on, and for how many models unless that is one, in words.

        Examples
        --------
        >>> Setup(problem="random", dtype="float64", order="C", threads=None, models=8).kind
        'float64, C order, threads by size, 8 models'
        """
        threads = "threads by size" if self.threads is None else _counted(self.threads, "thread")
        models = [] if self.models == 1 else [_counted(self.models, "model")]
        return ", ".join([self.dtype, f"{self.order} order", threads, *models])

    @property
    def words(self) -> str:
        """In words.

        Examples
        --------
        >>> Setup(problem="random", dtype="float64", order="C", threads=2).words
        'random data, float64, C order, 2 threads'
        """
        return f"{self.data}, {self.kind}"

    @property
    def slug(self) -> str:
        """As part of a file's name, of letters, digits and ``-`` alone.

        Examples
        --------
        >>> Setup(problem="../a file.csv", dtype="float64", order="C", threads=None).slug
        'a-file-csv-float64-C-auto'
        """
        models = "" if self.models == 1 else f"-{self.models}-models"
        threads = "auto" if self.threads is None else self.threads
        return f"{_slug(self.problem)}-{_slug(self.dtype)}-{self.order}-{threads}{models}"

    @property
    def setup(self) -> Setup:
        """All conditions but the size."""
        return Setup(**{name: getattr(self, name) for name in Setup.__struct_fields__})


class Conditions(Setup, frozen=True, kw_only=True):
    """The conditions of a measurement: what has to agree for two times to be comparable."""

    m: Annotated[Count, says("The number of examples.")]
    n: Annotated[Count, says("The number of features.")]

    @property
    def words(self) -> str:
        """In words.

        Examples
        --------
        >>> Conditions(problem="iris", m=1500, n=4, dtype="float32", order="F", threads=1).words
        'iris, m = 1,500, n = 4, float32, F order, 1 thread'
        """
        return f"{self.data}, m = {self.m:,}, n = {self.n:,}, {self.kind}"

    @property
    def conditions(self) -> Conditions:
        """The conditions alone, which can be a key of a dict."""
        return Conditions(**{name: getattr(self, name) for name in Conditions.__struct_fields__})


def _slug(text: str) -> str:
    letters = (letter if letter.isascii() and letter.isalnum() else " " for letter in text)
    return "-".join("".join(letters).split())[:_LONGEST_SLUG]


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
