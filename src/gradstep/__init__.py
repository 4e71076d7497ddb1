"""gradstep: the gradient-descent step of logistic regression, as fast as the machine can read the data."""

from gradstep import startup as _startup  # noqa: F401 - it heeds Ctrl-C while the rest is imported

# isort: split
from gradstep.api import gradient, objective, step
from gradstep.contract import Fit, Fits, Gradient, Gradients, Kernel, KernelUnavailable, Step, Steps
from gradstep.cost import Objective
from gradstep.descent import fit
from gradstep.one_against_rest import OneAgainstRest
from gradstep.outcomes import ConvergenceWarning, FitDiverged, FitInterrupted, Iterate, Iterates
from gradstep.registry import available
from gradstep.select import fastest

# The build reads it here; importing importlib.metadata to ask for it would take longer than all the rest.
__version__ = "0.1.0"

__all__ = [
    "ConvergenceWarning",
    "Fit",
    "FitDiverged",
    "FitInterrupted",
    "Fits",
    "Gradient",
    "Gradients",
    "Iterate",
    "Iterates",
    "Kernel",
    "KernelUnavailable",
    "Objective",
    "OneAgainstRest",
    "Step",
    "Steps",
    "available",
    "fastest",
    "fit",
    "gradient",
    "objective",
    "step",
]


def __dir__() -> list[str]:
    """Return the public names: what a prompt completes."""
    return list(__all__)
