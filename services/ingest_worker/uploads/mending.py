"""Stores again what the blob store lost: a row promises bytes, and an upload brings them anew."""

from uuid import UUID

import structlog

from services.ingest_worker.uploads.receiving import Received
from shared.blobs.listed import ListedBlobStore
from shared.database.blobs import Blobs
from shared.database.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def mend_blobs(
    database: Database, blobs: ListedBlobStore, tenant_id: str, received: Received
) -> int:
    """Give every known blob of these files its bytes back where they are gone; return how many.

    Raises:
        StorageUnavailable, StorageFull, DatabaseUnavailable: some are not back; nothing is worse.
    """
    files = {file.sha256: file for file in received.taken if file.stored}
    async with database.tenant(tenant_id) as connection:
        known = await Blobs(connection).known(tenant_id, list(files))
    there = await blobs.present([str(blob_id) for blob_id in known.values()])
    lost = [sha256 for sha256, blob_id in known.items() if str(blob_id) not in there]
    for sha256 in lost:
        await _mend(database, blobs, tenant_id, own=files[sha256].blob_id, lost=known[sha256])
    if lost:
        log.warning("blobs_mended", count=len(lost))
    return len(lost)


async def _mend(
    database: Database, blobs: ListedBlobStore, tenant_id: str, *, own: UUID, lost: UUID
) -> None:
    # The row's lock is held while the bytes are written: two uploads must not write one key at
    # once, and the clean-up must not take the row away. It is rare enough.
    async with database.tenant(tenant_id) as connection:
        if not await Blobs(connection).hold(lost) or await blobs.present([str(lost)]):
            return
        # A killed write may have left a piece under this key.
        await blobs.delete(str(lost))
        await blobs.write(str(lost), blobs.read(str(own)))
