"""`/v1/batches`: one bulk upload, all of its jobs at a glance."""

from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.cancelling import cancel_batch as cancel_jobs
from services.ingest_worker.following.waiting import Patience
from services.ingest_worker.pausing import Pausing
from services.ingest_worker.routers.dependencies import Context, Loader, Since, Wait
from services.ingest_worker.schemas import BatchResponse, BatchRetryRequest, Page
from services.ingest_worker.shown import batch_response
from shared.database.batches import Batches
from shared.errors import NotFound
from shared.web.paging import Cursor, Limit, cursor_of, id_after, page
from shared.web.problems import documented

router = APIRouter(prefix="/v1/batches", tags=["batches"], responses=documented(401, 403, 503))


@router.get("", summary="List batches", responses=documented(422))
async def list_batches(
    context: Context, caller: Loader, cursor: Cursor = None, limit: Limit = 50
) -> Page[BatchResponse]:
    """List batches, newest first, each with its jobs counted by state."""
    below = id_after(cursor)
    async with context.database.tenant(caller.tenant_id) as connection:
        rows = await Batches(connection).listed(below=below, limit=limit + 1)
    shown, more = page(rows, limit)
    return Page(
        items=[batch_response(row) for row in shown],
        next_cursor=cursor_of(shown[-1].id) if more else None,
    )


@router.get("/{batch_id}", summary="Show a batch, or wait for it", responses=documented(404, 422))
async def get_batch(
    *,
    request: Request,
    batch_id: UUID,
    context: Context,
    caller: Loader,
    wait: Wait = 0,
    since: Since = None,
) -> BatchResponse:
    """Show a batch; its counts sum to `total` at every moment.

    With `wait`, return once all its jobs have ended or its revision differs from `since`.
    """
    if wait:
        patience = Patience(since=since, seconds=wait, gone=request.is_disconnected)
        await context.waiting.for_batch(caller.tenant_id, batch_id, patience)
    return await _shown_now(context, caller, batch_id)


@router.post("/{batch_id}/cancel", summary="Cancel a batch", responses=documented(404, 422))
async def cancel_batch(batch_id: UUID, context: Context, caller: Loader) -> BatchResponse:
    """Cancel every job of a batch that has not ended; may be repeated."""
    async with context.database.tenant(caller.tenant_id) as connection:
        await _by_id(connection, batch_id)
        await cancel_jobs(connection, batch_id, grace_s=context.grace_s)
        return await _by_id(connection, batch_id)


@router.post("/{batch_id}/retry", summary="Retry a batch", responses=documented(404, 422))
async def retry_batch(
    batch_id: UUID, context: Context, caller: Loader, wish: BatchRetryRequest | None = None
) -> BatchResponse:
    """Reopen the jobs of a batch that failed or were cancelled; may be repeated.

    With `code`, those alone that failed with this problem. Jobs whose document has a newer version
    are passed over.
    """
    wish = wish or BatchRetryRequest()
    await _shown_now(context, caller, batch_id)
    await context.retrier.retry_batch(
        caller.tenant_id, batch_id, code=wish.code, options=wish.changes()
    )
    context.wake()
    return await _shown_now(context, caller, batch_id)


@router.post("/{batch_id}/pause", summary="Pause a batch", responses=documented(404, 422))
async def pause_batch(batch_id: UUID, context: Context, caller: Loader) -> BatchResponse:
    """Begin no more work of a batch; what is under way ends. May be repeated."""
    await _shown_now(context, caller, batch_id)
    await _pausing(context, caller).pause(batch_id)
    return await _shown_now(context, caller, batch_id)


@router.post("/{batch_id}/resume", summary="Resume a batch", responses=documented(404, 422))
async def resume_batch(batch_id: UUID, context: Context, caller: Loader) -> BatchResponse:
    """Let a paused batch go on; its jobs have their whole time again. May be repeated."""
    await _shown_now(context, caller, batch_id)
    await _pausing(context, caller).resume(batch_id)
    context.wake()
    return await _shown_now(context, caller, batch_id)


def _pausing(context: Context, caller: Loader) -> Pausing:
    deadline_s = context.settings.ingest.job_deadline_s
    return Pausing(context.database, caller.tenant_id, deadline_s=deadline_s)


async def _shown_now(context: Context, caller: Loader, batch_id: UUID) -> BatchResponse:
    async with context.database.tenant(caller.tenant_id) as connection:
        return await _by_id(connection, batch_id)


async def _by_id(connection: AsyncConnection, batch_id: UUID) -> BatchResponse:
    row = await Batches(connection).by_id(batch_id)
    if row is None:
        raise NotFound(f"There is no batch {batch_id}.")
    return batch_response(row)
