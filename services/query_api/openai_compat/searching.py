"""`/openai/v1/vector_stores/{id}/search`."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from fastapi import APIRouter, Request

from services.query_api.leaving import while_connected
from services.query_api.openai_compat.filters import our_filters
from services.query_api.openai_compat.schemas import (
    RankingOptions,
    TextContent,
    VectorStoreSearchPage,
    VectorStoreSearchRequest,
    VectorStoreSearchResult,
)
from services.query_api.retrieval.hits import Found, Hit, SearchQuery
from services.query_api.retrieval.search import Retriever
from services.query_api.routers.context import Asker, Searching
from shared.openai_ids import read_store_id, shown_file_id, shown_store_id
from shared.web.openai_errors import openai_documented

router = APIRouter(tags=["openai"])


@router.post(
    "/openai/v1/vector_stores/{vector_store_id}/search",
    summary="Search a vector store",
    responses=openai_documented(400, 401, 403, 404, 502, 503, 504),
)
async def search_vector_store(
    vector_store_id: str,
    body: VectorStoreSearchRequest,
    caller: Asker,
    retriever: Searching,
    request: Request,
) -> VectorStoreSearchPage:
    """Return the chunks of a store that fit a query, or one of several, best."""
    ranking = body.ranking_options or RankingOptions()
    query = SearchQuery(
        tenant_id=caller.tenant_id,
        text="",
        collection=shown_store_id(read_store_id(vector_store_id)),
        limit=body.max_num_results,
        filters=our_filters(body.filters),
        score_threshold=ranking.score_threshold,
        rerank=ranking.reranks,
    )
    found = await while_connected(request, _search(retriever, query, body.queries))
    return VectorStoreSearchPage(
        search_query=body.queries,
        data=[_shown(hit) for hit in _best(found)[: body.max_num_results]],
    )


async def _search(retriever: Retriever, query: SearchQuery, queries: Sequence[str]) -> list[Found]:
    searches = [
        asyncio.create_task(retriever.search(replace(query, text=text))) for text in queries
    ]
    try:
        return await asyncio.gather(*searches)
    finally:
        for search in searches:
            search.cancel()


def _best(found: Sequence[Found]) -> list[Hit]:
    """Return the hits of all searches, each chunk once; those of one stay in their order."""
    if len(found) == 1:
        return list(found[0].hits)
    best: dict[object, Hit] = {}
    for hit in (hit for one in found for hit in one.hits):
        known = best.get(hit.chunk.id)
        if known is None or known.score < hit.score:
            best[hit.chunk.id] = hit
    return sorted(best.values(), key=lambda hit: -hit.score)


def _shown(hit: Hit) -> VectorStoreSearchResult:
    return VectorStoreSearchResult(
        file_id=shown_file_id(hit.chunk.source_id),
        filename=hit.chunk.filename,
        score=hit.score,
        attributes=dict(hit.chunk.attributes),
        content=[TextContent(text=hit.chunk.text)],
    )
