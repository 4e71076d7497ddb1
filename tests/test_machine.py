"""What a record holds about the machine: caches, features, memory, and the commit of the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import processes
import pytest

from gradstep import limits, machine
from gradstep.machine import Machine


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")


def test_machine_has_what_every_system_knows():
    here = Machine.here()
    assert here.processor
    assert 1 <= here.usable_cores <= here.cores
    assert here.memory > 1 << 28
    assert 0 < machine.available_memory() <= here.memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the files of Linux are read")
def test_machine_reads_caches_and_governor_of_the_first_core(tmp_path, monkeypatch):
    write(tmp_path / "cache" / "index0", level="1", type="Data", size="48K")
    write(tmp_path / "cache" / "index1", level="1", type="Instruction", size="32K")
    write(tmp_path / "cache" / "index2", level="2", type="Unified", size="2048K")
    write(tmp_path / "cache" / "index3", level="3", type="Unified", size="1G")
    write(tmp_path / "cpufreq", scaling_governor="powersave")
    monkeypatch.setattr(machine, "CPU", tmp_path)
    assert machine.caches() == {"L1d": 48 << 10, "L2": 2 << 20, "L3": 1 << 30}
    assert machine.last_level_cache() == 1 << 30
    assert Machine.here().governor == "powersave"


def test_machine_with_unknown_caches(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPU", tmp_path)
    monkeypatch.setattr(machine, "sysctl", lambda name: "")
    assert machine.caches() == {}
    assert machine.last_level_cache() == 32 << 20
    assert Machine.here().governor is None


@pytest.mark.parametrize(
    ("cpuinfo", "features", "virtual"),
    [
        ("model name\t: X\nflags\t\t: fpu sse2 avx2 hypervisor nonsense\n", ["sse2", "avx2"], True),
        ("flags\t\t: sse2 avx512f\n", ["sse2", "avx512f"], False),
        ("Features\t: fp asimd sve\n", ["asimd", "sve"], None),
        ("", [], None),
    ],
)
def test_machine_names_the_features_that_matter(monkeypatch, cpuinfo, features, virtual):
    monkeypatch.setattr(machine, "cpuinfo", lambda: cpuinfo)
    here = Machine.here()
    assert (here.features, here.virtual) == (features, virtual)


@pytest.mark.parametrize(("left", "free"), [(600_000.0, 600_000), (0.0, 0), (float("inf"), None)])
def test_memory_of_a_container_counts(monkeypatch, left, free):
    monkeypatch.setattr(limits, "memory_left", lambda: left)
    found = machine.available_memory()
    assert found == free if free is not None else found > 1 << 20


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_commit_is_that_of_the_checkout_and_says_if_it_is_changed(tmp_path, monkeypatch):
    # Inside a hook, these variables point git to another repository.
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    source = tmp_path / "checkout" / "engine.py"
    write(source.parent, **{"engine.py": "one"})
    link = tmp_path / "link.py"
    link.symlink_to(source)
    git(source.parent, "init", "--quiet")
    (source.parent / "other").write_text("tracked")
    git(source.parent, "add", "other")
    git(source.parent, "commit", "--quiet", "--message", "Zero")
    # An untracked installation inside a checkout is no part of it.
    assert machine.commit(link) is None
    git(source.parent, "add", "engine.py")
    git(source.parent, "commit", "--quiet", "--message", "One")
    head = git(source.parent, "rev-parse", "HEAD")[:10]
    assert machine.commit(link) == head
    (source.parent / "notes").write_text("not tracked")
    assert machine.commit(link) == head
    source.write_text("two")
    assert machine.commit(link) == f"{head}-dirty"
    monkeypatch.setenv("PATH", "")
    assert machine.commit(link) is None


def test_machine_is_imported_without_what_only_measuring_needs():
    code = """if True:
        import sys
        from gradstep import limits, machine
        print([name for name in ("psutil", "msgspec", "click", "rich", "numba") if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux describes itself in files")
def test_a_sandbox_without_proc_and_sys():
    code = """
        import builtins
        usual = builtins.open
        def refuse(path, *arguments, **options):
            if str(path).startswith(("/proc", "/sys")):
                raise PermissionError(13, "Permission denied", path)
            return usual(path, *arguments, **options)
        builtins.open = refuse
        from gradstep import machine
        print(0 < machine.available_memory() <= machine.Machine.here().memory)
    """
    assert processes.run(code) == "True\n"
