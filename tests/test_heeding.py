"""What heeds Ctrl-C and requests to end: raised once, noted while results are saved, ignored while Python ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from gradstep.cli.interrupts import Interrupts


def press() -> bool:
    """Press Ctrl-C and return whether that raised."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        return True
    return False


def test_first_press_raises_and_the_later_ones_are_noted():
    with Interrupts() as interrupts:
        assert not interrupts.pressed
        assert press()
        assert not press()
        assert interrupts.pressed


def test_press_while_holding_is_only_noted():
    with Interrupts() as interrupts:
        interrupts.hold()
        assert not press()
        interrupts.heed()
    assert interrupts.pressed


def test_press_while_saving_waits_for_ever_ends_it(monkeypatch):
    with Interrupts() as interrupts:
        interrupts.hold()
        assert [press(), press()] == [False, False]
        late = time.monotonic() + 11.0
        monkeypatch.setattr(time, "monotonic", lambda: late)
        assert press()


def test_lost_press_is_raised_where_the_work_heeds_it():
    with Interrupts() as interrupts:
        interrupts.heed()
        press()
        with pytest.raises(KeyboardInterrupt):
            interrupts.heed()


def test_handler_before_is_restored_and_an_ignored_signal_stays_ignored():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        press()
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            assert not press()
        assert not interrupts.pressed
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_second_request_to_end_is_obeyed_at_once(name):
    number = getattr(signal, name)
    code = f"""if True:
        import signal
        from gradstep.cli.interrupts import Interrupts
        # nohup makes its commands ignore SIGHUP, and the tests may be one.
        signal.signal({number}, signal.SIG_DFL)
        with Interrupts() as interrupts:
            interrupts.hold()
            signal.raise_signal({number})
            print("noted", interrupts.pressed, flush=True)
            signal.raise_signal({number})
            print("still here")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-number, "noted True\n")


def test_press_just_after_the_work_is_the_wish_that_ended_it():
    code = """if True:
        import signal, time
        from gradstep.cli.interrupts import Interrupts, heed_once
        time.monotonic = lambda: 5.0
        signal.signal(signal.SIGINT, signal.default_int_handler)
        heed_once()
        with Interrupts() as interrupts:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                pass
        signal.raise_signal(signal.SIGINT)
        time.monotonic = lambda: 7.0
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("another wish")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "another wish\n", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shows what a process ignores")
def test_press_while_python_ends_is_ignored():
    code = """if True:
        import sys
        from gradstep.cli.interrupts import heed_once
        class Last:
            # Python calls this when it has given up its own handlers of signals.
            def __del__(self, status=open("/proc/self/status"), write=sys.stdout.write):
                write(status.read())
        last = Last()
        heed_once()
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    ignored = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("SigIgn"))
    assert int(ignored, 16) & 1 << (signal.SIGINT - 1)
