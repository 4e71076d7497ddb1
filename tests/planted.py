"""Wrong kernels that the conformance suite must catch, and the right kernel that they are variants of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Row = tuple[float, float]


@dataclass(frozen=True)
class PlantedKernel:
    """A test kernel, in the form in which users pass their own."""

    name: str
    partial_sums: Callable[..., None]
    releases_gil: bool = False


def right_row(z: float, y: float, c: float) -> Row:
    """Return dz and the loss of one row."""
    e = math.exp(-abs(z))
    q = e / (1.0 + e)
    dz = (1.0 - y) - q if z >= 0.0 else q - y
    loss = (max(z, 0.0) - y * z) + math.log1p(e)
    return c * dz, c * loss if 0.0 <= y <= 1.0 and c >= 0.0 else math.nan


def right_rows(start: int, stop: int) -> range:
    """Return the rows of a block."""
    return range(start, stop)


def right_block(X: np.ndarray, dz: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Sum the rows of a block."""
    return np.array([*(dz @ X.astype(np.float64)), dz.sum(), loss.sum()])


def right_write(out: np.ndarray, sums: np.ndarray) -> None:
    """Write a block's sums into its row of out."""
    out[:] = sums


def planted(
    name: str,
    row: Callable[[float, float, float], Row] = right_row,
    rows: Callable[[int, int], Any] = right_rows,
    block: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] = right_block,
    write: Callable[[np.ndarray, np.ndarray], None] = right_write,
) -> PlantedKernel:
    """Assemble a kernel from its parts; the defaults make it right."""

    def partial_sums(X, y, w, b, block_rows, out, sample_weight=None):
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        with np.errstate(all="ignore"):
            for k, start in enumerate(range(0, len(y), block_rows)):
                chosen = list(rows(start, min(start + block_rows, len(y))))
                z = [float(np.dot(X[i].astype(np.float64), w.astype(np.float64))) + b for i in chosen]
                parts = [row(z_i, float(y[i]), float(weight[i])) for z_i, i in zip(z, chosen, strict=True)]
                dz, loss = np.array(parts).reshape(-1, 2).T
                write(out[k], block(X[chosen], dz, loss))

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


def _writes_to_X(X, y, w, b, block_rows, out, sample_weight=None):
    RIGHT.partial_sums(X, y, w, b, block_rows, out, sample_weight)
    if X.flags.writeable:
        X[0, 0] += 1.0


def _carries_over(X, y, w, b, block_rows, out, sample_weight=None):
    """Start each block from a rounding of the previous one, as when an accumulator is not reset."""
    RIGHT.partial_sums(X, y, w, b, block_rows, out, sample_weight)
    out[1:, -1] += out[:-1, -1] * 2.0**-52


def _skips_a_row_of_large_data(X, y, w, b, block_rows, out, sample_weight=None):
    """Leave out a row on the path for rows from memory."""
    RIGHT.partial_sums(X, y, w, b, block_rows, out, sample_weight)
    if X.nbytes > 1 << 20:
        row = np.empty((1, out.shape[1]))
        RIGHT.partial_sums(X[:1], y[:1], w, b, 1, row, None if sample_weight is None else sample_weight[:1])
        out[0] -= row[0]


def _two_ulps_off(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Move every value by two units in the last place, alternately up and down; zeros stay."""
    towards = np.where(rows % 2 == 0, np.inf, 0.0).astype(values.dtype)
    moved = np.nextafter(np.nextafter(values, towards), towards)
    return np.where(values == 0.0, values, moved)


def _as_rough_as_allowed(X, y, w, b, block_rows, out, sample_weight=None):
    """Sum in the dtype of X, sequentially from the last row to the first, with exp and log1p 2 ULP off."""
    real = X.dtype.type
    with np.errstate(all="ignore"):
        for k, start in enumerate(range(0, len(y), block_rows)):
            rows = slice(start, start + block_rows)
            number, X_k, y_k = np.arange(len(y[rows])), X[rows], y[rows]
            weight = np.ones_like(y_k) if sample_weight is None else sample_weight[rows]
            z = np.cumsum((X_k * w)[:, ::-1], axis=1)[:, -1] + real(b)
            e = np.exp(-np.abs(z))
            e = _two_ulps_off(np.where(e < np.finfo(real).tiny, real(0), e), number)
            q = e / (1 + e)
            dz = weight * np.where(z >= 0, (1 - y_k) - q, q - y_k)
            loss = weight * ((np.maximum(z, 0) - y_k * z) + _two_ulps_off(np.log1p(e), number))
            loss = np.where((y_k >= 0) & (y_k <= 1) & (weight >= 0), loss, np.nan)
            terms = np.column_stack([dz[:, None] * X_k, dz, loss])
            out[k] = np.cumsum(terms[::-1], axis=0, dtype=real)[-1]


RIGHT = planted("right")
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
    (PlantedKernel("carries a rounding over from block to block", _carries_over), "check_blocks_stand_alone"),
    (PlantedKernel("skips a row of more than 1 MiB", _skips_a_row_of_large_data), "check_rows_from_memory"),
]
"""Each wrong kernel, and the name of a check that must catch it."""
