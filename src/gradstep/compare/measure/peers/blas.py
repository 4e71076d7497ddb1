"""The threads of BLAS, which some peers and NumPy code call."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.peers.peer import Setting, threads_of
from gradstep.extras import require


def with_blas_threads(contender: Contender, threads: int | None) -> Contender:
    """Return the contender with BLAS limited to its threads, so that NumPy code beside a peer gets no more."""
    return replace(contender, setting=lambda examples: blas_threads(threads_of(examples, threads)))


def blas_threads(threads: int) -> Setting:
    """Return a context in which BLAS uses at most this many threads."""
    limit: Setting = _blas().limit(limits=threads)
    return limit


@functools.cache
def _blas() -> Any:
    # NumPy has loaded its BLAS by now. No peer here uses one that is loaded later, such as SciPy's.
    threadpoolctl = require("threadpoolctl", "peers", "Limiting the threads of BLAS")
    return threadpoolctl.ThreadpoolController().select(user_api="blas")
