"""A team: helpers that sum blocks for a compiled kernel without the interpreter, and add them up as a tree."""

from __future__ import annotations

import sys
import time

import numpy as np
import processes
import pytest
from availability import load_or_explain
from kernel_calls import same_bits
from test_tree import root

from gradstep import objective, processor, registry, threads, variants

ROWS, N, K = 16, 5, 2


TEAM_KERNELS = [name for name, entry in registry.KERNELS.items() if entry.takes_team]


@pytest.fixture(params=TEAM_KERNELS)
def team_kernel(request: pytest.FixtureRequest) -> str:
    """Each kernel that takes a team."""
    load_or_explain(request.param)
    return request.param


@pytest.fixture(params=["default", "another variant"])
def sums(request: pytest.FixtureRequest, team_kernel: str):
    """Two of the functions of each such kernel in turn."""
    functions = list(variants.of(load_or_explain(team_kernel)).values())
    return functions[0] if request.param == "default" else functions[-1]


@pytest.fixture
def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let as many helpers work as a machine with 16 cores would."""
    monkeypatch.setattr(threads, "usable_cores", lambda: 16)


def problem(blocks: int, dtype: str, directed: bool, weighted: bool):
    generator = np.random.default_rng(blocks)
    m = blocks * ROWS - 3
    X, theta = generator.standard_normal((m, N)).astype(dtype), generator.standard_normal((K, N + 1)).astype(dtype)
    y = (generator.random((K, m)) < 0.5).astype(dtype)
    c = generator.random(m).astype(dtype) if weighted else None
    return X, y, theta, c, theta[::-1].copy() if directed else None


@pytest.mark.usefixtures("sixteen_cores")
@pytest.mark.parametrize("helpers", [0, 1, 2, 5, 15])
@pytest.mark.parametrize("blocks", [1, 2, 3, 5, 8, 13, 64, 100])
@pytest.mark.parametrize(("dtype", "directed", "weighted"), [("float64", False, True), ("float32", True, False)])
def test_the_first_row_is_the_root_of_the_tree(sums, helpers, blocks, dtype, directed, weighted):
    X, y, theta, c, direction = problem(blocks, dtype, directed, weighted)
    alone, together = np.full((blocks, K, N + 2), np.nan), np.full((blocks, K, N + 2), np.nan)
    sums(X, y, theta, ROWS, alone, c, direction)
    expected = root(alone)
    for _ in range(20):
        with threads.team(helpers + 1) as team:
            sums(X, y, theta, ROWS, together, c, direction, team)
        assert same_bits(together[0], expected)


def test_helpers_do_a_part_of_the_work(team_kernel):
    if threads.usable_cores() == 1:
        pytest.skip("there is one core, so no helper")
    f = objective(np.ones((200_000, 50)), np.ones(200_000), kernel=team_kernel, threads=2)
    at = np.zeros(51)
    end = time.process_time() + 120
    others = mine = 0.0
    # A quarter of the time that all threads compute, once the helper has had a core.
    while others < mine / 3 or mine == 0.0:
        assert time.process_time() < end, "no helper has worked"
        process, thread = time.process_time(), time.thread_time()
        for _ in range(5):
            f(at)
        mine = time.thread_time() - thread
        others = time.process_time() - process - mine


ON_CORES = """
    import os, threading
    import numpy as np
    from gradstep import processor, threads

    threads.usable_cores = lambda: 2
    read = processor.load_best().read
    cores = os.sched_getaffinity(0)
    first, second = sorted(cores)[:2]

    def cores_of_the_helper(core):
        os.sched_setaffinity(0, {core})
        with threads.team(2) as team:
            read(np.ones(1_000_001), team)
        return os.sched_getaffinity(helper)

    # Before the caller gives up a core, because a thread starts with the cores of the one that starts it.
    threads.share(lambda first, last: None, 100, threads=2, turns=50)
    (helper,) = [each.native_id for each in threading.enumerate() if each.name == "gradstep"]
    # Until the helper waits.
    while cores_of_the_helper(first) != cores - {first}:
        pass
