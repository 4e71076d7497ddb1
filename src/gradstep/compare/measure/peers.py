"""The peers: how other libraries compute the same step. Each takes part if it is installed.

Every peer gets what it works best with: its own threads, as many as gradstep uses, and its preferred memory layout,
prepared outside the timing. Its result passes the same check as that of a kernel before it is timed.
"""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradstep.compare.measure.problems import ALPHA, Examples
from gradstep.compare.measure.timing import Call, Contender
from gradstep.contract import FloatArray, Gradient, Step
from gradstep.extras import MissingExtra, require
from gradstep.threads import threads_for

ALL = "all"
"""Stands for all that are installed, where names of peers are expected."""

Setting = AbstractContextManager[object]


def _no_setting(threads: int) -> Setting:
    return nullcontext()


@dataclass(frozen=True)
class Peer:
    """A library that can take the step.

    Attributes
    ----------
    name : str
        By which it is chosen, and the head of its column.
    summary : str
        What of it is called.
    modules : tuple of str
        What has to be importable.
    packages : tuple of str
        The distributions whose versions matter.
    prepare : callable
        Given `Examples` and a number of threads, returns the call that is timed.
    setting : callable
        Given a number of threads, returns the context of a sample, where the library's threads are set globally.
    compiles : bool
        Whether it compiles at run time.
    copies : dict
        How many copies of X it keeps beside X, for an X in "C" and in "F" order.
    """

    name: str
    summary: str
    modules: tuple[str, ...]
    packages: tuple[str, ...]
    prepare: Callable[[Examples, int], Call]
    setting: Callable[[int], Setting] = _no_setting
    compiles: bool = False
    copies: Mapping[str, int] = field(default_factory=dict, hash=False)

    def load(self) -> float:
        """Import what it needs, and return how many seconds that took when it was done first.

        Raises
        ------
        MissingExtra
            If it is not installed or cannot be imported; the message says how to cure that.
        """
        start = time.perf_counter()
        for module in self.modules:
            try:
                require(module, "peers", f"The peer {self.name}")
            except MissingExtra:
                raise
            except ImportError as error:
                cure = "pip install --upgrade 'gradstep[peers]'"
                raise MissingExtra(f"The peer {self.name} cannot be imported ({error}): {cure}") from error
        return _import_seconds.setdefault(self.name, time.perf_counter() - start)

    def version(self) -> str:
        """Return the versions of its packages."""
        if len(self.packages) == 1:
            return version(self.packages[0])
        return ", ".join(f"{package} {version(package)}" for package in self.packages)

    def contender(self, threads: int | None = 1) -> Contender:
        """Return it as a contender; None takes as many threads as gradstep does for that size of X."""

        def prepare(examples: Examples) -> Call:
            with self.setting(_threads(examples, threads)):
                return self.prepare(examples, _threads(examples, threads))

        def setting(examples: Examples) -> Setting:
            return self.setting(_threads(examples, threads))

        return Contender(
            self.name,
            prepare,
            setting,
            version=self.version(),
            load=self.load,
            compiles=self.compiles,
            copies=self.copies,
        )


_import_seconds: dict[str, float] = {}


def _threads(examples: Examples, threads: int | None) -> int:
    return threads_for(examples.X.nbytes)[0] if threads is None else threads


def installed() -> tuple[list[Peer], dict[str, str]]:
    """Return the peers that can take part, and for the names of the others the reasons."""
    present, reasons = [], {}
    for peer in PEERS.values():
        try:
            peer.load()
        except MissingExtra as error:
            reasons[peer.name] = str(error)
        else:
            present.append(peer)
    return present, reasons


def chosen(names: Sequence[str]) -> tuple[list[Peer], dict[str, str]]:
    """Return the peers of these names, which have to be installed, or those that are, where the only name is "all".

    Returns
    -------
    present : list of Peer
        The peers.
    reasons : dict
        For the names of those that "all" leaves out, why.

    Raises
    ------
    MissingExtra
        If one that is named cannot take part.
    """
    if list(names) == [ALL]:
        return installed()
    present = [PEERS[name] for name in names]
    for peer in present:
        peer.load()
    return present, {}


def beside(kernels: Sequence[Contender], present: Sequence[Peer], threads: int | None) -> list[Contender]:
    """Return kernels and peers as contenders; beside a peer that calls BLAS, NumPy code has as many threads of it."""
    if any(peer.setting is _blas_threads for peer in present):
        kernels = [with_blas_threads(contender, threads) for contender in kernels]
    return [*kernels, *(peer.contender(threads) for peer in present)]


