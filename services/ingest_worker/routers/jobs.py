"""`/v1/jobs`: what became of a file, and getting a stuck one moving."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.following.waiting import Patience
from services.ingest_worker.routers.dependencies import Context, Loader, Since, Wait, keeper_of
from services.ingest_worker.schemas import (
    JobResponse,
    JobsRetryRequest,
    JobsRetryResponse,
    Page,
    RetryRequest,
    ShortText,
)
from services.ingest_worker.shown import job_response, whole_job_response
from shared.database.job_views import JobFilter, JobViews
from shared.database.jobs import Jobs
from shared.database.retries import FailedFilter, Retries
from shared.errors import Conflict, NotFound
from shared.models import JobState
from shared.web.paging import Cursor, Limit, cursor_of, id_after, page
from shared.web.problems import documented

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=documented(401, 403, 503))


@router.get("", summary="List jobs", responses=documented(404, 422))
async def list_jobs(
    *,
    context: Context,
    caller: Loader,
    state: JobState | None = None,
    batch: UUID | None = None,
    code: Annotated[ShortText | None, Query(description="Code of the job's problem.")] = None,
    retryable: Annotated[
        bool | None, Query(description="Whether the job's problem says that retrying helps.")
    ] = None,
    collection: ShortText | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[JobResponse]:
    """List jobs, oldest first. Dead letters are failed ones: `state=failed&retryable=true`."""
    after = id_after(cursor)
    async with context.database.tenant(caller.tenant_id) as connection:
        wanted = JobFilter(
            batch=batch,
            state=state,
            code=code,
            retryable=retryable,
            collection_id=await _collection_id(context, caller, connection, collection),
        )
        rows = await JobViews(connection).listed(wanted, after=after, limit=limit + 1)
    shown, more = page(rows, limit)
    return Page(
        items=[job_response(row) for row in shown],
        next_cursor=cursor_of(shown[-1].id) if more else None,
    )


@router.post("/retry", summary="Retry failed jobs", responses=documented(404, 422))
async def retry_jobs(
    context: Context, caller: Loader, wish: JobsRetryRequest | None = None
) -> JobsRetryResponse:
    """Reopen failed jobs of any batch, the oldest first, at most `limit` a call."""
    wish = wish or JobsRetryRequest()
    after = id_after(wish.cursor)
    async with context.database.tenant(caller.tenant_id) as connection:
        collection_id = await _collection_id(context, caller, connection, wish.collection)
    opened = await context.retrier.retry_failed(
        caller.tenant_id,
        FailedFilter(wish.batch, collection_id, wish.code, wish.retryable),
        after=after,
        limit=wish.limit,
        options=wish.changes(),
    )
    context.wake()
    return JobsRetryResponse(
        retried=opened.retried,
        passed_over=opened.passed_over,
        next_cursor=cursor_of(opened.last) if opened.last else None,
    )


@router.get("/{job_id}", summary="Show a job, or wait for it", responses=documented(404, 422))
async def get_job(
    *,
    request: Request,
    job_id: UUID,
    context: Context,
    caller: Loader,
    wait: Wait = 0,
    since: Since = None,
) -> JobResponse:
    """Show a job; with `wait`, return once it has ended or its revision differs from `since`."""
    if wait:
        patience = Patience(since=since, seconds=wait, gone=request.is_disconnected)
        await context.waiting.for_job(caller.tenant_id, job_id, patience)
    async with context.database.tenant(caller.tenant_id) as connection:
        return await _by_id(connection, job_id)


@router.post("/{job_id}/cancel", summary="Cancel a job", responses=documented(404, 409, 422))
async def cancel_job(job_id: UUID, context: Context, caller: Loader) -> JobResponse:
    """Cancel a job at once; again is no error, but a job that ended otherwise is a conflict."""
    async with context.database.tenant(caller.tenant_id) as connection:
        await Jobs(connection).cancel([job_id], grace_s=context.grace_s)
        job = await _by_id(connection, job_id)
    if job.state is not JobState.CANCELLED:
        raise Conflict(f"Job {job_id} has ended as {job.state}.")
    return job


@router.post("/{job_id}/retry", summary="Retry a job", responses=documented(404, 409, 422))
async def retry_job(
    job_id: UUID, context: Context, caller: Loader, wish: RetryRequest | None = None
) -> JobResponse:
    """Reopen a failed or cancelled job; other options begin it anew as a new version."""
    async with context.database.tenant(caller.tenant_id) as connection:
        retries = Retries(connection, deadline_s=context.settings.ingest.job_deadline_s)
        await retries.retry(job_id, options=(wish or RetryRequest()).changes())
        job = await _by_id(connection, job_id)
    context.wake()
    return job


async def _by_id(connection: AsyncConnection, job_id: UUID) -> JobResponse:
    views = JobViews(connection)
    row = await views.by_id(job_id)
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return await whole_job_response(views, row)


async def _collection_id(
    context: Context, caller: Loader, connection: AsyncConnection, name: str | None
) -> UUID | None:
    if name is None:
        return None
    return (await keeper_of(context, caller, connection).find(name))[0]
