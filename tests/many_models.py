"""Problems of several models on the same rows, as a kernel takes them in one call."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import problems
from kernel_calls import raw_sums
from problems import Problem

from gradstep import Kernel

K = (1, 2, 3, 8, 33)
LABELS = ("shared", "per model")
WEIGHTS = ("none", "shared", "per model")


@dataclass(frozen=True, eq=False)
class Models:
    """Problems with the same X, and the arrays in which a kernel gets what is their own."""

    name: str
    members: tuple[Problem, ...]
    y: np.ndarray
    """(m,) for all of them, or (k, m)."""
    sample_weight: np.ndarray | None
    """None, (m,) or (k, m)."""

    @property
    def k(self) -> int:
        return len(self.members)

    @property
    def X(self) -> np.ndarray:
        return self.members[0].computed.X

    @functools.cached_property
    def theta(self) -> np.ndarray:
        return np.vstack([member.computed.theta for member in self.members])

    @functools.cached_property
    def direction(self) -> np.ndarray:
        return np.vstack([member.computed.direction for member in self.members])

    def arguments(self, directed: bool) -> dict[str, Any]:
        """Return what a kernel takes beside the number of rows in a block."""
        return {
            "X": self.X,
            "y": self.y,
            "theta": self.theta,
            "sample_weight": self.sample_weight,
            "direction": self.direction if directed else None,
        }

    def take(self, chosen: list[int]) -> Models:
        """Return these of the models, in this order."""
        y = self.y if self.y.ndim == 1 else self.y[chosen]
        weight = self.sample_weight
        weight = weight if weight is None or weight.ndim == 1 else weight[chosen]
        return Models(f"{self.name}, models {chosen}", tuple(self.members[j] for j in chosen), y, weight)

    def assert_right(self, kernel: Kernel, block_rows: int, what: str = "", **changes: Any) -> None:
        """Fail unless a kernel writes every element, and all of them within their bounds, in both modes."""
        for directed in (False, True):
            out = raw_sums(kernel, block_rows=block_rows, **(self.arguments(directed) | changes))
            unwritten = np.argwhere(np.isnan(out)).tolist()
            assert not unwritten, f"{self.name}: elements of out left unwritten at {unwritten[:9]}"
            for j, member in enumerate(self.members):
                check = member.assert_right_curvatures if directed else member.assert_right_sums
                check(out[:, j], block_rows, what)


@functools.cache
def random_models(
    m: int, n: int, dtype: str = "float64", k: int = 3, labels: str = "per model", weights: str = "per model"
) -> Models:
    """Return k models on the rows of `problems.random_problem`; no two have the same parameters or direction."""
    generator = np.random.default_rng([m, n, k])
    base = problems.random_problem(m, n, dtype)
    y = (generator.random((k, m)) < 0.5).astype(dtype)
    y[:, 1::3] = generator.random(y[:, 1::3].shape)
    weight = generator.uniform(0.5, 2.0, (k, m)).astype(dtype)
    weight[:, m // 2] *= m == 1
    w = (3.0 * generator.standard_normal((k, n)) / n**0.5).astype(dtype)
    b, direction = generator.uniform(-1.0, 1.0, k), generator.standard_normal((k, n + 1))
    members = []
    for j in range(k):
        own = {"none": None, "shared": weight[0], "per model": weight[j]}[weights]
        labels_of_j = base.y if labels == "shared" else y[j]
        name = f"model {j} of {k} on {base.name}, labels {labels}, weights {weights}"
        members.append(
            replace(base, name=name, y=labels_of_j, w=w[j], b=b[j], sample_weight=own, direction=direction[j])
        )
    given_y = base.y if labels == "shared" else y
    given_weight = {"none": None, "shared": weight[0], "per model": weight}[weights]
    return Models(
        f"{k} models on {base.name}, labels {labels}, weights {weights}", tuple(members), given_y, given_weight
    )


def _apart(values: np.ndarray) -> np.ndarray:
    """Return the same rows with gaps of three numbers between them."""
    frame = np.full((values.shape[0], values.shape[1] + 3), np.nan, values.dtype)
    frame[:, : values.shape[1]] = values
    return frame[:, : values.shape[1]]


STRIDES = {
    "rows apart": _apart,
    "rows in the other order": lambda values: values[::-1].copy()[::-1],
    "rows apart, in the other order": lambda values: _apart(values[::-1])[::-1],
    "every other row": lambda values: np.repeat(values, 2, axis=0)[::2],
}
"""Each turns a (k, m) array into one of the same values with another stride between its rows."""
