"""What a ranking is worth, question by question; grades as trec_eval takes them.

Every function takes the names of documents, best first and each once, and the grade of each that
is wanted. A document without a grade counts as not relevant.
"""

import math
from collections.abc import Mapping, Sequence

Ranking = Sequence[str]
Grades = Mapping[str, int]


def ndcg(ranking: Ranking, wanted: Grades, k: int) -> float:
    """Return the normalised discounted cumulative gain of the first `k`, in [0, 1].

    Gain is the grade itself and the discount log2(rank + 1), ranks from 1 (Järvelin and
    Kekäläinen, TOIS 2002, as in trec_eval's `ndcg_cut`); the ideal takes all that is wanted.

    Example:
        `ndcg(["a", "b"], {"b": 1}, 10)` is `1 / log2(3)`, .6309.
    """
    ideal = sorted(wanted.values(), reverse=True)
    best = _dcg(ideal[:k])
    return _dcg([wanted.get(name, 0) for name in ranking[:k]]) / best if best else 0.0


def recall(ranking: Ranking, wanted: Grades, k: int) -> float:
    """Return the share of what is wanted that is among the first `k` (trec_eval's `recall`)."""
    return len(wanted.keys() & set(ranking[:k])) / len(wanted) if wanted else 0.0


def reciprocal_rank(ranking: Ranking, wanted: Grades, k: int) -> float:
    """Return 1 / the rank of the first that is wanted, 0 if none is among the first `k`.

    Its mean is MRR@k (Voorhees, TREC-8 1999; cut at 10 as MS MARCO does).
    """
    ranks = (rank for rank, name in enumerate(ranking[:k], start=1) if name in wanted)
    return 1 / next(ranks, math.inf)


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
