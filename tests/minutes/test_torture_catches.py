"""A planted fault for each part of the torture, which it has to catch."""

from __future__ import annotations

import sys

import pytest

from tools.torture import (
    damaged_files,
    environments,
    growth,
    interrupts,
    older_processors,
    processes,
    sanitizers,
    threads,
)
from tools.torture.part import Amount, Outcome

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the torture sends signals and reads /proc")


def assert_caught(outcome: Outcome, word: str) -> None:
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.failures
    assert any(word in failure for failure in outcome.failures), outcome.failures


def test_a_vector_read_past_the_last_row_is_caught():
    def read_whole_vectors(source):
        header = source / "kernels" / "vector" / "row_passes.h"
        text = header.read_text()
        right = "ROWS(load_part)(x + row * stride + j, n - j)"
        assert right in text
        header.write_text(text.replace(right, "ROWS(load)(x + row * stride + j)"))

    assert_caught(sanitizers.run(Amount(0.01), "", read_whole_vectors), "AddressSanitizer")


def test_a_lost_turn_is_caught():
    lost = """
    from gradstep import block_sums
    right, calls = block_sums.share, []

    def share(work, n_blocks, threads, turns):
        calls.append(1)

        def forgetful(first, last):
            if len(calls) % 50 or first:
                work(first, last)

        right(forgetful, n_blocks, threads, turns)

    block_sums.share = share
    """
    assert_caught(threads.run(Amount(0.02), lost), "")


def test_a_child_that_a_fork_breaks_is_caught(monkeypatch):
    forgotten = """
    import os
    os.register_at_fork(after_in_child=lambda: os._exit(7))
    """
    monkeypatch.setattr(processes, "WAYS", ("bare fork",))
    assert_caught(processes.run(Amount(0.01), forgotten), "fork")


def test_a_leak_is_caught():
    leak = """
    import gradstep
    right, kept = gradstep.gradient, []

    def gradient(*arguments, **options):
        kept.append(bytearray(400))
        return right(*arguments, **options)

    gradstep.gradient = gradient
    """
    assert_caught(growth.run(Amount(0.02), leak), "KiB")


def test_a_swallowed_signal_is_caught(monkeypatch):
    monkeypatch.setattr(interrupts, "ENDS_WITHIN_SECONDS", 4.0)
    deaf = """
    from gradstep.cli.interrupts import Interrupts
    Interrupts._note = lambda *_: None
    """
    assert_caught(interrupts.run(Amount(0.01), deaf), "goes on for 4 s")


def test_a_half_written_file_is_caught():
    careless = """
    from pathlib import Path
    from gradstep import files

    files.write_whole = lambda path, content: Path(path).write_bytes(b'{"half')
    """
    assert_caught(interrupts.run(Amount(0.01), careless), "fit")


def test_a_traceback_in_an_unusual_environment_is_caught():
    fragile = """
    import os
    os.environ["HOME"]
    """
    assert_caught(environments.run(Amount(0.1), fragile), "no home: exit code 1: KeyError: 'HOME'")


def test_other_bits_in_an_unusual_environment_are_caught():
    fragile = """
    import gradstep, os
    right = gradstep.gradient

    def gradient(*arguments, **options):
        J, dw, db = right(*arguments, **options)
        return J, dw, db + ("HOME" not in os.environ)

    gradstep.gradient = gradient
    """
    assert_caught(environments.run(Amount(0.1), fragile), "no home: other bits of")


def test_a_traceback_at_a_damaged_file_is_caught():
    fragile = """
    from gradstep.data import tables
    right = tables.read

    def read(path, *arguments, **options):
        try:
            return right(path, *arguments, **options)
        except ValueError as error:
            raise KeyError(str(error)) from error

    tables.read = read
    """
    assert_caught(damaged_files.run(Amount(0.005), fragile), "KeyError in")


def test_other_bits_on_an_older_processor_are_caught():
    other = """
    import gradstep
    right = gradstep.gradient

    def gradient(*arguments, **options):
        J, dw, db = right(*arguments, **options)
        return J, dw, db * (1 + 2**-52)

    gradstep.gradient = gradient
    """
    assert_caught(older_processors.run(Amount(0.5), other), "results differ")
