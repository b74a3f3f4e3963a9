"""What a tenant holds and what its embedding took, added up: a few statements, none per row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.identity import first_id
from shared.models import JobState

COLLECTIONS = text("""
SELECT id, name FROM collections WHERE deleted_at IS NULL ORDER BY name
""")
# These statements hash and join a tenant's rows: with Postgres' 4 MB they would go to the disk.
ROOM = text("SELECT set_config('work_mem', '64MB', true)")
# A version has one job of its own; those that found nothing to do are marked as duplicates.
HELD = text("""
SELECT d.collection_id, count(*) FILTER (WHERE v.number = d.newest_version) AS documents,
       count(*) AS versions,
       coalesce(sum(j.chunks_total) FILTER (WHERE v.number = d.live_version), 0) AS chunks
FROM documents d
JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
JOIN versions v ON v.document_id = d.id
LEFT JOIN jobs j ON j.version_id = v.id AND j.duplicate_of IS NULL
WHERE d.deleted_at IS NULL GROUP BY d.collection_id
""")
BYTES = text("""
SELECT u.collection_id, sum(b.size) AS bytes
FROM (
    SELECT DISTINCT d.collection_id, v.blob_id
    FROM documents d JOIN versions v ON v.document_id = d.id WHERE d.deleted_at IS NULL
) u JOIN blobs b ON b.id = u.blob_id
GROUP BY u.collection_id
""")
ALL_BYTES = text("SELECT coalesce(sum(size), 0) FROM blobs")
# A job's id begins with the moment it was made (RFC 9562), so (tenant, state, id) finds a span.
JOBS = text("""
SELECT collection_id, state, count(*) AS jobs,
       coalesce(sum((usage->>'tokens')::bigint), 0) AS tokens,
       coalesce(sum((usage->>'provider_calls')::bigint), 0) AS provider_calls,
       coalesce(sum((usage->>'cached')::bigint), 0) AS cached
FROM jobs WHERE state = ANY(:states) AND id >= :since AND id < :until
GROUP BY collection_id, state
""")
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class HeldRow:
    """What a collection holds; `chunks` are those of live versions."""

    collection_id: UUID
    documents: int
    versions: int
    chunks: int


@dataclass(frozen=True, slots=True)
class JobSums:
    """The jobs of one collection in one state, and what they took."""

    collection_id: UUID
    state: str
    jobs: int
    tokens: int
    provider_calls: int
    cached: int


class UsageSums:
    """The sums of one tenant, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def collections(self) -> Mapping[UUID, str]:
        """Return the names of the collections, in their order."""
        return {row.id: row.name for row in await self._connection.execute(COLLECTIONS)}

    async def held(self) -> list[HeldRow]:
        """Count the documents, versions and live chunks of each collection that has any.

        Chunks come from the jobs' counters: counting the chunk rows would read all their texts.
        """
        await self._connection.execute(ROOM)
        result = await self._connection.execute(HELD)
        return [HeldRow(**row) for row in _whole(result.mappings().all())]

    async def bytes_by_collection(self) -> Mapping[UUID, int]:
        """Add up the distinct bytes that the versions of each collection need."""
        await self._connection.execute(ROOM)
        result = await self._connection.execute(BYTES)
        return {row.collection_id: int(row.bytes) for row in result}

    async def all_bytes(self) -> int:
        """Add up everything stored, each content once, what waits for its removal included."""
        return int((await self._connection.execute(ALL_BYTES)).scalar_one())

    async def jobs(self, *, since: datetime | None, until: datetime | None) -> list[JobSums]:
        """Add up the jobs made from `since` on and before `until`."""
        result = await self._connection.execute(
            JOBS,
            {
                "states": list(JobState),
                "since": _FIRST if since is None else first_id(since),
                "until": _LAST if until is None else first_id(until),
            },
        )
        return [JobSums(**row) for row in _whole(result.mappings().all())]


def _whole(rows: Sequence[Mapping[Any, Any]]) -> list[dict[str, Any]]:
    """Return rows with their sums, which Postgres makes `numeric`, as integers."""
    return [
        {
            name: value if isinstance(value, UUID | str) else int(value)
            for name, value in row.items()
        }
        for row in rows
    ]
