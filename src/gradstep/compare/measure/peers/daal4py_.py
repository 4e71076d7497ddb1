"""The peer daal4py: oneDAL's logistic loss."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from gradstep.compare.measure.contenders import Call
from gradstep.compare.measure.peers.peer import Peer, one_after_another, rows_contiguous, step
from gradstep.compare.measure.problems import Examples
from gradstep.contract import Step


def _prepare(examples: Examples, threads: int) -> Call:
    daal4py = import_module("daal4py")
    daal4py.daalinit(threads)
    X, y, w, b = examples
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
        return step(examples, float(result.valueIdx[0, 0]), grad[1:], float(grad[0]))

    return call


def _prepare_all(examples: Examples, threads: int) -> Call:
    # Before the models are separated, so that they share one copy of X.
    return one_after_another(_prepare)(rows_contiguous(examples), threads)


PEER = Peer(
    "daal4py",
    "oneDAL's logistic loss, value and gradient",
    ("daal4py",),
    ("scikit-learn-intelex",),
    _prepare_all,
    import_seconds=1.5,
    copies={"F": 1},
    takes_many=False,
)
