"""How the Numba kernel is compiled: without the GIL, and cached on disk where that can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

from gradstep.contract import KernelUnavailable

_Function = TypeVar("_Function", bound=Callable[..., Any])

if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # Numba sets its attributes from the environment
    raise KernelUnavailable("the numba kernel is not available: NUMBA_DISABLE_JIT is set. Fix: unset it")


def compiler(**options: Any) -> Callable[[_Function], _Function]:
    """Return a decorator that compiles, with a cache on disk where Numba finds a folder that it can write to."""
    # nogil: the engine runs blocks on several threads.
    # error_model="numpy": no branch for a division by zero, since 1 + e is never zero.
    options = {"nogil": True, "error_model": "numpy", **options}

    def compiled(function: _Function) -> _Function:
        try:
            # The next process loads the machine code instead of compiling.
            cached: _Function = numba.njit(cache=True, **options)(function)
        except RuntimeError:
            # An installation that cannot be written to, and no home: "cannot cache function: no locator available".
            uncached: _Function = numba.njit(**options)(function)
            return uncached
        return cached

    return compiled
