"""Wrong kernels that the conformance suite must catch, and the right kernel that they are variants of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Row = tuple[float, float]


@dataclass(frozen=True)
class PlantedKernel:
    """A test kernel, in the form in which users pass their own."""

    name: str
    partial_sums: Callable[..., None]
    releases_gil: bool = False
    narrow_dtypes: frozenset[str] = frozenset()


class Model(NamedTuple):
    """What a kernel reads for one model beside X."""

    w: np.ndarray
    b: float
    y: np.ndarray
    weight: np.ndarray
    direction: np.ndarray | None


def right_row(z: float, y: float, c: float) -> Row:
    """Return dz and the loss of one row."""
    e = math.exp(-abs(z))
    q = e / (1.0 + e)
    dz = (1.0 - y) - q if z >= 0.0 else q - y
    loss = (max(z, 0.0) - y * z) + math.log1p(e)
    return c * dz, c * loss if 0.0 <= y <= 1.0 and c >= 0.0 else math.nan


def right_curve(z: float, u: float, y: float, c: float) -> Row:
    """Return s u and s u^2 of one row."""
    e = math.exp(-abs(z))
    s = c * (e / (1.0 + e) / (1.0 + e))
    return s * u, s * u * u if 0.0 <= y <= 1.0 and c >= 0.0 else math.nan


def right_model(
    j: int, theta: np.ndarray, y: np.ndarray, weight: np.ndarray | None, direction: np.ndarray | None
) -> Model:
    """Return what belongs to model j."""
    *w, b = theta[j].astype(np.float64)
    ones = np.ones(y.shape[-1])
    weights = ones if weight is None else weight if weight.ndim == 1 else weight[j]
    return Model(np.array(w), b, y if y.ndim == 1 else y[j], weights, None if direction is None else direction[j])


def right_rows(start: int, stop: int) -> range:
    """Return the rows of a block."""
    return range(start, stop)


def right_block(X: np.ndarray, slopes: np.ndarray, lasts: np.ndarray) -> np.ndarray:
    """Sum the rows of a block."""
    return np.array([*(slopes @ X.astype(np.float64)), slopes.sum(), lasts.sum()])


def right_write(out: np.ndarray, sums: np.ndarray) -> None:
    """Write the sums of a block and model into their row of out."""
    out[:] = sums


def planted(
    name: str,
    row: Callable[[float, float, float], Row] = right_row,
    curve: Callable[[float, float, float, float], Row] = right_curve,
    rows: Callable[[int, int], Any] = right_rows,
    block: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] = right_block,
    write: Callable[[np.ndarray, np.ndarray], None] = right_write,
    model: Callable[..., Model] = right_model,
) -> PlantedKernel:
    """Assemble a kernel from its parts; the defaults make it right."""

    def partial_sums(X, y, theta, block_rows, out, sample_weight=None, direction=None):
        with np.errstate(all="ignore"):
            for j in range(len(theta)):
                w, b, labels, weight, v = model(j, theta, y, sample_weight, direction)
                for number, start in enumerate(range(0, len(X), block_rows)):
                    chosen = list(rows(start, min(start + block_rows, len(X))))
                    scores = [[float(np.dot(X[i].astype(np.float64), w)) + b] for i in chosen]
                    function = row
                    if v is not None:
                        *v_w, v_b = v.astype(np.float64)
                        scores = [
                            [*z, float(np.dot(X[i].astype(np.float64), v_w)) + v_b]
                            for z, i in zip(scores, chosen, strict=True)
                        ]
                        function = curve
                    given = zip(scores, labels[chosen].tolist(), weight[chosen].tolist(), strict=True)
                    slopes, lasts = np.array([function(*z, y_i, c_i) for z, y_i, c_i in given]).reshape(-1, 2).T
                    write(out[number, j], block(X[chosen], slopes, lasts))

    return PlantedKernel(name, partial_sums)


def _without_last_row(start: int, stop: int) -> range:
    return range(start, stop - 1)


def _without_row_512(start: int, stop: int) -> list[int]:
    return [i for i in range(start, stop) if i != 512]


def _first_row_twice(start: int, stop: int) -> list[int]:
    return [start, *range(start, stop)]


def _swapped_sign_below_zero(z: float, y: float, c: float) -> Row:
    dz, loss = right_row(z, y, c)
    return (-dz if z < 0.0 else dz), loss


def _without_weight(z: float, y: float, c: float) -> Row:
    return right_row(z, y, 1.0 if c >= 0.0 else c)


def _without_weight_in_the_loss(z: float, y: float, c: float) -> Row:
    return right_row(z, y, c)[0], right_row(z, y, 1.0 if c >= 0.0 else c)[1]


def _textbook_loss(z: float, y: float, c: float) -> Row:
    a = 1.0 / (1.0 + np.exp(-z))
    loss = -(y * np.log(a) + (1.0 - y) * np.log(1.0 - a))
    return right_row(z, y, c)[0], c * float(loss) + 0.0 * right_row(z, y, c)[1]


def _textbook_sigmoid(z: float, y: float, c: float) -> Row:
    return c * float(1.0 / (1.0 + np.exp(-z)) - y), right_row(z, y, c)[1]


def _ungrouped_loss(z: float, y: float, c: float) -> Row:
    dz, loss = right_row(z, y, c)
    return dz, c * ((max(z, 0.0) + math.log1p(math.exp(-abs(z)))) - y * z) + 0.0 * loss


def _logarithm_of_a_product(X: np.ndarray, dz: np.ndarray, loss: np.ndarray) -> np.ndarray:
    rounded = np.where(loss < 1e-3, np.log(1.0 + np.expm1(loss)), loss)
    return right_block(X, dz, rounded)


def _without_flag(z: float, y: float, c: float) -> Row:
    dz, _ = right_row(z, y, c)
    return dz, c * ((max(z, 0.0) - y * z) + math.log1p(math.exp(-abs(z))))


def _labels_rounded(z: float, y: float, c: float) -> Row:
    return right_row(z, float(round(y)) if 0.0 <= y <= 1.0 else y, c)


def _without_last_column(X: np.ndarray, dz: np.ndarray, loss: np.ndarray) -> np.ndarray:
    sums = right_block(X, dz, loss)
    sums[-3] = 0.0
    return sums


def _last_db_only(X: np.ndarray, dz: np.ndarray, loss: np.ndarray) -> np.ndarray:
    sums = right_block(X, dz, loss)
    sums[-2] = dz[-1]
    return sums


def _in_float32(X: np.ndarray, dz: np.ndarray, loss: np.ndarray) -> np.ndarray:
    dz, loss = dz.astype(np.float32), loss.astype(np.float32)
    return np.array([*(dz @ X.astype(np.float32)), dz.sum(), loss.sum()], np.float64)


def _all_but_db(out: np.ndarray, sums: np.ndarray) -> None:
    out[:-2], out[-1] = sums[:-2], sums[-1]


def _added(out: np.ndarray, sums: np.ndarray) -> None:
    out += sums


def _writes_to_X(X, *rest):
    RIGHT.partial_sums(X, *rest)
    if X.flags.writeable:
        X[0, 0] += 1.0


def _carries_over(X, y, theta, block_rows, out, *rest):
    """Start each block from a rounding of the previous one, as when an accumulator is not reset."""
    RIGHT.partial_sums(X, y, theta, block_rows, out, *rest)
    out[1:, :, -1] += out[:-1, :, -1] * 2.0**-52


def _skips_a_row_of_large_data(X, y, theta, block_rows, out, sample_weight=None, direction=None):
    """Leave out a row on the path for rows from memory."""
    RIGHT.partial_sums(X, y, theta, block_rows, out, sample_weight, direction)
    if X.nbytes > 1 << 20:
        row = np.empty((1, *out.shape[1:]))
        weight = None if sample_weight is None else sample_weight[..., :1]
        RIGHT.partial_sums(X[:1], y[..., :1], theta, 1, row, weight, direction)
        out[0] -= row[0]


def _two_ulps_off(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Move every value by two units in the last place, alternately up and down; zeros stay."""
    towards = np.where(rows % 2 == 0, np.inf, 0.0).astype(values.dtype)
    moved = np.nextafter(np.nextafter(values, towards), towards)
    return np.where(values == 0.0, values, moved)


