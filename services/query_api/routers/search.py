"""`POST /v1/search`."""

from fastapi import APIRouter, Request

from services.query_api.leaving import while_connected
from services.query_api.retrieval.hits import SearchQuery
from services.query_api.routers.context import Asker, Searching
from services.query_api.schemas.search import SearchRequest, SearchResponse
from shared.web.problems import documented

router = APIRouter(tags=["search"])


@router.post(
    "/v1/search",
    summary="Find passages",
    response_model_exclude_unset=True,
    responses=documented(401, 403, 404, 422, 502, 503, 504),
)
async def search(
    body: SearchRequest, caller: Asker, retriever: Searching, request: Request
) -> SearchResponse:
    """Return the live chunks of a collection that fit a query best."""
    query = SearchQuery(
        tenant_id=caller.tenant_id,
        text=body.query,
        collection=body.collection,
        limit=body.limit,
        mode=body.mode,
        filters=body.filters,
        score_threshold=body.score_threshold,
        rerank=body.rerank,
        distinct=body.distinct,
        max_per_document=body.max_per_document,
        neighbours=body.neighbours,
    )
    return SearchResponse.of(await while_connected(request, retriever.search(query)))
