"""Tombstones: versions whose points must go, again and again until no paused worker can write more.

And what goes after the last of them: the rows of deleted documents and collections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

DUE = text("""
SELECT id, index_id, document_id, version_id, until < now() AS over
FROM tombstones ORDER BY until LIMIT :limit
""")
TAKE_OVER = text("""
DELETE FROM tombstones WHERE id = ANY(:ids) AND until < now()
RETURNING index_id, version_id, document_id
""")
DELETE_CHUNKS = text("""
DELETE FROM chunks c
USING unnest(CAST(:indexes AS uuid[]), CAST(:versions AS uuid[])) AS t(index_id, version_id)
WHERE c.version_id = t.version_id AND c.index_id = t.index_id
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
""")
DELETE_DOCUMENTS = text("DELETE FROM documents WHERE id = ANY(:ids)")
DELETED_COLLECTIONS = text("""
SELECT c.id, array_agg(i.id) AS indexes,
       c.deleted_at < now() - make_interval(secs => :grace_s) AS over
FROM collections c JOIN indexes i ON i.collection_id = c.id
WHERE c.deleted_at IS NOT NULL
GROUP BY c.id ORDER BY c.deleted_at LIMIT :limit
""")
SOME_DOCUMENTS = text("""
SELECT id FROM documents WHERE collection_id = :collection_id ORDER BY id LIMIT :limit FOR UPDATE
""")
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

    async def lift(self, tombstone_ids: Sequence[UUID]) -> list[UUID]:
        """Remove tombstones that are over, with the chunk rows they stand for.

        Returns:
            Deleted documents that have none left, locked.
        """
        lifted = (await self._connection.execute(TAKE_OVER, {"ids": list(tombstone_ids)})).all()
        await self._connection.execute(
            DELETE_CHUNKS,
            {
                "indexes": [row.index_id for row in lifted],
                "versions": [row.version_id for row in lifted],
            },
        )
        documents = {"ids": list({row.document_id for row in lifted})}
        return list((await self._connection.execute(GONE, documents)).scalars())

    async def deleted_collections(self, *, grace_s: float, limit: int) -> list[DeletedCollection]:
        """Return up to `limit` deleted collections, the oldest deletion first."""
        result = await self._connection.execute(
            DELETED_COLLECTIONS, {"grace_s": grace_s, "limit": limit}
        )
        return [DeletedCollection(**row) for row in result.mappings()]

    async def some_documents(self, collection_id: UUID, *, limit: int) -> list[UUID]:
        """Lock and return up to `limit` documents of a collection."""
        result = await self._connection.execute(
            SOME_DOCUMENTS, {"collection_id": collection_id, "limit": limit}
        )
        return list(result.scalars())

    async def delete_documents(self, document_ids: Sequence[UUID]) -> list[UUID]:
        """Delete locked documents with their versions, parts, chunks and jobs.

        Returns:
            The blobs they had, which others may still need.
        """
        ids = {"ids": list(document_ids)}
        blob_ids = list((await self._connection.execute(BLOBS_OF, ids)).scalars())
        await self._connection.execute(LOWER_TOTALS, ids)
        await self._connection.execute(DELETE_DOCUMENTS, ids)
        return blob_ids

    async def delete_collection(self, collection_id: UUID) -> None:
        """Delete a collection that has no documents, with its indexes and batches."""
        await self._connection.execute(DELETE_COLLECTION, {"collection_id": collection_id})
