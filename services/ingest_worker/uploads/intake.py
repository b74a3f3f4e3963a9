"""Takes a request's files in: bytes first, then rows in one transaction, whatever the rows are.

What is kept is kept as a whole; a request that fails leaves nothing, one with a key is done once.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog

from services.ingest_worker.uploads.mending import mend_blobs
from services.ingest_worker.uploads.once import Once, claimed, replayed
from services.ingest_worker.uploads.receiving import Received, receive
from services.ingest_worker.uploads.room import Room
from services.ingest_worker.uploads.shelf import Shelf
from services.ingest_worker.uploads.taking import Answered, Commit, Incoming
from services.ingest_worker.uploads.writes import Nowhere, Sink
from shared.blobs.listed import ListedBlobStore
from shared.database.engine import Database
from shared.database.idempotency_keys import SeenKey
from shared.errors import CitewellError, Unavailable
from shared.settings import IngestSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Deletions of bytes that turned out to be known; more at once would only queue in the store.
DELETES_AT_ONCE = 16


class Intake:
    """Receives into one deployment's blob store."""

    def __init__(
        self, *, database: Database, blobs: ListedBlobStore, room: Room, settings: IngestSettings
    ) -> None:
        """Take the stores and the limits."""
        self._database = database
        self._room = room
        self._settings = settings
        self._blobs = blobs

    async def take(self, incoming: Incoming, commit: Commit) -> Answered:
        """Take one request; returns once every byte and row is durable.

        Raises:
            RequestUnderWay, KeyUsedDifferently: the key is another request's.
            RateLimited, QueueFull, StorageFull: there is no room; the body was not read.
            InvalidInput: the body or a field is wrong; nothing was taken.
            PayloadTooLarge: the request is over a limit; nothing was taken.
            StorageFull, StorageUnavailable: bytes could not be stored; nothing was taken.
            DatabaseUnavailable: it is not known whether the rows were committed.
            CitewellError: what `commit` raises; nothing was taken.
        """
        lease_s = self._settings.lease_s
        async with claimed(
            self._database, incoming.tenant_id, incoming.key, lease_s=lease_s
        ) as once:
            if isinstance(once, SeenKey):
                received = await self._receive(incoming, Nowhere())
                return Answered(replayed(once, received), replayed=True)
            await self._room.check(incoming.tenant_id, announced_bytes=incoming.announced_bytes)
            return Answered(await once.work(self._take(incoming, once, commit)), replayed=False)

    async def remove(self, blob_ids: Sequence[UUID]) -> None:
        """Delete bytes nobody needs; what cannot be deleted now is found by the clean-up."""
        free = asyncio.Semaphore(DELETES_AT_ONCE)

        async def remove(blob_id: UUID) -> None:
            async with free:
                await self._blobs.delete(str(blob_id))

        results = await asyncio.gather(*map(remove, blob_ids), return_exceptions=True)
        failed = [result for result in results if isinstance(result, BaseException)]
        if failed:
            log.warning("blobs_left_over", count=len(failed), error=repr(failed[0]))

    async def _receive(self, incoming: Incoming, sink: Sink) -> Received:
        return await receive(
            incoming.body, content_type=incoming.content_type, sink=sink, limits=self._settings
        )

    async def _take(self, incoming: Incoming, once: Once, commit: Commit) -> str:
        """Receive, commit, and return the answer."""
        shelf = Shelf(self._database, self._blobs, incoming.tenant_id)
        received = await self._receive(incoming, shelf)
        try:
            await mend_blobs(self._database, self._blobs, incoming.tenant_id, received)
            done = await commit(received, once.answer)
        except Unavailable:
            # The commit may have come through with its answer lost: bytes are never removed on a
            # guess. If it did not, they are orphans, and the clean-up finds them.
            raise
        except CitewellError:
            await self.remove(received.blob_ids)
            raise
        await self.remove([blob_id for blob_id in received.blob_ids if blob_id not in done.kept])
        return done.answer
