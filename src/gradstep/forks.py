"""A lock for what another thread must not be in the middle of when a process forks: its child would wait for ever."""

from __future__ import annotations

import os
from threading import RLock
from typing import Any


def lock_against_forks() -> Any:
    """Return a lock, reentrant, that a fork waits for: what holds it is whole in the child."""
    lock = RLock()
    # Empty as well where a fork began before this lock was made.
    held: list[bool] = []

    def before() -> None:
        lock.acquire()
        held.append(True)

    def after() -> None:
        if held:
            held.pop()
            lock.release()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)
    return lock
