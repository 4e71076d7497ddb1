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


def counts(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Turn a list such as 100,1e5 into integers."""
    if text is None:
        return None
    return tuple(dict.fromkeys(_count(part.strip()) for part in text.split(",")))


def _count(text: str) -> int:
    try:
        number = decimal.Decimal(text)
    except decimal.InvalidOperation:
        raise click.BadParameter(f"{text!r} is not a number; it should be a list such as 100,1000,1e5") from None
    if not (number.is_finite() and 1 <= number < 2**63 and number == int(number)):
        raise click.BadParameter(f"{text!r} should be an integer, at least 1")
    return int(number)


def finite(context: click.Context, option: click.Parameter, number: float | None) -> float | None:
    """Refuse inf and nan, which ranges let pass and records cannot hold."""
    if number is not None and not math.isfinite(number):
        raise click.BadParameter(f"{number} should be a finite number")
    return number


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
    if not text.isdecimal() or int(text) < 1:
        raise click.BadParameter(f"{text!r} should be an integer, at least 1, or auto")
    return int(text)


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
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} should be a positive number or auto") from None


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
    return tuple(name.strip() for row in csv.reader(texts, skipinitialspace=True) for name in row)


def advised(error: Unusable) -> ValueError:
    """Return an error whose message says what to do, too."""
    return ValueError(f"{error}; {error.advice}" if error.advice else str(error))
