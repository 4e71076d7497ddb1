"""Files written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def require_place_for(path: Path) -> None:
    """Raise OSError if `path` cannot be written, before the work whose result goes there."""
    folder = path.parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder of this file does not exist", str(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "this is a folder", str(path))
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "the folder of this file is not writable", str(path))


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text, as UTF-8, or bytes to `path` so that a reader finds the old file or the new one, never a part."""
    # In the same folder: a file is replaced in one step only within its own file system.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
