"""The peer numba-loop: the textbook loop, as a Numba user would write it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from gradstep.compare.measure.contenders import Call
from gradstep.compare.measure.peers.peer import Peer, Setting, number_set, rows_contiguous, step, steps
from gradstep.compare.measure.problems import Examples
from gradstep.contract import FloatArray, Step, Steps, Vector


def _prepare(examples: Examples, threads: int) -> Call:
    return _prepare_one(examples, threads) if examples.models == 1 else _prepare_many(examples, threads)


def _prepare_one(examples: Examples, threads: int) -> Call:
    X, y, w, b = rows_contiguous(examples)
    m, n = X.shape
    one_thread, many_threads = compiled_loops()

    def call_one() -> Step:
        sums = np.zeros(n + 2)
        one_thread(X, y, w, b, sums)
        return step(examples, float(sums[n + 1]) / m, sums[:n] / m, float(sums[n]) / m)

    def call_many() -> Step:
        sums = np.zeros((threads, n + 2))
        many_threads(X, y, w, b, sums)
        total = sums.sum(axis=0) / m
        return step(examples, float(total[n + 1]), total[:n], float(total[n]))

    return call_one if threads == 1 else call_many


def _prepare_many(examples: Examples, threads: int) -> Call:
    X = np.ascontiguousarray(examples.X)
    m, n = X.shape
    k = examples.models
    # One contiguous row for each model, which suits the loops over the features.
    w, y = np.ascontiguousarray(examples.w.T), examples.labels
    loop, shares = _compiled_loops_over_models()

    def call_one() -> Steps:
        sums = np.zeros((k, n + 2))
        loop(X, y, w, examples.b, sums)
        return _steps(examples, sums / m)

    def call_many() -> Steps:
        sums = np.zeros((threads, k, n + 2))
        shares(X, y, w, examples.b, sums)
        return _steps(examples, sums.sum(axis=0) / m)

    return call_one if threads == 1 else call_many


def _steps(examples: Examples, means: NDArray[np.float64]) -> Steps:
    return steps(examples, means[:, -1], means[:, :-2].T, means[:, -2])


@functools.cache
def compiled_loops() -> tuple[Callable[..., None], Callable[..., None]]:
    """Return the loop for one thread, and the loop for several threads with a share of the rows each."""
    import numba

    @numba.njit(fastmath=True, nogil=True)
    def loop(X: FloatArray, y: FloatArray, w: FloatArray, b: float, sums: NDArray[np.float64]) -> None:
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
    def shares(X: FloatArray, y: FloatArray, w: FloatArray, b: float, sums: NDArray[np.float64]) -> None:
        threads, m = sums.shape[0], X.shape[0]
        for k in numba.prange(threads):
            first, last = k * m // threads, (k + 1) * m // threads
            loop(X[first:last], y[first:last], w, b, sums[k])

    return loop, shares


@functools.cache
def _compiled_loops_over_models() -> tuple[Callable[..., None], Callable[..., None]]:
    """Return the loops for several models: a row serves all of them before the next one is read."""
    import numba

    @numba.njit(fastmath=True, nogil=True)
    def loop(X: FloatArray, y: FloatArray, w: FloatArray, b: Vector, sums: NDArray[np.float64]) -> None:
        m, n = X.shape
        shared = y.shape[1] == 1
        for i in range(m):
            for k in range(w.shape[0]):
                label = y[i, 0 if shared else k]
                z = b[k]
                for j in range(n):
                    z += w[k, j] * X[i, j]
                e = math.exp(-abs(z))
                a = 1.0 / (1.0 + e) if z >= 0.0 else e / (1.0 + e)
                dz = a - label
                sums[k, n + 1] += max(z, 0.0) - label * z + math.log1p(e)
                sums[k, n] += dz
                for j in range(n):
                    sums[k, j] += dz * X[i, j]

    @numba.njit(fastmath=True, parallel=True)
    def shares(X: FloatArray, y: FloatArray, w: FloatArray, b: Vector, sums: NDArray[np.float64]) -> None:
        threads, m = sums.shape[0], X.shape[0]
        for share in numba.prange(threads):
            first, last = share * m // threads, (share + 1) * m // threads
            loop(X[first:last], y[first:last], w, b, sums[share])

    return loop, shares


def _threads(threads: int) -> Setting:
    import numba

    # Numba never runs more threads than there are cores, unless NUMBA_NUM_THREADS was set before its import.
    most = import_module("numba.core.config").NUMBA_NUM_THREADS
    return number_set(min(threads, most), numba.get_num_threads, numba.set_num_threads)


PEER = Peer(
    "numba-loop",
    "the textbook loop, compiled by Numba with fastmath=True",
    ("numba",),
    ("numba",),
    _prepare,
    _threads,
    import_seconds=0.6,
    compiles=True,
    copies={"F": 1},
)
