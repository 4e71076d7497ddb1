"""Standardization: gives each column mean 0 and standard deviation 1, and takes a model back to original units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradstep.contract import FloatArray


class Standardization(NamedTuple):
    """The shift and the scale of each column that make its mean 0 and its standard deviation 1.

    Attributes
    ----------
    means : ndarray of shape (n,)
        Subtracted first.
    scales : ndarray of shape (n,)
        Divided by; 1 for a column that is constant, which becomes 0.
    """

    means: NDArray[np.float64]
    scales: NDArray[np.float64]

    @classmethod
    def of(cls, X: FloatArray, columns: Sequence[str] = ()) -> Standardization:
        """Measure the columns of X; an error begins with the entry of `columns` for the one that is out of range.

        Examples
        --------
        >>> import numpy as np
        >>> Standardization.of(np.array([[1.0, 7.0], [3.0, 7.0]]))
        Standardization(means=array([2., 7.]), scales=array([1., 1.]))
        """
        least = X.min(axis=0)
        constant = least == X.max(axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            means = np.where(constant, least, X.mean(axis=0, dtype=np.float64))
            scales = np.where(constant, 1.0, X.std(axis=0, dtype=np.float64))
        usable = np.isfinite(scales) & (scales > 0.0)
        if not usable.all():
            j = int(np.argmin(usable))
            name = columns[j] if columns else f"column {j}"
            raise ValueError(f"{name} cannot be standardized: its spread is out of range")
        return cls(means, scales)

    def apply(self, X: FloatArray) -> FloatArray:
        """Return the standardized columns, a new array in the dtype of X."""
        return ((X - self.means) / self.scales).astype(X.dtype, copy=False)

    def original_units(self, w: FloatArray, b: float) -> tuple[NDArray[np.float64], float]:
        """Return the w and b that give for the original columns what (w, b) gives for the standardized ones."""
        original_w = w.astype(np.float64) / self.scales
        return original_w, b - float(original_w @ self.means)
