"""The peer scikit-learn: the loss and gradient under its LogisticRegression."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from gradstep.compare.measure.contenders import Call
from gradstep.compare.measure.peers.peer import Peer, blas_threads, one_after_another, step
from gradstep.compare.measure.problems import Examples
from gradstep.contract import Step


def _prepare(examples: Examples, threads: int) -> Call:
    # Private, and the only place where scikit-learn computes loss and gradient together; its arguments have been the
    # same since 1.5. Without sample weights it returns means over the rows.
    linear_loss, losses = import_module("sklearn.linear_model._linear_loss"), import_module("sklearn._loss")
    X, y, w, b = examples
    loss = linear_loss.LinearModelLoss(base_loss=losses.HalfBinomialLoss(), fit_intercept=True)
    theta = np.append(w, w.dtype.type(b))

    def call() -> Step:
        J, grad = loss.loss_gradient(theta, X, y, n_threads=threads)
        return step(examples, float(J), grad[:-1], float(grad[-1]))

    return call


PEER = Peer(
    "scikit-learn",
    "LinearModelLoss.loss_gradient with HalfBinomialLoss",
    ("sklearn.linear_model._linear_loss", "sklearn._loss", "threadpoolctl"),
    ("scikit-learn",),
    one_after_another(_prepare),
    blas_threads,
    import_seconds=1.5,
    takes_many=False,
)
