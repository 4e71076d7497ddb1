"""Places that a result can go to, or that refuse it before the work: streams, mounts, and other people's files."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sample_records
from command_line import assert_one_line, shell, write_csv

from gradstep import files
from gradstep.compare.record import records

TABLE = "x,y\n1,0\n2,1\n3,1\n0,0\n"
FIT = "g fit t.csv --label y --l2 0.1"
# The rights of a list: its version, then a tag, rights and the number of a user for each entry.
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
ONLY_ONE_OTHER = struct.pack(
    "<I" + "HHI" * 5,
    2, *(1, 6, 2**32 - 1), *(2, 6, 12345), *(4, 0, 2**32 - 1), *(16, 6, 2**32 - 1), *(32, 0, 2**32 - 1),
)  # fmt: skip

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the places are those of Linux")
as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can do this")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "t.csv", TABLE)


# Streams


@pytest.mark.parametrize(
    ("place", "redirection", "words"),
    [
        ("/dev/fd/9", "", "no such stream is open"),
        ("/dev/fd/99999999999999999999", "", "no such stream is open"),
        ("/dev/fd/3", "3< /etc/passwd", "this stream is not open for writing"),
        ("/dev/stdin", "< /dev/null", "this stream is not open for writing"),
        ("/dev/stdout", ">&-", "this stream is not open for writing"),
    ],
)
def test_stream_that_takes_nothing_is_refused_before_the_work(tmp_path, data, place, redirection, words):
    done = shell(f"{FIT} --save {place} {redirection}", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"gradstep: error: {place}: {words}\n"


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_stream_of_another_process_is_not_our_own(tmp_path, data, kind):
    other = tmp_path / "other"
    with other.open("a") as file:
        waiting = subprocess.Popen(
            ["sh", "-c", "cat; echo after"], stdin=subprocess.PIPE, stdout=file if kind == "file" else subprocess.PIPE
        )
        other.write_text("before\n")
        done = shell(f"{FIT} --save /proc/{waiting.pid}/fd/1", tmp_path)
        got = waiting.communicate(b"between\n" if kind == "pipe" else b"")[0]
    assert done.returncode == 0
    assert not done.stdout.startswith("{")
    lines = (other.read_bytes() if got is None else got).decode().splitlines()
    assert lines[:2] == (["before", "{"] if kind == "file" else ["{", ' "schema": 1,'])
    assert lines[-1] == "after"


# Standard output is an output


@pytest.mark.parametrize("redirection", [">> t.csv", "1<> t.csv"])
@pytest.mark.parametrize("line", [FIT, "g predict model.json t.csv", "g predict model.json t.csv --out new.csv"])
def test_standard_output_that_is_an_input_is_refused(tmp_path, data, line, redirection):
    shell(f"{FIT} --save model.json", tmp_path)
    # The limit ends what would read its own output for ever.
    done = shell(f"ulimit -f 1000; {line} {redirection}", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "gradstep: error: standard output goes to t.csv, which is read as DATA\n"
    assert data.read_text() == TABLE
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.parametrize("redirection", ["> p/roofline.png", ">> t.csv", "2>> t.csv"])
def test_stream_that_a_picture_would_replace_is_refused(tmp_path, data, redirection):
    records.save(sample_records.sample(), tmp_path / "r.json")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "fastest.svg").symlink_to("../t.csv")
    done = shell(f"g report r.json --plot p {redirection}", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    name = "error" if redirection.startswith("2") else "output"
    place = "/dev/stderr" if name == "error" else "/dev/stdout"
    said = done.stderr or data.read_text().removeprefix(TABLE)
    assert said.endswith(f"would overwrite {place}, which is standard {name}\n")
    assert data.read_text().startswith(TABLE)
    assert {entry.name for entry in (tmp_path / "p").iterdir()} <= {"fastest.svg", "roofline.png"}


# Standard error is an output


@pytest.mark.parametrize("line", [FIT, "g predict model.json t.csv", "g predict model.json t.csv --out new.csv"])
@pytest.mark.parametrize("redirection", ["2>> t.csv", "2>> link.csv", "2>> /proc/self/cwd/t.csv"])
def test_standard_error_that_is_an_input_is_refused_on_standard_output(tmp_path, data, line, redirection):
    shell(f"{FIT} --save model.json", tmp_path)
    (tmp_path / "link.csv").symlink_to("t.csv")
    done = shell(f"{line} {redirection}", tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "gradstep: error: standard error goes to t.csv, which is read as DATA\n"
    assert data.read_text() == TABLE
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.parametrize(
    "line",
    ["fit t.csv", "fit t.csv --label y --save /dev/stderr", "predict m.json t.csv --id label",
     "compare --data t.csv", "compare --fail-on 2 --baseline t.csv", "export t.csv", "export t.csv --csv /dev/stderr",
     "diff t.csv r.json", "report t.csv"],
)  # fmt: skip
def test_words_of_a_usage_error_do_not_go_into_an_input(tmp_path, data, line):
    done = shell(f"g {line} 2>> t.csv", tmp_path)
    assert (done.returncode, done.stderr, data.read_text()) == (1, "", TABLE)
    assert done.stdout.startswith("gradstep: error: standard error goes to t.csv, which is read as ")


@pytest.mark.parametrize("line", [FIT, "g predict model.json t.csv"])
def test_input_that_takes_both_streams_gets_no_word(tmp_path, data, line):
    shell(f"{FIT} --save model.json", tmp_path)
    assert shell(f"{line} &>> t.csv", tmp_path).returncode == 1
    assert data.read_text() == TABLE


def test_standard_error_that_is_another_output_is_refused(tmp_path, data):
    (tmp_path / "m.json").write_text("old")
    done = shell(f"{FIT} --save m.json 2>> m.json", tmp_path)
    assert (done.returncode, (tmp_path / "m.json").read_text()) == (1, "old")
    assert done.stdout == "gradstep: error: standard error goes to m.json, which is written as --save\n"
    assert shell(f"{FIT} --save /dev/stderr 2> m.json", tmp_path).returncode == 0
    assert (tmp_path / "m.json").read_text().startswith("{")


@pytest.mark.parametrize("line", ["diff r.json r.json", "report r.json", "export r.json --csv r.csv"])
def test_standard_output_that_is_a_record_is_refused(tmp_path, line):
    (tmp_path / "r.json").write_text("{}")
    done = shell(f"g {line} >> r.json", tmp_path)
    assert (done.returncode, (tmp_path / "r.json").read_text()) == (1, "{}")
    assert "standard output goes to r.json" in done.stderr


def test_standard_output_that_is_another_output_is_refused(tmp_path, data):
    done = shell(f"{FIT} --save m.json > m.json", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "gradstep: error: standard output goes to m.json, which is written as --save\n"
    assert shell(f"{FIT} --save /dev/stdout > m.json", tmp_path).returncode == 0
    assert (tmp_path / "m.json").read_text().startswith("{")


def test_folder_that_is_gone_is_one_line(tmp_path, data):
    (tmp_path / "gone").mkdir()
    done = shell(f"cd gone; rmdir ../gone; g fit {data} --label y --save m.json", tmp_path)
    assert (done.returncode, done.stderr) == (1, "gradstep: error: the current folder does not exist any more\n")


# What an existing file is


def test_list_of_rights_is_kept(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    try:
        os.setxattr(path, ACCESS, ONLY_ONE_OTHER)
    except OSError:
        pytest.skip("the file system has no lists of rights")
    os.setxattr(path, "user.origin", b"here")
    mode = path.stat().st_mode
    files.write_whole(path, "new")
    assert path.read_text() == "new"
    assert (os.getxattr(path, ACCESS), os.getxattr(path, "user.origin")) == (ONLY_ONE_OTHER, b"here")
    assert path.stat().st_mode == mode


def test_list_of_rights_of_the_folder_gives_an_existing_file_none(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o660)
    try:
        os.setxattr(tmp_path, DEFAULT, ONLY_ONE_OTHER)
    except OSError:
        pytest.skip("the file system has no lists of rights")
    files.write_whole(path, "new")
    assert os.listxattr(path) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


@contextlib.contextmanager
def nobody(*groups: int) -> Iterator[None]:
    """Act as a user of no rights, who belongs to some groups."""
    before = os.getgroups()
    os.setgroups(groups)
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)


def shared_folder(tmp_path: Path, mode: int) -> Path:
    ours = itertools.takewhile(lambda folder: folder != Path(tempfile.gettempdir()), (tmp_path, *tmp_path.parents))
    for folder in ours:
        folder.chmod(0o755)
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    return folder


@as_root
def test_file_of_another_user_in_a_shared_folder_is_refused_before_the_work(tmp_path):
    folder = shared_folder(tmp_path, 0o1777)
    (folder / "file").write_text("old")
    (folder / "file").chmod(0o666)
    with nobody():
        with pytest.raises(PermissionError, match="another user's"):
            files.require_place_for(folder / "file")
        files.require_place_for(folder / "new")


@as_root
def test_group_is_kept_where_the_owner_cannot_be(tmp_path):
    path = shared_folder(tmp_path, 0o777) / "file"
    path.write_text("old")
    path.chmod(0o660)
    os.chown(path, 0, 54321)
    with nobody(54321):
        files.write_whole(path, "new")
    assert (path.read_text(), path.stat().st_uid, path.stat().st_gid) == ("new", 65534, 54321)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


@as_root
def test_file_that_is_mounted_by_itself_is_refused_before_the_work(tmp_path, data):
    (tmp_path / "outside").write_text("old")
    (tmp_path / "a file").write_text("")
    python = f"'{sys.executable}' -m gradstep"
    inside = f"mount --bind outside 'a file' || exit 77; {python} fit t.csv --label y --save 'a file'"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", inside], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert (done.returncode, done.stdout) == (1, "")
    assert "a file: this file is mounted by itself" in done.stderr
    assert (tmp_path / "outside").read_text() == "old"


# Paths that name nothing, or a folder


@pytest.mark.parametrize(
    "line",
    [
        ("fit", "", "--label", "y"),
        ("fit", "t.csv", "--label", "y", "--save", ""),
        ("predict", "", "t.csv"),
        ("predict", "t.csv", ""),
        ("predict", "m.json", "t.csv", "--out", ""),
        ("compare", "--json", ""),
        ("compare", "--plot", ""),
        ("compare", "--baseline", ""),
        ("compare", "--data", ""),
        ("report", ""),
        ("diff", "", ""),
        ("export", "r.json", "--csv", ""),
    ],
)
def test_empty_path_is_a_usage_error(command, line):
    assert_one_line(command(*line), 2, "it is empty")


@pytest.mark.parametrize(
    "line",
    [
        ("fit", "t.csv", "--label", "y", "--save"),
        ("predict", "m.json", "t.csv", "--out"),
        ("compare", "--m", "10", "--json"),
        ("compare", "--m", "10", "--html"),
        ("export", "r.json", "--parquet"),
    ],
)
def test_name_of_a_folder_is_no_name_of_a_file(command, tmp_path, line):
    assert_one_line(command(*line, f"{tmp_path}/new/"), 2, "new/", "is a folder; it should be a file")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.csv").mkdir()
    assert_one_line(command(*line, tmp_path / "old.csv"), 1, "old.csv: this is a folder")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("line", ["predict model.json long.csv", "compare --help"])
def test_output_that_takes_a_part_is_an_error(tmp_path, data, unbuffered, line):
    shell(f"{FIT} --save model.json", tmp_path)
    write_csv(tmp_path / "long.csv", "x\n" + "1\n" * 3000)
    done = shell(f"ulimit -f 1; g {line} > out", tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (1, "gradstep: error: standard output: File too large\n")
