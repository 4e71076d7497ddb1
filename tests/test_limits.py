"""What control groups leave to this process: nested ones, of both versions, with and without a namespace."""

from __future__ import annotations

import math
import os

import processes
import pytest

from gradstep import limits

VERSION_2 = ("31 23 0:28 {root} {mount} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate", "0::{path}")
MOUNTS_1 = (
    "36 31 0:32 {root} {mount}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "37 31 0:33 {root} {mount}/memory rw - cgroup cgroup rw,memory\n"
    "38 31 0:34 / {mount}/unified rw - cgroup2 cgroup2 rw"
)
VERSION_1 = (
    MOUNTS_1,
    "7:cpuacct,cpu:{path}\n4:memory:{path}\n1:name=systemd:{path}\n0::/",
)


@pytest.fixture
def system(tmp_path):
    """Return a function that lays out the files of a system and returns what stands for /proc/self."""

    def lay_out(kind: tuple[str, str], files: dict[str, str], path: str = "/a/b", root: str = "/") -> str:
        proc, mount = tmp_path / "proc", tmp_path / "cgroup"
        proc.mkdir()
        mounts, groups = kind
        (proc / "mountinfo").write_text(f"1 0 0:1 / / rw - ext4 /dev/sda rw\n{mounts.format(root=root, mount=mount)}\n")
        (proc / "cgroup").write_text(groups.format(path=path) + "\n")
        for name, text in files.items():
            (mount / name).parent.mkdir(parents=True, exist_ok=True)
            (mount / name).write_text(f"{text}\n")
        return str(proc)

    return lay_out


@pytest.mark.parametrize(
    ("kind", "files", "cores"),
    [
        (VERSION_2, {}, math.inf),
        (VERSION_2, {"a/b/cpu.max": "max 100000"}, math.inf),
        (VERSION_2, {"a/b/cpu.max": "150000 100000"}, 1.5),
        # The least of all ancestors counts.
        (VERSION_2, {"a/b/cpu.max": "300000 100000", "a/cpu.max": "50000 100000"}, 0.5),
        (VERSION_2, {"a/b/cpu.max": "max 100000", "a/cpu.max": "max 100000", "cpu.max": "20000 10000"}, 2.0),
        (VERSION_2, {"a/b/cpu.max": "nonsense"}, math.inf),
        (VERSION_2, {"a/b/cpu.max": ""}, math.inf),
        *[(VERSION_2, {"a/b/cpu.max": text}, math.inf) for text in ("nan 1", "1 nan", "inf inf", "max max", "1e400 1")],
        *[(VERSION_2, {"a/b/cpu.max": text}, math.inf) for text in ("5 0", "0 5", "-1 5", "5", "5 6 7", "1_0 1", "\0")],
        (
            VERSION_1,
            {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000"},
            math.inf,
        ),
        (VERSION_1, {"cpu,cpuacct/a/cpu.cfs_quota_us": "250000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"}, 2.5),
        (VERSION_1, {"unified/cpu.max": "70000 100000"}, 0.7),
    ],
)
def test_quota(system, kind, files, cores):
    assert limits.cores_of_quota(system(kind, files)) == pytest.approx(cores)


@pytest.mark.parametrize(
    ("kind", "files", "left"),
    [
        (VERSION_2, {}, math.inf),
        (VERSION_2, {"a/b/memory.max": "1000000", "a/b/memory.current": "400000"}, 600_000),
        (VERSION_2, {"a/b/memory.max": "300000", "a/b/memory.current": "400000"}, 0),
        (VERSION_2, {"a/b/memory.max": "max", "a/b/memory.current": "400000"}, math.inf),
        (VERSION_2, {"a/b/memory.max": "nan", "a/b/memory.current": "400000"}, math.inf),
        # Above "high" a process is slowed down.
        (VERSION_2, {"a/memory.high": "500", "a/memory.max": "700", "a/memory.current": "100"}, 400),
        (VERSION_2, {"a/memory.high": "max", "a/memory.max": "700", "a/memory.current": "100"}, 600),
        (VERSION_2, {"a/memory.max": "5000", "a/memory.current": "1000", "a/b/memory.max": "9000"}, 4000),
        (VERSION_1, {"memory/a/memory.limit_in_bytes": "900", "memory/a/memory.usage_in_bytes": "100"}, 800),
    ],
)
def test_memory(system, kind, files, left):
    assert limits.memory_left(system(kind, files)) == left


@pytest.mark.parametrize(
    ("path", "root", "file"),
    [
        # A container without a namespace of its own sees the host's path and the folder of its group.
        ("/docker/abc", "/docker/abc", "cpu.max"),
        ("/docker/abc/inner", "/docker/abc", "inner/cpu.max"),
        # One with a namespace that was entered from outside sees a path that begins outside.
        ("/../other", "/", "cpu.max"),
        ("/elsewhere", "/docker/abc", "cpu.max"),
        ("/with: colon", "/", "with: colon/cpu.max"),
    ],
)
def test_namespaces(system, path, root, file):
    assert limits.cores_of_quota(system(VERSION_2, {file: "10000 20000"}, path, root)) == 0.5


@pytest.mark.parametrize("name", ["cgroup", "mountinfo"])
@pytest.mark.parametrize("junk", ["nonsense", "a:b", "::", "", " - ", "1 2 3 / - cgroup2", "a b - cgroup cpu", "\xff"])
def test_lines_that_are_not_understood_are_passed_over(system, name, junk):
    proc = system(VERSION_2, {"a/b/cpu.max": "150000 100000"})
    with open(f"{proc}/{name}", "r+", encoding="latin-1") as file:
        usual = file.read()
        file.seek(0)
        file.write(f"{junk}\n{usual}{junk}\n")
    assert limits.cores_of_quota(proc) == 1.5


def test_a_mount_whose_path_has_a_space(tmp_path, system):
    proc = system(VERSION_2, {})
    folder = tmp_path / "c group\\"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "cpu.max").write_text("1 2\n")
    escaped = str(folder).replace("\\", r"\134").replace(" ", r"\040")
    with open(f"{proc}/mountinfo", "w") as file:
        file.write(VERSION_2[0].format(root="/", mount=escaped) + "\n")
    assert limits.cores_of_quota(proc) == 0.5


