"""Holding a batch back and letting it go on; whoever follows it or one of its jobs is told."""

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
        told = await self._connection.execute(
            TELL_JOBS, {"ids": job_ids, "paused": paused, "deadline_s": self._deadline_s}
        )
        events = Events(self._connection)
        await events.add_job_events([dict(row) for row in told.mappings()])
        await events.add_batch_event(tenant_id, batch_id)
