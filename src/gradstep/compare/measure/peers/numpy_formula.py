"""The peer numpy-formula: plain NumPy, as one would write it."""

from __future__ import annotations

import numpy as np

from gradstep.compare.measure.contenders import Call
from gradstep.compare.measure.peers.peer import Peer, blas_threads, step
from gradstep.compare.measure.problems import Examples
from gradstep.contract import FloatArray, Gradient, Step


def gradient(X: FloatArray, y: FloatArray, w: FloatArray, b: float) -> Gradient:
    """Return the cost and its gradient in stable, vectorized NumPy: two passes over X."""
    z = X @ w + b
    e = np.exp(-np.abs(z))
    dz = np.where(z >= 0, 1.0, e) / (1.0 + e) - y
    J = np.mean(np.maximum(z, 0.0) - y * z + np.log1p(e))
    return Gradient(float(J), X.T @ dz / X.shape[0], float(dz.mean()))


def _prepare(examples: Examples, threads: int) -> Call:
    def call() -> Step:
        return step(examples, *gradient(*examples))

    return call


PEER = Peer(
    "numpy-formula",
    "the vectorized formula in NumPy, two passes over X by BLAS",
    ("threadpoolctl",),
    ("numpy",),
    _prepare,
    blas_threads,
)
