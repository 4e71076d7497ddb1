"""Files written whole or not at all: through links, into pipes and devices, and refused before the work."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gradstep import files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither pipes in folders nor modes")


def test_new_file_has_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_whole(tmp_path / "file", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o755])
def test_existing_file_keeps_its_mode(tmp_path, mode):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(mode)
    files.write_whole(path, b"new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", mode)


def test_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    link.symlink_to("folder/target")
    for content in ("first", "second"):
        files.require_place_for(link)
        files.write_whole(link, content)
        assert link.is_symlink()
        assert target.read_text() == content
    assert [entry.name for entry in target.parent.iterdir()] == ["target"]


def test_pipe_stays_a_pipe_and_its_reader_gets_the_content(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = "x" * 1_000_000
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_text()))
    reader.start()
    files.require_place_for(path)
    files.write_whole(path, content)
    reader.join(timeout=300)
    assert got == [content]
    assert stat.S_ISFIFO(path.lstat().st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_full_device_is_an_error_that_names_it():
    files.require_place_for(Path("/dev/full"))
    with pytest.raises(OSError, match="No space left") as caught:
        files.write_whole(Path("/dev/full"), "new")
    assert caught.value.filename == "/dev/full"
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="the system has no /dev/stdout")
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1"])
def test_stdout_that_is_a_file_keeps_what_is_written_before_and_after(tmp_path, name):
    code = f"""if True:
        from pathlib import Path
        from gradstep import files
        print("before", flush=True)
        files.require_place_for(Path({name!r}))
        files.write_whole(Path({name!r}), "the file\\n")
        print("after")
    """
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "before\nthe file\nafter\n"


def test_longest_name_works_and_a_longer_one_is_refused_before_the_work(tmp_path):
    path = tmp_path / ("n" * 255)
    files.require_place_for(path)
    files.write_whole(path, "new")
    assert path.read_text() == "new"
    with pytest.raises(OSError, match="too long") as caught:
        files.require_place_for(tmp_path / ("n" * 256))
    assert caught.value.errno == errno.ENAMETOOLONG


def test_places_that_are_refused(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "nowhere").symlink_to("nosuch/file")
    for place in (tmp_path, tmp_path / "file" / "x", tmp_path / "nosuch" / "x", tmp_path / "a", tmp_path / "nowhere"):
        with pytest.raises(OSError, match=r"\w") as caught:
            files.require_place_for(place)
        assert caught.value.filename == str(place)
    if Path("/proc/self").exists():
        with pytest.raises(OSError, match="not writable"):
            files.require_place_for(Path("/proc/model.json"))
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "a", "b", "nowhere"}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_places_are_refused(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o444)
    with pytest.raises(PermissionError, match="not writable"):
        files.require_place_for(tmp_path / "file")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(PermissionError, match="not writable"):
            files.require_place_for(tmp_path / "new")
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize("nameless", [True, False])
def test_failed_writing_leaves_the_old_file(tmp_path, monkeypatch, nameless):
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "file.json"
    files.write_whole(path, "old")
    files.write_whole(path, "older")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space") as caught:
        files.write_whole(path, "new")
    assert caught.value.filename == str(path)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="the system has no files without names")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_writing_leaves_nothing(tmp_path, number):
    code = f"""if True:
        import os, signal
        from pathlib import Path
        from gradstep import files
        os.fsync = lambda descriptor: os.kill(os.getpid(), {int(number)})
        files.write_whole(Path({str(tmp_path / "file")!r}), "new")
    """
    (tmp_path / "file").write_text("old")
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -number
    assert (tmp_path / "file").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_planted_link_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr("secrets.token_hex", lambda count: "guessed")
    files.write_whole(tmp_path / "file", "old")
    (tmp_path / "other").write_text("precious")
    (tmp_path / ".gradstep-guessed.part").symlink_to(tmp_path / "other")
    with pytest.raises(FileExistsError):
        files.write_whole(tmp_path / "file", "new")
    assert (tmp_path / "other").read_text() == "precious"
    assert (tmp_path / ".gradstep-guessed.part").is_symlink()


def test_same_file_is_known_through_links(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "soft").symlink_to("file")
    os.link(tmp_path / "file", tmp_path / "hard")
    (tmp_path / "dangling").symlink_to("new")
    for name in ("file", "soft", "hard"):
        assert files.is_same(tmp_path / "file", tmp_path / name)
    assert files.is_same(tmp_path / "dangling", tmp_path / "." / "new")
    assert not files.is_same(tmp_path / "file", tmp_path / "new")
    assert not files.is_same(Path("/dev/null"), Path("/dev/null"))
