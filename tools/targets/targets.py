"""The targets of gradstep: one table of what its speed must be and should be, and how each row is measured."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

import gradstep
from gradstep import engine
from gradstep.compare.measure import peers
from gradstep.compare.measure.noise import Watch
from gradstep.compare.measure.problems import ALPHA, Examples, GivenX, Problem
from gradstep.compare.measure.run import TIMED, Progress, RunInterrupted, Silent
from gradstep.compare.measure.timing import Call, Contender
from gradstep.compare.record.machine import Machine, commit, last_level_cache, versions
from gradstep.compare.record.records import READ_LIMIT, SCHEMA, Cell, Record, Settings
from gradstep.contract import Gradient, Step
from tools.targets import footprint
from tools.targets.bench import TIMES_CACHE, Bench, Measured, NotMeasured, Scale, median

Unit = Literal["ratio", "factor", "MiB"]
Verdict = Literal["aim", "must", "missed", "not measured"]

NAME = "targets"
"""The name of the preset."""

_MIB = 1 << 20

# Rounds of short calls are cheap, and so many times as many of them outlast the moods of a processor's clock.
_SHORT = 11
_SHORT_ELEMENTS = 10**6


def _cores(threads: int) -> int:
    return engine.usable_cores() if threads == ALL else threads


def _named(name: str, contender: Contender) -> Contender:
    return dataclasses.replace(contender, name=name)


@dataclass(frozen=True)
class TargetResult:
    """One target of gradstep, and what was measured.

    Attributes
    ----------
    group, case : str
        What is compared with what, and in which case.
    must, aim : float
        The bounds: what has to be reached, and what is hoped for.
    unit : str
        "ratio": of two times, small is good. "factor": times as fast, large is good. "MiB": small is good.
    measured : float or None
        The ratio of the medians, or the memory; None if it could not be measured.
    quartiles : tuple of two floats, or None
        Of the ratios of each round.
    against : str
        The contender that was compared with, if it was the fastest of several.
    reason : str or None
        Why it was not measured.
    """

    group: str
    case: str
    must: float
    aim: float
    unit: Unit
    measured: float | None = None
    quartiles: tuple[float, float] | None = None
    against: str = ""
    reason: str | None = None

    @property
    def verdict(self) -> Verdict:
        """What became of the target."""
        if self.measured is None:
            return "not measured"
        if self._reaches(self.aim):
            return "aim"
        return "must" if self._reaches(self.must) else "missed"

    def _reaches(self, bound: float) -> bool:
        if self.measured is None:
            return False
        return self.measured >= bound if self.unit == "factor" else self.measured <= bound


class TargetsRecord(Record, frozen=True, kw_only=True):
    """A record, and what its measurements say about the targets."""

    targets: list[TargetResult]


# The cells, each shared by several rows.


def _memory_cell(bench: Bench, n: int, threads: int) -> Cell:
    def problem() -> GivenX:
        return GivenX(f"X in memory, {_THREADS[threads]}", bench.in_memory(n))

    def contenders() -> list[Contender]:
        names = ["cython", "numba", "numpy"] if n in NUMPY_N else ["cython", "numba"]
        cores = _cores(threads)
        return [*bench.kernels(names, cores), *(peer.contender(cores) for peer in bench.peers)]

    return bench.cell(("memory", n, threads), problem, contenders, _cores(threads))


def _small_cell(bench: Bench, m: int, n: int) -> Cell:
    def contenders() -> list[Contender]:
        return [*bench.kernels(["cython"], 1), *(peer.contender(1) for peer in bench.peers)]

    rounds = _SHORT * bench.scale.rounds if m * n <= _SHORT_ELEMENTS else None
    return bench.cell(("small", m, n), lambda: Problem(m, n), contenders, 1, rounds)


# The rows: each function measures one of them.


def read_ratio(bench: Bench, n: int, threads: int) -> Measured:
    """Cython against only reading X."""
    return bench.ratio(_memory_cell(bench, n, threads), "cython", READ_LIMIT)


def kernel_ratio(bench: Bench, name: str, base: str, n: int, threads: int) -> Measured:
    """One kernel against another contender, X in memory."""
    return bench.ratio(_memory_cell(bench, n, threads), name, base)


def fastest_peer(bench: Bench, n: int, threads: int) -> Measured:
    """How many times as fast as the fastest peer Cython is, X in memory."""
    return _against_fastest(bench, _memory_cell(bench, n, threads))


def fastest_peer_in_cache(bench: Bench) -> Measured:
    """Do the same for a problem that fits into the cache."""
    return _against_fastest(bench, _small_cell(bench, 1000, 100))


def _against_fastest(bench: Bench, cell: Cell) -> Measured:
    names = {peer.name for peer in bench.peers}
    rivals = [result for result in cell.results if result.contender in names and result.status == "timed"]
    if not rivals:
        raise NotMeasured("no peer took part: pip install 'gradstep[peers]'")
    fastest = min(rivals, key=median).contender
    return bench.ratio(cell, fastest, "cython", against=fastest)


def many_rows(bench: Bench) -> Measured:
    """How many times as fast as NumPy's formula Cython is on two features."""
    return bench.ratio(_small_cell(bench, bench.scale.many_rows, 2), "numpy-formula", "cython")