@pytest.mark.parametrize("answer", ["raise PermissionError(1, 'refused')", "return set()"])
def test_a_system_that_does_not_say_which_cores_there_are(answer):
    code = f"""
        import os
        def affinity(process):
            {answer}
        os.sched_getaffinity = affinity
        os.process_cpu_count = lambda: len(affinity(0)) or None
        import numpy as np
        import gradstep
        from gradstep import limits
        assert 1 <= limits.usable_cores() <= os.cpu_count()
        print(gradstep.gradient(np.ones((1 << 20, 2)), np.ones(1 << 20), [0.0, 0.0], 0.0).db)
    """
    assert processes.run(code) == "-0.5\n"


def test_the_cores_that_python_was_told(monkeypatch):
    """From Python 3.13 on, by ``PYTHON_CPU_COUNT`` or ``-X cpu_count``."""
    monkeypatch.setattr(os, "process_cpu_count", lambda: 1, raising=False)
    assert limits.usable_cores() == 1


def test_a_system_without_control_groups(tmp_path):
    assert limits.cores_of_quota(str(tmp_path)) == limits.memory_left(str(tmp_path)) == math.inf


def test_a_quota_limits_the_cores():
    code = """
        from gradstep import limits
        limits.cores_of_quota = lambda: {quota}
        print(limits.usable_cores())
    """
    for quota, cores in (("0.1", 1), ("1.0", 1)):
        assert processes.run(code.format(quota=quota)) == f"{cores}\n"
    assert int(processes.run(code.format(quota="1.2"))) == min(2, limits.usable_cores())


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
@pytest.mark.skipif(limits.usable_cores() == 1, reason="there is one core")
def test_affinity_that_changes_is_seen():
    code = """
        import os
        import numpy as np
        import gradstep
        X, y = np.ones((1 << 20, 4)), np.ones(1 << 20)
        cores = os.sched_getaffinity(0)
        for few in (cores, {min(cores)}, cores):
            os.sched_setaffinity(0, few)
            print(min(2, gradstep.objective(X, y).threads))
    """
    assert processes.run(code).split() == ["2", "1", "2"]
