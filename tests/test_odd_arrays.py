"""Files of arrays and Parquet files that claim what they do not hold, or hold what no model takes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import processes
import pyarrow
import pyarrow.parquet
import pytest
from command_line import assert_one_line

X, Y = np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 5.0], [0.0, 0.0]]), np.array([0, 1, 1, 0])


def claiming(shape: tuple[int, ...], descr: str = "<f8", data: bytes = b"") -> bytes:
    """Return an array whose header says that it has this shape."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"shape": shape, "fortran_order": False, "descr": descr})
    return content.getvalue() + data


def saved(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def zipped(path: Path, *members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        claiming((2**62, 2**62)),
        claiming((4, 2**62)),
        claiming((10**12, 2)),
        claiming((-4, -2), data=bytes(64)),
        claiming((0, 2**62)),
        claiming((4, 2), data=bytes(72)),
    ],
)
def test_claims_of_an_array_are_checked_before_it_is_read(tmp_path, content):
    path = zipped(tmp_path / "d.npz", ("X", content), ("y", saved(Y)))
    # In a process of its own, so that one that takes memory without end would only end itself.
    code = """if True:
        import resource
        from gradstep.__main__ import main
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        main()
    """
    line = [sys.executable, "-c", code, "fit", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=processes.PATIENCE)
    assert done.returncode == 1
    assert done.stderr.startswith(f"gradstep: error: {path}: ")
    assert done.stderr.count("\n") == 1


def test_directory_that_claims_as_much_as_the_header_is_not_believed(command, tmp_path):
    path = zipped(tmp_path / "d.npz", ("X", claiming((4, 10**8))), ("y", saved(Y)))
    content = path.read_bytes()
    true, false = len(claiming((4, 10**8))), len(claiming((4, 10**8))) + 32 * 10**8
    place = content.index(b"PK\x01\x02") + 24
    assert int.from_bytes(content[place : place + 4], "little") == true
    path.write_bytes(content[:place] + (false & 0xFFFFFFFF).to_bytes(4, "little") + content[place + 4 :])
    assert_one_line(command("fit", path), 1, "d.npz: not read as npz: array 'X': it is shorter than it says")


def test_array_larger_than_the_free_memory_is_refused(command, tmp_path, monkeypatch):
    path = zipped(tmp_path / "d.npz", ("X", saved(np.zeros((1000, 100)))), ("y", saved(np.arange(1000) % 2)))
    monkeypatch.setattr("gradstep.data.npz_files.available_memory", lambda: 1 << 19)
    assert_one_line(command("fit", path), 1, "d.npz: array 'X' takes 0.0 GiB")


@pytest.mark.parametrize(
    ("name", "array"), [("X", X.astype(object)), ("y", np.array(["a", 1, None, "b"], object)), ("y", Y + 0j)]
)
def test_array_of_what_is_neither_numbers_nor_text_is_named(command, tmp_path, name, array):
    np.savez(tmp_path / "d.npz", **{"X": X, "y": Y, name: array})
    assert_one_line(command("fit", tmp_path / "d.npz"), 1, "d.npz: ", name, "numbers")


@pytest.mark.parametrize("name", ["X", "y"])
def test_two_arrays_of_one_name_are_refused(command, tmp_path, name):
    arrays = {"X": X, "y": Y}
    path = zipped(
        tmp_path / "d.npz", *((each, saved(array)) for each, array in arrays.items()), (name, saved(arrays[name] + 1))
    )
    assert_one_line(command("fit", path), 1, f"d.npz: 2 arrays are called '{name}'")


def test_features_are_no_labels(command, tmp_path):
    np.savez(tmp_path / "d.npz", X=X, y=Y)
    assert_one_line(command("fit", tmp_path / "d.npz", "--label", "X"), 1, "d.npz: 'X' holds the features")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_pipe_is_refused_where_the_kind_of_file_needs_more(command, tmp_path, suffix):
    path = tmp_path / f"d.{suffix}"
    os.mkfifo(path)
    # With a writer, or opening the pipe would wait for one.
    writer = os.open(path, os.O_RDWR)
    assert_one_line(command("fit", path, "--label", "y"), 1, f"d.{suffix}: this is a pipe")
    os.close(writer)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="the system has no /dev/zero")
@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_device_without_end_is_refused(command, tmp_path, suffix):
    path = tmp_path / f"d.{suffix}"
    path.symlink_to("/dev/zero")
    assert_one_line(command("fit", path, "--label", "y"), 1, f"d.{suffix}: this is a device")


@pytest.mark.parametrize("features", [0, 3])
def test_array_beside_the_features_is_no_feature(command, tmp_path, features):
    table = tmp_path / "t.csv"
    table.write_text("a,b,y\n1,2,0\n2,1,1\n3,5,1\n0,0,0\n")
    assert command("fit", table, "--label", "y", "--l2", 0.1, "--save", tmp_path / "m.json").code == 0
    np.savez(tmp_path / "d.npz", X=np.zeros((4, features)), a=X[:, 0], b=X[:, 1])
    outcome = command("predict", tmp_path / "m.json", tmp_path / "d.npz")
    assert_one_line(outcome, 1, "d.npz: the columns have no names", f"has: 2, not {features}")


# Parquet


@pytest.mark.skipif(not hasattr(pyarrow, "uuid"), reason="pyarrow has these types from release 18 on")
def test_parquet_of_types_made_of_others(command, tmp_path):
    path = tmp_path / "d.parquet"
    columns = {"x": pyarrow.array([1.0, 2.0, 3.0, 0.0]), "y": pyarrow.array(Y)}
    columns["key"] = pyarrow.ExtensionArray.from_storage(
        pyarrow.uuid(), pyarrow.array([b"0" * 16] * 4, pyarrow.binary(16))
    )
    columns["flag"] = pyarrow.ExtensionArray.from_storage(pyarrow.bool8(), pyarrow.array([0, 1, 1, 0], pyarrow.int8()))
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    assert_one_line(command("fit", path, "--label", "y"), 1, "column 'key': it holds fixed_size_binary", "--drop key")
    assert_one_line(command("fit", path, "--label", "key"), 1, "column 'key': it holds fixed_size_binary")
    assert command("fit", path, "--label", "y", "--drop", "key").code == 0
    assert command("fit", path, "--label", "flag", "--drop", "key").code == 0


def test_parquet_without_columns(command, tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({}), tmp_path / "d.parquet")
    assert_one_line(command("fit", tmp_path / "d.parquet", "--label", "y"), 1, "there is no column 'y'; there are none")
