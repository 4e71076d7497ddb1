"""The one way to read JSON that gradstep wrote: bounded, and refused where readers would differ in what it says."""

from __future__ import annotations

import codecs
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from gradstep.text import quoted

# Of no file of ours: the model of a million columns has 50 MB.
_LARGEST = 1 << 29

# So much shows whether a file can be JSON.
_BEGIN = 1 << 12

# Python refuses to read longer integers, in words of its own.
_MOST_DIGITS = 4000


def content(path: Path) -> bytes:
    """Return the bytes of a file without its byte order mark; of one that is no JSON, however large, the beginning.

    Raises
    ------
    ValueError
        If it is larger than any file of ours.
    """
    with path.open("rb") as file:
        # Editors put a byte order mark before the first character.
        begin = file.read(_BEGIN).removeprefix(codecs.BOM_UTF8)
        if not begin.lstrip().startswith((b"{", b"[")):
            return begin
        # A pipe and a device do not know how much they hold.
        if os.fstat(file.fileno()).st_size > _LARGEST or len(rest := file.read(_LARGEST)) == _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST >> 20} MiB")
    return begin + rest


def loaded(text: bytes) -> Any:
    """Return the objects and lists of JSON.

    Raises
    ------
    ValueError
        If it is not JSON in UTF-8, has a key twice in one object, or holds what JSON has no word for or Python no room.

    Examples
    --------
    >>> loaded(b'{"m": 1, "m": 2}')
    Traceback (most recent call last):
    ValueError: it has the key 'm' more than once in one object
    """
    try:
        return json.loads(
            text.decode("utf-8"), parse_constant=_refuse, parse_int=_integer, object_pairs_hook=_without_repetition
        )
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}")


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"it holds an integer of {len(digits):,} digits")
    return int(digits)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"it has the key {quoted(twice)} more than once in one object")
    return found
