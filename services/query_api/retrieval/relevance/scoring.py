"""A search's evidence becomes relevance: the logistic of what was fitted for its space and way."""

import math
from uuid import UUID

from services.query_api.retrieval.hits import Live, Mode, SearchQuery
from services.query_api.retrieval.relevance.evidence import Evidence, Id, Seen
from services.query_api.retrieval.relevance.fits import Fit, Way, fit_of, reranked_fit

# Beyond it exp says nothing more, and further on it overflows.
_FARTHEST = 30.0


class Relevance:
    """Scores the hits of one search."""

    def __init__(self, query: SearchQuery, live: Live, space: str, chunks: int) -> None:
        """Take what was asked and found, the space's name, and about how many chunks it has."""
        self._evidence = Evidence(query.text, live.dense, live.sparse, chunks)
        way = way_of(query.mode, self._evidence)
        self._fit, self._reranked = fit_of(space, way), reranked_fit(space, way)

    @property
    def floor(self) -> float:
        """The least relevance of a hit at which a question is answered from it."""
        return self._fit.floor

    def of(self, chunk_id: UUID, fused: float, text: str, reading: float | None = None) -> float:
        """Return a hit's relevance in [0, 1]; `reading` is the share of 1 a cross-encoder gives."""
        fit = self._fit if reading is None else self._reranked
        return relevance(fit, self._evidence, Seen(chunk_id, fused, text, reading))


def way_of(mode: Mode, evidence: Evidence[Id]) -> Way:
    """Return how a search found what it found: without vectors it was by words alone."""
    if not evidence.has_vectors:
        return "sparse"
    return mode if evidence.asked.told_apart else "meaning"


def relevance(fit: Fit, evidence: Evidence[Id], hit: Seen[Id]) -> float:
    """Return a hit's relevance; 0 where a score of a store is no number."""
    logit = fit.constant + sum(
        weight * evidence.of(feature, hit) for feature, weight in fit.weights.items()
    )
    if math.isnan(logit):
        return 0.0
    return 1 / (1 + math.exp(-min(_FARTHEST, max(-_FARTHEST, logit))))
