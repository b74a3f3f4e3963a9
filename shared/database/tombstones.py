"""Tombstones: versions whose points must go, again and again until no paused worker can write more.

And what goes after the last of them: the rows of deleted documents and collections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.events import Events

DUE = text("""
SELECT id, index_id, document_id, version_id, until < now() AS over
FROM tombstones ORDER BY until LIMIT :limit
""")
TAKE_OVER = text("""
DELETE FROM tombstones WHERE id = ANY(:ids) AND until < now()
RETURNING document_id
""")
# What of them is still queued would be written after their tombstones are gone.
STOP_WORK = text("""
WITH gone AS (
    DELETE FROM embed_queue q USING jobs j
    WHERE j.version_id = ANY(:versions) AND q.job_id = j.id AND q.index_id = :index_id
    RETURNING j.version_id
)
UPDATE tombstones SET until = greatest(until, now() + make_interval(secs => :grace_s))
WHERE index_id = :index_id AND version_id IN (SELECT version_id FROM gone)
""")
DELETE_CHUNKS = text("""
DELETE FROM chunks WHERE id IN (
    SELECT c.id FROM tombstones t
    JOIN chunks c ON c.version_id = t.version_id AND c.index_id = t.index_id
    WHERE t.id = ANY(:ids) AND t.until < now() LIMIT :limit)
""")
DELETE_CHUNKS_OF_DOCUMENTS = text("""
DELETE FROM chunks WHERE id IN (
    SELECT id FROM chunks WHERE document_id = ANY(:ids) LIMIT :limit)
""")
# Their bytes and rows go when nothing of them is left in any index.
GONE = text("""
SELECT d.id FROM documents d WHERE d.id = ANY(:ids) AND d.deleted_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM tombstones t WHERE t.document_id = d.id)
ORDER BY d.id FOR UPDATE
""")
BLOBS_OF = text("SELECT DISTINCT blob_id FROM versions WHERE document_id = ANY(:ids)")
# A batch's counts are those of the jobs that are left, and so is its total.
LOWER_TOTALS = text("""
UPDATE batches b SET total = total - n.jobs
FROM (SELECT batch_id, count(*) AS jobs FROM jobs WHERE document_id = ANY(:ids)
      GROUP BY batch_id ORDER BY batch_id) n
WHERE b.id = n.batch_id
RETURNING b.tenant_id, b.id
""")
DELETE_DOCUMENTS = text("DELETE FROM documents WHERE id = ANY(:ids)")
DELETED_COLLECTIONS = text("""
SELECT c.id, c.tenant_id, array_agg(i.id) AS indexes,
       c.deleted_at < now() - make_interval(secs => :grace_s) AS over
FROM collections c JOIN indexes i ON i.collection_id = c.id
WHERE c.deleted_at IS NOT NULL
GROUP BY c.id ORDER BY c.deleted_at LIMIT :limit
""")
SOME_DOCUMENTS = text("""
SELECT id FROM documents WHERE tenant_id = :tenant_id AND collection_id = :collection_id
ORDER BY id LIMIT :limit
""")
LOCK_DOCUMENTS = text("SELECT id FROM documents WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
DELETE_COLLECTION = text("DELETE FROM collections WHERE id = :collection_id")


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A version to remove from an index; `over` once nobody can write points of it any more."""

    id: UUID
    index_id: UUID
    document_id: UUID
    version_id: UUID
    over: bool


@dataclass(frozen=True, slots=True)
class DeletedCollection:
    """A collection to remove, with its indexes; `over` once nobody can write points to them."""

    id: UUID
    tenant_id: str
    indexes: Sequence[UUID]
    over: bool


class Tombstones:
    """The tombstones' queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def due(self, *, limit: int) -> list[Tombstone]:
        """Return up to `limit` tombstones, those that are over soonest first."""
        result = await self._connection.execute(DUE, {"limit": limit})
        return [Tombstone(**row) for row in result.mappings()]

    async def stop_work(
        self, index_id: UUID, version_ids: Sequence[UUID], *, grace_s: float
    ) -> None:
        """Take what is queued of these versions off the queue; who claimed some has `grace_s`."""
        parameters = {"index_id": index_id, "versions": list(version_ids), "grace_s": grace_s}
        await self._connection.execute(STOP_WORK, parameters)

    async def delete_chunks(self, tombstone_ids: Sequence[UUID], *, limit: int) -> int:
        """Delete up to `limit` chunk rows of what is over; return how many those were."""
        parameters = {"ids": list(tombstone_ids), "limit": limit}
        return (await self._connection.execute(DELETE_CHUNKS, parameters)).rowcount

    async def delete_chunks_of(self, document_ids: Sequence[UUID], *, limit: int) -> int:
        """Delete up to `limit` chunk rows of deleted documents; return how many those were."""
        parameters = {"ids": list(document_ids), "limit": limit}
        return (await self._connection.execute(DELETE_CHUNKS_OF_DOCUMENTS, parameters)).rowcount

    async def lift(self, tombstone_ids: Sequence[UUID]) -> list[UUID]:
        """Remove tombstones that are over, their chunk rows having gone before.

        Returns:
            Deleted documents that have none left, locked.
        """
        lifted = (await self._connection.execute(TAKE_OVER, {"ids": list(tombstone_ids)})).all()
        documents = {"ids": list({row.document_id for row in lifted})}
        return list((await self._connection.execute(GONE, documents)).scalars())

    async def deleted_collections(self, *, grace_s: float, limit: int) -> list[DeletedCollection]:
        """Return up to `limit` deleted collections, the oldest deletion first."""
        result = await self._connection.execute(
            DELETED_COLLECTIONS, {"grace_s": grace_s, "limit": limit}
        )
        return [DeletedCollection(**row) for row in result.mappings()]

    async def some_documents(self, collection: DeletedCollection, *, limit: int) -> list[UUID]:
        """Return up to `limit` documents of a collection."""
        parameters = {"tenant_id": collection.tenant_id, "collection_id": collection.id}
        result = await self._connection.execute(SOME_DOCUMENTS, parameters | {"limit": limit})
        return list(result.scalars())

    async def lock_documents(self, document_ids: Sequence[UUID]) -> list[UUID]:
        """Lock those of these documents that are there still, and return them."""
        result = await self._connection.execute(LOCK_DOCUMENTS, {"ids": list(document_ids)})
        return list(result.scalars())

    async def delete_documents(self, document_ids: Sequence[UUID]) -> list[UUID]:
        """Delete locked documents with their versions, parts, chunks and jobs.

        Returns:
            The blobs they had, which others may still need.
        """
        ids = {"ids": list(document_ids)}
        blob_ids = list((await self._connection.execute(BLOBS_OF, ids)).scalars())
        lowered = (await self._connection.execute(LOWER_TOTALS, ids)).all()
        for tenant_id, batch_id in lowered:
            await Events(self._connection).add_batch_event(tenant_id, batch_id)
        await self._connection.execute(DELETE_DOCUMENTS, ids)
        return blob_ids

    async def delete_collection(self, collection_id: UUID) -> None:
        """Delete a collection that has no documents, with its indexes and batches."""
        await self._connection.execute(DELETE_COLLECTION, {"collection_id": collection_id})
