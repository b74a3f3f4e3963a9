"""A model's states of each token become one vector of a text."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from shared.embeddings.base import Vectors
from shared.model_folders import Pooling

Mask = NDArray[np.int64]


def pooled(states: Vectors, mask: Mask, pooling: Pooling) -> Vectors:
    """Return one vector a text.

    `states` has the shape (texts, tokens, dimensions), `mask` (texts, tokens) with 1 for a token
    and 0 for what fills the row up, on the right. States that are pooled already stay.
    """
    return states if states.ndim == 2 else _POOLINGS[pooling](states, mask)  # noqa: PLR2004


def _cls(states: Vectors, _mask: Mask) -> Vectors:
    first: Vectors = states[:, 0]
    return first


def _mean(states: Vectors, mask: Mask) -> Vectors:
    weights = mask[:, :, np.newaxis].astype(np.float32)
    mean: Vectors = (states * weights).sum(axis=1) / weights.sum(axis=1)
    return mean


def _last(states: Vectors, mask: Mask) -> Vectors:
    last: Vectors = states[np.arange(len(states)), mask.sum(axis=1) - 1]
    return last


_POOLINGS: Mapping[Pooling, Callable[[Vectors, Mask], Vectors]] = {
    "cls": _cls,
    "mean": _mean,
    "last": _last,
}
