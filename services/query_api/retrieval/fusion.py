"""Two ranked lists become one, by how high a hit stands in each and by how far apart scores are.

The mean of two fusions: reciprocal ranks (Cormack, Clarke and Büttcher, SIGIR 2009), which know
ranks alone, and a convex combination of scores scaled to [0, 1] in each list (Bruch, Gai and
Ingber, TOIS 2023), which is led astray where a list's scores are all alike. The words weigh more
where their best hits stand far above their tenth, as where a question names a code or a number
that few chunks hold. What was measured of each, and of the constants:
docs/decisions/0160-fusion-of-ranks-and-scores.md.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

K = 10
RANKS_SHARE = 0.4
# What the dense list weighs: the least where the words tell hits apart, the most where they do not.
DENSE_WEIGHTS = (0.42, 0.57)
# The score of the tenth by words, as a share of the first's, between which that weight moves.
TENTHS = (0.4, 0.7)
TENTH = 10

Id = TypeVar("Id", bound=Hashable)


def fuse(dense: Mapping[Id, float], sparse: Mapping[Id, float]) -> dict[Id, float]:
    """Return each id's fused score in [0, 1], best first; both lists come best first.

    1 is the first of both lists, or of the only one that has any. Ties keep the order of first
    sight, the dense list before the other.
    """
    fused: dict[Id, float] = {}
    for scores, weight in _weighed(dense, sparse):
        for id_, score in _of_list(scores).items():
            fused[id_] = fused.get(id_, 0.0) + weight * score
    return dict(sorted(fused.items(), key=lambda item: -item[1]))


def _weighed(
    dense: Mapping[Id, float], sparse: Mapping[Id, float]
) -> list[tuple[Mapping[Id, float], float]]:
    if dense and sparse:
        weight = _dense_weight(list(sparse.values()), min(TENTH, len(dense)))
        return [(dense, weight), (sparse, 1 - weight)]
    return [(scores, 1.0) for scores in (dense, sparse) if scores]


def _dense_weight(sparse: Sequence[float], tenth: int) -> float:
    """Return the dense list's weight, from how far the words' scores have fallen at the tenth.

    A list that ends before has fallen to nothing there.
    """
    share = sparse[tenth - 1] / (sparse[0] or 1.0) if len(sparse) >= tenth else 0.0
    (low, high), (least, most) = TENTHS, DENSE_WEIGHTS
    return least + (most - least) * min(1.0, max(0.0, (share - low) / (high - low)))


def _of_list(scores: Mapping[Id, float]) -> dict[Id, float]:
    """Return what a list says of each of its ids: 1 of the first, less of the others."""
    highest, lowest = max(scores.values()), min(scores.values())
    spread = highest - lowest
    return {
        id_: RANKS_SHARE * (K + 1) / (K + rank)
        + (1 - RANKS_SHARE) * ((score - lowest) / spread if spread else 1.0)
        for rank, (id_, score) in enumerate(scores.items(), start=1)
    }
