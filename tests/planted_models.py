"""Wrong kernels that the checks of several models and of directions must catch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from planted import CARRIES_OVER, RIGHT, Model, PlantedKernel, Row, planted, right_curve, right_model


def _neighbours_b(j: int, theta: np.ndarray, *rest: Any) -> Model:
    return right_model(j, theta, *rest)._replace(b=float(theta[j - 1, -1]))


def _label_row_of_the_neighbour(j: int, theta: np.ndarray, y: np.ndarray, *rest: Any) -> Model:
    return right_model(j, theta, y if y.ndim == 1 else np.roll(y, 1, axis=0), *rest)


def _weight_row_of_the_neighbour(j: int, theta: np.ndarray, y: np.ndarray, weight: Any, direction: Any) -> Model:
    shared = weight is None or weight.ndim == 1
    return right_model(j, theta, y, weight if shared else np.roll(weight, 1, axis=0), direction)


def _weight_of_the_first_model(j: int, theta: np.ndarray, y: np.ndarray, weight: Any, direction: Any) -> Model:
    shared = weight is None or weight.ndim == 1
    return right_model(j, theta, y, weight if shared else weight[0], direction)


def _labels_as_if_adjacent(j: int, theta: np.ndarray, y: np.ndarray, *rest: Any) -> Model:
    """Take the labels of the first model where the rows of y are not adjacent."""
    adjacent = y.ndim == 1 or y.strides[0] == y.shape[1] * y.itemsize
    return right_model(j, theta, y if adjacent else y[0], *rest)


def _direction_of_the_neighbour(j: int, theta: np.ndarray, y: np.ndarray, weight: Any, direction: Any) -> Model:
    return right_model(j, theta, y, weight, None if direction is None else np.roll(direction, 1, axis=0))


def _direction_without_last(j: int, theta: np.ndarray, y: np.ndarray, weight: Any, direction: Any) -> Model:
    cut = None if direction is None else direction * (np.arange(direction.shape[1]) < direction.shape[1] - 1)
    return right_model(j, theta, y, weight, cut)


def _direction_without_first(j: int, theta: np.ndarray, y: np.ndarray, weight: Any, direction: Any) -> Model:
    """Leave the first column out of one of the two passes, so that they are no longer adjoint."""
    cut = None if direction is None else direction * (np.arange(direction.shape[1]) > 0)
    return right_model(j, theta, y, weight, cut)


def _without_the_second_division(z: float, u: float, y: float, c: float) -> Row:
    """Take q for q / (1 + e)."""
    slope, square = right_curve(z, u, y, c)
    return slope * (1.0 + math.exp(-abs(z))), square * (1.0 + math.exp(-abs(z)))


def _curvature_of_the_signed_z(z: float, u: float, y: float, c: float) -> Row:
    """Take exp(-z) for exp(-|z|), which is right for z >= 0 alone."""
    e = float(np.exp(-z))
    s = c * e / (1.0 + e) / (1.0 + e)
    return s * u, s * u * u + 0.0 * right_curve(z, u, y, c)[1]


def _textbook_curvature(z: float, u: float, y: float, c: float) -> Row:
    a = float(1.0 / (1.0 + np.exp(-z)))
    s = c * a * (1.0 - a)
    return s * u, s * u * u + 0.0 * right_curve(z, u, y, c)[1]


def _curve_without_weight(z: float, u: float, y: float, c: float) -> Row:
    return right_curve(z, u, y, 1.0 if c >= 0.0 else c)


def _curve_without_flag(z: float, u: float, y: float, c: float) -> Row:
    slope, _ = right_curve(z, u, y, c)
    return slope, slope * u


def _curve_with_the_score(z: float, u: float, y: float, c: float) -> Row:
    """Return s u |u| for s u^2, as if negative directions bent the cost the other way."""
    slope, square = right_curve(z, u, y, c)
    return slope, math.copysign(square, u)


def _writes_to_theta(X, y, theta, *rest):
    RIGHT.partial_sums(X, y, theta, *rest)
    if theta.flags.writeable and len(theta) > 1:
        theta[1, -1] += 1.0


def _adds_one_model_to_the_next(X, y, theta, block_rows, out, *rest):
    RIGHT.partial_sums(X, y, theta, block_rows, out, *rest)
    out[:, 1:] += out[:, :-1].copy()


def _rounds_otherwise_in_company(X, y, theta, block_rows, out, *rest):
    """Compute within the bounds, but not with the same bits for one model and for several, as GEMM does."""
    RIGHT.partial_sums(X, y, theta, block_rows, out, *rest)
    if len(theta) > 1:
        out[..., 0] *= 1.0 + 2.0**-52


def _rounds_otherwise_in_the_second_place(X, y, theta, block_rows, out, *rest):
    RIGHT.partial_sums(X, y, theta, block_rows, out, *rest)
    out[:, 1::4, -1] *= 1.0 + 2.0**-52


def _ignores_the_direction(X, y, theta, block_rows, out, sample_weight=None, direction=None):
    RIGHT.partial_sums(X, y, theta, block_rows, out, sample_weight)


def _leaves_the_last_model_unwritten(X, y, theta, block_rows, out, *rest):
    before = out[:, -1].copy()
    RIGHT.partial_sums(X, y, theta, block_rows, out, *rest)
    if len(theta) % 4 == 3:
        out[:, -1] = before


def _flags_every_model(X, y, theta, block_rows, out, *rest):
    RIGHT.partial_sums(X, y, theta, block_rows, out, *rest)
    out[np.isnan(out[..., -1]).any(axis=1), :, -1] = np.nan


def _wrong_on_narrow_rows(X, y, theta, block_rows, out, *rest):
    """Take the bits of narrow numbers for those of wide ones, but for the first model."""
    RIGHT.partial_sums(X, y, theta, block_rows, out, *rest)
    if X.itemsize == 1:
        out[:, 1:] *= 2.0**-52


def _warns_along_a_direction(X, y, theta, block_rows, out, sample_weight=None, direction=None):
    RIGHT.partial_sums(X, y, theta, block_rows, out, sample_weight, direction)
    if direction is not None:
        out[..., -1] += (X @ direction[:, :-1].T * 1e300).max() * 0.0


LOUD = PlantedKernel("overflows loudly along a direction", _warns_along_a_direction)

WRONG: list[tuple[PlantedKernel, str]] = [
    (planted("reads its neighbour's b", model=_neighbours_b), "check_models"),
    (planted("takes the labels of its neighbour", model=_label_row_of_the_neighbour), "check_models"),
    (planted("takes the weights of its neighbour", model=_weight_row_of_the_neighbour), "check_models"),
    (planted("takes the first model's weights for all", model=_weight_of_the_first_model), "check_models"),
    (planted("takes the direction of its neighbour", model=_direction_of_the_neighbour), "check_models"),
    (planted("takes rows of labels for adjacent", model=_labels_as_if_adjacent), "check_strides_between_models"),
    (planted("drops the last component of the direction", model=_direction_without_last), "check_directions"),
    (planted("takes q for q / (1 + e)", curve=_without_the_second_division), "check_directions"),
    (planted("takes q for q / (1 + e)", curve=_without_the_second_division), "check_differences_of_gradients"),
    (planted("forgets the weight along a direction", curve=_curve_without_weight), "check_directions"),
    (planted("takes exp(-z) for exp(-|z|)", curve=_curvature_of_the_signed_z), "check_saturated_curvature"),
    (planted("takes a (1 - a)", curve=_textbook_curvature), "check_curvature_of_both_signs_in_one_block"),
    (planted("has passes that are not adjoint", model=_direction_without_first), "check_adjoint_passes"),
    (planted("has passes that are not adjoint", model=_direction_without_first), "check_symmetry"),
    (planted("takes s u |u| for s u^2", curve=_curve_with_the_score), "check_symmetry"),
    (planted("does not flag along a direction", curve=_curve_without_flag), "check_flags_of_models"),
    (PlantedKernel("adds one model to the next", _adds_one_model_to_the_next), "check_models"),
    (PlantedKernel("rounds otherwise in company", _rounds_otherwise_in_company), "check_company"),
    (PlantedKernel("rounds otherwise in company", _rounds_otherwise_in_company), "check_gradients_of_models"),
    (PlantedKernel("rounds otherwise in one place", _rounds_otherwise_in_the_second_place), "check_company"),
    (PlantedKernel("ignores the direction", _ignores_the_direction), "check_directions"),
    (PlantedKernel("leaves a third model unwritten", _leaves_the_last_model_unwritten), "check_models"),
    (PlantedKernel("flags every model", _flags_every_model), "check_flags_of_models"),
    (PlantedKernel("writes to theta", _writes_to_theta), "check_inputs_of_models_unchanged"),
    (CARRIES_OVER, "check_blocks_of_models_stand_alone"),
    (
        PlantedKernel("widens for the first model alone", _wrong_on_narrow_rows, False, frozenset({"int8"})),
        "check_narrow_rows_of_models",
    ),
]
"""Each wrong kernel, and the name of a check that must catch it."""
