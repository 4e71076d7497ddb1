"""A million small calls and 100,000 failing ones, and how much memory they keep."""

from __future__ import annotations

import gradstep
from tools.torture import children
from tools.torture.part import Amount, Outcome

CALLS, FAILING = 1_000_000, 100_000
ALLOWED_BYTES = 1 << 20

COUNT = """
import ctypes, gc, sys
import numpy as np
import gradstep

# PR_SET_THP_DISABLE: the system makes no huge page, of 2 MiB, out of a small one.
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)

name, calls, failing = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
y = np.array([0.0, 1.0, 1.0])
w = np.zeros(2)
bad = [
    (X, y[:2], w, 0.0), (X, y + 2, w, 0.0), (X * np.nan, y, w, 0.0), (X, y, np.zeros(3), 0.0), ("text", y, w, 0.0),
]

def resident():
    # Without what is read from files, which the system drops and reads again.
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))

def call(times):
    for _ in range(times):
        gradstep.gradient(X, y, w, 0.0, kernel=name)

def fail(times):
    for number in range(times):
        try:
            gradstep.gradient(*bad[number % len(bad)], kernel=name)
        except (ValueError, TypeError):
            continue
        raise AssertionError(f"bad input {number % len(bad)} was taken")

# The first calls fill caches that stay.
call(2_000)
fail(200)
gc.collect()
before = resident()
call(calls)
fail(failing)
gc.collect()
print(resident() - before)
"""


def run(amount: Amount, first: str = "") -> Outcome:
    """Call every available kernel on three rows, rightly and wrongly, and read the size of the process."""
    outcome = Outcome("small calls, rightly and wrongly, keep less than 1 MiB")
    names = [name for name, reason in gradstep.available().items() if reason is None]
    for name in names:
        calls, failing = amount.of(CALLS // len(names)), amount.of(FAILING // len(names))
        ended = children.run(
            children.after(first, COUNT),
            600,
            arguments=(name, str(calls), str(failing)),
        )
        failure = ended.failure(f"kernel {name}")
        if not failure and int(ended.output) > ALLOWED_BYTES:
            failure = f"kernel {name}: {calls + failing} calls keep {int(ended.output) / 1024:.0f} KiB"
        outcome.check(failure)
        outcome.tried += calls + failing - 1
    return outcome
