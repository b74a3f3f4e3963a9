"""Live candidates become hits: put in order, scored, cut at the threshold, chosen."""

from collections.abc import Callable, Iterator
from uuid import UUID

from services.query_api.retrieval.choosing import Chosen, choose
from services.query_api.retrieval.hits import Hit, Live, Order, Scores, SearchQuery

# A chunk's relevance, from its fused score, its text and what a cross-encoder says, if it does.
Score = Callable[[UUID, float, str, float | None], float]


def rank(query: SearchQuery, live: Live, order: Order, relevance: Score) -> Chosen:
    """Return the hits to show, in their order."""
    return choose(_above_threshold(query, live, order, relevance), query)


def _above_threshold(
    query: SearchQuery, live: Live, order: Order, relevance: Score
) -> Iterator[Hit]:
    # Relevance may read the text, so it is computed for no more hits than are asked for.
    for chunk_id, fused in order.fused.items():
        chunk = live.chunks.get(chunk_id)
        if chunk is None:
            continue
        reranked = order.rerank.get(chunk_id)
        score = relevance(chunk_id, fused, chunk.text, reranked)
        if query.score_threshold is None or score >= query.score_threshold:
            scores = Scores(live.dense.get(chunk_id), live.sparse.get(chunk_id), fused, reranked)
            yield Hit(chunk, query.collection, round(score, 4), scores)
