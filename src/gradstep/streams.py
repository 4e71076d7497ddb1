"""A stream for progress: it may be full, closed or gone, and the work whose progress it shows goes on."""

from __future__ import annotations

import contextlib
import sys
from typing import Any


class Unfailing:
    """Stderr as it is when this is made; what it does not take is lost.

    Examples
    --------
    >>> stream = Unfailing()
    >>> stream.write("")
    0
    """

    def __init__(self) -> None:
        # The stream itself: Rich puts its own in the place of sys.stderr while it shows a bar.
        self._stream = sys.stderr

    def write(self, text: str) -> int:
        """Write text, if that can be."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, if that can be."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Return whether there is a terminal."""
        try:
            return self._stream.isatty()
        except (ValueError, AttributeError):
            return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
