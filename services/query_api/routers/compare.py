"""`POST /v1/search/compare`: is the new index as good as the one that answers?"""

from fastapi import APIRouter

from services.query_api.retrieval.hits import SearchQuery
from services.query_api.routers.context import Admin, Comparing
from services.query_api.schemas.compare import CompareRequest, CompareResponse
from shared.web.problems import documented

router = APIRouter(tags=["search"])


@router.post(
    "/v1/search/compare",
    summary="Compare the two indexes of a reindex",
    responses=documented(401, 403, 409, 422, 502, 503, 504),
)
async def compare_indexes(
    body: CompareRequest, caller: Admin, comparer: Comparing
) -> CompareResponse:
    """Ask both indexes of a collection that is being reindexed the same questions.

    Those that are given, and canaries: sentences of its chunks, whose document is known.
    """
    comparison = await comparer.compare(
        SearchQuery(caller.tenant_id, "", body.collection, rerank=body.rerank),
        body.questions,
        canaries=body.canaries,
    )
    return CompareResponse.of(comparison)
