"""The labels of a table: which values mean that one is missing, which are the same class, and which counts as 1."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# What tables write where there is no value, in lower case: pandas' list, and those of databases, statistics and
# spreadsheets, errors of formulas included.
_MISSING = {
    "", "#calc!", "#div/0!", "#field!", "#getting_data", "#n/a", "#n/a n/a", "#na", "#name?", "#null!", "#num!",
    "#ref!", "#spill!", "#value!", "(blank)", "(missing)", "(null)", "-", "--", "---", "-1.#ind", "-1.#qnan", "-nan",
    "+nan", ".", "..", "...", "1.#ind", "1.#qnan", "<na>", "<null>", "?", "??", "???", "\\n", "_", "blank", "empty",
    "k.a.", "missing", "n. a.", "n.a.", "n/a", "na", "na.", "nan", "nat", "nil", "no data", "none", "not applicable",
    "not available", "null", "undefined", "\N{EN DASH}", "\N{EM DASH}", "\N{HORIZONTAL ELLIPSIS}",
}  # fmt: skip

# Characters without a width, which strip() leaves.
_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff"

# A number as np.loadtxt reads it: without the underscores and the digits of other scripts that float() takes.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)

_TRUTH = {"True": "1", "False": "0"}

# A message lists at most this many values of a label column.
VALUES_SHOWN = 6


class Labels(NamedTuple):
    """The labels of a table.

    Attributes
    ----------
    y : ndarray of shape (m,)
        The labels, in [0, 1].
    positive : str
        The value that counts as 1.
    negative : str or None
        The value that counts as 0; None where there are several.
    """

    y: NDArray[np.float64]
    positive: str
    negative: str | None


def as_labels(where: str, values: list[str], codes: NDArray[np.intp], positive: str | None) -> Labels:
    """Turn the values of a label column into numbers; ``values[codes[i]]`` is the label of row i.

    Raises
    ------
    ValueError
        If a label is missing, there is one class alone, or no value says what counts as 1; the message begins with
        `where`.
    """
    if not values:
        raise ValueError(f"{where} has no rows")
    missing = [value for value in values if is_missing(value, values)]
    if missing:
        raise ValueError(f"{where} has rows without a value ({listed(missing)}); every row needs its label")
    if len({as_class(value) for value in values}) < 2:
        raise ValueError(f"{where} holds only {listed(values)}; two classes are needed")
    if positive is not None:
        return _of_class(where, values, codes, positive)
    numbers = [as_number(_TRUTH.get(value, value)) for value in values]
    known = [number for number in numbers if number is not None and 0.0 <= number <= 1.0]
    if len(known) < len(values):
        raise ValueError(f"{where} holds {listed(values)}; name the value that counts as 1 with --positive VALUE")
    spelled = ("True", "False") if _TRUTH.keys() >= set(values) else ("1", "0")
    return Labels(np.array(known)[codes], *spelled)


def _of_class(where: str, values: list[str], codes: NDArray[np.intp], positive: str) -> Labels:
    matches = np.array([as_class(value) == as_class(positive) for value in values])
    if not matches.any():
        raise ValueError(f"{where} does not hold {positive!r}; it holds {listed(values)}")
    others = {as_class(value): value for value, match in zip(values, matches, strict=True) if not match}
    negative = next(iter(others.values())) if len(others) == 1 else None
    return Labels(matches.astype(np.float64)[codes], positive, negative)


def is_missing(value: str, values: Sequence[str] = ()) -> bool:
    """Return whether a value says that there is none; beside a plus, a minus is a class."""
    return value.strip().strip(_UNSEEN).strip().lower() in _MISSING and not (value == "-" and "+" in values)


def as_class(value: str) -> float | str:
    """Return what all spellings of a class share: 1 and 1.0 are one, and so is text that looks the same."""
    number = as_number(value)
    return composed(value) if number is None else number


def composed(text: str) -> str:
    """Return text with each accent and its letter as one character; both forms look the same."""
    return unicodedata.normalize("NFC", text)


def as_number(text: str) -> float | None:
    """Return the number that text spells, or None.

    Examples
    --------
    >>> as_number(" 1e3 "), as_number("1_000")
    (1000.0, None)
    """
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


def listed(values: list[str]) -> str:
    """Return the values in quotes; of a long list the first ones and the number of all."""
    shown = ", ".join(map(repr, sorted(values)[:VALUES_SHOWN]))
    return shown if len(values) <= VALUES_SHOWN else f"{shown} and {len(values) - VALUES_SHOWN} more"
