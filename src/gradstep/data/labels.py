"""The labels of a table: which values mean that one is missing, which are the same class, and which counts as 1."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradstep.text import quoted

# What tables write where there is no value, in lower case: pandas' list, and those of databases, statistics and
# spreadsheets.
_MISSING = {
    "", "#getting_data", "#n/a n/a", "#n/a", "#n/b", "#n/d", "#n/v", "#na", "#nv", "*", "+nan", "-", "--", "---",
    "-1.#ind", "-1.#qnan", "-nan", ".", "..", "...", "1.#ind", "1.#qnan", "?", "??", "???", "\\n", "_", "blank",
    "empty", "k.a.", "missing value", "missing", "n. a.", "n.a", "n.a.", "n.d.", "n/a", "n/d", "na", "na.",
    "na_character_", "na_integer_", "na_real_", "nan", "nat", "nil", "no data", "no value", "none", "not applicable",
    "not available", "not determined", "not recorded", "not reported", "np.nan", "null", "pd.na", "undefined",
    "\N{EN DASH}", "\N{EM DASH}", "\N{HORIZONTAL ELLIPSIS}",
}  # fmt: skip

# "(none)", "<NA>", "[null]", "''".
_BRACKETS = "()<>[]{}'\"`"

# Of a formula, in whatever language the spreadsheet speaks, such as #WERT! and Err:502; and .a to .z of statistics.
_ERROR = re.compile(r"#[^\s#]+[!?]|err:[0-9]+|\.[a-z]")

# Characters without a width, which strip() leaves: joiners, marks of direction, and such.
_UNSEEN = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"

# A number as np.loadtxt reads it: without the underscores and the digits of other scripts that float() takes.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)

# In lower case.
_TRUTH = {"true": 1.0, "false": 0.0}

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
    known = [number for value in values if isinstance(number := as_class(value), float) and 0.0 <= number <= 1.0]
    if len(known) < len(values):
        raise ValueError(f"{where} holds {listed(values)}; name the value that counts as 1 with --positive VALUE")
    return Labels(np.array(known)[codes], *_spelled(values))


def _spelled(values: list[str]) -> tuple[str, str]:
    """Return how labels in [0, 1] spell 1 and 0: as truth values if all of them are."""
    truth = {_as_truth(value): value for value in values}
    return ("1", "0") if None in truth else (truth[1.0], truth[0.0])


def _as_truth(value: str) -> float | None:
    return _TRUTH.get(value.strip().lower())


def _of_class(where: str, values: list[str], codes: NDArray[np.intp], positive: str) -> Labels:
    matches = np.array([as_class(value) == as_class(positive) for value in values])
    if not matches.any():
        raise ValueError(f"{where} does not hold {positive!r}; it holds {listed(values)}")
    others = {as_class(value): value for value, match in zip(values, matches, strict=True) if not match}
    negative = next(iter(others.values())) if len(others) == 1 else None
    return Labels(matches.astype(np.float64)[codes], positive, negative)


def is_missing(value: str, values: Sequence[str] = ()) -> bool:
    """Return whether a value means that the label is missing; a minus does unless there is a plus as well."""
    text = value.strip().strip(_UNSEEN).strip().lower()
    if text in _MISSING:
        return not (value == "-" and "+" in values)
    within = text.strip(_BRACKETS).strip()
    # A mark in brackets, such as (-), is the result of a test.
    is_word = not within or any(map(str.isalpha, within))
    return (is_word and within in _MISSING) or _ERROR.fullmatch(text) is not None


def as_class(value: str) -> float | str:
    """Return what all spellings of a class share: 1, 1.0 and True are one, and so is text that looks the same."""
    number = as_number(value) if (truth := _as_truth(value)) is None else truth
    return composed(value) if number is None else number


def composed(text: str) -> str:
    """Return what texts share that look the same: accents that are part of a letter, one space, nothing unseen."""
    if text.isascii():
        return text.strip()
    letters = unicodedata.normalize("NFC", text)
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in letters)
    return spaced.strip(_UNSEEN + " ")


def as_number(text: str) -> float | None:
    """Return the number that text spells, or None.

    Examples
    --------
    >>> as_number(" 1e3 "), as_number("1_000")
    (1000.0, None)
    """
    stripped = text.strip()
    return float(stripped) if _NUMBER.fullmatch(stripped) else None


def listed(values: list[str]) -> str:
    """Return the values in quotes; of a long list the first ones and the number of all."""
    shown = ", ".join(map(quoted, sorted(values)[:VALUES_SHOWN])) or "none"
    return shown if len(values) <= VALUES_SHOWN else f"{shown} and {len(values) - VALUES_SHOWN} more"
