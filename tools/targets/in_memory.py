"""The rows on an X that is read from memory: the kernels beside the read limit, the peers and NumPy's formula."""

from __future__ import annotations

from functools import partial

from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.problems import GivenX
from gradstep.compare.record.records import READ_LIMIT, Cell
from gradstep.extras import install
from tools.targets.bench import ALL, THREADS, Bench, Measured, NotMeasured, cores_of, median
from tools.targets.target import Target, rows

# What each number of features must reach.
_READ_MUST = {
    1: {16: 1.8, 24: 1.8, 32: 1.6, 50: 1.6, 100: 1.45, 333: 1.3, 1000: 1.4, 3000: 1.4, 10_000: 1.45},
    ALL: {16: 1.7, 24: 1.7, 32: 1.5, 50: 1.5, 100: 1.4, 333: 1.25, 1000: 1.3, 3000: 1.3, 10_000: 1.3},
}
_READ_AIM = {1: 1.2, ALL: 1.05}

_SIZES = (2, *_READ_MUST[1])

# Where the NumPy kernel was once slower than the formula, besides the sizes above.
_NUMPY_SIZES = (150, 1500, 6000)


def _cell(bench: Bench, n: int, threads: int) -> Cell:
    """Return the cell that all rows share: every kernel and every peer."""
    count = cores_of(threads)

    def contenders() -> list[Contender]:
        names = ["cython", "numba", "numpy"] if n in _SIZES else ["numpy"]
        present = [peer for peer in bench.peers if n in _SIZES or peer.name == "numpy-formula"]
        return [*bench.kernels(names, count), *(peer.contender(count) for peer in present)]

    return bench.cell(
        ("memory", n, threads),
        lambda: GivenX(f"X in memory, {THREADS[threads]}", bench.in_memory(n)),
        contenders,
        count,
    )


def against_read_limit(bench: Bench, n: int, threads: int) -> Measured:
    """Time Cython against the read limit."""
    return bench.ratio(_cell(bench, n, threads), "cython", READ_LIMIT)


def against_other(bench: Bench, name: str, base: str, n: int, threads: int) -> Measured:
    """Time one kernel against another contender."""
    return bench.ratio(_cell(bench, n, threads), name, base)


def against_peers(bench: Bench, n: int, threads: int) -> Measured:
    """Return how many times faster Cython is than the fastest peer."""
    return against_fastest_peer(bench, _cell(bench, n, threads))


def against_fastest_peer(bench: Bench, cell: Cell) -> Measured:
    """Return how many times faster Cython is than the fastest peer of a cell."""
    names = {peer.name for peer in bench.peers}
    rivals = [result for result in cell.results if result.contender in names and result.status == "timed"]
    if not rivals:
        raise NotMeasured(f"no peer was measured: {install('peers')}")
    fastest = min(rivals, key=median).contender
    return bench.ratio(cell, fastest, "cython", against=fastest)


TARGETS: tuple[Target, ...] = (
    *(
        row
        for threads, must in _READ_MUST.items()
        for row in rows(
            "Cython / read limit",
            against_read_limit,
            {n: (bound, _READ_AIM[threads]) for n, bound in must.items()},
            threads=[threads],
        )
    ),
    *rows("Fastest peer / Cython", against_peers, dict.fromkeys(_SIZES, (1.25, 2.0)), unit="factor"),
    *rows(
        "Numba / Cython",
        partial(against_other, name="numba", base="cython"),
        dict.fromkeys(_SIZES, (1.3, 1.1)),
    ),
    *rows(
        "NumPy kernel / NumPy formula",
        partial(against_other, name="numpy", base="numpy-formula"),
        dict.fromkeys(sorted((*_SIZES, *_NUMPY_SIZES)), (1.0, 0.8)),
    ),
)
"""The rows."""
