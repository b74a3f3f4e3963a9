"""Deletion: a thing is invisible in the request's own transaction; here it is removed for good.

Points go first and once more after nobody can write any (Qdrant cannot refuse a late write), are
counted to zero, then rows, then bytes. Every step may be repeated and resumed anywhere.
"""

import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.blobs.base import BlobStore
from shared.blobs.listed import ListedBlobStore
from shared.database.answers import Answers
from shared.database.blobs import Blobs
from shared.database.collections import Collections
from shared.database.documents import Documents
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.tombstones import DeletedCollection, Tombstone, Tombstones
from shared.errors import VectorStoreUnavailable
from shared.vectors.base import VectorStore

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Tombstones looked at in one round, and versions removed by one call to the store.
ROUND = 2000
VERSIONS_A_CALL = 200
# Documents removed in one transaction: all they have but their chunks cascades.
DOCUMENTS_AT_ONCE = 50
# Chunk rows removed, and documents hidden, by one transaction: a few tenths of a second at most.
CHUNKS_AT_ONCE = 2000
HIDDEN_AT_ONCE = 250
# Sources of answers redacted by one transaction; each answer is a row or two more.
WORDS_AT_ONCE = 1000
# A round is over after about this long, so that the sweeps between two rounds are in time.
ROUND_S = 2.0
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


async def hide_some(connection: AsyncConnection, collection_id: UUID, *, grace_s: float) -> int:
    """Stop and hide some documents of a deleted collection; return how many.

    Its time of grace begins anew: their workers may write points until it is over.
    """
    documents = Documents(connection)
    document_ids = await documents.lock_some(collection_id, limit=HIDDEN_AT_ONCE)
    if document_ids:
        open_jobs = await documents.open_jobs(document_ids)
        await Jobs(connection).cancel(open_jobs, grace_s=grace_s)
        await documents.hide(document_ids)
        await Collections(connection).delete(collection_id)
    return len(document_ids)


