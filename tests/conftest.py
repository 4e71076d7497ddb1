"""The `kernel` fixture, which is an implementation: each test that takes it runs on all four."""

from __future__ import annotations

import os

import hypothesis
import pytest
from availability import load_or_explain

from gradstep import Kernel, environment, registry

# The same examples in every run: a failure on a pull request is a failure of that change.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, database=None, print_blob=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture(params=registry.KERNELS, scope="session")
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """Each of the kernels in turn."""
    return load_or_explain(request.param)


@pytest.fixture(params=[name for name, entry in registry.KERNELS.items() if entry.releases_gil], scope="session")
def threaded_kernel(request: pytest.FixtureRequest) -> Kernel:
    """Each of the kernels that several threads can be in at the same time."""
    return load_or_explain(request.param)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the caller's choice of kernel and threads out of the tests."""
    for name in ("GRADSTEP_KERNEL", "GRADSTEP_THREADS", "GRADSTEP_ISA"):
        monkeypatch.delenv(name, raising=False)
    environment.variable.cache_clear()
