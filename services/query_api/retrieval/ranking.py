"""Live candidates become hits: fused, scored, cut at the threshold and the limit."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from uuid import UUID

from services.query_api.retrieval.fusion import fuse
from services.query_api.retrieval.hits import Hit, Live, Scores, SearchQuery
from shared.vectors.base import Candidate

# A chunk's relevance, from its fused score and its text.
Score = Callable[[UUID, float, str], float]


def rank(query: SearchQuery, live: Live, relevance: Score) -> list[Hit]:
    """Return the best hits in fused order."""
    return list(islice(_above_threshold(query, live, relevance), query.limit))


def _above_threshold(query: SearchQuery, live: Live, relevance: Score) -> Iterator[Hit]:
    # Relevance may read the text, so it is computed for no more hits than are asked for.
    dense, sparse = _scores(live.dense), _scores(live.sparse)
    for chunk_id, fused in fuse(dense, sparse).items():
        chunk = live.chunks[chunk_id]
        score = relevance(chunk_id, fused, chunk.text)
        if query.score_threshold is None or score >= query.score_threshold:
            scores = Scores(dense.get(chunk_id), sparse.get(chunk_id), fused)
            yield Hit(chunk, query.collection, round(score, 4), scores)


def _scores(candidates: Sequence[Candidate]) -> dict[UUID, float]:
    return {one.chunk_id: one.score for one in candidates}
