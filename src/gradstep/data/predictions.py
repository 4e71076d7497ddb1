"""What a model predicts for a data file: some rows at a time, so that the file may be larger than memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradstep.data import labels
from gradstep.data.blocks import Source, Texts, Unusable, delimiter_advice
from gradstep.data.models import Model


class Rows(NamedTuple):
    """The predictions for rows that follow each other."""

    ids: list[str] | None
    """The values of the column that names the rows, if there is one."""
    probability: NDArray[np.float64]
    """The probability of the label that counts as 1."""
    label: list[str]
    """The label predicted."""


class Predictions:
    """The predictions for a data file; iterate once.

    Parameters
    ----------
    model : Model
        The model.
    source : Source
        The open file. Its columns are found by their names; by position where they have none and their number is the
        model's.
    threshold : float
        From this probability on, the label predicted is the one that counts as 1.
    id_column : str, optional
        The column that names the rows.
    name : str
        What an error calls the model.

    Attributes
    ----------
    rows : int
        The number of rows until now.
    labelled, correct : int
        Of these, the number whose label the file holds, and of those predicted.

    Raises
    ------
    ValueError
        If the file lacks columns of the model; the message names them.
    """

    def __init__(
        self,
        model: Model,
        source: Source,
        threshold: float = 0.5,
        id_column: str | None = None,
        name: str = "the model",
    ) -> None:
        self._model = model
        self._source = source
        self._threshold = threshold
        self._features = _features(model, source, name)
        self._label = _label(model, source, self._features)
        self._id = None if id_column is None else source.index(id_column)
        self.rows = self.labelled = self.correct = 0

    def __iter__(self) -> Iterator[Rows]:
        texts = [j for j in (self._id, self._label) if j is not None]
        for block in self._source.blocks(self._features, texts):
            probability = self._model.probabilities(block.X)
            positive = probability >= self._threshold
            if self._label is not None:
                self._compare(positive, block.texts[-1])
            self.rows += len(positive)
            ids = None if self._id is None else _values(block.texts[0])
            yield Rows(ids, probability, self._model.labels(positive))

    def _compare(self, predicted: NDArray[np.bool_], known: Texts) -> None:
        truth = np.array([_truth(self._model, value) for value in known.values])[known.codes]
        self.labelled += int(np.count_nonzero(~np.isnan(truth)))
        self.correct += int(np.count_nonzero(truth == predicted))


def _values(texts: Texts) -> list[str]:
    return [texts.values[k] for k in texts.codes.tolist()]


def _truth(model: Model, value: str) -> float:
    """Return 1 where a label in a file is the positive one, 0 where it is another; NaN where there is none.

    A label of neither class, where the model knows both, is 2, so that no prediction agrees with it.
    """
    if labels.is_missing(value, (model.positive, model.negative or "")):
        return np.nan
    known, positive = labels.as_class(value), labels.as_class(model.positive)
    if isinstance(known, float) and 0.0 <= known <= 1.0 and positive == 1.0:
        return float(known >= 0.5)
    if known == positive:
        return 1.0
    return 0.0 if model.negative is None or known == labels.as_class(model.negative) else 2.0


def _features(model: Model, source: Source, name: str) -> list[int]:
    """Return the indices in `source.names` of the model's columns."""
    n = len(model.columns)
    if source.by_position and source.features == n:
        return list(range(n))
    # Beside the features, an npz file has arrays of text.
    alike = list(map(labels.composed, source.names[: source.features]))
    wanted = list(map(labels.composed, model.columns))
    there = {name: j for j, name in reversed(list(enumerate(alike)))}
    missing = [column for column in wanted if column not in there]
    if missing and source.by_position:
        raise ValueError(
            f"{source.path}: the columns have no names, so there should be as many as {name} has: {n}, "
            f"not {source.features}"
        )
    if missing:
        raise Unusable(_missing(source, missing, name), delimiter_advice(source.names))
    counts = Counter(alike)
    for column in wanted:
        if counts[column] > 1:
            raise ValueError(f"{source.path}: {counts[column]} columns are called {column!r}")
    return [there[column] for column in wanted]


def _missing(source: Source, missing: Sequence[str], name: str) -> str:
    columns = labels.listed(list(missing))
    lacking = (
        f"column {columns} of {name} is" if len(missing) == 1 else f"{len(missing)} columns of {name}, {columns}, are"
    )
    return f"{source.path}: {lacking} missing; there are {labels.listed(list(source.names))}"


def _label(model: Model, source: Source, features: Sequence[int]) -> int | None:
    """Return the index of the one column that holds labels; None if there is none."""
    alike = list(map(labels.composed, source.names))
    label = labels.composed(model.label)
    if alike.count(label) != 1 or alike.index(label) in features:
        return None
    return alike.index(label)
