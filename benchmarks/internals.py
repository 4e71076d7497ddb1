"""What the suite needs from gradstep beyond its public API, at old commits as well, which asv measures too."""

from __future__ import annotations

import gradstep

try:
    from gradstep.compare.measure.problems import ALPHA, Examples, GivenX, Problem
    from gradstep.compare.measure.read_limit import ReadLimit
    from gradstep.compare.measure.sampling import wait_until_idle
    from gradstep.threads import usable_cores
except ImportError:
    # Before compare had wings.
    from gradstep.compare.floor import Floor as ReadLimit
    from gradstep.compare.problems import ALPHA, Examples, GivenX, Problem
    from gradstep.compare.timing import wait_until_idle
    from gradstep.engine import usable_cores

__all__ = [
    "ALPHA",
    "SERVES_MODELS_AND_CURVATURE",
    "Examples",
    "GivenX",
    "Problem",
    "ReadLimit",
    "skip_commit_unless",
    "usable_cores",
    "wait_until_idle",
]

# Both came with one contract.
SERVES_MODELS_AND_CURVATURE = hasattr(gradstep, "Gradients")


def skip_commit_unless(can: bool) -> None:
    """Let asv skip a benchmark at a commit that lacks what it measures; a failure there would stay for ever."""
    if not can:
        from asv_runner.benchmarks.mark import SkipNotImplemented  # only asv's environments have it

        raise SkipNotImplemented