async def bury(
    database: Database,
    vectors: VectorStore,
    blobs: BlobStore,
    *,
    grace_s: float,
    round_s: float = ROUND_S,
) -> None:
    """Do one round of removal: what is due, as far as it can be done now and in about `round_s`.

    Raises:
        VectorStoreUnavailable, StorageUnavailable, DatabaseUnavailable: the rest waits for the
            next round.
    """
    burial = _Burial(database, vectors, blobs, grace_s)
    try:
        # Each has its half: neither many small deletions nor one large one keeps the other waiting.
        await burial.bury_versions(time.monotonic() + round_s / 2)
    finally:
        await burial.bury_collections(time.monotonic() + round_s / 2)


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

    def __init__(
        self, database: Database, vectors: VectorStore, blobs: BlobStore, grace_s: float
    ) -> None:
        self._database = database
        self._vectors = vectors
        self._blobs = blobs
        self._grace_s = grace_s

    async def bury_versions(self, end: float) -> None:
        """Remove the points of every version that has a tombstone; lift those that are over."""
        async with self._database.worker() as connection:
            due = await Tombstones(connection).due(limit=ROUND)
        by_index: dict[UUID, list[Tombstone]] = defaultdict(list)
        for tombstone in due:
            by_index[tombstone.index_id].append(tombstone)
        await _each([partial(self._bury_index, *one, end) for one in by_index.items()], end)

    async def bury_collections(self, end: float) -> None:
        """Drop the indexes of deleted collections; remove their rows when nobody writes any."""
        async with self._database.worker() as connection:
            deleted = await Tombstones(connection).deleted_collections(
                grace_s=self._grace_s, limit=COLLECTIONS_A_ROUND
            )
        await _each([partial(self._bury_collection, one, end) for one in deleted], end)

    async def _bury_index(
        self, index_id: UUID, tombstones: Sequence[Tombstone], end: float
    ) -> None:
        for some in slices(tombstones, VERSIONS_A_CALL):
            await self._bury(index_id, some, end)

    async def _bury_collection(self, collection: DeletedCollection, end: float) -> None:
        hidden = await self._hide(collection.id, end)
        for index_id in collection.indexes:
            await self._vectors.drop_index(index_id)
        if collection.over and not hidden:
            await self._remove_collection(collection, end)

    async def _bury(self, index_id: UUID, tombstones: Sequence[Tombstone], end: float) -> None:
        versions = [tombstone.version_id for tombstone in tombstones]
        async with self._database.worker() as connection:
            await Tombstones(connection).stop_work(index_id, versions, grace_s=self._grace_s)
        await self._vectors.delete_versions(index_id, versions)
        over = [tombstone for tombstone in tombstones if tombstone.over]
        empty = await self._without_points(index_id, over)
        for some in slices(empty, DOCUMENTS_AT_ONCE):
            if time.monotonic() > end:
                return
            await self._lift(some, end)

    async def _without_points(
        self, index_id: UUID, tombstones: Sequence[Tombstone]
    ) -> list[Tombstone]:
        versions = [tombstone.version_id for tombstone in tombstones]
        left = await self._vectors.count_versions(index_id, versions)
        if left:
            log.warning("points_came_back", index_id=str(index_id), points=sum(left.values()))
        return [tombstone for tombstone in tombstones if tombstone.version_id not in left]

    async def _lift(self, tombstones: Sequence[Tombstone], end: float) -> None:
        tombstone_ids = [tombstone.id for tombstone in tombstones]

        async def some_chunks(connection: AsyncConnection) -> int:
            return await Tombstones(connection).delete_chunks(tombstone_ids, limit=CHUNKS_AT_ONCE)

        if not await self._until_none(some_chunks, end):
            return
        if not await self._redact([one.document_id for one in tombstones], end):
            return
        async with self._database.worker() as connection:
            gone = await Tombstones(connection).lift(tombstone_ids)
            freed = await _remove_documents(connection, gone)
        await self._remove_bytes(freed)

    async def _hide(self, collection_id: UUID, end: float) -> bool:
        """Stop and hide what is left of a deleted collection; False when there was nothing."""
        hidden = False
        while True:
            async with self._database.worker() as connection:
                some = await hide_some(connection, collection_id, grace_s=self._grace_s)
            hidden = hidden or some > 0
            if not some or time.monotonic() > end:
                return hidden

    async def _remove_collection(self, collection: DeletedCollection, end: float) -> None:
        while time.monotonic() < end:
            async with self._database.worker() as connection:
                tombstones = Tombstones(connection)
                some = await tombstones.some_documents(collection, limit=DOCUMENTS_AT_ONCE)
                if not some:
                    await tombstones.delete_collection(collection.id)
                    return
            await self._remove_documents(some, end)

    async def _remove_documents(self, document_ids: Sequence[UUID], end: float) -> None:
        """Remove documents of a deleted collection: some chunk rows at a time, then the rest."""

        async def some_chunks(connection: AsyncConnection) -> int:
            return await Tombstones(connection).delete_chunks_of(document_ids, limit=CHUNKS_AT_ONCE)

        if not await self._until_none(some_chunks, end):
            return
        if not await self._redact(document_ids, end):
            return
        async with self._database.worker() as connection:
            # Another process may be at the same ones.
            mine = await Tombstones(connection).lock_documents(document_ids)
            freed = await _remove_documents(connection, mine)
        await self._remove_bytes(freed)

    async def _until_none(
        self, delete_some: Callable[[AsyncConnection], Awaitable[int]], end: float
    ) -> bool:
        """Delete some, a transaction each time, until none is left; False when time is over."""
        while True:
            async with self._database.worker() as connection:
                deleted = await delete_some(connection)
            if deleted < CHUNKS_AT_ONCE:
                return True
            if time.monotonic() > end:
                return False

    async def _redact(self, document_ids: Sequence[UUID], end: float) -> bool:
        """Take the words of those that are deleted out of answers; False when time is over."""
        while True:
            async with self._database.worker() as connection:
                if not await Answers(connection).redact(document_ids, limit=WORDS_AT_ONCE):
                    return True
            if time.monotonic() > end:
                return False

    async def _remove_bytes(self, blob_ids: Sequence[UUID]) -> None:
        for blob_id in blob_ids:
            await self._blobs.delete(str(blob_id))


async def _each(steps: Sequence[Callable[[], Awaitable[None]]], end: float) -> None:
    """Take all steps, also after one that failed, until time is over; raise the first failure.

    In any order: one that fails slowly must not use up the same others' time in every round.
    """
    failures: list[VectorStoreUnavailable] = []
    for step in random.sample(steps, len(steps)):
        if failures and time.monotonic() > end:
            break
        try:
            await step()
        except VectorStoreUnavailable as error:
            failures.append(error)
    if failures:
        raise failures[0]


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
