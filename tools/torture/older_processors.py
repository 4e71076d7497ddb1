"""Processors older than this one, emulated: the right build runs there, and gives the bits that it gives here."""

from __future__ import annotations

import json
import platform
import shutil

from tools.torture import children
from tools.torture.part import Amount, Outcome

# The first has no AVX, the second no AVX-512.
PROCESSORS = {"Nehalem": "baseline", "Haswell": "avx2"}

# Removed: OpenBLAS believes that it runs on the processor that this variable names.
_VARIABLES = {"OPENBLAS_CORETYPE": None}

BITS = """
import json, sys
import numpy as np
import gradstep
from gradstep import processor

generator = np.random.default_rng(0)
bits = []
for m, n in ((1, 1), (7, 3), (100, 16), (65, 33), (20, 700), (3, 5001))[:: int(sys.argv[1])]:
    X = generator.standard_normal((m, n))
    y = (generator.random(m) < 0.5).astype(float)
    w = generator.standard_normal(n) / n
    for dtype in ("float64", "float32", "float16", "int8", "bool"):
        for order in "CF":
            typed = np.asarray(8 * X, order=order).astype(dtype)
            for kernel in ("cython", "numpy", "python"):
                J, dw, db = gradstep.gradient(typed, y, w, 0.25, kernel=kernel)
                # NumPy's order of additions depends on the processor.
                exact = [J.hex(), dw.tobytes().hex(), db.hex()]
                bits.append(exact if kernel == "cython" else [f"{J:.4g}"])
print(json.dumps([processor.chosen()[0], bits]))
"""


def run(amount: Amount, first: str = "") -> Outcome:
    """Compute on emulated processors and here, and compare every bit of the Cython kernel."""
    outcome = Outcome("older processors, emulated, run their build and give the same bits")
    emulator = shutil.which("qemu-x86_64")
    if emulator is None or platform.machine() != "x86_64":
        outcome.skipped = "qemu-x86_64 is not installed" if emulator is None else "this is no x86-64 processor"
        return outcome
    arguments = (str(1 if amount.share == 1 else 3),)
    here = children.run(BITS, arguments=arguments)
    outcome.check(here.failure("here"))
    for model, build in list(PROCESSORS.items())[: amount.of(len(PROCESSORS))]:
        prefix = (emulator, "-cpu", model)
        ended = children.run(children.after(first, BITS), 900, arguments=arguments, prefix=prefix, variables=_VARIABLES)
        outcome.check(_failure(model, build, ended, here))
    return outcome


def _failure(model: str, build: str, ended: children.Ended, here: children.Ended) -> str:
    # The emulator warns of features that it does not have itself.
    silent = ended._replace(errors="" if ended.code == 0 else ended.errors)
    if silent.failure(model) or here.code != 0:
        return silent.failure(model)
    chosen, bits = json.loads(ended.output)
    _, expected = json.loads(here.output)
    if chosen != build:
        return f"{model}: the build {chosen} runs, not {build}"
    others = sum(found != wanted for found, wanted in zip(bits, expected, strict=True))
    return f"{model}: {others} of {len(bits)} results differ" if others else ""
