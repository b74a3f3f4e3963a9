"""Deletion: a thing is invisible in the request's own transaction; here it is removed for good.

Points go first and once more after nobody can write any (Qdrant cannot refuse a late write), are
counted to zero, then rows, then bytes. Every step may be repeated and resumed anywhere.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.blobs.base import BlobStore
from shared.blobs.listed import ListedBlobStore
from shared.database.blobs import Blobs
from shared.database.documents import Documents
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.tombstones import Tombstone, Tombstones
from shared.vectors.base import VectorStore

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Tombstones looked at in one round, and versions removed by one call to the store.
ROUND = 2000
VERSIONS_A_CALL = 200
# Documents removed in one transaction: their chunks and parts cascade.
DOCUMENTS_AT_ONCE = 50
COLLECTIONS_A_ROUND = 10
# An upload is over long before this; a blob without a row after it was left by a dead process.
ORPHAN_AGE = timedelta(hours=24)
KEYS_AT_ONCE = 500

Item = TypeVar("Item")


async def delete_documents(
    connection: AsyncConnection, document_ids: Sequence[UUID], *, grace_s: float
) -> None:
    """Make locked documents invisible and leave their removal to `bury`."""
    documents = Documents(connection)
    open_jobs = await documents.open_jobs(document_ids)
    if open_jobs:
        await Jobs(connection).cancel(open_jobs, grace_s=grace_s)
    await documents.hide(document_ids)
    await documents.bury(document_ids, grace_s=grace_s)


async def bury(
    database: Database, vectors: VectorStore, blobs: BlobStore, *, grace_s: float
) -> None:
    """Do one round of removal: everything that is due, as far as it can be done now.

    Raises:
        VectorStoreUnavailable, StorageUnavailable, DatabaseUnavailable: the rest waits for the
            next round.
    """
    burial = _Burial(database, vectors, blobs)
    await burial.bury_versions()
    await burial.bury_collections(grace_s=grace_s)


async def remove_orphans(database: Database, blobs: ListedBlobStore) -> int:
    """Remove bytes that a killed upload or deletion left without a row; return how many."""
    removed = 0
    async for orphans in orphan_pages(database, blobs):
        removed += await remove_bytes(blobs, orphans)
    return removed


async def orphan_pages(database: Database, blobs: ListedBlobStore) -> AsyncIterator[list[UUID]]:
    """Yield, for some keys at a time, those that are old and have no row in any tenant."""
    found: list[UUID] = []
    async for key in blobs.keys_before(datetime.now(UTC) - ORPHAN_AGE):
        blob_id = _uuid(key)
        if blob_id is not None:
            found.append(blob_id)
        if len(found) == KEYS_AT_ONCE:
            yield await _rowless(database, found)
            found = []
    yield await _rowless(database, found)


async def remove_bytes(blobs: BlobStore, orphans: Sequence[UUID]) -> int:
    """Remove bytes that have no row; return how many."""
    for blob_id in orphans:
        await blobs.delete(str(blob_id))
    if orphans:
        log.info("orphans_removed", count=len(orphans))
    return len(orphans)


class _Burial:
    """One round of removal."""

    def __init__(self, database: Database, vectors: VectorStore, blobs: BlobStore) -> None:
        self._database = database
        self._vectors = vectors
        self._blobs = blobs

    async def bury_versions(self) -> None:
        """Remove the points of every version that has a tombstone; lift those that are over."""
        async with self._database.worker() as connection:
            due = await Tombstones(connection).due(limit=ROUND)
        by_index: dict[UUID, list[Tombstone]] = defaultdict(list)
        for tombstone in due:
            by_index[tombstone.index_id].append(tombstone)
        for index_id, tombstones in by_index.items():
            for some in slices(tombstones, VERSIONS_A_CALL):
                await self._bury(index_id, some)

    async def bury_collections(self, *, grace_s: float) -> None:
        """Drop the indexes of deleted collections; remove their rows when nobody writes any."""
        async with self._database.worker() as connection:
            deleted = await Tombstones(connection).deleted_collections(
                grace_s=grace_s, limit=COLLECTIONS_A_ROUND
            )
        for collection in deleted:
            for index_id in collection.indexes:
                await self._vectors.drop_index(index_id)
            if collection.over:
                await self._remove_collection(collection.id)

    async def _bury(self, index_id: UUID, tombstones: Sequence[Tombstone]) -> None:
        await self._vectors.delete_versions(index_id, [t.version_id for t in tombstones])
        over = [tombstone for tombstone in tombstones if tombstone.over]
        empty = await self._without_points(index_id, over)
        for some in slices(empty, DOCUMENTS_AT_ONCE):
            await self._lift([tombstone.id for tombstone in some])

    async def _without_points(
        self, index_id: UUID, tombstones: Sequence[Tombstone]
    ) -> list[Tombstone]:
        versions = [tombstone.version_id for tombstone in tombstones]
        left = await self._vectors.count_versions(index_id, versions)
        if left:
            log.warning("points_came_back", index_id=str(index_id), points=sum(left.values()))
        return [tombstone for tombstone in tombstones if tombstone.version_id not in left]

    async def _lift(self, tombstone_ids: Sequence[UUID]) -> None:
        async with self._database.worker() as connection:
            gone = await Tombstones(connection).lift(tombstone_ids)
            freed = await _remove_documents(connection, gone)
        await self._remove_bytes(freed)

    async def _remove_collection(self, collection_id: UUID) -> None:
        while True:
            async with self._database.worker() as connection:
                tombstones = Tombstones(connection)
                some = await tombstones.some_documents(collection_id, limit=DOCUMENTS_AT_ONCE)
                freed = await _remove_documents(connection, some)
                if not some:
                    await tombstones.delete_collection(collection_id)
            await self._remove_bytes(freed)
            if not some:
                return

    async def _remove_bytes(self, blob_ids: Sequence[UUID]) -> None:
        for blob_id in blob_ids:
            await self._blobs.delete(str(blob_id))


async def _remove_documents(
    connection: AsyncConnection, document_ids: Sequence[UUID]
) -> list[UUID]:
    """Delete documents; return the blobs that no version needs any more, their rows gone."""
    if not document_ids:
        return []
    blob_ids = await Tombstones(connection).delete_documents(document_ids)
    return await Blobs(connection).delete_unreferenced(blob_ids)


async def _rowless(database: Database, blob_ids: Sequence[UUID]) -> list[UUID]:
    # Across tenants: under one tenant's rows alone, everyone else's bytes would look forgotten.
    async with database.worker() as connection:
        present = await Blobs(connection).present(blob_ids)
    return [blob_id for blob_id in blob_ids if blob_id not in present]


def _uuid(key: str) -> UUID | None:
    try:
        return UUID(key)
    except ValueError:
        return None


def slices(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Cut a sequence into runs of `size`; the last may be shorter."""
    return [items[begin : begin + size] for begin in range(0, len(items), size)]
