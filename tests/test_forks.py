"""Forks of a process in which another thread is in the middle of something: the child does not wait for ever."""

from __future__ import annotations

import os

import processes
import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

FORKED_IN_AN_IMPORT = """
    import builtins, os, signal, sys, threading, warnings
    # Python warns of forks of a process with threads from 3.12 on: here, that is what is tried.
    warnings.simplefilter("ignore")
    sys.path.insert(0, {folder!r})
    import gradstep

    # What is imported in the place of numba knows both.
    builtins.began, builtins.forking = threading.Event(), threading.Event()
    importing = threading.Thread(target=gradstep.available)
    importing.start()
    began.wait()
    forking.set()
    child = os.fork()
    if not child:
        signal.alarm(300)
        os._exit(0 if "OSError: usual" in gradstep.available()["numba"] else 1)
    importing.join()
    print(os.waitpid(child, 0)[1])
"""


def test_a_child_of_a_process_that_imports_numba_does_not_wait_for_ever(tmp_path):
    (tmp_path / "numba.py").write_text(
        "import time\nbegan.set()\nforking.wait()\ntime.sleep(1)\nraise OSError('usual')"
    )
    assert processes.run(FORKED_IN_AN_IMPORT.format(folder=str(tmp_path))) == "0\n"


def test_a_package_may_fork_while_it_is_imported(tmp_path):
    (tmp_path / "numba.py").write_text(
        "import os\nchild = os.fork()\nif not child: os._exit(0)\nos.waitpid(child, 0)\nraise OSError('usual')"
    )
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import gradstep
        print("OSError: usual" in gradstep.available()["numba"])
    """
    assert processes.run(code) == "True\n"


def test_a_signal_that_ends_an_import_lets_others_fork_and_import(tmp_path):
    (tmp_path / "numba.py").write_text(
        "import os\n"
        "if os.environ.setdefault('TIMES', '1') == '1':\n"
        "    os.environ['TIMES'] = '2'\n"
        "    raise KeyboardInterrupt\n"
        "raise OSError('usual')"
    )
    code = f"""
        import os, sys, threading
        sys.path.insert(0, {str(tmp_path)!r})
        import gradstep
        try:
            gradstep.available()
        except KeyboardInterrupt:
            pass
        child = os.fork()
        if not child:
            os._exit(0)
        print(os.waitpid(child, 0)[1])
        other = threading.Thread(target=lambda: print("OSError: usual" in gradstep.available()["numba"]))
        other.start()
        other.join()
    """
    assert processes.run(code).split() == ["0", "True"]
