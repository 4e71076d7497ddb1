"""docs/guarantees.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(\w+\.py)::(\w+)`", TEXT)))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=str)
def test_named_test_exists(file, name):
    assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_promise_names_a_test():
    rows = [
        line for line in TEXT.splitlines() if line.startswith("|") and not re.match(r"\|---|\| What |\| Where ", line)
    ]
    assert len(rows) > 25
    assert [row for row in rows if not re.search(r"`\w+\.py::\w+` \|$", row)] == []