def with_blas_threads(contender: Contender, threads: int | None) -> Contender:
    """Return the contender with BLAS limited to its threads, so that NumPy code beside a peer has no more than that."""
    return replace(contender, setting=lambda examples: _blas_threads(_threads(examples, threads)))


def _blas_threads(threads: int) -> Setting:
    limit: Setting = _blas().limit(limits=threads)
    return limit


@functools.cache
def _blas() -> Any:
    # NumPy has loaded its BLAS by now; those of SciPy or others that come later run in no peer here.
    return (
        require("threadpoolctl", "peers", "Limiting the threads of BLAS").ThreadpoolController().select(user_api="blas")
    )


def _step(examples: Examples, J: float, dw: FloatArray, db: float) -> Step:
    return Step(examples.w - ALPHA * dw, examples.b - ALPHA * db, J)


def _numpy_formula(examples: Examples, threads: int) -> Call:
    def call() -> Step:
        return _step(examples, *numpy_gradient(*examples))

    return call


def numpy_gradient(X: FloatArray, y: FloatArray, w: FloatArray, b: float) -> Gradient:
    """Return the cost and its gradient by plain NumPy, as one would write it: stable, vectorized, two passes over X."""
    z = X @ w + b
    e = np.exp(-np.abs(z))
    dz = np.where(z >= 0, 1.0, e) / (1.0 + e) - y
    J = np.mean(np.maximum(z, 0.0) - y * z + np.log1p(e))
    return Gradient(float(J), X.T @ dz / X.shape[0], float(dz.mean()))


def _numba_loop(examples: Examples, threads: int) -> Call:
    X, y, w, b = rows_contiguous(examples)
    m, n = X.shape
    one_thread, many_threads = _compiled_loops()

    def call_one() -> Step:
        sums = np.zeros(n + 2)
        one_thread(X, y, w, b, sums)
        return _step(examples, float(sums[n + 1]) / m, sums[:n] / m, float(sums[n]) / m)

    def call_many() -> Step:
        sums = np.zeros((threads, n + 2))
        many_threads(X, y, w, b, sums)
        total = sums.sum(axis=0) / m
        return _step(examples, float(total[n + 1]), total[:n], float(total[n]))

    return call_one if threads == 1 else call_many


@functools.cache
def _compiled_loops() -> tuple[Callable[..., None], Callable[..., None]]:
    """Return the loop as a Numba user would write it, for one thread and for several with a share of rows each."""
    import numba

    @numba.njit(fastmath=True, nogil=True)
    def loop(
        X: FloatArray, y: FloatArray, w: FloatArray, b: float, sums: NDArray[np.float64]
    ) -> None:  # pragma: no cover - compiled, so not seen by coverage
        m, n = X.shape
        db = 0.0
        loss = 0.0
        for i in range(m):
            z = b
            for j in range(n):
                z += w[j] * X[i, j]
            e = math.exp(-abs(z))
            a = 1.0 / (1.0 + e) if z >= 0.0 else e / (1.0 + e)
            dz = a - y[i]
            loss += max(z, 0.0) - y[i] * z + math.log1p(e)
            db += dz
            for j in range(n):
                sums[j] += dz * X[i, j]
        sums[n] = db
        sums[n + 1] = loss

    @numba.njit(fastmath=True, parallel=True)
    def shares(
        X: FloatArray, y: FloatArray, w: FloatArray, b: float, sums: NDArray[np.float64]
    ) -> None:  # pragma: no cover - compiled, so not seen by coverage
        threads, m = sums.shape[0], X.shape[0]
        for k in numba.prange(threads):
            first, last = k * m // threads, (k + 1) * m // threads
            loop(X[first:last], y[first:last], w, b, sums[k])

    return loop, shares


