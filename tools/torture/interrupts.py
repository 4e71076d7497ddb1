"""Ctrl-C at random moments of `gradstep fit` and `gradstep compare`."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gradstep import threads
from gradstep.compare.record import records
from tools.torture import children
from tools.torture.part import Amount, Outcome

MOMENTS = 200
LATEST_SECONDS = 2.0
ENDS_WITHIN_SECONDS = 120.0

COMMAND = """
import signal, sys
from gradstep.__main__ import main

def go():
    heed_once()
    print("go", file=sys.stderr, flush=True)

# A shell makes its background jobs ignore Ctrl-C, and this may be one.
signal.signal(signal.SIGINT, signal.default_int_handler)
heed_once = sys.modules["gradstep.__main__"].heed_once
sys.modules["gradstep.__main__"].heed_once = go
sys.argv[0] = "gradstep"
main()
"""

# Neither would end within a minute by itself.
FIT = "fit data.csv --label y --alpha 1e-9 --tol 1e-12 --max-iter 1000000000 --save result.json"
COMPARE = "compare --m 20,300,4000,50000 --n 2,30 --rounds 200 --budget 600 --json result.json"
TABLE = "a,b,y\n1,2,0\n2,1,1\n3,5,1\n0,1,0\n2,2,0\n"


def run(amount: Amount, first: str = "") -> Outcome:
    """Interrupt commands at moments drawn from the first seconds of their work; half of them twice."""
    outcome = Outcome("Ctrl-C ends fit and compare with whole files, exit code 130 and nothing left running")
    generator = random.Random(0)
    tries = [
        (line, sorted(generator.uniform(0.0, LATEST_SECONDS) for _ in range(1 + number % 4 // 2)))
        for number in range(amount.of(MOMENTS))
        for line in [(FIT, COMPARE)[number % 2]]
    ]
    with ThreadPoolExecutor(threads.usable_cores()) as pool:
        for failure in pool.map(lambda each: _interrupted(first, *each), tries):
            outcome.check(failure)
    return outcome


def _interrupted(first: str, line: str, moments: list[float]) -> str:
    """Run one command, interrupt it at these seconds after its start, and return what went wrong."""
    what = f"{line.partition(' ')[0]} after {moments[0]:.3f} s"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data.csv").write_text(TABLE, encoding="utf-8")
        child = children.Child(children.after(first, COMMAND), line.split(), folder=folder)
        _wait_for_go(child)
        began = time.monotonic()
        for moment in moments:
            time.sleep(max(0.0, began + moment - time.monotonic()))
            child.interrupt()
        ended = child.end(ENDS_WITHIN_SECONDS)
        return next(_faults(what, ended, folder), "")


def _wait_for_go(child: children.Child) -> None:
    """Wait until the command begins; before that, the signal would end the interpreter's own start."""
    errors = child.process.stderr
    if errors is not None:
        errors.readline()


def _faults(what: str, ended: children.Ended, folder: Path) -> Iterator[str]:
    if ended.code == children.TIMED_OUT:
        yield f"{what}: goes on for {ENDS_WITHIN_SECONDS:.0f} s"
    if ended.code != 130 or not ended.errors.endswith("gradstep: error: interrupted\n"):
        yield f"{what}: exit code {ended.code}: {ended.errors.strip()[-300:]!r}"
    if "Traceback" in ended.errors:
        yield f"{what}: a traceback: {ended.errors.strip()[-600:]!r}"
    if ended.left:
        yield f"{what}: leaves processes running"
    unknown = {path.name for path in folder.iterdir()} - {"data.csv", "result.json"}
    if unknown:
        yield f"{what}: leaves {sorted(unknown)}"
    if (folder / "result.json").exists():
        yield from _faults_of_result(what, folder / "result.json")


def _faults_of_result(what: str, path: Path) -> Iterator[str]:
    try:
        if what.startswith("fit"):
            json.loads(path.read_text(encoding="utf-8"))
        else:
            records.load(path)
    except ValueError as error:
        yield f"{what}: {error}"
