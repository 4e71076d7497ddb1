"""One model of a cost that several share: its own examples, penalty and derivatives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gradstep.contract import Gradient, Vector
from gradstep.cost import Cost, Matrix, gradient_at, parameters
from gradstep.staging import Models
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
"""A point, or a direction, (w, b) of each of some models."""


def gradients(cost: Cost, points: Points) -> dict[int, Gradient]:
    """Return the costs and gradients of some models, each at its point (w, b), in one pass over X."""
    if cost.examples.k is None:
        return {number: gradient_at(cost, *point) for number, point in points.items()}
    numbers, models = _in_order(cost, points)
    J, grad = cost.evaluate(_rows(points, numbers), models)
    return {j: Gradient(J.item(row), grad[row, :-1], grad.item(row, -1)) for row, j in enumerate(numbers)}


def curvatures(cost: Cost, points: Points, directions: Points) -> dict[int, float]:
    """Return the second derivative of the costs of some models along their directions, in one pass over X."""
    numbers, models = _in_order(cost, directions)
    _, along = cost.curvature(_rows(points, numbers), _rows(directions, numbers), models)
    return dict(zip(numbers, along.tolist(), strict=True))


def _in_order(cost: Cost, points: Points) -> tuple[list[int], Models | None]:
    """Return the numbers of the models in order, which is not that of the points, and what a pass takes for them."""
    numbers = sorted(points)
    k = cost.examples.k
    return numbers, None if k is None or k == len(numbers) else np.array(numbers)


def _rows(points: Points, numbers: list[int]) -> Matrix:
    return np.concatenate([parameters(*points[j]) for j in numbers])
