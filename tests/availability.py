"""Loads a kernel for a test, or says why the test cannot run."""

from __future__ import annotations

import os

import pytest

from gradstep import Kernel, registry


def load_or_explain(name: str) -> Kernel:
    """Return the kernel called `name`; a missing one fails the test unless the build was told to leave it out."""
    reason = registry.available()[name]
    if reason is None:
        return registry.load(name)
    if name == "cython" and os.environ.get("GRADSTEP_NO_EXTENSIONS", "0") not in ("", "0"):
        pytest.skip(f"GRADSTEP_NO_EXTENSIONS is set: {reason}")
    pytest.fail(reason)
