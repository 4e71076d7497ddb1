"""Labels of one model for each class, which are widened to zeros and ones only where they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradstep.classes import sorted_classes


class OneAgainstRest:
    """The labels of k models, one for each class: 1 for an example of the model's class, else 0.

    It stands for an array of shape (m, k) where the functions of gradstep take labels. Such an array never exists: the
    zeros and ones are made for a block of rows at a time.

    Parameters
    ----------
    labels : array-like of shape (m,)
        The class of each example: numbers or text, of at least two classes.

    Attributes
    ----------
    classes : ndarray of shape (k,)
        The classes, sorted; column j of a result belongs to ``classes[j]``.
    shape : tuple of int
        ``(m, k)``.

    Raises
    ------
    ValueError
        If `labels` is not one-dimensional, has less than two classes, or a label is missing or masked.
    TypeError
        If `labels` has no order.

    Examples
    --------
    >>> import numpy as np, gradstep
    >>> y = gradstep.OneAgainstRest(["red", "green", "blue", "green"])
    >>> y.classes
    array(['blue', 'green', 'red'], dtype='<U5')
    >>> J, dw, db = gradstep.gradient(np.eye(4), y, np.zeros((4, 3)), np.zeros(3))
    >>> db
    array([0.25, 0.  , 0.25])
    """

    ndim = 2
    dtype = np.dtype(np.bool_)

    def __init__(self, labels: ArrayLike) -> None:
        self.classes, codes = sorted_classes("labels", labels)
        k = len(self.classes)
        if k < 2:
            raise ValueError(f"labels hold {k} class(es); there should be at least two")
        self._codes: NDArray[np.unsignedinteger[Any]] = codes.astype(np.min_scalar_type(k - 1))
        self.shape = (len(codes), k)

    def __repr__(self) -> str:
        m, k = self.shape
        return f"<OneAgainstRest: {m:,} examples of {k} classes>"

    def write(self, rows: slice, models: NDArray[np.intp] | None, out: NDArray[np.floating[Any]]) -> None:
        """Write the labels of some rows to `out`, one row for each of some models; None for all."""
        numbers = np.arange(self.shape[1]) if models is None else models
        np.equal(self._codes[rows], numbers.astype(self._codes.dtype)[:, np.newaxis], out=out, casting="same_kind")

    def column(self, j: int) -> NDArray[np.bool_]:
        """Return the labels of one model, of shape (m,)."""
        labels: NDArray[np.bool_] = self._codes == j
        return labels
