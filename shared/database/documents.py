"""Document rows: listed, shown, amended, and made invisible at once when deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# The newest version's own job tells the state; a duplicate's says only that there was no work.
SHOWN = """
SELECT d.id, c.name AS collection, d.name, d.attributes, d.live_version, d.newest_version,
       j.state, j.id AS job_id, v.media_type, v.pages, b.size, d.created_at, d.updated_at
FROM documents d
JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
JOIN versions v ON v.document_id = d.id AND v.number = d.newest_version
JOIN blobs b ON b.id = v.blob_id
JOIN LATERAL (
    SELECT id, state FROM jobs WHERE version_id = v.id AND duplicate_of IS NULL
    ORDER BY id DESC LIMIT 1
) j ON true
WHERE d.deleted_at IS NULL
"""
BY_ID = text(f"{SHOWN} AND d.id = :id")
LISTED = text(f"""
{SHOWN} AND d.collection_id = :collection_id
  AND (CAST(:after AS uuid) IS NULL OR d.id > :after)
  AND (CAST(:name AS text) IS NULL OR d.name = :name)
  AND (CAST(:state AS text) IS NULL OR j.state = :state)
ORDER BY d.id LIMIT :limit
""")
# `bytes_of` takes any version; without a number the live one, else the newest.
BYTES = text("""
SELECT v.blob_id, b.size, v.media_type, d.name, v.number AS version,
       v.options ->> 'password' AS password
FROM documents d
JOIN versions v ON v.document_id = d.id
    AND v.number = coalesce(CAST(:version AS int), d.live_version, d.newest_version)
JOIN blobs b ON b.id = v.blob_id
JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
WHERE d.id = :id AND d.deleted_at IS NULL
""")
LOCK = text("""
SELECT d.id, d.attributes
FROM documents d JOIN collections c ON c.id = d.collection_id
WHERE d.id = :id AND d.deleted_at IS NULL AND c.deleted_at IS NULL FOR UPDATE OF d
""")
# By the index of names, which holds visible documents alone; then locked in the order of ids.
SOME_VISIBLE = text("""
SELECT id FROM documents WHERE collection_id = :collection_id AND deleted_at IS NULL
ORDER BY name LIMIT :limit
""")
LOCK_SOME = text("""
SELECT id FROM documents WHERE id = ANY(:ids) AND deleted_at IS NULL ORDER BY id FOR UPDATE
""")
SET_ATTRIBUTES = text("""
UPDATE documents SET attributes = CAST(:attributes AS jsonb), updated_at = now() WHERE id = :id
""")
OPEN_JOBS = text("""
SELECT id FROM jobs
WHERE document_id = ANY(:ids) AND state IN ('queued', 'parsing', 'embedding')
ORDER BY id FOR UPDATE
""")
# Of ended jobs too: what is embedded again has one.
EMPTY_QUEUE = text("""
DELETE FROM embed_queue WHERE job_id IN (SELECT id FROM jobs WHERE document_id = ANY(:ids))
""")
HIDE = text("""
UPDATE documents SET live_version = NULL, deleted_at = now(), updated_at = now()
WHERE id = ANY(:ids)
""")
# Every version in every index, whether or not points are there: a paused worker may yet write some.
BURY = text("""
INSERT INTO tombstones (id, tenant_id, index_id, document_id, version_id, until)
SELECT gen_random_uuid(), d.tenant_id, i.id, d.id, v.id, now() + make_interval(secs => :grace_s)
FROM documents d
JOIN versions v ON v.document_id = d.id
JOIN indexes i ON i.collection_id = d.collection_id AND i.leaving_at IS NULL
WHERE d.id = ANY(:ids)
ON CONFLICT (index_id, version_id)
DO UPDATE SET until = greatest(tombstones.until, excluded.until)
""")


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as it is shown; `state` is that of its newest version's job."""

    id: UUID
    collection: str
    name: str
    attributes: Mapping[str, Any]
    live_version: int | None
    newest_version: int
    state: str
    job_id: UUID
    media_type: str
    pages: int | None
    size: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """Where a version's bytes are, what to call them, and what opens them."""

    blob_id: UUID
    size: int
    media_type: str
    name: str
    version: int
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LockedDocument:
    """A document nobody else changes until the transaction ends."""

    id: UUID
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents of a collection to list; None lets all through."""

    collection_id: UUID
    name: str | None = None
    state: str | None = None


class Documents:
    """The tenant's documents, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def by_id(self, document_id: UUID) -> DocumentRow | None:
        """Return a document as it is shown; None when it is not there or deleted."""
        result = await self._connection.execute(BY_ID, {"id": document_id})
        row = result.mappings().one_or_none()
        return None if row is None else DocumentRow(**row)

    async def listed(
        self, wanted: DocumentFilter, *, after: UUID | None, limit: int
    ) -> list[DocumentRow]:
        """Return up to `limit` documents, oldest first, after the id `after`."""
        result = await self._connection.execute(
            LISTED,
            {
                "collection_id": wanted.collection_id,
                "name": wanted.name,
                "state": wanted.state,
                "after": after,
                "limit": limit,
            },
        )
        return [DocumentRow(**row) for row in result.mappings()]

    async def bytes_of(self, document_id: UUID, version: int | None) -> StoredBytes | None:
        """Return where the bytes of a version are: the live one, else the newest, unless told."""
        result = await self._connection.execute(BYTES, {"id": document_id, "version": version})
        row = result.mappings().one_or_none()
        return None if row is None else StoredBytes(**row)

    async def lock(self, document_id: UUID) -> LockedDocument | None:
        """Lock a document; None when it is not there or deleted."""
        result = await self._connection.execute(LOCK, {"id": document_id})
        row = result.mappings().one_or_none()
        return None if row is None else LockedDocument(**row)

    async def lock_some(self, collection_id: UUID, *, limit: int) -> list[UUID]:
        """Lock up to `limit` visible documents of a collection and return their ids."""
        parameters = {"collection_id": collection_id, "limit": limit}
        some = list((await self._connection.execute(SOME_VISIBLE, parameters)).scalars())
        return list((await self._connection.execute(LOCK_SOME, {"ids": some})).scalars())

    async def set_attributes(self, document_id: UUID, attributes_json: str) -> None:
        """Replace a document's attributes."""
        await self._connection.execute(
            SET_ATTRIBUTES, {"id": document_id, "attributes": attributes_json}
        )

    async def open_jobs(self, document_ids: Sequence[UUID]) -> list[UUID]:
        """Lock the jobs of these documents that have not ended, and return them."""
        result = await self._connection.execute(OPEN_JOBS, {"ids": list(document_ids)})
        return list(result.scalars())

    async def hide(self, document_ids: Sequence[UUID]) -> None:
        """Make locked documents invisible to everyone; their names are free at once.

        None of their chunks is embedded any more, and what is claimed is not counted.
        """
        await self._connection.execute(EMPTY_QUEUE, {"ids": list(document_ids)})
        await self._connection.execute(HIDE, {"ids": list(document_ids)})

    async def bury(self, document_ids: Sequence[UUID], *, grace_s: float) -> None:
        """Note that every point of these documents is to go, again until `grace_s` from now."""
        await self._connection.execute(BURY, {"ids": list(document_ids), "grace_s": grace_s})
