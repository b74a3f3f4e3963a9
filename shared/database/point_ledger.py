"""Which points the vector store should hold, and queueing those that it does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.chunks import WRITTEN
from shared.database.columns import AGAIN

# What queries may see, and what is on its way there.
VERSIONS = """
SELECT v.id FROM versions v JOIN documents d ON d.id = v.document_id
JOIN collections k ON k.id = d.collection_id AND k.deleted_at IS NULL
WHERE d.deleted_at IS NULL AND (v.number = d.live_version OR EXISTS (
    SELECT FROM jobs j WHERE j.version_id = v.id AND j.state = 'embedding'))
"""
# Of an index that is being removed nobody wants any points.
STAYS = "c.index_id NOT IN (SELECT id FROM indexes WHERE leaving_at IS NOT NULL)"
POINTS = f"""
SELECT p.id AS version_id, c.index_id, count(c.id) AS points
FROM page p LEFT JOIN chunks c ON c.version_id = p.id AND {WRITTEN} AND {STAYS}
GROUP BY p.id, c.index_id ORDER BY p.id
"""  # noqa: S608 - constants of this module only
PAGE = text(f"WITH page AS ({VERSIONS} AND v.id > :after ORDER BY v.id LIMIT :limit) {POINTS}")
OF_VERSIONS = text(f"WITH page AS ({VERSIONS} AND v.id = ANY(:ids)) {POINTS}")
CHUNKS = text(f"""
SELECT c.id FROM chunks c WHERE c.version_id = :version_id AND c.index_id = :index_id AND {WRITTEN}
ORDER BY c.ordinal
""")  # noqa: S608
# Not of a version that was replaced meanwhile: its points are on their way out.
LOCK_DOCUMENT = text("""
SELECT d.id FROM documents d
JOIN versions v ON v.document_id = d.id
JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
WHERE v.id = :version_id AND d.deleted_at IS NULL
  AND v.number >= coalesce(d.live_version, 0) FOR UPDATE OF d
""")
# The version's own job, not one that found nothing to do. One that is still embedding counts, and
# waits for these chunks; of one that ended long ago they come after all new work.
QUEUE = text(f"""
WITH job AS (
    SELECT id, state FROM jobs WHERE version_id = :version_id
    ORDER BY state <> 'embedding', duplicate_of IS NOT NULL, created_at LIMIT 1 FOR UPDATE
), queued AS (
    INSERT INTO embed_queue (chunk_id, tenant_id, job_id, index_id, space, tokens, seq)
    SELECT c.id, c.tenant_id, job.id, c.index_id, i.space, c.tokens,
           nextval('embed_queue_seq') + CASE job.state WHEN 'embedding' THEN 0 ELSE {AGAIN} END
    FROM job, chunks c JOIN indexes i ON i.id = c.index_id
    WHERE c.id = ANY(:chunks) ON CONFLICT DO NOTHING RETURNING chunk_id
), counted AS (
    UPDATE jobs SET chunks_left = chunks_left + (SELECT count(*) FROM queued)
    WHERE id = (SELECT id FROM job) AND state = 'embedding'
) SELECT count(*) FROM queued
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class ExpectedPoints:
    """How many points of a version an index should hold; no index where nothing was written yet."""

    version_id: UUID
    index_id: UUID | None
    points: int


class PointLedger:
    """The queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def page(self, *, after: UUID, limit: int) -> list[ExpectedPoints]:
        """Return what is expected of up to `limit` versions with an id above `after`, by id."""
        result = await self._connection.execute(PAGE, {"after": after, "limit": limit})
        return [ExpectedPoints(**row) for row in result.mappings()]

    async def of_versions(self, version_ids: Sequence[UUID]) -> list[ExpectedPoints]:
        """Return what is expected now of those of these versions that are still wanted."""
        result = await self._connection.execute(OF_VERSIONS, {"ids": list(version_ids)})
        return [ExpectedPoints(**row) for row in result.mappings()]

    async def written_chunks(self, version_id: UUID, index_id: UUID) -> list[UUID]:
        """Return the chunks whose points were written."""
        result = await self._connection.execute(
            CHUNKS, {"version_id": version_id, "index_id": index_id}
        )
        return list(result.scalars())

    async def queue(self, version_id: UUID, chunk_ids: Sequence[UUID]) -> int:
        """Queue chunks of a version to be embedded anew; return how many.

        That is 0 when its document was deleted meanwhile.
        """
        locked = await self._connection.execute(LOCK_DOCUMENT, {"version_id": version_id})
        if locked.first() is None:
            return 0
        result = await self._connection.execute(
            QUEUE, {"version_id": version_id, "chunks": list(chunk_ids)}
        )
        return int(result.scalar_one())
