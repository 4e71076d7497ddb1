"""The one way to write a file: whole or not at all, through links, and straight into pipes and devices."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# Names of a stream that is open already, such as what /dev/stdout is a link to.
_STREAM = re.compile(r"/(?:dev|proc/(?:self|thread-self|\d+))/fd/(\d+)")

# As many links as Linux follows.
_MOST_LINKS = 40


def require_place_for(path: Path) -> None:
    """Raise OSError if `path` cannot be written, before the work whose result goes there."""
    status = _status(path)
    if status is None or stat.S_ISREG(status.st_mode):
        _require_replaceable(path, status)
    elif stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "this is a folder", str(path))
    elif stat.S_ISSOCK(status.st_mode):
        raise OSError(errno.ENXIO, "this is a socket", str(path))
    elif _stream(path) is None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "this is not writable", str(path))


def _require_replaceable(path: Path, status: os.stat_result | None) -> None:
    if _stream(path) is not None:
        return
    folder = _target(path).parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder of this file does not exist", str(path))
    if status is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "this file is not writable", str(path))
    # Some folders look writable and are not, such as /proc for root.
    trial = folder / _unguessable_name()
    try:
        os.close(os.open(trial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        trial.unlink()
    except OSError as error:
        reason = f"the folder of this file is not writable ({error.strerror})"
        raise OSError(error.errno, reason, str(path)) from error


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text, as UTF-8, or bytes to `path`, as `writing` does."""
    with writing(path) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for bytes so that a reader finds the old file or the new one, never a part.

    An error within the block leaves the old file. A link stays, and what it points to is replaced; an existing file
    keeps its mode. What exists and is no regular file, such as a pipe or a device, is written to as it is.
    """
    foreign: OSError | None = None
    try:
        status = _status(path)
        straight = _stream(path) is not None or not (status is None or stat.S_ISREG(status.st_mode))
        with _straight(path) if straight else _replacing(_target(path), status) as file:
            try:
                yield file
            except OSError as error:
                # What the block did with another file.
                foreign = error if error.filename is not None else None
                raise
    except OSError as error:
        if error.errno is None or error is foreign:
            raise
        # The name that the user gave, not that of the unfinished file.
        raise OSError(error.errno, error.strerror, str(path)) from error


def is_same(one: Path, other: Path) -> bool:
    """Return whether writing one of two paths would change the other; a pipe or a device may be named twice."""
    try:
        return os.path.samefile(one, other) and (one.is_file() or one.is_dir())
    except OSError:
        return os.path.normcase(_target(one)) == os.path.normcase(_target(other))


def _status(path: Path) -> os.stat_result | None:
    """Return what is at a path, behind all links; None if there is nothing."""
    stream = _stream(path)
    if stream is not None:
        return os.fstat(stream)
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _stream(path: Path) -> int | None:
    """Return the number of the open stream that a path such as /dev/stdout names."""
    place = os.path.abspath(path)
    for _ in range(_MOST_LINKS):
        if named := _STREAM.fullmatch(place):
            return int(named[1])
        if not os.path.islink(place):
            return None
        place = os.path.normpath(os.path.join(os.path.dirname(place), os.readlink(place)))
    return None


def _straight(path: Path) -> BinaryIO:
    stream = _stream(path)
    # A stream that is open already: opened anew it would begin at the start of its file, and overwrite itself.
    # Never O_CREAT: a pipe that has gone does not become a regular file.
    return open(os.open(path, os.O_WRONLY) if stream is None else stream, "wb", closefd=stream is None)


def _unguessable_name() -> str:
    return f".gradstep-{secrets.token_hex(8)}.part"


@contextlib.contextmanager
def _replacing(target: Path, status: os.stat_result | None) -> Iterator[BinaryIO]:
    """Open a regular file beside `target`, and give it that name in one step when the block has ended."""
    # In the same folder: a file is replaced in one step only within its own file system.
    unfinished = target.with_name(_unguessable_name())
    descriptor = _without_name(target.parent)
    nameless = descriptor is not None
    if descriptor is None:
        # O_EXCL: a link that lies there is not followed.
        descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:
            if status is not None:
                _keep_owner_and_mode(descriptor, status)
            yield file
            file.flush()
            os.fsync(descriptor)
            if nameless:
                _name(descriptor, unfinished)
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def _without_name(folder: Path) -> int | None:
    """Open a new file that has no name yet, so that a kill leaves nothing behind; None where the system has none."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError as error:
        # Not every file system can; an old kernel says that the folder is one.
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
            return None
        raise


def _name(descriptor: int, path: Path) -> None:
    """Give a name to an open file that has none."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # With dst_dir_fd Python calls linkat, which follows the link in /proc to the file itself.
        os.link(f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _keep_owner_and_mode(descriptor: int, status: os.stat_result) -> None:
    if not hasattr(os, "fchmod"):
        return
    # Only root may give a file away.
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    # Last, because a change of the owner clears some bits.
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
