"""Stores again what the blob store lost: a row promises bytes, and an upload brings them anew."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import structlog

from services.ingest_worker.uploads.receiving import Received, ReceivedFile
from shared.blobs.listed import ListedBlobStore
from shared.database.blobs import Blobs
from shared.database.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LOOKS_AT_ONCE = 16


async def mend_blobs(
    database: Database, blobs: ListedBlobStore, tenant_id: str, received: Received
) -> int:
    """Give every known blob of these files its bytes back where they are gone; return how many.

    Raises:
        StorageUnavailable, StorageFull, DatabaseUnavailable: some are not back; nothing is worse.
    """
    files = {file.sha256: file for file in received.files if isinstance(file, ReceivedFile)}
    async with database.tenant(tenant_id) as connection:
        known = await Blobs(connection).known(tenant_id, list(files))
    lost = await _lost(blobs, known)
    for sha256 in lost:
        await _mend(database, blobs, tenant_id, own=files[sha256].blob_id, lost=known[sha256])
    if lost:
        log.warning("blobs_mended", count=len(lost))
    return len(lost)


async def _lost(blobs: ListedBlobStore, known: Mapping[bytes, UUID]) -> list[bytes]:
    free = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def is_there(blob_id: UUID) -> bool:
        async with free:
            return await blobs.exists(str(blob_id))

    there = await asyncio.gather(*map(is_there, known.values()))
    return [sha256 for sha256, found in zip(known, there, strict=True) if not found]


async def _mend(
    database: Database, blobs: ListedBlobStore, tenant_id: str, *, own: UUID, lost: UUID
) -> None:
    # The row's lock is held while the bytes are written: two uploads must not write one key at
    # once, and the clean-up must not take the row away. It is rare enough.
    async with database.tenant(tenant_id) as connection:
        if not await Blobs(connection).hold(lost) or await blobs.exists(str(lost)):
            return
        # A killed write may have left a piece under this key.
        await blobs.delete(str(lost))
        await blobs.write(str(lost), blobs.read(str(own)))
