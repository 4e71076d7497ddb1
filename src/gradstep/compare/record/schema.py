"""The JSON Schema of a record, which docs/record.md explains: where it is, and what in a file violates it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import fastjsonschema

VERSION = 2
"""Grows by one whenever a key is added, changes its meaning or goes away."""


@functools.cache
def schema() -> dict[str, Any]:
    """Return the schema (draft 7), as it is in the file ``record.schema.json`` of this package."""
    text = resources.files("gradstep.compare.record").joinpath("record.schema.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@functools.cache
def _validator() -> Callable[[Any], Any]:
    validate: Callable[[Any], Any] = fastjsonschema.compile(schema())
    return validate


def require_record(content: Any) -> None:
    """Raise ValueError, in one line, unless this content of a JSON file is a record of this version.

    Examples
    --------
    >>> require_record({"schema": 1})
    Traceback (most recent call last):
    ValueError: this is a record of version 1; this gradstep reads version 2 only, so it has to be measured again
    >>> require_record([])
    Traceback (most recent call last):
    ValueError: this is no record of gradstep compare: it is a list and not an object
    """
    if not isinstance(content, dict):
        raise ValueError(f"this is no record of gradstep compare: it is {_named(content)} and not an object")
    if "schema" not in content:
        raise ValueError('this is no record of gradstep compare: it lacks the key "schema"')
    version = content["schema"]
    if isinstance(version, int) and not isinstance(version, bool) and 1 <= version < VERSION:
        raise ValueError(
            f"this is a record of version {version}; this gradstep reads version {VERSION} only, so it has to be "
            "measured again"
        )
    if version != VERSION:
        raise ValueError(f"its version (the key schema) is {_shortened(version)}; this gradstep reads {VERSION}")
    try:
        _validator()(content)
    except fastjsonschema.JsonSchemaValueException as error:
        raise ValueError(f"this is no valid record: {_violation(error)}") from None


def _violation(error: fastjsonschema.JsonSchemaValueException) -> str:
    """Return what is wrong, and where: the library's words, without lists that would fill a screen."""
    # The name of the whole, which the library calls data, tells a reader nothing.
    place = str(error.name).removeprefix("data").removeprefix(".") or "the record"
    if error.rule == "required":
        missing = [key for key in error.rule_definition if key not in error.value]
        return f"{place} lacks {', '.join(missing)}"
    if error.rule == "additionalProperties":
        known = error.definition["properties"]
        return f"{place} has the unknown {', '.join(_shortened(key) for key in error.value if key not in known)}"
    said = str(error.message).removeprefix(str(error.name)).strip()
    return f"{place} {said}; it is {_shortened(error.value)}"


def _named(content: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(content), "a number")


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
