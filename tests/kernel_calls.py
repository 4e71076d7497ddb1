"""Calls a kernel as the engine does, and compares bits."""

from __future__ import annotations

import numpy as np

from gradstep import Kernel


def raw_sums(
    kernel: Kernel,
    X: np.ndarray,
    y: np.ndarray,
    theta: np.ndarray,
    block_rows: int,
    sample_weight: np.ndarray | None = None,
    direction: np.ndarray | None = None,
) -> np.ndarray:
    """Return a kernel's `out` for arrays that meet the contract; elements that it does not write are NaN."""
    k, width = theta.shape
    out = np.full((-(-len(X) // block_rows), k, width + 1), np.nan)
    kernel.partial_sums(X, y, theta, block_rows, out, sample_weight, direction)
    return out


def parameters(w: np.ndarray, b: float) -> np.ndarray:
    """Return theta of one model, in the dtype of w."""
    return np.append(w, w.dtype.type(b))[None, :]


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays have the same bits."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
