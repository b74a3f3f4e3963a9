"""`/v1/quality`: canary questions, the rounds over them, and what came of it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from services.query_api.quality.watch import RunWish
from services.query_api.routers.context import Admin, Asker, Watching
from services.query_api.schemas.quality import (
    CanariesRequest,
    CanariesResponse,
    QualityResponse,
    QualityRunRequest,
    QualityRunResponse,
)
from shared.web.problems import documented

router = APIRouter(prefix="/v1/quality", tags=["quality"])

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Ticks = Annotated[int, Query(ge=1, le=500, description="Most ticks.")]


@router.post(
    "/run",
    summary="Ask the canaries",
    responses=documented(401, 403, 404, 422, 503)
    | {202: {"model": QualityRunResponse, "description": "It goes on without you."}},
)
async def run_quality(
    caller: Admin, watch: Watching, response: Response, wish: QualityRunRequest | None = None
) -> QualityRunResponse:
    """Ask the canaries of one collection, or of all of the tenant's, and judge what they find.

    Each is asked in every mode through the real search, past its caches. Without canaries of
    yours they are made from the corpus.
    """
    asked = wish or QualityRunRequest()
    run = RunWish(caller.tenant_id, asked.collection, asked.due, asked.rebase)
    if asked.wait:
        return QualityRunResponse.of(await watch.run(run))
    watch.begin(run)
    response.status_code = 202
    return QualityRunResponse(items=[])


@router.get(
    "/{collection}", summary="Show a collection's quality", responses=documented(401, 403, 404, 422)
)
async def get_quality(
    collection: Name, caller: Asker, watch: Watching, limit: Ticks = 20
) -> QualityResponse:
    """Show the newest ticks, and the baseline that the next one is measured by."""
    return QualityResponse.of(await watch.history(caller.tenant_id, collection, limit=limit))


@router.get(
    "/{collection}/canaries", summary="List canaries", responses=documented(401, 403, 404, 422)
)
async def list_canaries(collection: Name, caller: Asker, watch: Watching) -> CanariesResponse:
    """List a collection's canaries; those that were made have a `chunk_id`."""
    return CanariesResponse.of(await watch.canaries(caller.tenant_id, collection))


@router.put(
    "/{collection}/canaries", summary="Give canaries", responses=documented(401, 403, 404, 422)
)
async def put_canaries(
    collection: Name, body: CanariesRequest, caller: Admin, watch: Watching
) -> CanariesResponse:
    """Let these take the place of a collection's canaries; with none they are made again.

    The baseline begins anew.
    """
    given = [canary.new() for canary in body.canaries]
    return CanariesResponse.of(await watch.put_canaries(caller.tenant_id, collection, given))
