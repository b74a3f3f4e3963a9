"""`/v1/batches`: one bulk upload, all of its jobs at a glance."""

from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.routers.dependencies import Context, Loader
from services.ingest_worker.schemas import BatchResponse, BatchRetryRequest, Page
from shared.database.batches import WINDOW_S, Batches, BatchRow
from shared.database.jobs import Jobs
from shared.errors import NotFound
from shared.models import TERMINAL, JobState
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
        items=[_shown(row) for row in shown],
        next_cursor=cursor_of(shown[-1].id) if more else None,
    )


@router.get("/{batch_id}", summary="Show a batch", responses=documented(404, 422))
async def get_batch(batch_id: UUID, context: Context, caller: Loader) -> BatchResponse:
    """Show a batch; its counts sum to `total` at every moment."""
    return await _shown_now(context, caller, batch_id)


@router.post("/{batch_id}/cancel", summary="Cancel a batch", responses=documented(404, 422))
async def cancel_batch(batch_id: UUID, context: Context, caller: Loader) -> BatchResponse:
    """Cancel every job of a batch that has not ended; may be repeated."""
    async with context.database.tenant(caller.tenant_id) as connection:
        await _by_id(connection, batch_id)
        open_jobs = await Batches(connection).open_jobs(batch_id)
        if open_jobs:
            await Jobs(connection).cancel(open_jobs, grace_s=context.grace_s)
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
    return await _set_paused(context, caller, batch_id, paused=True)


@router.post("/{batch_id}/resume", summary="Resume a batch", responses=documented(404, 422))
async def resume_batch(batch_id: UUID, context: Context, caller: Loader) -> BatchResponse:
    """Let a paused batch go on; its jobs have their whole time again. May be repeated."""
    shown = await _set_paused(context, caller, batch_id, paused=False)
    context.wake()
    return shown


async def _set_paused(
    context: Context, caller: Loader, batch_id: UUID, *, paused: bool
) -> BatchResponse:
    async with context.database.tenant(caller.tenant_id) as connection:
        await _by_id(connection, batch_id)
        await Batches(connection).set_paused(
            batch_id, paused=paused, deadline_s=context.settings.ingest.job_deadline_s
        )
        return await _by_id(connection, batch_id)


async def _shown_now(context: Context, caller: Loader, batch_id: UUID) -> BatchResponse:
    async with context.database.tenant(caller.tenant_id) as connection:
        return await _by_id(connection, batch_id)


async def _by_id(connection: AsyncConnection, batch_id: UUID) -> BatchResponse:
    row = await Batches(connection).by_id(batch_id)
    if row is None:
        raise NotFound(f"There is no batch {batch_id}.")
    return _shown(row)


def _shown(row: BatchRow) -> BatchResponse:
    counts = {state: int(row.counts.get(state, 0)) for state in JobState}
    left = sum(count for state, count in counts.items() if state not in TERMINAL)
    window_s = min(float(WINDOW_S), max(1.0, (row.read_at - row.created_at).total_seconds()))
    throughput = row.recent / window_s
    return BatchResponse(
        id=row.id,
        collection=row.collection,
        total=row.total,
        sealed=row.sealed,
        paused=row.paused,
        revision=row.revision,
        counts=counts,
        throughput=round(throughput, 3),
        eta_s=round(left / throughput, 1) if left and throughput else None,
        created_at=row.created_at,
        finished_at=None if left else row.finished_at,
    )
