"""One step by each kernel and each installed peer, grouped by shape: `make bench` prints the times.

In the normal run nothing is timed; each body runs once, and its result is checked.
"""

from __future__ import annotations

from functools import cache

import pytest
from availability import load_or_explain

from benchmarks.problems import IN_M, KERNEL_NAMES, Case, at_m, cases, is_measured
from gradstep.compare.measure import peers
from gradstep.compare.measure.contenders import Contender, kernel_contender
from gradstep.compare.measure.problems import Examples
from gradstep.compare.measure.reference import Reference, tolerance
from gradstep.extras import MissingExtra

THREADS = 1

# From asv's series in m: few and many features, from a problem bound by call overhead to one bound by memory.
SHAPES = [case for case in cases(IN_M, at_m) if case.n in (2, 100) and case.m in (100, 10_000, 1_000_000)]
ROWS = [
    pytest.param(case, name, id=f"{case.m}x{case.n}-{name}")
    for case in SHAPES
    for name in [*KERNEL_NAMES, *peers.PEERS]
    if is_measured(name, case)
]


@cache
def examples_of(case: Case) -> tuple[Examples, Reference]:
    """Make the arrays of a shape, and the step that every contender should take on them, once."""
    examples = case.make()
    return examples, Reference.of(examples)


def contender_of(name: str) -> Contender:
    """Return the contender called `name`, or skip the test where it cannot run."""
    if name in KERNEL_NAMES:
        load_or_explain(name)
        return kernel_contender(name, THREADS)
    try:
        peers.PEERS[name].load()
    except MissingExtra as error:
        pytest.skip(str(error))
    return peers.PEERS[name].contender(THREADS)


@pytest.mark.benchmark(max_time=0.5, min_rounds=7, warmup=True, warmup_iterations=100)
@pytest.mark.parametrize(("case", "name"), ROWS)
def test_step(case, name, benchmark):
    benchmark.group = f"m = {case.m:,}, n = {case.n:,}"
    benchmark.name = name
    contender = contender_of(name)
    examples, reference = examples_of(case)
    call = contender.prepare(examples)
    with contender.setting(examples):
        step = benchmark(call)
    check = reference.check(contender.as_step(step, examples), tolerance(case.dtype))
    assert check.passed, check
