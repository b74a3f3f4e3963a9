"""Batch rows with what their jobs add up to, read in one statement so that the counts agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.models import TERMINAL

# The window that the throughput is measured over.
WINDOW_S = 60
# Ended by work: what was no work, or was called off, says nothing about the rate.
RECENT = (
    f"finished_at > now() - interval '{WINDOW_S} s' AND duplicate_of IS NULL"
    " AND state <> 'cancelled'"
)

# One statement is one snapshot: `total` and the counts are of the same moment.
SHOWN = f"""
SELECT b.id, c.name AS collection, b.total, b.sealed, b.paused, b.created_at,
       now() AS read_at, coalesce(n.revision, 0) AS revision, coalesce(n.counts, '{{}}') AS counts,
       coalesce(n.recent, 0) AS recent, n.recent_since, n.finished_at
FROM batches b JOIN collections c ON c.id = b.collection_id
LEFT JOIN LATERAL (
    SELECT sum(s.revision)::bigint AS revision, jsonb_object_agg(s.state, s.jobs) AS counts,
           sum(s.recent)::int AS recent, min(s.recent_since) AS recent_since,
           max(s.finished_at) AS finished_at
    FROM (
        SELECT state, count(*) AS jobs, sum(revision + 1) AS revision,
               count(*) FILTER (WHERE {RECENT}) AS recent,
               min(created_at + interval '1 ms' * coalesce((timings->>'queued')::float, 0))
                   FILTER (WHERE {RECENT}) AS recent_since,
               max(finished_at) AS finished_at
        FROM jobs WHERE batch_id = b.id GROUP BY state
    ) s
) n ON true
"""  # noqa: S608 - constants of this module
BY_IDS = text(f"{SHOWN} WHERE b.id = ANY(:ids)")
# A limit in the comparison's own form lets the index give the rows in order, page after page.
LISTED = text(f"""
{SHOWN} WHERE b.id < coalesce(CAST(:below AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY b.id DESC LIMIT :limit
""")
OPEN_JOBS = text("""
SELECT id FROM jobs
WHERE batch_id = :id AND state IN ('queued', 'parsing', 'embedding') ORDER BY id FOR UPDATE
""")
FRUITLESS_JOBS = text("""
SELECT id FROM jobs
WHERE batch_id = :id AND state IN ('failed', 'cancelled')
  AND (CAST(:code AS text) IS NULL OR problem_code = :code)
ORDER BY id
""")


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch as it is.

    `recent` jobs ended by work within the last `WINDOW_S` seconds; the first of them began at
    `recent_since`.
    """

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
    recent_since: datetime | None
    finished_at: datetime | None

    @property
    def left(self) -> int:
        """How many of its jobs have not ended."""
        return sum(count for state, count in self.counts.items() if state not in TERMINAL)

    @property
    def ended(self) -> bool:
        """Whether all its jobs have ended and no more will be added."""
        return self.sealed and not self.left

    @property
    def rate(self) -> float:
        """Jobs ended a second, over the window or since the first of them began."""
        if self.recent_since is None:
            return 0.0
        span_s = (self.read_at - self.recent_since).total_seconds()
        return self.recent / min(float(WINDOW_S), max(1.0, span_s))


class Batches:
    """The tenant's batches, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def by_id(self, batch_id: UUID) -> BatchRow | None:
        """Return a batch and what its jobs add up to; None when there is none."""
        return (await self.by_ids([batch_id])).get(batch_id)

    async def by_ids(self, batch_ids: Sequence[UUID]) -> dict[UUID, BatchRow]:
        """Return those of these batches that there are, and what their jobs add up to."""
        result = await self._connection.execute(BY_IDS, {"ids": list(batch_ids)})
        return {row["id"]: BatchRow(**row) for row in result.mappings()}

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