def public_call(bench: Bench, m: int, n: int) -> Measured:
    """Time the whole call of `gradstep.gradient`, all by default, against NumPy's formula for the gradient."""
    if not any(peer.name == "numpy-formula" for peer in bench.peers):
        raise NotMeasured("the peer numpy-formula did not take part")

    def by(function: Callable[..., Gradient]) -> Callable[[Examples], Call]:
        return lambda examples: partial(function, *examples)

    def contenders() -> list[Contender]:
        ours = Contender("gradient()", by(gradstep.gradient), as_step=_step_of)
        formula = Contender("formula", by(peers.numpy_gradient), as_step=_step_of)
        return [ours, peers.with_blas_threads(formula, 1)]

    cell = bench.cell(("call", m, n), lambda: Problem(m, n), contenders, 1, _SHORT * bench.scale.rounds)
    return bench.ratio(cell, "gradient()", "formula")


def _step_of(gradient: Any, examples: Examples) -> Step:
    return Step(examples.w - ALPHA * gradient.dw, examples.b - ALPHA * gradient.db, gradient.J)


def narrower_dtype(bench: Bench, n: int, threads: int) -> Measured:
    """float32 against float64, on the same values."""

    def problem() -> GivenX:
        half = bench.in_memory(n).astype(np.float32)
        # Twice the rows, so that X exceeds the cache in float32 as well.
        return GivenX(f"float32 and float64, {_THREADS[threads]}", np.concatenate([half, half]))

    return _in_two_forms(bench, ("float32", n, threads), problem, threads, ("float32", "float64"), _in_float64)


