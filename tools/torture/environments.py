"""The world around a process: environment variables, limits, missing folders, closed files; each in a child."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from tools.torture import children
from tools.torture.part import Amount, Outcome

RESULTS = """
import json
import numpy as np
import gradstep
from gradstep.cli.main import main

generator = np.random.default_rng(0)
X = generator.standard_normal((3_000, 5))
y = (X[:, 0] > 0).astype(float)
w = generator.standard_normal(5)
try:
    main(["info"])
except SystemExit as end:
    assert not end.code, f"info ends with {end.code}"
results = {}
for name, reason in gradstep.available().items():
    if reason is None:
        J, dw, db = gradstep.gradient(X, y, w, 0.5, kernel=name)
        results[name] = [J.hex(), dw.tobytes().hex(), db.hex()]
    else:
        assert reason and "\\n" not in reason, f"the reason against {name} is {reason!r}"
gradstep.gradient(X, y, w, 0.5)
print(json.dumps(results))
"""


class World(NamedTuple):
    """What is unusual for a process.

    Attributes
    ----------
    name : str
        In a few words.
    variables : mapping
        Environment variables; one that is None is removed.
    before : str
        Python that the process runs first.
    options : tuple of str
        Options of the interpreter.
    """

    name: str
    variables: Mapping[str, str | None] = {}
    before: str = ""
    options: tuple[str, ...] = ()


_NO_THREADS = """
import threading
def start(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = start
"""
_CACHES_NOWHERE = {"HOME": "/nonexistent", "NUMBA_CACHE_DIR": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"}

WORLDS = (
    World("as usual"),
    World("no home", {"HOME": None}),
    World("no folder for caches", _CACHES_NOWHERE),
    World("no temporary folder", {"TMPDIR": "/nonexistent", "TEMP": "/nonexistent"}),
    World("NUMBA_NUM_THREADS=0", {"NUMBA_NUM_THREADS": "0"}),
    World("NUMBA_DISABLE_JIT=1", {"NUMBA_DISABLE_JIT": "1"}),
    World("OMP_NUM_THREADS=1", {"OMP_NUM_THREADS": "1"}),
    World("OMP_NUM_THREADS=4,2", {"OMP_NUM_THREADS": "4,2"}),
    World("OMP_NUM_THREADS of nonsense", {"OMP_NUM_THREADS": "many"}),
    World("OPENBLAS_NUM_THREADS=1", {"OPENBLAS_NUM_THREADS": "1"}),
    World("empty variables", {"GRADSTEP_KERNEL": "", "GRADSTEP_THREADS": "", "GRADSTEP_ISA": ""}),
    World("one thread", {"GRADSTEP_THREADS": "1"}),
    World("99 threads", {"GRADSTEP_THREADS": "99"}),
    World("no thread can be started", before=_NO_THREADS),
    World("affinity with one core", before="import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"),
    World(
        "4 GiB of addresses",
        {"OPENBLAS_NUM_THREADS": "2"},
        before="import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))",
    ),
    World("few open files", before="import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))"),
    World("numpy raises", before="import numpy; numpy.seterr(all='raise')"),
    World("warnings are errors", options=("-W", "error")),
    World("no docstrings", options=("-OO",)),
    World("development mode", options=("-X", "dev", "-W", "ignore")),
    World("isolated", options=("-I",)),
    World("UTF-8 mode off, locale C", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    World("a terminal of no width", {"COLUMNS": "0", "LINES": "0", "TERM": "dumb"}),
    World("stdin is closed", before="import os; os.close(0)"),
    World("a debugger traces", before="import sys; sys.settrace(lambda *_: None)"),
    World("no garbage collection", before="import gc; gc.disable()"),
    World("eager garbage collection", before="import gc; gc.set_threshold(1)"),
    World("little recursion", before="import sys; sys.setrecursionlimit(400)"),
)


def run(amount: Amount, first: str = "") -> Outcome:
    """Compute with every kernel and show `gradstep info` in each of these worlds; no world changes a bit."""
    outcome = Outcome("unusual environments end in the usual bits or in a reason, never in a traceback")
    usual: dict[str, list[str]] = {}
    for world in WORLDS[: amount.of(len(WORLDS))]:
        code = children.after(first, children.after(world.before, RESULTS))
        ended = children.run(code, variables=world.variables, options=world.options)
        failure = ended.failure(world.name)
        if not failure:
            results = json.loads(ended.output.splitlines()[-1])
            usual = usual or results
            others = [name for name, bits in results.items() if bits != usual[name]]
            failure = f"{world.name}: other bits of {', '.join(others)}" if others else ""
        outcome.check(failure)
    return outcome
