"""Holding a batch back and letting it go on; whoever follows it or one of its jobs is told."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.batches import Batches
from shared.database.events import Events
from shared.database.jobs import CHANGED, TOUCH

SET_PAUSED = text("""
UPDATE batches SET paused = :paused WHERE id = :id AND paused <> :paused RETURNING tenant_id
""")
# Its jobs change too: who waits for one is told. After a pause they have all their time again.
TELL_JOBS = text(f"""
UPDATE jobs
SET {TOUCH}, deadline = CASE WHEN :paused THEN deadline
    ELSE greatest(deadline, now() + make_interval(secs => :deadline_s)) END
WHERE id = ANY(:ids) {CHANGED}
""")  # noqa: S608 - constants of another module
# While its batch is held here nobody resumes it: what is marked stays so until then, no longer.
STILL_PAUSED = text("SELECT id FROM batches WHERE id = :id AND paused FOR SHARE")
SOME_JOBS = text("""
SELECT id FROM jobs
WHERE batch_id = :id AND state IN ('queued', 'parsing', 'embedding') AND id > :after
ORDER BY id LIMIT :limit
""")
# Whoever has one locked is about to publish or to claim it.
MARK_PARTS = text("""
UPDATE parts SET held = true WHERE (version_id, number) IN (
    SELECT version_id, number FROM parts
    WHERE job_id = ANY(:jobs) AND state = 'queued' AND published_at IS NULL AND NOT held
    FOR UPDATE SKIP LOCKED)
""")
MARK_CHUNKS = text("""
UPDATE embed_queue SET held = true WHERE chunk_id IN (
    SELECT chunk_id FROM embed_queue
    WHERE job_id = ANY(:jobs) AND claim IS NULL AND NOT held FOR UPDATE SKIP LOCKED)
""")
UNMARK_PARTS = text("UPDATE parts SET held = false WHERE job_id = ANY(:jobs) AND held")
UNMARK_CHUNKS = text("UPDATE embed_queue SET held = false WHERE job_id = ANY(:jobs) AND held")
FIRST = UUID(int=0)
# Jobs whose waiting work is marked by one transaction.
JOBS_A_SLICE = 1000


class Pauses:
    """Pauses and resumes batches, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection, *, deadline_s: float) -> None:
        """Take the transaction; jobs that go on have at least `deadline_s` from now."""
        self._connection = connection
        self._deadline_s = deadline_s

    async def set(self, batch_id: UUID, *, paused: bool) -> None:
        """Hold back a batch's waiting work, or let it go on; what is so already stays as it is."""
        # Jobs before their batch: whoever ends a job and adds to its batch locks in that order.
        job_ids = await Batches(self._connection).open_jobs(batch_id)
        changed = await self._connection.execute(SET_PAUSED, {"id": batch_id, "paused": paused})
        tenant_id = changed.scalar_one_or_none()
        if tenant_id is None:
            return
        if not paused:
            await self._unmark(job_ids)
        told = await self._connection.execute(
            TELL_JOBS, {"ids": job_ids, "paused": paused, "deadline_s": self._deadline_s}
        )
        events = Events(self._connection)
        await events.add_job_events([dict(row) for row in told.mappings()])
        await events.add_batch_event(tenant_id, batch_id)

    async def mark_some(self, batch_id: UUID, *, after: UUID) -> UUID | None:
        """Mark the waiting work of some jobs of a paused batch as held, by the jobs' ids.

        Held work is in no index that claims read, so that they need not pass it over.

        Returns:
            The id to go on after; None when that was the last, or the batch is not paused.
        """
        still = await self._connection.execute(STILL_PAUSED, {"id": batch_id})
        if still.first() is None:
            return None
        jobs = await self._some_jobs(batch_id, after)
        for statement in (MARK_PARTS, MARK_CHUNKS):
            await self._connection.execute(statement, {"jobs": jobs})
        return jobs[-1] if jobs else None

    async def unmark_some(self, batch_id: UUID, *, after: UUID) -> UUID | None:
        """Take the marks off again, of some jobs; return the id to go on after, None at the end."""
        jobs = await self._some_jobs(batch_id, after)
        await self._unmark(jobs)
        return jobs[-1] if jobs else None

    async def _some_jobs(self, batch_id: UUID, after: UUID) -> Sequence[UUID]:
        parameters = {"id": batch_id, "after": after, "limit": JOBS_A_SLICE}
        return list((await self._connection.execute(SOME_JOBS, parameters)).scalars())

    async def _unmark(self, jobs: Sequence[UUID]) -> None:
        for statement in (UNMARK_PARTS, UNMARK_CHUNKS):
            await self._connection.execute(statement, {"jobs": list(jobs)})