def _as_rough_as_allowed(X, y, theta, block_rows, out, sample_weight=None, direction=None):
    """Sum in the dtype of X, sequentially from the last row to the first, with exp and log1p 2 ULP off."""
    ones = np.ones(len(X), X.dtype)
    with np.errstate(all="ignore"):
        for j, (block, start) in itertools.product(range(len(theta)), enumerate(range(0, len(X), block_rows))):
            rows = slice(start, start + block_rows)
            label = (y if y.ndim == 1 else y[j])[rows]
            weights = ones if sample_weight is None else sample_weight if sample_weight.ndim == 1 else sample_weight[j]
            weight = weights[rows]
            terms = _rough_terms(X[rows], label, theta[j], weight, None if direction is None else direction[j])
            terms[:, -1] = np.where((label >= 0) & (label <= 1) & (weight >= 0), terms[:, -1], np.nan)
            out[block, j] = np.cumsum(terms[::-1], axis=0, dtype=X.dtype)[-1]


def _rough_terms(X, y, theta, weight, v):
    """Return what each row contributes to each sum of its block."""
    number = np.arange(len(X))
    z = _rough_scores(X, theta)
    e = np.exp(-np.abs(z))
    e = _two_ulps_off(np.where(e < np.finfo(X.dtype).tiny, X.dtype.type(0), e), number)
    if v is not None:
        u, reciprocal = _rough_scores(X, v), 1 / (1 + e)
        slopes = weight * (e * reciprocal * reciprocal) * u
        return np.column_stack([slopes[:, None] * X, slopes, slopes * u])
    q = e / (1 + e)
    slopes = weight * np.where(z >= 0, (1 - y) - q, q - y)
    loss = weight * ((np.maximum(z, 0) - y * z) + _two_ulps_off(np.log1p(e), number))
    return np.column_stack([slopes[:, None] * X, slopes, loss])


