"""Reads the JSON of a record into typed values, or explains in one line why a file is no record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from gradstep import json_files

T = TypeVar("T")

Upgrade = Callable[[Any], None]
"""Turns what the JSON of a record holds into what the next version would hold, in place."""


# At most this much of a wrong value is quoted.
_LONGEST = 100


class _Head(msgspec.Struct):
    """What decides whether the rest can be read."""

    schema: Any = msgspec.UNSET
    coefficients: Any = msgspec.UNSET


def decode(content: bytes, kind: type[T], version: int, upgrades: Mapping[int, Upgrade] = MappingProxyType({})) -> T:
    """Return JSON as a value of a type that is made of Structs and dataclasses, with all keys and no others.

    Parameters
    ----------
    content : bytes
        The JSON.
    kind : type
        What it is read as.
    version : int
        The version of the format that the type describes.
    upgrades : mapping
        Each older version that can be read, and what makes it one version newer.

    Raises
    ------
    ValueError
        In one line: what is wrong, and where.

    Examples
    --------
    >>> decode(b'{"schema": 2}', dict, version=3)
    Traceback (most recent call last):
    ValueError: this is a record of version 2, and this gradstep reads version 3: measure again
    >>> decode(b"[]", dict, version=3)
    Traceback (most recent call last):
    ValueError: this is no record of gradstep compare: it should be object, not array
    """
    try:
        content.decode("utf-8")
        head = msgspec.json.decode(content, type=_Head)
        if head.coefficients is not msgspec.UNSET:
            raise ValueError("this is no record of gradstep compare: it is a model of gradstep fit")
        found = head.schema
        _require_version(found, [*sorted(upgrades), version])
        if found != version:
            content = _upgraded(content, range(found, version), upgrades)
        whole = msgspec.json.decode(content, type=kind)
        # To msgspec, fields with defaults may be absent, and a dataclass may have any other key.
        _require_same_keys(_loaded(content), msgspec.to_builtins(whole), "")
    except UnicodeDecodeError:
        raise ValueError("this is not JSON: it is not text in UTF-8") from None
    except RecursionError:
        raise ValueError("this is no record of gradstep compare: it is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise ValueError(_in_plain_words(str(error))) from None
    except msgspec.DecodeError as error:
        raise ValueError(f"this is not JSON, or is cut off: {error}") from None
    return whole


def schema(kind: type) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what `decode` accepts."""
    content = msgspec.json.schema(kind)
    for definition in content["$defs"].values():
        definition["required"] = list(definition["properties"])
        definition["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **content}


def _require_version(found: Any, known: Sequence[int]) -> None:
    readable = f"version{'' if len(known) == 1 else 's'} {' and '.join(map(str, known))}"
    if found is msgspec.UNSET:
        raise ValueError('this is no record of gradstep compare: it lacks the key "schema"')
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ValueError(f"its version (the key schema) is {_shortened(found)}; this gradstep reads {readable}")
    if found not in known:
        advice = "measure again" if found < known[-1] else "use a newer gradstep"
        raise ValueError(
            f"this is a record of version {_shortened(found)}, and this gradstep reads {readable}: {advice}"
        )


def _upgraded(content: bytes, versions: Iterable[int], upgrades: Mapping[int, Upgrade]) -> bytes:
    """Return JSON of an older version as that of the newest one."""
    record = _loaded(content)
    for version in versions:
        upgrades[version](record)
        record["schema"] = version + 1
    return json.dumps(record).encode()


def _loaded(content: bytes) -> Any:
    """Return the objects and lists of JSON, none of which has a key twice."""
    try:
        return json_files.loaded(content)
    except ValueError as error:
        raise ValueError(f"this is no valid record: {error}") from None


def _require_same_keys(found: Any, expected: Any, place: str) -> None:
    if isinstance(expected, dict):
        if missing := [key for key in expected if key not in found]:
            raise ValueError(f"this is no valid record: {place or 'the record'} lacks {', '.join(missing)}")
        if unknown := [_shortened(key) for key in found if key not in expected]:
            raise ValueError(f"this is no valid record: {place or 'the record'} has the unknown {', '.join(unknown)}")
        for key, value in expected.items():
            _require_same_keys(found[key], value, f"{place}.{key}".removeprefix("."))
    elif isinstance(expected, list | tuple):
        for index, value in enumerate(expected):
            _require_same_keys(found[index], value, f"{place}[{index}]")


def _in_plain_words(error: str) -> str:
    """Translate an error of msgspec: a place comes first, and without the name of the whole, which it calls $.

    Examples
    --------
    >>> _in_plain_words("Expected `int` >= 1 - at `$.cells[0].m`")
    'this is no valid record: cells[0].m should be int >= 1'
    >>> _in_plain_words("Object missing required field `m` - at `$.cells[0]`")
    'this is no valid record: cells[0] lacks m'
    >>> _in_plain_words("Invalid enum value 'A' - at `$.cells[0].order`")
    "this is no valid record: cells[0].order cannot be 'A'"
    """
    said, _, path = error.partition(" - at ")
    place = re.sub(r"^(key in )?`\$\.?(.*)`$", r"\1\2", path, flags=re.DOTALL)
    said = said.replace("`", "")
    if len(said) > _LONGEST:
        said = f"{said[:_LONGEST]}..."
    for pattern, plain in _PLAIN:
        said = re.sub(pattern, plain, said, flags=re.DOTALL)
    if not place and said.startswith("should be object"):
        return f"this is no record of gradstep compare: it {said}"
    return f"this is no valid record: {place or 'the record'} {said}"


_PLAIN = (
    (r"^Expected (.*), got (.*)$", r"should be \1, not \2"),
    (r"^Expected (.*)$", r"should be \1"),
    (r"^Object missing required field (.*)$", r"lacks \1"),
    (r"^Object contains unknown field (.*)$", r"has the unknown \1"),
    (r"^Invalid enum value (.*)$", r"cannot be \1"),
    (r"^(Number|Integer value) out of range$", r"is too large"),
)


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
