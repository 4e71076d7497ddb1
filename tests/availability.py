"""Loads a kernel for a test, or says why the test cannot run."""

from __future__ import annotations

import os

import pytest

from gradstep import Kernel, registry

# The workflow sets this where a package has no wheels: a kernel whose tests are skipped if it is missing.
WITHOUT = "GRADSTEP_TESTS_WITHOUT"


def load_or_explain(name: str) -> Kernel:
    """Return the kernel called `name`; a missing one fails the test unless something says that it will be missing."""
    reason = registry.available()[name]
    if reason is None:
        return registry.load(name)
    if name == "cython" and os.environ.get("GRADSTEP_NO_EXTENSIONS", "0") not in ("", "0"):
        pytest.skip(f"GRADSTEP_NO_EXTENSIONS is set: {reason}")
    if name == os.environ.get(WITHOUT):
        pytest.skip(f"{WITHOUT} is set: {reason}")
    pytest.fail(reason)
