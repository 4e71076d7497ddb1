"""Every kernel from 16 threads at once, against the bits of one thread alone."""

from __future__ import annotations

import gradstep
from tools.torture import children
from tools.torture.part import Amount, Outcome

SECONDS = 60.0

HAMMER = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import gradstep
from gradstep import blocks

# Small blocks, so that every call is shared between its threads.
blocks.BLOCK_BYTES = 1 << 14
name, seconds = sys.argv[1], float(sys.argv[2])
generator = np.random.default_rng(0)

def problem(m, n, dtype):
    X = generator.standard_normal((m, n)).astype(dtype)
    return X, (generator.random(m) < 0.5).astype(float), generator.standard_normal(n), 0.25

# The pure Python kernel takes 0.1 microseconds a number; the others get arrays of many blocks.
rows = 400 if name == "python" else 60_000
problems = [problem(rows // n, n, dtype) for n in (1, 7, 33) for dtype in ("float64", "float32", "int16")]

def bits(number):
    X, y, w, b = problems[number % len(problems)]
    J, dw, db = gradstep.gradient(X, y, w, b, kernel=name, threads=1 + number % 4)
    return J, dw.tobytes(), db

serial = [bits(number) for number in range(4 * len(problems))]
end = time.monotonic() + seconds

def hammer(caller):
    calls = 0
    # At least so many, however busy the machine is.
    while calls < 20 or time.monotonic() < end:
        number = (caller + 7 * calls) % len(serial)
        assert bits(number) == serial[number], f"other bits in call {calls} of caller {caller}"
        calls += 1
    return calls

with ThreadPoolExecutor(16) as callers:
    print(sum(callers.map(hammer, range(16))))
"""


def run(amount: Amount, first: str = "") -> Outcome:
    """Call each available kernel from 16 threads, with 1 to 4 threads a call; all kernels share the minute."""
    outcome = Outcome("calls from 16 threads at once have the bits of one thread")
    names = [name for name, reason in gradstep.available().items() if reason is None]
    for name in names:
        seconds = amount.seconds(SECONDS) / len(names)
        ended = children.run(children.after(first, HAMMER), seconds + 600, arguments=(name, str(seconds)))
        failure = ended.failure(f"kernel {name}")
        if failure:
            outcome.check(failure)
        else:
            outcome.tried += int(ended.output)
    return outcome
