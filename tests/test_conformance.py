"""Every kernel passes every check of the conformance suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conformance import CHECKS

from gradstep import Kernel


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_conformance(kernel: Kernel, check: Callable[[Kernel], None]) -> None:
    check(kernel)
