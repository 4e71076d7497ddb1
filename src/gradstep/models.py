"""One model of a cost that several share: its own examples, penalty and derivatives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gradstep.contract import Gradient, Vector
from gradstep.cost import Cost, parameters
from gradstep.validate import Data


class Model(NamedTuple):
    """One of the models of a cost.

    Attributes
    ----------
    cost : Cost
        What the models have in common.
    number : int
        Which of them it is.
    """

    cost: Cost
    number: int

    @property
    def name(self) -> str:
        """How a message begins that is about this model; empty where there is no other."""
        return "" if self.cost.examples.k is None else f"model {self.number}: "

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """The dtype of the computation."""
        return self.cost.dtype

    @property
    def l2(self) -> float:
        """The strength of its penalty."""
        return self.cost.l2.item(self.number)

    @property
    def examples(self) -> Data:
        """The examples with its own labels and weights."""
        return self.cost.examples.of_model(self.number)

    def gradient(self, w: Vector, b: float) -> Gradient:
        """Return its cost and gradient, in a pass for it alone."""
        return gradients(self.cost, {self.number: (w, b)})[self.number]


Points = dict[int, tuple[Vector, float]]


def gradients(cost: Cost, points: Points) -> dict[int, Gradient]:
    """Return the costs and gradients of some models, each at its point (w, b), in one pass over X."""
    k = cost.examples.k
    # In the order of the models: the points come in the order in which they were asked for.
    numbers = sorted(points)
    theta = np.concatenate([parameters(*points[j]) for j in numbers])
    J, grad = cost.evaluate(theta, None if k is None or k == len(points) else np.array(numbers))
    return {j: Gradient(J.item(row), grad[row, :-1], grad.item(row, -1)) for row, j in enumerate(numbers)}
