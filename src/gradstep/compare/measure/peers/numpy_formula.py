"""The peer numpy-formula: plain NumPy, as one would write it."""

from __future__ import annotations

import numpy as np

from gradstep.compare.measure.contenders import Call
from gradstep.compare.measure.peers.peer import Peer, blas_threads, step, steps
from gradstep.compare.measure.problems import Examples
from gradstep.contract import FloatArray, Gradient, Gradients, Step, Steps, Vector


def gradient(X: FloatArray, y: FloatArray, w: FloatArray, b: float) -> Gradient:
    """Return the cost and its gradient in stable, vectorized NumPy: two passes over X."""
    z = X @ w + b
    e = np.exp(-np.abs(z))
    dz = np.where(z >= 0, 1.0, e) / (1.0 + e) - y
    J = np.mean(np.maximum(z, 0.0) - y * z + np.log1p(e))
    return Gradient(float(J), X.T @ dz / X.shape[0], float(dz.mean()))


def gradients(X: FloatArray, y: FloatArray, w: FloatArray, b: Vector) -> Gradients:
    """Return the costs of several models and their gradients, by two matrix products; y has a column for each model."""
    z = X @ w + b
    e = np.exp(-np.abs(z))
    dz = np.where(z >= 0, 1.0, e) / (1.0 + e) - y
    J = np.mean(np.maximum(z, 0.0) - y * z + np.log1p(e), axis=0)
    return Gradients(J, X.T @ dz / X.shape[0], dz.mean(axis=0))


def _prepare(examples: Examples, threads: int) -> Call:
    return _prepare_one(examples) if examples.models == 1 else _prepare_many(examples)


def _prepare_one(examples: Examples) -> Call:
    def call() -> Step:
        return step(examples, *gradient(*examples))

    return call


def _prepare_many(examples: Examples) -> Call:
    X, _, w, _ = examples
    # In float64, b would make everything float64.
    y, b = examples.labels, examples.b.astype(w.dtype)

    def call() -> Steps:
        return steps(examples, *gradients(X, y, w, b))

    return call


PEER = Peer(
    "numpy-formula",
    "the vectorized formula in NumPy, two passes over X by BLAS",
    ("threadpoolctl",),
    ("numpy",),
    _prepare,
    blas_threads,
)