def bytes_against_float64(bench: Bench) -> Measured:
    """Uint8 X against the same values in float64."""

    def problem() -> GivenX:
        m, n = max(8, bench.scale.narrow_elements // 784), 784
        X = np.random.default_rng(0).integers(0, 256, (m, n), np.uint8)
        return GivenX("uint8 and float64, all cores", X)

    return _in_two_forms(bench, ("uint8",), problem, ALL, ("uint8", "float64"), _in_float64)


def other_order(bench: Bench, n: int, threads: int) -> Measured:
    """F order against C order."""

    def problem() -> GivenX:
        return GivenX(f"F and C order, {_THREADS[threads]}", np.asfortranarray(bench.in_memory(n)))

    return _in_two_forms(bench, ("order", n, threads), problem, threads, ("F order", "C order"), _in_c_order)


def _on_converted(contender: Contender, convert: Callable[[Examples], Examples]) -> Contender:
    return dataclasses.replace(contender, prepare=lambda examples: contender.prepare(convert(examples)))


def _in_float64(examples: Examples) -> Examples:
    X, y, w, b = examples
    return Examples(X.astype(np.float64), y.astype(np.float64), w.astype(np.float64), b)


def _in_c_order(examples: Examples) -> Examples:
    return examples._replace(X=np.ascontiguousarray(examples.X))


def _in_two_forms(
    bench: Bench,
    key: tuple[object, ...],
    problem: Callable[[], GivenX],
    threads: int,
    names: tuple[str, str],
    convert: Callable[[Examples], Examples],
) -> Measured:
    """Compare Cython on given examples with Cython on the same ones converted, which is not timed."""

    def contenders() -> list[Contender]:
        as_given = bench.kernels(["cython"], _cores(threads))
        return [
            *(_named(names[0], contender) for contender in as_given),
            *(_named(names[1], _on_converted(contender, convert)) for contender in as_given),
        ]

    return bench.ratio(bench.cell(key, problem, contenders, _cores(threads)), *names)


def automatic_threads(bench: Bench, elements: int) -> Measured:
    """Time the automatic number of threads against the better one of one thread and all."""
    n = 10
    m = min(elements, bench.scale.largest) // n

    def contenders() -> list[Contender]:
        choices = {"auto": None, "1 thread": 1, "all cores": _cores(ALL)}
        return [_named(name, each) for name, count in choices.items() for each in bench.kernels(["cython"], count)]

    def problem() -> GivenX:
        X = np.random.default_rng(0).standard_normal((m, n))
        return GivenX("automatic threads", X)

    rounds = (_SHORT if elements <= _SHORT_ELEMENTS else 2) * bench.scale.rounds
    cell = bench.cell(("auto", elements), problem, contenders, None, rounds)
    best = min(("1 thread", "all cores"), key=lambda name: median(bench.timed(cell, name)))
    return bench.ratio(cell, "auto", best, against=best)


def peak_memory(bench: Bench, n: int) -> Measured:
    """Measure the memory that a step needs beyond its inputs, in MiB."""
    if "cython" in bench.unavailable:
        raise NotMeasured(bench.unavailable["cython"])
    try:
        return Measured(footprint.measure(bench.scale.rows(n), n, _cores(ALL)) / _MIB)
    except footprint.NoFootprint as error:
        raise NotMeasured(str(error)) from error


def _memory_must(n: int, scale: Scale) -> float:
    return 0.02 * scale.rows(n) * n * 8 / _MIB + 16.0


def _memory_aim(n: int, scale: Scale) -> float:
    m = scale.rows(n)
    blocks = -(-m // engine.block_rows(m, n, np.float64))
    return 1.0 + blocks * (n + 2) * 8 / _MIB


Bound = float | Callable[[Scale], float]


@dataclass(frozen=True)
class Target:
    """A row of the table.

    Attributes
    ----------
    group, case : str
        What is compared with what, and in which case.
    must, aim : float or callable
        What has to be reached and what is hoped for; functions of the scale where they depend on the size of X.
    unit : str
        As of `TargetResult`.
    measure : callable
        Given a `Bench`, returns a `Measured` or raises `NotMeasured`.
    """

    group: str
    case: str
    must: Bound
    aim: Bound
    unit: Unit
    measure: Callable[[Bench], Measured]


ALL = 0
_THREADS = {1: "1 thread", ALL: "all cores"}
READ_MUST = {
    1: {16: 2.1, 32: 1.8, 100: 1.75, 1000: 1.7, 10_000: 1.6},
    ALL: {16: 2.0, 32: 1.6, 100: 1.4, 1000: 1.4, 10_000: 1.5},
}
READ_AIM = {1: 1.2, ALL: 1.05}
MEMORY_N = (2, 16, 32, 100, 1000, 10_000)
NUMPY_N = (100, 1000)
ELEMENTS = tuple(10**k for k in range(2, 9))


def _case(n: int, threads: int) -> str:
    return f"n = {n:,}, {_THREADS[threads]}"


TARGETS: tuple[Target, ...] = (
    *(
        Target(
            f"Cython / {READ_LIMIT}",
            _case(n, threads),
            must,
            READ_AIM[threads],
            "ratio",
            partial(read_ratio, n=n, threads=threads),
        )
        for threads, bounds in READ_MUST.items()
        for n, must in bounds.items()
    ),
    *(
        Target(
            "Fastest peer / Cython", _case(n, threads), 1.4, 2.5, "factor", partial(fastest_peer, n=n, threads=threads)
        )
        for threads in _THREADS
        for n in MEMORY_N
    ),
    Target("Fastest peer / Cython", "m = 1,000, n = 100, 1 thread", 1.3, 2.5, "factor", fastest_peer_in_cache),
    Target("NumPy formula / Cython", "m = 2,000,000, n = 2, 1 thread", 4.0, 10.0, "factor", many_rows),
    Target("gradient() / NumPy formula", "m = 100, n = 10", 0.6, 0.25, "ratio", partial(public_call, m=100, n=10)),
    Target("gradient() / NumPy formula", "m = 10, n = 2", 0.8, 0.2, "ratio", partial(public_call, m=10, n=2)),
    *(
        Target(
            "Numba / Cython",
            _case(n, threads),
            1.5,
            1.1,
            "ratio",
            partial(kernel_ratio, name="numba", base="cython", n=n, threads=threads),
        )
        for threads in _THREADS
        for n in MEMORY_N
    ),
    *(
        Target(
            "NumPy kernel / NumPy formula",
            _case(n, threads),
            0.8,
            0.6,
            "ratio",
            partial(kernel_ratio, name="numpy", base="numpy-formula", n=n, threads=threads),
        )
        for threads in _THREADS
        for n in NUMPY_N
    ),
    *(
        Target("float32 / float64", _case(n, threads), 0.6, 0.5, "ratio", partial(narrower_dtype, n=n, threads=threads))
        for threads in _THREADS
        for n in (100, 1000, 10_000)
    ),
    Target("uint8 X / float64 X", _case(784, ALL), 0.6, 0.15, "ratio", bytes_against_float64),
    *(
        Target(
            "F order / C order", _case(100, threads), 1.5, 1.0, "ratio", partial(other_order, n=100, threads=threads)
        )
        for threads in _THREADS
    ),
    *(
        Target(
            "Automatic threads / better of 1 and all",
            f"m n = 1e{len(str(elements)) - 1}",
            1.15,
            1.03,
            "ratio",
            partial(automatic_threads, elements=elements),
        )
        for elements in ELEMENTS
    ),
    *(
        Target(
            "Peak memory beyond the inputs, MiB",
            _case(n, ALL),
            partial(_memory_must, n),
            partial(_memory_aim, n),
            "MiB",
            partial(peak_memory, n=n),
        )
        for n in (100, 10_000)
    ),
)
"""The table. X is float64 in C order and lies in memory, and times are medians, unless a row says otherwise."""


def run(
    chosen_peers: Sequence[peers.Peer],
    *,
    scale: Scale | None = None,
    unavailable: dict[str, str] | None = None,
    targets: Sequence[Target] = TARGETS,
    progress: Progress | None = None,
) -> Record:
    """Measure the table.

    Parameters
    ----------
    chosen_peers : sequence of Peer
        With whom gradstep is compared.
    scale : Scale, optional
        The sizes; by default those of this machine.
    unavailable : dict, optional
        The peers that are not installed, and why; passed on to the record.
    targets : sequence of Target
        The rows.
    progress : Progress, optional
        What is told while the run goes on.

    Returns
    -------
    Record
        With one `TargetResult` per row, and the cells that they come from.

    Raises
    ------
    RunInterrupted
        If Ctrl-C is pressed; it holds the record so far.
    """
    whole = _Run(chosen_peers, scale or Scale.of_this_machine(), unavailable or {}, progress or Silent())
    try:
        whole.measure(targets)
        return whole.record()
    except KeyboardInterrupt:
        raise RunInterrupted(whole.record()) from None


class _Run:
    """The state of a run."""

    def __init__(
        self, chosen_peers: Sequence[peers.Peer], scale: Scale, unavailable: dict[str, str], progress: Progress
    ) -> None:
        self._created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._watch = Watch()
        self._scale = scale
        self._unavailable = unavailable
        self._progress = progress
        self._bench = Bench(scale, chosen_peers, progress)
        self._results: list[TargetResult] = []
        self._complete = False

    def measure(self, targets: Sequence[Target]) -> None:
        """Measure one row after the other."""
        self._progress.plan(len(targets))
        for target in targets:
            self._watch.look()
            self._results.append(_result(target, self._bench))
            self._progress.advance(1)
        self._watch.look()
        self._complete = True

    def record(self) -> TargetsRecord:
        """Return what has been measured so far."""
        cells = self._bench.cells
        return TargetsRecord(
            schema=SCHEMA,
            created=self._created,
            seconds=self._watch.seconds,
            complete=self._complete,
            commit=commit(),
            timed=TIMED,
            machine=Machine.here(),
            versions=versions(),
            settings=Settings(
                list(dict.fromkeys(result.contender for cell in cells for result in cell.results)),
                dtypes=list(dict.fromkeys(cell.dtype for cell in cells)),
                orders=list(dict.fromkeys(cell.order for cell in cells)),
                threads=list(dict.fromkeys(cell.threads for cell in cells)),
                rounds=self._scale.rounds,
                preset=NAME,
            ),
            first_calls=[],
            unavailable={**self._bench.unavailable, **self._unavailable},
            notes=_notes(self._scale),
            left_out=[],
            cells=cells,
            peers={peer.name: peer.version() for peer in self._bench.peers},
            targets=self._results,
            noise=self._watch.noise(),
        )


def _result(target: Target, bench: Bench) -> TargetResult:
    must, aim = _bound(target.must, bench.scale), _bound(target.aim, bench.scale)
    try:
        value, quartiles, against = target.measure(bench)
    except NotMeasured as error:
        return TargetResult(target.group, target.case, must, aim, target.unit, reason=str(error))
    except MemoryError as error:
        return TargetResult(target.group, target.case, must, aim, target.unit, reason=f"not enough memory: {error}")
    return TargetResult(target.group, target.case, must, aim, target.unit, value, quartiles, against)


def _bound(bound: Bound, scale: Scale) -> float:
    return bound(scale) if callable(bound) else bound


def _notes(scale: Scale) -> list[str]:
    cache = last_level_cache()
    times = scale.data_bytes / cache
    size = f"X and y in memory are {scale.data_bytes / _MIB:,.0f} MiB, {times:.1f} times the last-level cache"
    if scale.data_bytes < TIMES_CACHE * cache:
        return [f"{size}; they should be {TIMES_CACHE} times, for which the memory or the scale is too small"]
    return [size]
