"""Live candidates become hits: put in order, scored, cut at the threshold, chosen."""

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from services.query_api.retrieval.choosing import Chosen, choose
from services.query_api.retrieval.fusion import fuse
from services.query_api.retrieval.hits import Hit, Live, Order, Scores, SearchQuery
from services.query_api.retrieval.relevance import Relevance
from shared.models import EmbeddingSpace
from shared.vectors.base import Candidate


def fused_order(live: Live) -> Order:
    """Return the chunks of both lists in fused order."""
    return Order(fuse(_scores(live.dense), _scores(live.sparse)))


def rank(query: SearchQuery, live: Live, order: Order, space: EmbeddingSpace) -> Chosen:
    """Return the hits to show, in their order."""
    return choose(_above_threshold(query, live, order, space), query)


def _above_threshold(
    query: SearchQuery, live: Live, order: Order, space: EmbeddingSpace
) -> Iterator[Hit]:
    # Relevance reads the text, so it is computed for no more hits than are asked for.
    dense, sparse = _scores(live.dense), _scores(live.sparse)
    relevance = Relevance(query.text, space)
    for chunk_id, fused in order.fused.items():
        chunk = live.chunks[chunk_id]
        score = relevance.of(chunk.text, _cosine(chunk_id, dense))
        if query.score_threshold is None or score >= query.score_threshold:
            reranked = order.rerank.get(chunk_id)
            scores = Scores(dense.get(chunk_id), sparse.get(chunk_id), fused, reranked)
            yield Hit(chunk, query.collection, round(score, 4), scores)


def _scores(candidates: Sequence[Candidate]) -> dict[UUID, float]:
    return {one.chunk_id: one.score for one in candidates}


def _cosine(chunk_id: UUID, dense: Mapping[UUID, float]) -> float | None:
    """Return a hit's cosine, or its upper bound: the least of a list that does not hold it."""
    if not dense:
        return None
    return dense.get(chunk_id, min(dense.values()))
