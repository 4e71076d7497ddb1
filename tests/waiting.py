"""Waits for what another thread does soon, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

# So much of it is only waited for where a test fails.
_SECONDS = 120


def comes_true(condition: Callable[[], bool]) -> bool:
    """Return whether something becomes true within two minutes; it is asked for a hundred times a second."""
    end = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > end:
            # After a stop of the whole process nobody has had the time to do it.
            time.sleep(1.0)
            return condition()
        time.sleep(0.01)
    return True
