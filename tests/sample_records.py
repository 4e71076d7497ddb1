"""Records such as a run makes, without measuring: times follow a formula and a fixed disturbance."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from gradstep.compare.record.records import (
    READ_LIMIT,
    SCHEMA,
    Cell,
    Check,
    FirstCall,
    Machine,
    Noise,
    Record,
    Result,
    Settings,
    timed,
)

RIGHT = Check(True, 2e-16, 1e-11)

# Name -> nanoseconds of a call, of a row, and of an element. Only their order resembles what is measured.
COSTS = {
    "python": (2e3, 900.0, 120.0),
    "numba": (9e3, 9.0, 0.24),
    "cython": (8e3, 8.0, 0.22),
    "numpy": (2e4, 30.0, 0.35),
    "scikit-learn": (1.5e5, 25.0, 0.5),
    READ_LIMIT: (1e2, 0.0, 0.13),
}

PEERS = {"scikit-learn": "1.9.1"}

MACHINE = Machine(
    processor="Imagined Processor",
    architecture="x86_64",
    cores=2,
    usable_cores=2,
    system="Linux 6.1",
    features=["avx2"],
    caches={"L1d": 32 << 10, "L2": 1 << 20, "L3": 32 << 20},
    governor=None,
    memory=8 << 30,
    virtual=False,
)


def sample(
    *,
    m_list: Sequence[int] = (100, 10_000, 1_000_000),
    n_list: Sequence[int] = (2, 100),
    contenders: Sequence[str] = ("python", "numba", "cython", "numpy"),
    threads: Sequence[int | None] = (1,),
    dtypes: Sequence[str] = ("float64",),
    rounds: int = 7,
    problem: str = "random",
    limit: float = 20.0,
) -> Record:
    """Return the record of a run on every combination; contenders that would take longer than the limit are skipped."""
    disturbance = random.Random(0)
    cells = [
        _cell(problem, m, n, dtype, count, contenders, rounds, limit, disturbance)
        for dtype, count, m, n in itertools.product(dtypes, threads, m_list, n_list)
    ]
    return Record(
        schema=SCHEMA,
        created="2026-01-02T03:04:05+00:00",
        seconds=12.5,
        complete=True,
        commit="0123456789",
        timed="one call of gradstep.step(X, y, w, b, alpha): the cost, the gradient and the update",
        machine=MACHINE,
        versions={"gradstep": "0.1.0", "python": "3.11.7 (CPython)", "numpy": "2.4.6", "numba": None},
        settings=Settings(list(contenders), dtypes=list(dtypes), threads=list(threads), rounds=rounds, limit=limit),
        first_calls=[
            FirstCall(name, "float64", "C", 1, 0.1, 0.5 if name == "numba" else None, 0.6, 1e-6) for name in contenders
        ],
        unavailable={},
        notes=["Made up for a test."],
        left_out=[],
        cells=cells,
        peers={name: version for name, version in PEERS.items() if name in contenders},
        noise=Noise(1 << 20, [(k / 2, 1e-4 * (1 + 0.01 * (k % 3))) for k in range(20)]),
    )


def _cell(
    problem: str,
    m: int,
    n: int,
    dtype: str,
    threads: int | None,
    contenders: Sequence[str],
    rounds: int,
    limit: float,
    disturbance: random.Random,
) -> Cell:
    size = 8 if dtype == "float64" else 4
    results = []
    for name in (*contenders, READ_LIMIT):
        call, row, element = COSTS.get(name, COSTS["numpy"])
        seconds = 1e-9 * (call + (m * row + m * n * element * size / 8) / (threads or 2))
        if seconds * (rounds + 1) > limit:
            results.append(Result(name, "skipped", f"about {seconds:.2g} s expected", expected=seconds))
            continue
        samples = [seconds * disturbance.uniform(1.0, 1.05) for _ in range(rounds)]
        results.append(timed(name, RIGHT, samples, 10))
    return Cell(
        problem=problem,
        task="made up",
        m=m,
        n=n,
        dtype=dtype,
        order="C",
        threads=threads,
        X_bytes=m * n * size,
        results=results[:-1],
        read_limit=results[-1],
    )
