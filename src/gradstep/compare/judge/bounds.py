"""What a time is bound by: call overhead, arithmetic, a cache or memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

BoundKind = Literal["call overhead", "arithmetic", "cache", "memory"]

# What takes at least half of a time is what bounds it.
_HALF = 0.5

# A time that grows with this power of the size or less hardly depends on the size.
_FLAT = 0.5

# A time that grows with this power or more is that of an X that outgrows a cache.
_STEEP = 1.15

_CACHES = ("L1d", "L2", "L3")


class Bound(NamedTuple):
    """What most of a time goes into, and the evidence in words."""

    kind: BoundKind
    reason: str


def bound(
    seconds: float,
    *,
    X_bytes: int,
    caches: Mapping[str, int],
    read_limit: float | None = None,
    fixed: float | None = None,
    slope: float | None = None,
) -> Bound:
    """Return what a time is bound by, judged from what was measured; the first of these rules that applies.

    "call overhead": the smallest call takes half of the time or, if that is not known, the time grows with the square
    root of the size or less. "memory" or "cache", depending on where X fits: reading X takes half of the time.
    "memory": X is larger than all caches, and the time grows with the power 1.15 of the size or more. "arithmetic":
    none of these.

    Parameters
    ----------
    seconds, X_bytes : float, int
        The time, and the size of X.
    caches : mapping
        The sizes in bytes of the caches "L1d", "L2" and "L3", as far as they are known.
    read_limit, fixed : float, optional
        The time just to read X once with the same threads, and that of the smallest call: one example, one feature.
    slope : float, optional
        The local exponent: between the next smaller number of examples and this one.

    Examples
    --------
    >>> bound(2e-6, X_bytes=800, caches={"L1d": 32768}, read_limit=1e-7, fixed=1.5e-6)
    Bound(kind='call overhead', reason='75 % of the time is that of the smallest call')
    >>> bound(3e-3, X_bytes=80_000_000, caches={"L2": 1 << 20, "L3": 32 << 20}, read_limit=2e-3).kind
    'memory'
    """
    if fixed is not None and fixed >= _HALF * seconds:
        percent = 100.0 * min(fixed / seconds, 1.0)
        return Bound("call overhead", f"{percent:.0f} % of the time is that of the smallest call")
    if fixed is None and slope is not None and slope <= _FLAT:
        return Bound("call overhead", f"the time hardly grows with the size (power {slope:.2f})")
    place = _place_of(X_bytes, caches)
    if read_limit is not None and read_limit >= _HALF * seconds:
        return Bound("memory" if place == "memory" else "cache", _distance(seconds / read_limit, place))
    if slope is not None and slope >= _STEEP and place == "memory":
        return Bound("memory", f"X is larger than the caches, and the time grows faster than X (power {slope:.2f})")
    if read_limit is None:
        return Bound("arithmetic", "far more than the smallest call; the read limit is not known")
    return Bound("arithmetic", _distance(seconds / read_limit, place))


def _distance(ratio: float, place: str) -> str:
    return f"{ratio:.2f}× the read limit of {place}"


def _place_of(X_bytes: int, caches: Mapping[str, int]) -> str:
    """Return the smallest cache that holds X, or memory."""
    holding = [name for name in _CACHES if X_bytes <= caches.get(name, 0)]
    return holding[0] if holding else "memory"
