"""Invented records for tests: every number in them is known."""

from __future__ import annotations

import typing

from gradstep.compare.record.records import (
    READ_LIMIT,
    SCHEMA,
    Cell,
    Check,
    FirstCall,
    LeftOut,
    Machine,
    Noise,
    Record,
    Result,
    Settings,
    changed,
    timed,
)

ROUNDS = 7

MACHINE = Machine(
    processor="Test processor",
    architecture="x86_64",
    cores=2,
    usable_cores=2,
    system="Test 1.0",
    features=["sse2", "avx2"],
    caches={"L1d": 32 << 10, "L2": 1 << 20, "L3": 32 << 20},
    governor="performance",
    memory=16 << 30,
    virtual=False,
)


def samples(seconds: float, spread: float = 0.0) -> list[float]:
    """Return samples with this median; the spread from the first to the last is relative to it."""
    return [seconds * (1.0 + spread * (k / (ROUNDS - 1) - 0.5)) for k in range(ROUNDS)]


def result(contender: str, seconds: float, spread: float = 0.0) -> Result:
    return timed(contender, Check(True, 1e-16, 1e-11), samples(seconds, spread), 3)


def cell(m: int, n: int, seconds: dict[str, float], read_limit: float | None = None, **changes: object) -> Cell:
    """Return a cell in which each contender takes this many seconds, and the read limit as well."""
    whole = Cell(
        problem="random",
        task="random features, labels drawn from a logistic model",
        m=m,
        n=n,
        dtype="float64",
        order="C",
        threads=1,
        X_bytes=8 * m * n,
        results=[result(name, time) for name, time in seconds.items()],
        read_limit=None if read_limit is None else result(READ_LIMIT, read_limit),
    )
    return changed(whole, **changes)


def record(*cells: Cell, smallest: float = 1e-6, **changes: object) -> Record:
    """Return a record of these cells."""
    names = list(dict.fromkeys(each.contender for cell in cells for each in cell.results))
    kinds = dict.fromkeys((cell.dtype, cell.order, cell.threads) for cell in cells)
    whole = Record(
        schema=SCHEMA,
        created="2026-01-01T00:00:00+00:00",
        seconds=12.0,
        complete=True,
        commit="0123456789",
        timed="one call of gradstep.step(X, y, w, b, alpha): the cost, the gradient and the update",
        machine=MACHINE,
        versions={"gradstep": "0.1.0", "numpy": "2.0.0", "numba": None},
        settings=Settings(names),
        first_calls=[FirstCall(name, *kind, 0.1, None, 0.2, smallest) for kind in kinds for name in names],
        unavailable={},
        notes=[],
        left_out=[],
        cells=list(cells),
        noise=Noise(64 << 20, [(float(k), 5e-3) for k in range(9)]),
    )
    return changed(whole, **changes)


LARGE: dict[str, typing.Any] = {
    "problem": "random",
    "m": 10**9,
    "n": 10,
    "dtype": "float64",
    "order": "C",
    "threads": 1,
}


def full() -> Record:
    """A record in which everything occurs that can occur."""
    whole = cell(100, 10, {"numpy": 1e-3, "cython": 1e-4}, read_limit=1e-5)
    wrong = Result("python", "wrong", "off by 1.0, 1e-11 is allowed", check=Check(False, 1.0, 1e-11))
    skipped = Result("jax", "skipped", "about 30 s expected", expected=30.0)
    whole = changed(whole, results=[*whole.results, wrong, skipped])
    return record(
        whole,
        left_out=[
            LeftOut(**LARGE, contender=None, cause="memory", reason="it needs 80 GB"),
        ],
        unavailable={"torch": "it is not installed"},
        notes=["a note"],
        peers={"jax": "jax 0.10"},
    )
