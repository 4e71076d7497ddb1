"""Optional packages: imported where they are used, and named with their cure where they are missing."""

from __future__ import annotations

import importlib
from typing import Any


class MissingExtra(ImportError):
    """An optional package is needed that is not installed; the message names the extra that installs it."""


def require(module: str, extra: str, purpose: str) -> Any:
    """Import and return an optional module.

    Parameters
    ----------
    module : str
        Its dotted name.
    extra : str
        The extra of gradstep that installs it.
    purpose : str
        What it is needed for, as the beginning of a sentence.

    Raises
    ------
    MissingExtra
        If it is not installed.

    Examples
    --------
    >>> require("no_such_module", "compare", "This example")
    Traceback (most recent call last):
    gradstep.extras.MissingExtra: This example needs no_such_module: pip install 'gradstep[compare]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        name = {"sklearn": "scikit-learn", "daal4py": "scikit-learn-intelex"}.get(package, package)
        raise MissingExtra(f"{purpose} needs {name}: pip install 'gradstep[{extra}]'") from error
