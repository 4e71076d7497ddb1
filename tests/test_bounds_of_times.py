"""What a time is bound by follows from what was measured."""

from __future__ import annotations

import pytest

from gradstep.compare.judge.bounds import bound

CACHES = {"L1d": 32 << 10, "L2": 1 << 20, "L3": 32 << 20}


@pytest.mark.parametrize(
    ("facts", "kind", "part"),
    [
        ({"seconds": 10e-6, "fixed": 6e-6, "read_limit": 9e-6, "X_bytes": 800}, "call overhead", "60 %"),
        # A noisy smallest call may even have taken longer.
        ({"seconds": 10e-6, "fixed": 12e-6, "X_bytes": 8}, "call overhead", "100 %"),
        ({"seconds": 10e-6, "slope": 0.2, "read_limit": 1e-6, "X_bytes": 800}, "call overhead", "0.20"),
        ({"seconds": 10e-6, "slope": 0.2, "fixed": 1e-6, "read_limit": 1e-6, "X_bytes": 800}, "arithmetic", "10.00×"),
        ({"seconds": 1.5e-3, "read_limit": 1e-3, "fixed": 5e-6, "X_bytes": 64 << 20}, "memory", "1.50×"),
        ({"seconds": 1.5e-3, "read_limit": 1e-3, "fixed": 5e-6, "X_bytes": 8 << 20}, "cache", "of L3"),
        ({"seconds": 1.5e-5, "read_limit": 1e-5, "X_bytes": 1 << 19}, "cache", "of L2"),
        ({"seconds": 5e-3, "read_limit": 1e-3, "slope": 1.3, "X_bytes": 64 << 20}, "memory", "1.30"),
        ({"seconds": 5e-3, "read_limit": 1e-3, "slope": 1.3, "X_bytes": 8 << 20}, "arithmetic", "5.00×"),
        ({"seconds": 5e-3, "read_limit": 1e-3, "slope": 1.0, "X_bytes": 64 << 20}, "arithmetic", "of memory"),
        ({"seconds": 5e-3, "X_bytes": 8 << 20}, "arithmetic", "not known"),
    ],
)
def test_bound_follows_from_the_facts(facts, kind, part):
    found = bound(caches=CACHES, **facts)
    assert found.kind == kind
    assert part in found.reason


def test_bound_without_known_caches_takes_it_to_lie_in_memory():
    assert bound(1.5e-3, read_limit=1e-3, X_bytes=800, caches={}).kind == "memory"
