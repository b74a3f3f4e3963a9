"""Blob rows: which bytes a tenant has, once each. The object's key is the row's id."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# The share lock keeps the clean-up, which locks FOR UPDATE, from taking the row away meanwhile.
KNOWN = text("""
SELECT sha256, id FROM blobs WHERE tenant_id = :tenant_id AND sha256 = ANY(:hashes)
ORDER BY sha256 FOR KEY SHARE
""")
# A row that another upload is adding right now is waited for and then returned as it is. The order
# keeps two uploads of the same files from waiting for each other.
ADD = text("""
INSERT INTO blobs (id, tenant_id, sha256, size)
SELECT n.id, :tenant_id, n.sha256, n.size
FROM unnest(CAST(:ids AS uuid[]), CAST(:hashes AS bytea[]), CAST(:sizes AS bigint[]))
     AS n(id, sha256, size)
ORDER BY n.sha256
ON CONFLICT (tenant_id, sha256) DO UPDATE SET size = excluded.size
RETURNING sha256, id
""")
UNREFERENCED = """
NOT EXISTS (SELECT FROM versions v WHERE v.blob_id = b.id)
  AND NOT EXISTS (SELECT FROM files f WHERE f.blob_id = b.id)
"""
LOCK_UNREFERENCED = text(f"""
SELECT id FROM blobs b WHERE id = ANY(:ids) AND {UNREFERENCED} ORDER BY id FOR UPDATE
""")  # noqa: S608 - a constant of this module
# A statement of its own, so that it sees a version that was added while the lock was waited for.
DELETE_UNREFERENCED = text(f"""
DELETE FROM blobs b WHERE id = ANY(:ids) AND {UNREFERENCED} RETURNING id
""")  # noqa: S608
FIND = text("SELECT sha256, id FROM blobs WHERE tenant_id = :tenant_id AND sha256 = ANY(:hashes)")
HOLD = text("SELECT id FROM blobs WHERE id = :id FOR UPDATE")
PRESENT = text("SELECT id FROM blobs WHERE id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class NewBlob:
    """Bytes that are durable under the key `id`, without a row yet."""

    id: UUID
    sha256: bytes
    size: int


class Blobs:
    """The blob rows, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def claim(self, tenant_id: str, new: Sequence[NewBlob]) -> dict[bytes, UUID]:
        """Return the row of each hash: the one that was there before, else a new one.

        The rows stay until the transaction ends.
        """
        first = {blob.sha256: blob for blob in reversed(new)}
        parameters = {"tenant_id": tenant_id, "hashes": list(first)}
        known = {row.sha256: row.id for row in await self._connection.execute(KNOWN, parameters)}
        missing = [blob for sha256, blob in first.items() if sha256 not in known]
        if missing:
            added = await self._connection.execute(
                ADD,
                {
                    "tenant_id": tenant_id,
                    "ids": [blob.id for blob in missing],
                    "hashes": [blob.sha256 for blob in missing],
                    "sizes": [blob.size for blob in missing],
                },
            )
            known |= {row.sha256: row.id for row in added}
        return known

    async def known(self, tenant_id: str, hashes: Sequence[bytes]) -> dict[bytes, UUID]:
        """Return the tenant's rows of these hashes, as far as there are any."""
        parameters = {"tenant_id": tenant_id, "hashes": list(hashes)}
        return {row.sha256: row.id for row in await self._connection.execute(FIND, parameters)}

    async def hold(self, blob_id: UUID) -> bool:
        """Lock a row until the transaction ends; False when it is gone."""
        found = await self._connection.execute(HOLD, {"id": blob_id})
        return found.one_or_none() is not None

    async def delete_unreferenced(self, blob_ids: Sequence[UUID]) -> list[UUID]:
        """Delete the rows among these that no version and no file needs; return them.

        Their objects are to be deleted after the transaction has ended.
        """
        ids = {"ids": list(blob_ids)}
        locked = list((await self._connection.execute(LOCK_UNREFERENCED, ids)).scalars())
        deleted = await self._connection.execute(DELETE_UNREFERENCED, {"ids": locked})
        return list(deleted.scalars())

    async def present(self, blob_ids: Sequence[UUID]) -> set[UUID]:
        """Return those of these ids that have a row."""
        return set((await self._connection.execute(PRESENT, {"ids": list(blob_ids)})).scalars())
