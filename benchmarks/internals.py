"""What the suite needs from gradstep beyond its public API, at old commits as well, which asv measures too."""

from __future__ import annotations

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

__all__ = ["ALPHA", "Examples", "GivenX", "Problem", "ReadLimit", "usable_cores", "wait_until_idle"]
