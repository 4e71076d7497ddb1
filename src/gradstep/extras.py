"""Optional packages: imported where they are used; where one is missing, the message says what installs it."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from gradstep.text import words

# Packages whose modules have another name.
_PACKAGES = {"sklearn": "scikit-learn", "daal4py": "scikit-learn-intelex"}


class MissingExtra(ImportError):
    """An optional package is not installed, or is damaged; the message names the command that installs it."""


def require(module: str, extra: str, purpose: str) -> Any:
    """Import and return an optional module.

    Parameters
    ----------
    module : str
        Its dotted name.
    extra : str
        The extra of gradstep that installs it.
    purpose : str
        What needs it, as the beginning of a sentence.

    Raises
    ------
    MissingExtra
        If it is not installed, or fails at its import, whatever it raises.

    Examples
    --------
    >>> require("no_such_module", "compare", "This example")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    gradstep.extras.MissingExtra: This example needs no_such_module: ...python... -m pip install "gradstep[compare]"
    """
    try:
        return importlib.import_module(module)
    except Exception as error:  # a package may fail in any way while it starts
        if isinstance(error, ModuleNotFoundError) and _top(error.name) == _top(module):
            raise missing(error, extra, purpose) from error
        top = module.partition(".")[0]
        fix = install(extra, "--upgrade")
        raise MissingExtra(f"{purpose} cannot import {_PACKAGES.get(top, top)} ({words(error)}): {fix}") from error


def require_all_of(module: str, extra: str, purpose: str) -> Any:
    """Import and return a module of gradstep's own, all of whose optional packages one extra installs.

    Parameters
    ----------
    module, extra, purpose : str
        As in `require`.

    Raises
    ------
    MissingExtra
        If a package that the module imports is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if _top(error.name) in (None, "gradstep"):
            raise
        raise missing(error, extra, purpose) from error


def missing(error: ModuleNotFoundError, extra: str, purpose: str) -> MissingExtra:
    """Return the error that says which extra installs the package that could not be found."""
    top = _top(error.name) or str(error)
    return MissingExtra(f"{purpose} needs {_PACKAGES.get(top, top)}: {install(extra)}")


def install(extra: str, *options: str) -> str:
    """Return the command that installs an extra where this Python runs, as it can be typed in the current folder.

    In a checkout that is ``.venv/bin/python -m pip install "gradstep[extra]"``.
    """
    return " ".join([_python(), "-m pip install", *options, f'"gradstep[{extra}]"'])


def _python() -> str:
    """Return what starts this Python: a path below the current folder, the name that finds it, or else its whole path.

    The name comes second, because Make finds the Python of a checkout by name, and the shell after it does not.
    """
    # Only where something is missing, because they take a while to import.
    import shlex
    import shutil

    this, here = sys.executable, _current_folder()
    if not this:
        # Python is part of another program.
        return "python"
    if here and sys.prefix != sys.base_prefix and this.startswith(here):
        return shlex.quote(this.removeprefix(here))
    found = shutil.which("python")
    return "python" if found is not None and os.path.dirname(found) == os.path.dirname(this) else shlex.quote(this)


def _current_folder() -> str | None:
    """Return the current folder with a separator at its end; None if it has been deleted or may not be seen."""
    try:
        return os.path.join(os.getcwd(), "")
    except OSError:
        return None


def _top(module: str | None) -> str | None:
    return None if module is None else module.partition(".")[0]
