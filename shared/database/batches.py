"""Batch rows with what their jobs add up to, read in one statement so that the counts agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.events import Events
from shared.database.jobs import CHANGED, TOUCH

# The window that the throughput is measured over.
WINDOW_S = 60

# One statement is one snapshot: `total` and the counts are of the same moment.
SHOWN = f"""
SELECT b.id, c.name AS collection, b.total, b.sealed, b.paused, b.created_at,
       now() AS read_at, coalesce(n.revision, 0) AS revision, coalesce(n.counts, '{{}}') AS counts,
       coalesce(n.recent, 0) AS recent, n.finished_at
FROM batches b JOIN collections c ON c.id = b.collection_id
LEFT JOIN LATERAL (
    SELECT sum(s.revision)::bigint AS revision, jsonb_object_agg(s.state, s.jobs) AS counts,
           sum(s.recent)::int AS recent, max(s.finished_at) AS finished_at
    FROM (
        SELECT state, count(*) AS jobs, sum(revision + 1) AS revision,
               count(*) FILTER (WHERE finished_at > now() - interval '{WINDOW_S} s') AS recent,
               max(finished_at) AS finished_at
        FROM jobs WHERE batch_id = b.id GROUP BY state
    ) s
) n ON true
"""  # noqa: S608 - a constant of this module
BY_ID = text(f"{SHOWN} WHERE b.id = :id")
# A limit in the comparison's own form lets the index give the rows in order, page after page.
LISTED = text(f"""
{SHOWN} WHERE b.id < coalesce(CAST(:below AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY b.id DESC LIMIT :limit
""")
OPEN_JOBS = text("""
SELECT id FROM jobs
WHERE batch_id = :id AND state IN ('queued', 'parsing', 'embedding') ORDER BY id FOR UPDATE
""")
SET_PAUSED = text("""
UPDATE batches SET paused = :paused WHERE id = :id AND paused <> :paused RETURNING id
""")
# Its jobs change too: who waits for one is told. After a pause they have all their time again.
TELL_JOBS = text(f"""
UPDATE jobs
SET {TOUCH}, deadline = CASE WHEN :paused THEN deadline
    ELSE greatest(deadline, now() + make_interval(secs => :deadline_s)) END
WHERE id = ANY(:ids) {CHANGED}
""")  # noqa: S608 - constants of another module
FRUITLESS_JOBS = text("""
SELECT id FROM jobs
WHERE batch_id = :id AND state IN ('failed', 'cancelled')
  AND (CAST(:code AS text) IS NULL OR problem_code = :code)
ORDER BY id
""")


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch as it is; `recent` jobs ended within the last `WINDOW_S` seconds."""

    id: UUID
    collection: str
    total: int
    sealed: bool
    paused: bool
    created_at: datetime
    read_at: datetime
    revision: int
    counts: Mapping[str, Any]
    recent: int
    finished_at: datetime | None


class Batches:
    """The tenant's batches, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def by_id(self, batch_id: UUID) -> BatchRow | None:
        """Return a batch and what its jobs add up to; None when there is none."""
        result = await self._connection.execute(BY_ID, {"id": batch_id})
        row = result.mappings().one_or_none()
        return None if row is None else BatchRow(**row)

    async def listed(self, *, below: UUID | None, limit: int) -> list[BatchRow]:
        """Return up to `limit` batches, newest first, below the id `below`.

        The jobs of those shown are counted: some 1,000 index rows for each full upload.
        """
        result = await self._connection.execute(LISTED, {"below": below, "limit": limit})
        return [BatchRow(**row) for row in result.mappings()]

    async def open_jobs(self, batch_id: UUID) -> Sequence[UUID]:
        """Lock the batch's jobs that have not ended, and return them."""
        return list((await self._connection.execute(OPEN_JOBS, {"id": batch_id})).scalars())

    async def fruitless_jobs(self, batch_id: UUID, *, code: str | None = None) -> Sequence[UUID]:
        """Return the batch's jobs that failed, with this problem if told, or were cancelled."""
        parameters = {"id": batch_id, "code": code}
        return list((await self._connection.execute(FRUITLESS_JOBS, parameters)).scalars())

    async def set_paused(self, batch_id: UUID, *, paused: bool, deadline_s: float) -> None:
        """Hold back a batch's waiting work, or let it go on; what is so already stays as it is.

        Jobs of a batch that goes on have at least `deadline_s` from now.
        """
        changed = await self._connection.execute(SET_PAUSED, {"id": batch_id, "paused": paused})
        if changed.one_or_none() is None:
            return
        parameters = {
            "ids": await self.open_jobs(batch_id),
            "paused": paused,
            "deadline_s": deadline_s,
        }
        told = await self._connection.execute(TELL_JOBS, parameters)
        await Events(self._connection).add_job_events([dict(row) for row in told.mappings()])
