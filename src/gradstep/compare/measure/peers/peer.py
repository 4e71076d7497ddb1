"""What a peer is: another library that can take the step, how it becomes a contender, and the threads of BLAS."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

from gradstep.compare.measure.contenders import Call, Contender
from gradstep.compare.measure.problems import ALPHA, Examples
from gradstep.contract import FloatArray, Step, Steps, Vector
from gradstep.extras import require
from gradstep.threads import threads_for

Setting = AbstractContextManager[object]


@dataclass(frozen=True)
class Peer:
    """A library that can take the step.

    Attributes
    ----------
    name : str
        Selects it on the command line, and heads its column.
    summary : str
        Which of its functions is called.
    modules, packages : tuple of str
        The modules it has to import, and the distributions whose versions matter.
    prepare : callable
        Given `Examples` and a number of threads, returns the call that is timed.
    setting : callable
        Given a number of threads, returns the context of a sample, if the library's threads are a global setting.
    import_seconds : float
        About how long importing it takes; a budget is planned with it.
    compiles, copies
        As of `Contender`.
    takes_many : bool
        Whether it takes a step of several models at once; else its call takes one model after another.
    """

    name: str
    summary: str
    modules: tuple[str, ...]
    packages: tuple[str, ...]
    prepare: Callable[[Examples, int], Call]
    setting: Callable[[int], Setting] = lambda threads: nullcontext()
    import_seconds: float = 0.0
    compiles: bool = False
    copies: Mapping[str, int] = field(default_factory=dict, hash=False)
    takes_many: bool = True

    def require(self) -> None:
        """Raise MissingExtra if a package that it needs is not installed. Nothing is imported."""
        for module in self.modules:
            package = module.partition(".")[0]
            if find_spec(package) is None:
                require(package, "peers", f"The peer {self.name}")

    def one_time(self) -> float:
        """Return what importing it, if that is still to come, and its next call of a new kind may take."""
        first_call = _COMPILING if self.compiles else 0.0
        return first_call if self.name in _import_seconds else self.import_seconds + first_call

    def load(self) -> float:
        """Import what it needs, and return how many seconds the first import took.

        Raises
        ------
        MissingExtra
            If it is not installed or cannot be imported; the message says how to fix that.
        """
        start = time.perf_counter()
        for module in self.modules:
            require(module, "peers", f"The peer {self.name}")
        return _import_seconds.setdefault(self.name, time.perf_counter() - start)

    def version(self) -> str:
        """Return the versions of its packages."""
        if len(self.packages) == 1:
            return version(self.packages[0])
        return ", ".join(f"{package} {version(package)}" for package in self.packages)

    def contender(self, threads: int | None = 1) -> Contender:
        """Return it as a contender; None takes as many threads as gradstep does for that size of X."""

        def prepare(examples: Examples) -> Call:
            count = threads_of(examples, threads)
            with self.setting(count):
                return self.prepare(examples, count)

        def setting(examples: Examples) -> Setting:
            return self.setting(threads_of(examples, threads))

        return Contender(
            self.name,
            prepare,
            setting,
            version=self.version(),
            load=self.load,
            one_time=self.one_time,
            compiles=self.compiles,
            copies=self.copies,
        )


_import_seconds: dict[str, float] = {}

# What the first call of a peer that compiles takes.
_COMPILING = 0.7


def threads_of(examples: Examples, threads: int | None) -> int:
    """Return the number of threads for these examples; None stands for gradstep's own choice."""
    return threads_for(examples.X.nbytes)[0] if threads is None else threads


def step(examples: Examples, J: float, dw: FloatArray, db: float) -> Step:
    """Return the step of one model from the cost and its gradient."""
    return Step(examples.w - ALPHA * dw, examples.b - ALPHA * db, J)


def steps(examples: Examples, J: Vector, dw: FloatArray, db: Vector) -> Steps:
    """Return the step of several models from their costs and gradients."""
    return Steps(examples.w - ALPHA * dw, examples.b - ALPHA * db, J)


def one_after_another(prepare: Callable[[Examples, int], Call]) -> Callable[[Examples, int], Call]:
    """Return a preparation for any number of models from that for one: the call takes one model after another."""

    def prepare_all(examples: Examples, threads: int) -> Call:
        if examples.models == 1:
            return prepare(examples, threads)
        calls = [prepare(each, threads) for each in examples.one_by_one()]

        def call() -> Steps:
            w, b, J = zip(*(each() for each in calls), strict=True)
            return Steps(np.stack(w, axis=1), np.array(b), np.array(J))

        return call

    return prepare_all


def rows_contiguous(examples: Examples) -> Examples:
    """Return the examples with X in C order, which most peers prefer."""
    return examples._replace(X=np.ascontiguousarray(examples.X))


@contextmanager
def number_set(threads: int, get: Callable[[], int], set_: Callable[[int], None]) -> Iterator[None]:
    """Set a library's global number of threads, and put the old one back in the end."""
    before = get()
    set_(threads)
    try:
        yield
    finally:
        set_(before)


def with_blas_threads(contender: Contender, threads: int | None) -> Contender:
    """Return the contender with BLAS limited to its threads, so that NumPy code beside a peer gets no more."""
    return replace(contender, setting=lambda examples: blas_threads(threads_of(examples, threads)))


def blas_threads(threads: int) -> Setting:
    """Return a context in which BLAS uses at most this many threads."""
    limit: Setting = _blas().limit(limits=threads)
    return limit


@functools.cache
def _blas() -> Any:
    # NumPy has loaded its BLAS by now. No peer here uses one that is loaded later, such as SciPy's.
    threadpoolctl = require("threadpoolctl", "peers", "Limiting the threads of BLAS")
    return threadpoolctl.ThreadpoolController().select(user_api="blas")
