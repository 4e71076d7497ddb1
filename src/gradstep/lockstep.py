"""Descents in lockstep: each pass over X serves all models that have not stopped, and each goes its own way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradstep.contract import Fit, Fits
from gradstep.cost import Cost
from gradstep.fit_progress import Show
from gradstep.models import Points, gradients
from gradstep.outcomes import Iterate, Iterates
from gradstep.path import Path, Trials

Callback = Callable[[Any], bool | None]


class Lockstep:
    """The descents of all models of a cost.

    Parameters
    ----------
    cost : Cost
        The cost of the models.
    paths : sequence of Path
        The descent of each model.
    """

    def __init__(self, cost: Cost, paths: Sequence[Path]) -> None:
        self._cost = cost
        self._paths = paths
        self._is_single = cost.examples.k is None

    @property
    def n_iter(self) -> int:
        """The most steps that a model has taken."""
        return max(path.n_iter for path in self._paths)

    @property
    def J(self) -> float:
        """The largest cost of a model."""
        return max(path.J for path in self._paths)

    @property
    def largest(self) -> float:
        """The largest component of a gradient in the coordinates of its descent; NaN if there is one."""
        return float(np.max([path.largest for path in self._paths]))

    def run(self, tol: float, max_iter: int, callback: Callback | None, show: Show) -> bool:
        """Let each model take steps until one of its ends; return whether all stopped at the callback's wish."""
        under_way: dict[int, Trials] = {}
        points: Points = {}

        def go_on(j: int, gradient: Any) -> None:
            """Tell a model the gradient that it asked for, and note where it needs the next one."""
            try:
                points[j] = under_way[j].send(gradient)
            except StopIteration:
                del under_way[j]
                points.pop(j, None)

        while True:
            idle = [j for j, path in enumerate(self._paths) if j not in under_way and not path.ended(tol, max_iter)]
            if idle or not under_way:
                show(self)
            if not idle and not under_way:
                return False
            if idle and callback is not None and callback(self.iterate()):
                return True
            for j in idle:
                under_way[j] = self._paths[j].step()
                go_on(j, None)
            if points:
                for j, gradient in gradients(self._cost, points).items():
                    go_on(j, gradient)

    def iterate(self) -> Iterate | Iterates:
        """Return the state as a callback sees it."""
        states = [path.iterate() for path in self._paths]
        return states[0] if self._is_single else Iterates(*_by_model(states))

    def reached(self, tol: float) -> Fit | Fits:
        """Return the present state as a result."""
        return self._together([path.reached(path.largest <= tol) for path in self._paths])

    def result(self, tol: float) -> Fit | Fits:
        """Return the result of descents that reached `tol` or the largest number of steps."""
        return self._together([path.result(tol) for path in self._paths])

    def _together(self, fits: list[Fit]) -> Fit | Fits:
        if self._is_single:
            return fits[0]
        w, b, J, n_iter, converged = _by_model([fit[:-1] for fit in fits])
        largest, largest_scaled = _by_model([(fit.largest, fit.largest_scaled) for fit in fits])
        histories, advice = tuple(fit.history for fit in fits), tuple(fit.advice for fit in fits)
        return Fits(w, b, J, n_iter, converged, histories, largest, largest_scaled, advice)


def _by_model(states: list[Any]) -> list[Any]:
    """Return each field of some tuples with one number for each of them, or one column."""
    return [np.stack(values, axis=-1) for values in zip(*states, strict=True)]
