"""Members: files that came inside another, as documents and jobs of its batch.

What an archive or a mail holds is added by the transaction that ends its parsing, so once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.errors import ArchiveUnsafe

HOLDER = text("""
SELECT j.batch_id, j.depth, coalesce(j.origin, j.id) AS origin, d.attributes, v.options
FROM jobs j JOIN documents d ON d.id = j.document_id JOIN versions v ON v.id = j.version_id
WHERE j.id = :job_id
""")
HOLD_COLLECTION = text("""
SELECT id FROM collections WHERE id = :id AND deleted_at IS NULL FOR KEY SHARE
""")
CHARGE = text("""
UPDATE jobs SET members = members + :files, member_kib = member_kib + :kib
WHERE id = :origin RETURNING members, member_kib
""")


@dataclass(frozen=True, slots=True)
class Holder:
    """What members have from the file that held them.

    `depth` counts the files around it. `origin` is the job of the outermost, its own if there is
    none. `options` hold the password, too.
    """

    batch_id: UUID
    depth: int
    origin: UUID
    attributes: Mapping[str, Any]
    options: Mapping[str, Any]


class Members:
    """The queries around a holder's members, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def holder(self, job_id: UUID) -> Holder | None:
        """Return what the members of a job's file have from it; None when the job is gone."""
        result = await self._connection.execute(HOLDER, {"job_id": job_id})
        row = result.mappings().one_or_none()
        return None if row is None else Holder(**row)

    async def hold_collection(self, collection_id: UUID) -> bool:
        """Keep a collection from being deleted until the transaction ends; False if it is."""
        found = await self._connection.execute(HOLD_COLLECTION, {"id": collection_id})
        return found.first() is not None

    async def charge(self, origin: UUID, *, files: int, size: int, most: tuple[int, int]) -> None:
        """Count members towards the outermost file they came in; its job is locked already.

        Args:
            origin: the outermost file's job.
            files: how many there are.
            size: their bytes.
            most: the most files, and the most bytes, that one file may unpack to in all.

        Raises:
            ArchiveUnsafe: it has unpacked to more.
        """
        counted = await self._connection.execute(
            CHARGE, {"origin": origin, "files": files, "kib": -(-size // 1024)}
        )
        row = counted.one_or_none()
        if row is not None and (row.members > most[0] or row.member_kib * 1024 > most[1]):
            raise ArchiveUnsafe("With the archives in it, it unpacks to more than is allowed.")
