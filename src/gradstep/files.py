"""The one way to write a file: whole or not at all, through links, and straight into pipes and devices.

And the one way to say that a file does not fit into memory.
"""

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

# Names of a stream that is open already, such as what /dev/stdout is a link to: of a process, and its number there.
_STREAM = re.compile(r"/(?:dev|proc/(self|thread-self|\d+)(?:/task/\d+)?)/fd/(\d+)")

# No process has a stream of a larger number.
_LARGEST_STREAM = 2**31 - 1

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
    _require_open_for_writing(path)


def require_not_standard_stream(path: Path, what: str) -> None:
    """Raise ValueError if standard output or error goes into the file at `path`, which is `what`: "read as DATA", say.

    Nothing is written to such a standard error any more, the words of this error included.
    """
    streams = [stream for stream in (1, 2) if _goes_into(stream, path)]
    if 2 in streams:
        _turn_standard_error_away(to_output=1 not in streams)
    if streams:
        name = "standard output" if 1 in streams else "standard error"
        raise ValueError(f"{name} goes to {path}, which is {what}")


def is_stream(path: Path) -> bool:
    """Return whether a path names a stream that is open already, such as /dev/stdout."""
    return _named_stream(path) is not None


def _goes_into(stream: int, path: Path) -> bool:
    try:
        there = os.fstat(stream)
        return stat.S_ISREG(there.st_mode) and os.path.samestat(there, path.stat())
    except OSError:
        return False


def _turn_standard_error_away(*, to_output: bool) -> None:
    """Let what is written to standard error go to standard output, or nowhere."""
    if to_output:
        os.dup2(1, 2)
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


@contextlib.contextmanager
def named_where_memory_ends(path: Path) -> Iterator[None]:
    """Name the file whose content does not fit into memory."""
    try:
        yield
    except MemoryError as error:
        raise MemoryError(f"{path}: there is not enough memory to read it") from error


def _require_open_for_writing(path: Path) -> None:
    stream = _stream(path)
    if stream is None:
        return
    # Systems without such names lack this module.
    import fcntl

    if fcntl.fcntl(stream, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "this stream is not open for writing", str(path))


def _require_replaceable(path: Path, status: os.stat_result | None) -> None:
    if _named_stream(path) is not None:
        return
    folder = _target(path).parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder of this file does not exist", str(path))
    if status is not None:
        _require_own_to_replace(path, status)
    # Some folders look writable and are not, such as /proc for root.
    trial = folder / _unguessable_name()
    try:
        os.close(os.open(trial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        trial.unlink()
    except OSError as error:
        reason = f"the folder of this file is not writable ({error.strerror})"
        raise OSError(error.errno, reason, str(path)) from error


def _require_own_to_replace(path: Path, status: os.stat_result) -> None:
    """Raise OSError if a file that is there may not be replaced, whatever its folder allows."""
    try:
        # Some files look writable and are not, such as those that can only grow.
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        raise OSError(error.errno, f"this file is not writable ({error.strerror})", str(path)) from error
    target = _target(path)
    folder = target.parent.stat()
    if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, folder.st_uid, status.st_uid):
        reason = "this file is another user's, and its folder lets nobody else replace it"
        raise PermissionError(errno.EPERM, reason, str(path))
    if target in _mounted():
        reason = "this file is mounted by itself, so it cannot be replaced; name one in a folder"
        raise OSError(errno.EBUSY, reason, str(path))


def _mounted() -> set[Path]:
    """Return the places where something is mounted, as containers do with single files; none where that is unknown."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return set()
    # The fifth field, in which spaces and such are octal.
    spelled = (re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), line.split()[4]) for line in lines)
    return {Path(os.fsdecode(place)) for place in spelled}


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
        straight = _named_stream(path) is not None or not (status is None or stat.S_ISREG(status.st_mode))
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
        try:
            return os.fstat(stream)
        except OSError as error:
            raise OSError(error.errno, "no such stream is open", str(path)) from error
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _stream(path: Path) -> int | None:
    """Return the number of the stream of this process that a path such as /dev/stdout names."""
    named = _named_stream(path)
    if named is None or named[1] not in (None, "self", "thread-self", str(os.getpid())):
        return None
    return min(int(named[2]), _LARGEST_STREAM)


def _named_stream(path: Path) -> re.Match[str] | None:
    """Return which stream, and of which process, a path such as /dev/stdout names."""
    place = os.path.abspath(path)
    for _ in range(_MOST_LINKS):
        if named := _STREAM.fullmatch(place):
            return named
        if not os.path.islink(place):
            return None
        place = os.path.normpath(os.path.join(os.path.dirname(place), os.readlink(place)))
    return None


def _straight(path: Path) -> BinaryIO:
    stream = _stream(path)
    # A stream that is open already: opened anew it would begin at the start of its file, and overwrite itself.
    # Never O_CREAT: a pipe that has gone does not become a regular file. O_APPEND, because another process's stream may
    # be a file.
    return open(os.open(path, os.O_WRONLY | os.O_APPEND) if stream is None else stream, "wb", closefd=stream is None)


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
                _keep_attributes(descriptor, target)
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
    # Only root may give a file away, but to a group of one's own.
    for owner in (status.st_uid, -1):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, owner, status.st_gid)
            break
    # Last, because a change of the owner clears some bits.
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def _keep_attributes(descriptor: int, old: Path) -> None:
    """Give a new file what the old one has besides its mode, such as a list of who may read it, and nothing else."""
    if not hasattr(os, "listxattr"):
        return
    there, here = ({name: os.getxattr(place, name) for name in os.listxattr(place)} for place in (old, descriptor))
    # Each by itself: some belong to the system, and not every file system has them.
    for name in here.keys() - there.keys():
        with contextlib.suppress(OSError):
            os.removexattr(descriptor, name)
    for name, value in there.items():
        with contextlib.suppress(OSError):
            if here.get(name) != value:
                os.setxattr(descriptor, name, value)
