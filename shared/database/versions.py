"""Version rows as a document's history shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LISTED = text("""
SELECT v.number AS version, coalesce(v.number = d.live_version, false) AS live,
       coalesce(j.state, 'cancelled') AS state,
       j.id AS job_id, v.media_type, v.pages, v.parser, v.options - 'password' AS options,
       b.size, encode(b.sha256, 'hex') AS sha256, v.created_at
FROM versions v
JOIN documents d ON d.id = v.document_id AND d.deleted_at IS NULL
JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
JOIN blobs b ON b.id = v.blob_id
LEFT JOIN LATERAL (
    SELECT id, state FROM jobs WHERE version_id = v.id AND duplicate_of IS NULL
    ORDER BY id DESC LIMIT 1
) j ON true
WHERE v.document_id = :document_id AND (CAST(:below AS int) IS NULL OR v.number < :below)
ORDER BY v.number DESC LIMIT :limit
""")
STORED = text("""
SELECT v.blob_id, b.sha256, b.size, v.options
FROM versions v JOIN blobs b ON b.id = v.blob_id
WHERE v.document_id = :document_id AND v.number = :number
""")


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """What a version was made of, `size` in bytes; the options with the password, if it has one."""

    blob_id: UUID
    sha256: bytes
    size: int
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version as it is shown, without its password; `sha256` is in hexadecimal."""

    version: int
    live: bool
    state: str
    job_id: UUID | None
    media_type: str
    pages: int | None
    parser: str
    options: Mapping[str, Any]
    size: int
    sha256: str
    created_at: datetime


class Versions:
    """The versions' queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def listed(self, document_id: UUID, *, below: int | None, limit: int) -> list[VersionRow]:
        """Return up to `limit` versions, newest first, with numbers under `below`."""
        result = await self._connection.execute(
            LISTED, {"document_id": document_id, "below": below, "limit": limit}
        )
        return [VersionRow(**row) for row in result.mappings()]

    async def stored(self, document_id: UUID, number: int) -> StoredVersion | None:
        """Return what a version was made of; None when there is no such version."""
        parameters = {"document_id": document_id, "number": number}
        row = (await self._connection.execute(STORED, parameters)).mappings().one_or_none()
        return None if row is None else StoredVersion(**row)
