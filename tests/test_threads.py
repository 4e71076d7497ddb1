"""Threads: as few helpers as do the work, none where there are none to have, and always the same bits."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import sys
import threading
import weakref

import numpy as np
import processes
import pytest
import test_floating_point_mode as modes
from waiting import comes_true

from gradstep import environment, gradient, objective, threads

PROBLEM = """
    import threading
    import numpy as np
    import gradstep
    from gradstep import blocks, threads
    X = np.random.default_rng(0).standard_normal((200_000, 4))
    y = (X[:, 0] > 0).astype(float)

    def bits(threads, kernel="numpy"):
        J, dw, db = gradstep.gradient(X, y, [0.1, 0.2, 0.3, 0.4], 0.5, threads=threads, kernel=kernel)
        return J, dw.tobytes(), db

    def helpers():
        return sum(thread.name == "gradstep" for thread in threading.enumerate())

    blocks.BLOCK_BYTES = 1 << 14
    threads.usable_cores = lambda: 4
    serial = bits(1)
    assert helpers() == 0
"""


def test_one_caller_has_one_helper_a_thread():
    code = """
    for _ in range(300):
        assert bits(2) == serial
    print(helpers())
    assert bits(3) == serial
    print(helpers())
    assert bits(40) == serial
    print(helpers())
    """
    assert processes.run(PROBLEM + code).split() == ["1", "2", "3"]


def test_16_callers_share_the_cores_and_have_the_serial_bits():
    code = """
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(16) as callers:
        assert all(each == serial for each in callers.map(lambda number: bits(number % 9 + 1), range(320)))
    print(helpers() <= 3)
    """
    assert processes.run(PROBLEM + code).split() == ["True"]


@pytest.mark.parametrize(
    "error", ['RuntimeError("can\'t start new thread")', "MemoryError()", "OSError()", "AttributeError('patched')"]
)
def test_the_caller_does_the_work_where_no_thread_can_be_started(error):
    code = f"""
    def start(self):
        raise {error}
    usual, threading.Thread.start = threading.Thread.start, start
    assert bits(3) == serial
    threading.Thread.start = usual
    assert bits(3) == serial
    print(helpers())
    """
    assert processes.run(PROBLEM + code).split() == ["2"]


@pytest.mark.parametrize(
    "world",
    [
        # A sub-interpreter may have no daemon threads.
        "threading.Thread = lambda **options: exec('raise RuntimeError')",
        # Another module of that name, or no file that can be opened.
        "import sys; sys.modules['gradstep.team'] = sys.modules['queue'] = None",
    ],
)
def test_the_caller_does_the_work_where_there_are_no_helpers_at_all(world):
    code = f"""
    {world}
    assert bits(3) == serial
    print(helpers())
    """
    assert processes.run(PROBLEM + code).split() == ["0"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_helpers_are_made_anew_after_a_fork():
    code = """
    import os, warnings
    # Python warns of forks of a process with threads from 3.12 on: here, that is what is tried.
    warnings.simplefilter("ignore")
    assert bits(3) == serial
    for _ in range(5):
        child = os.fork()
        if not child:
            os._exit(0 if helpers() == 0 and bits(3) == serial and helpers() == 2 else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert bits(3) == serial
    print(helpers())
    """
    assert processes.run(PROBLEM + code).split() == ["2"]


@pytest.mark.parametrize("before", [True, False])
def test_threads_work_while_the_interpreter_ends(before):
    code = f"""
    import atexit
    if {before}:
        assert bits(3) == serial

    atexit.register(lambda: print("at exit", bits(3) == serial, flush=True))

    class Last:
        def __del__(self):
            print("last", bits(3) == serial, flush=True)

    # Outlives this module's names, so that it goes while the interpreter is finalizing.
    import sys
    sys.kept = Last(), bits, serial
    """
    assert processes.run(PROBLEM + code).splitlines()[0] == "at exit True"


@pytest.mark.skipif(sys.platform == "win32", reason="C's fenv.h is reached through libm, which is POSIX")
@pytest.mark.skipif(platform.machine() not in ("x86_64", "arm64", "aarch64"), reason="its modes are not known here")
@pytest.mark.parametrize("name", ["cython", "numpy"])
def test_helpers_round_as_their_caller_does(name):
    code = f"""
    nearest = libm.fegetround()
    for mode in (nearest, UPWARDS, nearest, UPWARDS, nearest):
        assert libm.fesetround(mode) == 0
        results = [bits(number, {name!r}) for number in (1, 2, 4) for _ in range(5)]
        assert libm.fegetround() == mode
        assert len(set(results)) == 1, mode
    print(len({{bits(1, {name!r}), (libm.fesetround(UPWARDS), bits(1, {name!r}))[1]}}))
    """
    assert processes.run(modes.MODE + PROBLEM + code).split() == ["2"]


def test_an_exception_of_a_helper_reaches_the_caller_and_the_helper_stays():
    code = """
    caller = threading.get_ident()
    helped = threading.Event()

    def work(first, last):
        if threading.get_ident() == caller:
            assert helped.wait(300)
            return
        helped.set()
        raise ZeroDivisionError("in a helper")

    for _ in range(20):
        helped.clear()
        try:
            threads.share(work, 100, 2, 100)
        except ZeroDivisionError as error:
            assert str(error) == "in a helper"
        else:
            raise AssertionError
    assert bits(2) == serial
    print(helpers())
    """
    assert processes.run(PROBLEM + code).split() == ["1"]


@pytest.mark.skipif(threads.usable_cores() == 1, reason="there is one core, so no helper")
def test_an_exception_of_a_helper_keeps_no_array_alive():
    caller, helped = threading.get_ident(), threading.Event()

    def fail() -> weakref.ref[np.ndarray]:
        X = np.ones(9)

        def work(first: int, last: int) -> None:
            if threading.get_ident() == caller:
                assert helped.wait(300)
                return
            helped.set()
            raise ZeroDivisionError(X.size)

        with contextlib.suppress(ZeroDivisionError):
            threads.share(work, 100, 2, 100)
        return weakref.ref(X)

    gc.collect()
    gc.disable()
    try:
        gone = fail()
        assert comes_true(lambda: gone() is None)
    finally:
        gc.enable()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="CPython alone can raise in another thread")
def test_a_helper_that_has_died_is_replaced():
    code = """
    import ctypes
    assert bits(2) == serial
    helper = next(thread for thread in threading.enumerate() if thread.name == "gradstep")
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(helper.ident), ctypes.py_object(SystemExit)) == 1
    # It wakes up, and goes.
    while helper.is_alive():
        assert bits(2) == serial
    assert bits(2) == serial
    print(helpers())
    """
    assert processes.run(PROBLEM + code).split() == ["1"]


@pytest.mark.skipif(threads.usable_cores() == 1, reason="there is one core, so no helper")
def test_an_idle_helper_keeps_no_array_alive():
    X = np.ones((1 << 20, 2))
    f = objective(X, X[:, 0], kernel="numpy", threads=2)
    f(np.zeros(3))
    gone = weakref.ref(X)
    del f, X
    assert comes_true(lambda: (gc.collect(), gone() is None)[1])


@pytest.mark.parametrize(
    ("variables", "cores", "expected", "reason"),
    [
        ({}, 8, 8, "all cores that this process may use"),
        ({"OMP_NUM_THREADS": "1"}, 8, 1, "OMP_NUM_THREADS says so"),
        ({"OMP_NUM_THREADS": " 4 ,2"}, 8, 4, "OMP_NUM_THREADS says so"),
        ({"OMP_NUM_THREADS": "64"}, 8, 8, "all cores that this process may use"),
        ({"OMP_THREAD_LIMIT": "2"}, 8, 2, "OMP_THREAD_LIMIT says so"),
        ({"OMP_THREAD_LIMIT": "2", "OMP_NUM_THREADS": "4"}, 8, 2, "OMP_THREAD_LIMIT says so"),
        ({"OMP_THREAD_LIMIT": "4", "OMP_NUM_THREADS": "3"}, 8, 3, "OMP_NUM_THREADS says so"),
        ({"OMP_THREAD_LIMIT": "many"}, 8, 8, "all cores that"),
        ({"OMP_NUM_THREADS": "1", "GRADSTEP_THREADS": "3"}, 8, 3, "GRADSTEP_THREADS says so"),
        ({"OMP_NUM_THREADS": "2", "GRADSTEP_THREADS": ""}, 8, 2, "OMP_NUM_THREADS says so"),
        *[({"OMP_NUM_THREADS": value}, 8, 8, "all cores that") for value in ("", "0", "-1", "many", "1.5", "²", ",2")],
    ],
)
def test_who_limits_the_threads(monkeypatch, variables, cores, expected, reason):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    environment.variable.cache_clear()
    monkeypatch.setattr(threads, "usable_cores", lambda: cores)
    chosen, why = threads.threads_for(1 << 30)
    assert chosen == expected
    assert why.startswith(reason)
    if "GRADSTEP_THREADS" not in variables:
        assert threads.threads_for(1 << 20)[0] == 1


def test_a_limit_of_openmp_is_obeyed_by_a_call():
    code = """
    from gradstep import limits
    assert gradstep.objective(np.ones((1 << 20, 4)), np.ones(1 << 20)).threads == 1
    """
    assert processes.run(PROBLEM + code, {"OMP_NUM_THREADS": "1"}) == ""


@pytest.mark.parametrize(
    ("size", "cores", "expected"), [(1, 8, 1), (1 << 20, 8, 1), (2 << 20, 8, 2), (1 << 30, 8, 8), (1 << 30, 1, 1)]
)
def test_automatic_threads(monkeypatch, size, cores, expected):
    monkeypatch.setattr(threads, "usable_cores", lambda: cores)
    chosen, reason = threads.threads_for(size)
    assert chosen == expected
    assert reason


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "9" * 5000])
def test_a_bad_number_of_threads_in_the_environment(monkeypatch, value):
    monkeypatch.setenv("GRADSTEP_THREADS", value)
    environment.variable.cache_clear()
    with pytest.raises(ValueError, match="^GRADSTEP_THREADS is .*; it should be .*at least 1 and at most 999,999,999$"):
        gradient([[1.0]], [1.0], [1.0], 0.0)
    assert gradient([[1.0]], [1.0], [1.0], 0.0, threads=1).J > 0
