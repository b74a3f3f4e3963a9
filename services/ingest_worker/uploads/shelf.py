"""The blob store as one tenant's upload fills it: bytes that are there are not written again."""

from collections.abc import AsyncIterator, Collection, Sequence
from uuid import UUID

from services.ingest_worker.uploads.writes import SmallFile
from shared.blobs.listed import ListedBlobStore
from shared.database.blobs import Blobs, NewBlob
from shared.database.engine import Database
from shared.errors import StorageUnavailable


class Shelf:
    """Looks up small files by their hash before it writes them."""

    def __init__(self, database: Database, blobs: ListedBlobStore, tenant_id: str) -> None:
        """Take the rows, the store, and whose files come."""
        self._database = database
        self._blobs = blobs
        self._tenant_id = tenant_id

    async def put(self, files: Sequence[SmallFile]) -> set[UUID]:
        """Write what the tenant does not have; return the keys written.

        A row whose bytes are lost does not count: these are written, and mended with.

        Raises:
            StorageFull, StorageUnavailable, DatabaseUnavailable: some may be written.
        """
        known = await self._known([file.sha256 for file in files])
        new = {str(file.blob_id): file.data for file in files if file.sha256 not in known}
        await self._blobs.write_all(new)
        return {file.blob_id for file in files if file.sha256 not in known}

    async def write(self, key: str, parts: AsyncIterator[bytes]) -> int:
        """Write a stream; its hash is known when it is over."""
        return await self._blobs.write(key, parts)

    async def delete(self, key: str) -> None:
        """Remove a key that this upload wrote."""
        await self._blobs.delete(key)

    async def _known(self, hashes: Sequence[bytes]) -> Collection[bytes]:
        async with self._database.tenant(self._tenant_id) as connection:
            rows = await Blobs(connection).known(self._tenant_id, hashes)
        there = await self._blobs.present([str(blob_id) for blob_id in rows.values()])
        return {sha256 for sha256, blob_id in rows.items() if str(blob_id) in there}


async def claim_blobs(
    blobs: Blobs, tenant_id: str, new: Sequence[NewBlob], *, stored: Collection[UUID]
) -> dict[bytes, UUID]:
    """Return the row of each hash, new ones added; `stored` are the keys this request wrote.

    Raises:
        StorageUnavailable: bytes that were there when they came have been deleted since, and
            nobody may promise them.
    """
    rows = await blobs.claim(tenant_id, new)
    if any(blob.id not in stored and rows[blob.sha256] == blob.id for blob in new):
        raise StorageUnavailable(
            "The same bytes were deleted meanwhile; send them again.", retry_after_s=1
        )
    return rows
