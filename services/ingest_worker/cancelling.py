"""Calling off what of a batch has not ended."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.batches import Batches
from shared.database.jobs import Jobs


async def cancel_batch(connection: AsyncConnection, batch_id: UUID, *, grace_s: float) -> None:
    """Cancel every job of a batch that has not ended; may be repeated."""
    open_jobs = await Batches(connection).open_jobs(batch_id)
    if open_jobs:
        await Jobs(connection).cancel(open_jobs, grace_s=grace_s)
