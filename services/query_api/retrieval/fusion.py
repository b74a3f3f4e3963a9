"""Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009) of ranked lists."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

# The paper's constant, and what MODELS' figures were measured with.
K = 60

Id = TypeVar("Id", bound=Hashable)


def fuse(*rankings: Sequence[Id], k: int = K) -> dict[Id, float]:
    """Return each id's sum of `1 / (k + rank)`, best first; ranks count from 1.

    Ties keep the order of first sight, so an earlier ranking decides.

    Example:
        `fuse(["a", "b"], ["b"])` is `{"b": 1/62 + 1/61, "a": 1/61}`.
    """
    scores: dict[Id, float] = {}
    for ranking in rankings:
        for rank, id_ in enumerate(ranking, start=1):
            scores[id_] = scores.get(id_, 0.0) + 1 / (k + rank)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))
