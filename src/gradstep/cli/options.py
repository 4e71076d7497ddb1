"""The values of command-line options: text becomes numbers and names, or an error says what it should be."""

from __future__ import annotations

import csv
import decimal
import math
from typing import Literal

import click

from gradstep import registry
from gradstep.data.blocks import Unusable
from gradstep.data.labels import as_number

DTYPES = ("float64", "float32")
ORDERS = ("C", "F")

# Python refuses to read longer integers, in an error of its own.
_DIGITS = 4000


def given(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """Refuse text without a letter, such as that of a variable that is not set."""
    if text == "":
        raise click.BadParameter("it is empty")
    return text


def counts(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Turn a list such as 100,1e5 into integers."""
    if text is None:
        return None
    return tuple(dict.fromkeys(_count(part.strip()) for part in text.split(",")))


def _count(text: str) -> int:
    if as_number(text) is None:
        raise click.BadParameter(f"{text!r} is not a number; it should be a list such as 100,1000,1e5")
    number = decimal.Decimal(text)
    if not (number.is_finite() and 1 <= number < 2**63 and number == int(number)):
        raise click.BadParameter(f"{text!r} should be an integer, at least 1")
    return int(number)


def kernel_names(context: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Turn a list such as cython,numpy into the names of kernels."""
    if text is None:
        return None
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in registry.KERNELS:
            raise click.BadParameter(f"there is no kernel {name!r}; the kernels are {', '.join(registry.KERNELS)}")
    return names


def threads(context: click.Context, option: click.Parameter, text: str) -> int | None:
    """Turn a number of threads into an integer, and auto into None."""
    if text == "auto":
        return None
    number = _integer(text)
    if number is None or number < 1:
        raise click.BadParameter(f"{text!r} should be an integer, at least 1, or auto")
    return number


def steps(context: click.Context, option: click.Parameter, text: str) -> int:
    """Turn a number of steps into an integer."""
    number = _integer(text)
    if number is None:
        raise click.BadParameter(f"{text!r} should be an integer, at least 0")
    return number


def rounds(context: click.Context, option: click.Parameter, text: str) -> int:
    """Turn a number of rounds into an integer."""
    number = _integer(text)
    if number is None or number < 1:
        raise click.BadParameter(f"{text!r} should be an integer, at least 1")
    return number


def models(context: click.Context, option: click.Parameter, text: str) -> int:
    """Turn a number of models into an integer."""
    number = _integer(text)
    if number is None or not 1 <= number < 2**63:
        raise click.BadParameter(f"{text!r} should be an integer, at least 1")
    return number


def _integer(text: str) -> int | None:
    """Return the integer that digits spell, without the underscores and the digits of other scripts of int()."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _DIGITS else None


def thread_counts(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int | None, ...] | None:
    """Turn a list such as 1,2,auto into integers, and auto into None."""
    if text is None:
        return None
    return tuple(dict.fromkeys(threads(context, option, part.strip()) for part in text.split(",")))


def dtypes(context: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Turn a list such as float64,float32 into dtypes of a computation."""
    return _some_of(DTYPES, "dtype", text)


def orders(context: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Turn a list such as C,F into memory orders."""
    return _some_of(ORDERS, "order", None if text is None else text.upper())


def _some_of(known: tuple[str, ...], noun: str, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in known:
            raise click.BadParameter(f"there is no {noun} {name!r}; it should be one of {', '.join(known)}")
    return names


def alpha(context: click.Context, option: click.Parameter, text: str) -> float | Literal["auto"]:
    """Turn a learning rate into a number."""
    number = as_number(text)
    if text == "auto":
        return "auto"
    if number is None or not 0.0 < number < math.inf:
        raise click.BadParameter(f"{text!r} should be a positive number or auto")
    return number


def positive(context: click.Context, option: click.Parameter, text: str) -> float:
    """Turn text into a number that is positive and finite."""
    number = as_number(text)
    if number is None or not 0.0 < number < math.inf:
        raise click.BadParameter(f"{text!r} should be a finite number above 0")
    return number


def positive_if_any(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """Turn text into a number that is positive and finite, where the option is given."""
    return None if text is None else positive(context, option, text)


def ratio(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """Turn text into a ratio of times, at least 1 and finite."""
    if text is None:
        return None
    number = as_number(text)
    if number is None or not 1.0 <= number < math.inf:
        raise click.BadParameter(f"{text!r} should be a finite number, at least 1")
    return number


def nonnegative(context: click.Context, option: click.Parameter, text: str) -> float:
    """Turn text into a number that is at least 0 and finite."""
    number = as_number(text)
    if number is None or not 0.0 <= number < math.inf:
        raise click.BadParameter(f"{text!r} should be a finite number, at least 0")
    return number


def probability(context: click.Context, option: click.Parameter, text: str) -> float:
    """Turn a probability into a number."""
    number = as_number(text)
    if number is None or not 0.0 <= number <= 1.0:
        raise click.BadParameter(f"{text!r} should be a number from 0 to 1")
    return number


def delimiter(context: click.Context, option: click.Parameter, text: str) -> str:
    """Turn the name of a character between cells, such as ; or tab, into that character."""
    character = "\t" if text in {"tab", "\\t"} else text
    if len(character) != 1 or character.isalnum() or character in "\r\n\"'+-.":
        raise click.BadParameter(f"{text!r} should be one character, such as ';', or tab")
    return character


def columns(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Turn lists such as age,"dose, mg" into names."""
    try:
        rows = [next(csv.reader([text], skipinitialspace=True, strict=True), []) for text in texts]
    except csv.Error:
        raise click.BadParameter('it should be a list such as a,b or "a, b",c') from None
    if not all(rows):
        raise click.BadParameter("it is empty; it should be a list of columns, such as a,b")
    return tuple(name.strip() for row in rows for name in row)


def advised(error: Unusable) -> ValueError:
    """Return an error whose message says what to do, too."""
    return ValueError(f"{error}; {error.advice}" if error.advice else str(error))
