"""The peer jax: JAX's compiled value and gradient."""

from __future__ import annotations

import functools
import os
from importlib import import_module
from typing import Any

import numpy as np

from gradstep.compare.measure.contenders import Call
from gradstep.compare.measure.peers.peer import Peer, rows_contiguous, step, steps
from gradstep.compare.measure.problems import Examples
from gradstep.contract import Step, Steps


def _prepare(examples: Examples, threads: int) -> Call:
    return _prepare_one(examples, threads) if examples.models == 1 else _prepare_many(examples, threads)


def _prepare_one(examples: Examples, threads: int) -> Call:
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
        return step(examples, float(J), np.asarray(dw), float(db))

    return call


def _prepare_many(examples: Examples, threads: int) -> Call:
    jax = _jax_on(threads)
    jnp = jax.numpy

    def costs(w: Any, b: Any, X: Any, y: Any) -> Any:
        z = X @ w + b
        J = jnp.mean(jnp.logaddexp(0.0, z) - y * z, axis=0)
        return J.sum(), J

    value_and_grad = jax.jit(jax.value_and_grad(costs, argnums=(0, 1), has_aux=True))
    X, _, w, b = rows_contiguous(examples)
    X, y, w, b = (jax.device_put(each) for each in (X, examples.labels, w, b.astype(w.dtype)))

    def call() -> Steps:
        (_, J), (dw, db) = jax.block_until_ready(value_and_grad(w, b, X, y))
        return steps(examples, np.asarray(J), np.asarray(dw), np.asarray(db))

    return call


@functools.lru_cache(maxsize=1)
def _jax_on(threads: int) -> Any:
    """Return JAX with a CPU client of this many threads.

    XLA takes the size of its pool from the environment when its client is made, and has no other switch for it. So
    another number of threads needs a new client. 64-bit types are switched on for the whole process.
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


PEER = Peer(
    "jax",
    "jit(value_and_grad)",
    ("jax", "jax.extend.backend"),
    ("jax",),
    _prepare,
    import_seconds=1.0,
    compiles=True,
    copies={"C": 1, "F": 2},
)