@contextmanager
def _numba_threads(threads: int) -> Iterator[None]:
    import numba

    before = numba.get_num_threads()
    # Numba never runs on more than there are cores, unless NUMBA_NUM_THREADS was set before it was imported.
    numba.set_num_threads(min(threads, import_module("numba.core.config").NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        numba.set_num_threads(before)


def _scikit_learn(examples: Examples, threads: int) -> Call:
    # Private, and the only place where scikit-learn computes loss and gradient together; its arguments have been the
    # same since 1.5. Without sample weights it returns means over the rows.
    linear_loss, losses = import_module("sklearn.linear_model._linear_loss"), import_module("sklearn._loss")
    X, y, w, b = examples
    loss = linear_loss.LinearModelLoss(base_loss=losses.HalfBinomialLoss(), fit_intercept=True)
    theta = np.append(w, w.dtype.type(b))

    def call() -> Step:
        J, grad = loss.loss_gradient(theta, X, y, n_threads=threads)
        return _step(examples, float(J), grad[:-1], float(grad[-1]))

    return call


def _daal4py(examples: Examples, threads: int) -> Call:
    daal4py = import_module("daal4py")
    daal4py.daalinit(threads)
    X, y, w, b = rows_contiguous(examples)
    algorithm = daal4py.optimization_solver_logistic_loss(
        numberOfTerms=X.shape[0],
        fptype="float" if X.dtype == np.float32 else "double",
        interceptFlag=True,
        penaltyL1=0.0,
        penaltyL2=0.0,
        resultsToCompute="value|gradient",
    )
    labels = y.reshape(-1, 1)
    # The intercept comes first in its argument and its gradient.
    theta = np.append(w.dtype.type(b), w).reshape(-1, 1)

    def call() -> Step:
        result = algorithm.compute(X, labels, theta)
        grad = result.gradientIdx[:, 0]
        return _step(examples, float(result.valueIdx[0, 0]), grad[1:], float(grad[0]))

    return call


def _torch(examples: Examples, threads: int) -> Call:
    torch = import_module("torch")
    X, y = torch.from_numpy(examples.X), torch.from_numpy(examples.y)
    w = torch.from_numpy(examples.w.copy()).requires_grad_()
    b = torch.tensor(examples.b, dtype=X.dtype, requires_grad=True)
    cost = torch.nn.functional.binary_cross_entropy_with_logits

    def call() -> Step:
        J = cost(X @ w + b, y)
        dw, db = torch.autograd.grad(J, (w, b))
        return _step(examples, J.item(), dw.numpy(), db.item())

    return call


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    torch = import_module("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _jax(examples: Examples, threads: int) -> Call:
    jax = _jax_on(threads)
    jnp = jax.numpy

    def cost(w: Any, b: Any, X: Any, y: Any) -> Any:
        z = X @ w + b
        return jnp.mean(jnp.logaddexp(0.0, z) - y * z)

    value_and_grad = jax.jit(jax.value_and_grad(cost, argnums=(0, 1)))
    X, y, w = (jax.device_put(array) for array in rows_contiguous(examples)[:3])
    b = jax.device_put(examples.w.dtype.type(examples.b))

    def call() -> Step:
        J, (dw, db) = jax.block_until_ready(value_and_grad(w, b, X, y))
        return _step(examples, float(J), np.asarray(dw), float(db))

    return call


@functools.lru_cache(maxsize=1)
def _jax_on(threads: int) -> Any:
    """Return JAX with a CPU client of so many threads.

    XLA takes the size of its pool from the environment when its client is made, and has no other switch for it. So the
    client is made anew for another number of threads. 64-bit types are switched on for the whole process.
    """
    jax = import_module("jax")
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    names = ("PJRT_NPROC", "NPROC")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        import_module("jax.extend.backend").clear_backends()
        jax.devices()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return jax


def rows_contiguous(examples: Examples) -> Examples:
    """Return the examples with X in C order, which most peers prefer."""
    return examples._replace(X=np.ascontiguousarray(examples.X))


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(
            "numpy-formula",
            "the vectorized formula in NumPy, two passes over X by BLAS",
            ("threadpoolctl",),
            ("numpy",),
            _numpy_formula,
            _blas_threads,
        ),
        Peer(
            "numba-loop",
            "the textbook loop, compiled by Numba with fastmath=True",
            ("numba",),
            ("numba",),
            _numba_loop,
            _numba_threads,
            compiles=True,
            copies={"F": 1},
        ),
        Peer(
            "scikit-learn",
            "LinearModelLoss.loss_gradient with HalfBinomialLoss",
            ("sklearn.linear_model._linear_loss", "sklearn._loss", "threadpoolctl"),
            ("scikit-learn",),
            _scikit_learn,
            _blas_threads,
        ),
        Peer(
            "daal4py",
            "oneDAL's logistic loss, value and gradient",
            ("daal4py",),
            ("scikit-learn-intelex",),
            _daal4py,
            copies={"F": 1},
        ),
        Peer(
            "torch",
            "binary_cross_entropy_with_logits and autograd",
            ("torch",),
            ("torch",),
            _torch,
            _torch_threads,
        ),
        Peer(
            "jax",
            "jit(value_and_grad)",
            ("jax", "jax.extend.backend"),
            ("jax",),
            _jax,
            compiles=True,
            copies={"C": 1, "F": 2},
        ),
    )
}
"""All peers, by name."""
