"""`/v1/usage`: what a tenant holds, and what its embedding and its questions took."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from services.ingest_worker.routers.dependencies import Context, Reader
from services.ingest_worker.schemas import (
    CollectionUsageResponse,
    Usage,
    UsageSumsResponse,
)
from services.ingest_worker.usage import Sums, add_up
from services.ingest_worker.usage_schemas import ChatUsageResponse, TenantUsageResponse
from shared.models import JobState
from shared.web.problems import documented

router = APIRouter(prefix="/v1/usage", tags=["usage"], responses=documented(401, 403, 503))


@router.get("", summary="Add up what is held and used", responses=documented(422))
async def get_usage(
    context: Context,
    caller: Reader,
    since: Annotated[
        AwareDatetime | None, Query(description="Only jobs made from this moment on.")
    ] = None,
    until: Annotated[
        AwareDatetime | None, Query(description="Only jobs made before this moment.")
    ] = None,
) -> TenantUsageResponse:
    """Add up documents, bytes, jobs and embedding, overall and by collection; and what chat took.

    What is held is told as it is now; `since` and `until` choose the jobs that are added up. Chat
    is counted by days (UTC): by those that the span touches.
    """
    async with context.database.tenant(caller.tenant_id) as connection:
        usage = await add_up(connection, since=since, until=until)
    return TenantUsageResponse(
        since=since,
        until=until,
        total=_shown(usage.total),
        collections=[
            CollectionUsageResponse(name=one.name, **_shown(one).model_dump())
            for one in usage.collections
        ],
        chat=ChatUsageResponse.of(usage.chat),
    )


def _shown(sums: Sums) -> UsageSumsResponse:
    return UsageSumsResponse(
        documents=sums.documents,
        versions=sums.versions,
        chunks=sums.chunks,
        stored_bytes=sums.stored_bytes,
        jobs={state: sums.jobs[state] for state in JobState},
        embedding=Usage.model_validate(sums.embedding, from_attributes=True),
    )
