"""The environment variables of gradstep, each read once: a look-up costs a tenth of a small gradient.

``GRADSTEP_KERNEL`` names the kernel that "auto" takes, ``GRADSTEP_THREADS`` the number of threads where none is given,
``GRADSTEP_ISA`` the build of the Cython kernel, ``GRADSTEP_VARIANT`` the variant of a kernel. ``OMP_NUM_THREADS``
and ``OMP_THREAD_LIMIT`` limit the threads where neither names a number.
``JPY_PARENT_PID`` is set by Jupyter for what runs in a notebook.
"""

import functools
import os


class BadVariable(ValueError):
    """An environment variable holds what gradstep does not know; the message names the variable."""


# More of a value is not shown.
_MOST_SHOWN = 100


def bad(name: str, wanted: str) -> BadVariable:
    """Return the error that says what a variable holds and what it should be."""
    value = variable(name) or ""
    shown = repr(value) if len(value) <= _MOST_SHOWN else f"{value[:_MOST_SHOWN]!r}... of {len(value)} characters"
    return BadVariable(f"{name} is {shown}; {wanted}")


@functools.cache
def variable(name: str) -> str | None:
    """Return the value that the environment variable `name` had at the first call, None if it was unset or empty."""
    return os.environ.get(name) or None