"""


only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a program choose a thread's cores")
only_with_two_cores = pytest.mark.skipif(threads.usable_cores() < 2, reason="there is one core, so no helper")


@only_linux
@only_with_two_cores
def test_helpers_keep_off_their_callers_core():
    code = """
    assert cores_of_the_helper(second) == cores - {second}
    os.sched_setaffinity(0, {first})
    threads.share(lambda first, last: None, 100, threads=2, turns=50)
    assert os.sched_getaffinity(helper) == cores - {first}
    print("off")
    """
    assert processes.run(ON_CORES + code).split() == ["off"]


@only_linux
@only_with_two_cores
def test_helpers_stay_within_the_cores_that_others_leave_them():
    code = """
    os.sched_setaffinity(helper, {first, second})
    assert cores_of_the_helper(second) == {first}
    os.sched_setaffinity(helper, {second})
    assert cores_of_the_helper(first) == {second}
    # There is no other.
    assert cores_of_the_helper(second) == {second}
    print("within")
    """
    assert processes.run(ON_CORES + code).split() == ["within"]


def test_idle_helpers_sleep():
    code = """
    import time
    import numpy as np
    from gradstep import processor, threads

    threads.usable_cores = lambda: 4
    read = processor.load_best().read
    # So often that the helpers expect to be needed soon.
    for _ in range(200):
        with threads.team(4) as team:
            read(np.ones(100_001), team)
    used = time.process_time()
    time.sleep(1.0)
    assert time.process_time() - used < 0.2
    print("asleep")
    """
    assert processes.run(code).split() == ["asleep"]


def test_a_team_of_a_caller_alone_reads_everything():
    x = np.arange(1_000_001.0)
    read = processor.load_best().read
    for number in (1, 2, 3):
        with threads.team(number) as team:
            assert read(x, team) == pytest.approx(x.sum(), rel=1e-13)


def test_what_is_no_team(sums):
    X, y, theta, c, direction = problem(2, "float64", False, False)
    with pytest.raises(ValueError, match="PyCapsule"):
        sums(X, y, theta, ROWS, np.empty((2, K, N + 2)), c, direction, object())


SHARED = """
    import sys
    {before}
    import numpy as np
    import gradstep
    from gradstep import blocks, helpers, threads

    blocks.BLOCK_BYTES = 1 << 14
    threads.usable_cores = lambda: 4
    X = np.random.default_rng(0).standard_normal((200_000, 4))
    y = (X[:, 0] > 0).astype(float)

    def bits(number):
        J, dw, db = gradstep.gradient(X, y, [0.1, 0.2, 0.3, 0.4], 0.5, threads=number, kernel="{kernel}")
        return J, dw.tobytes(), db

    serial = bits(1)
"""


@pytest.mark.parametrize("before", ["", "sys.modules['gradstep.team'] = None"])
def test_16_callers_with_and_without_teams_have_the_serial_bits(team_kernel, before):
    code = """
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(16) as callers:
        assert all(each == serial for each in callers.map(lambda number: bits(number % 9 + 1), range(640)))
    print(threads.has_teams())
    """
    assert processes.run(SHARED.format(before=before, kernel=team_kernel) + code).split() == [str(not before)]


def test_forks_of_a_process_whose_team_works(team_kernel):
    code = """
    import os, threading, warnings
    warnings.simplefilter("ignore")
    stop = threading.Event()

    def work():
        while not stop.is_set():
            assert bits(4) == serial

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in range(40):
        child = os.fork()
        if not child:
            os._exit(0 if bits(4) == serial and bits(3) == serial else 1)
        assert os.waitpid(child, 0)[1] == 0
    stop.set()
    for worker in workers:
        worker.join()
    print(bits(4) == serial)
    """
    assert processes.run(SHARED.format(before="", kernel=team_kernel) + code).split() == ["True"]