def _rough_scores(X, theta):
    return np.cumsum((X * theta[:-1])[:, ::-1], axis=1)[:, -1] + theta[-1]


RIGHT = planted("right")
CARRIES_OVER = PlantedKernel("carries a rounding over from block to block", _carries_over)
ROUGH = PlantedKernel("as rough as allowed", _as_rough_as_allowed)
"""Makes all errors that the bounds allow at once, but keeps the NaN of a bad row."""

WRONG: list[tuple[PlantedKernel, str]] = [
    (planted("drops the last row of a block", rows=_without_last_row), "check_shapes"),
    (planted("drops row 512", rows=_without_row_512), "check_shapes"),
    (planted("counts the first row twice", rows=_first_row_twice), "check_shapes"),
    (planted("swaps the sign of dz at z < 0", row=_swapped_sign_below_zero), "check_shapes"),
    (planted("forgets the weight", row=_without_weight), "check_shapes_weighted"),
    (planted("forgets the weight in the loss", row=_without_weight_in_the_loss), "check_weights"),
    (planted("leaves db unwritten", write=_all_but_db), "check_partial_sums"),
    (planted("adds to what out held", write=_added), "check_partial_sums"),
    (planted("drops the last feature", block=_without_last_column), "check_shapes"),
    (planted("does not accumulate db", block=_last_db_only), "check_shapes"),
    (planted("takes the textbook loss", row=_textbook_loss), "check_saturation"),
    (planted("takes the textbook sigmoid", row=_textbook_sigmoid), "check_saturation"),
    (planted("groups the loss differently", row=_ungrouped_loss), "check_saturation"),
    (planted("loses small losses beside 1", block=_logarithm_of_a_product), "check_separated"),
    (planted("accumulates in float32", block=_in_float32), "check_shapes"),
    (planted("does not flag bad labels and weights", row=_without_flag), "check_flags"),
    (planted("rounds labels", row=_labels_rounded), "check_labels"),
    (PlantedKernel("writes to X", _writes_to_X), "check_inputs_unchanged"),
    (CARRIES_OVER, "check_blocks_stand_alone"),
    (PlantedKernel("skips a row of more than 1 MiB", _skips_a_row_of_large_data), "check_rows_from_memory"),
]
"""Each wrong kernel, and the name of a check that must catch it. Those for several models are in `planted_models`."""
