"""What a check-up asks Postgres: what is known, what waits for its removal, what is stuck."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.job_views import PARKED

INDEXES = text("""
SELECT i.id FROM indexes i JOIN collections c ON c.id = i.collection_id
WHERE c.deleted_at IS NULL AND i.leaving_at IS NULL ORDER BY i.id
""")
# A version has a right to points while it has chunks, work under way, or a tombstone to take them.
KNOWN = text("""
SELECT n.id FROM unnest(CAST(:ids AS uuid[])) AS n(id)
WHERE EXISTS (SELECT FROM chunks c WHERE c.version_id = n.id AND c.index_id = :index_id)
   OR EXISTS (SELECT FROM tombstones t WHERE t.version_id = n.id AND t.index_id = :index_id)
   OR EXISTS (SELECT FROM jobs j WHERE j.version_id = n.id
              AND j.state IN ('queued', 'parsing', 'embedding'))
""")
BLOBS = text("""
SELECT id, sha256 FROM blobs WHERE sha256 > :after ORDER BY sha256 LIMIT :limit
""")
NEEDING = text("""
SELECT d.id, d.name, v.number AS version
FROM versions v JOIN documents d ON d.id = v.document_id AND d.deleted_at IS NULL
JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
WHERE v.blob_id = ANY(:ids)
UNION ALL SELECT id, filename, NULL FROM files WHERE blob_id = ANY(:ids)
ORDER BY id, version
""")
PENDING = text("""
SELECT (SELECT count(*) FROM tombstones) AS tombstones,
       (SELECT count(*) FROM documents WHERE deleted_at IS NOT NULL) AS documents,
       (SELECT count(*) FROM collections WHERE deleted_at IS NOT NULL) AS collections
""")
STUCK = text("""
WITH late AS (SELECT now() - make_interval(secs => :after_s) AS moment)
SELECT (SELECT count(*) FROM parts, late WHERE state <> 'done' AND lease_until < moment)
     + (SELECT count(*) FROM jobs, late WHERE state = 'parsing' AND lease_until < moment)
     + (SELECT count(*) FROM embed_queue, late WHERE lease_until < moment) AS expired_leases,
       (SELECT count(*) FROM jobs j, late WHERE deadline < moment
            AND state IN ('queued', 'parsing', 'embedding')
            AND NOT EXISTS (SELECT FROM batches b WHERE b.id = j.batch_id AND b.paused)
       ) AS past_deadline
""")
WAITING = text(f"""
SELECT id AS job_id, filename, stage, waiting_for->>'code' AS code,
       waiting_for->>'detail' AS detail, updated_at AS since, count(*) OVER () AS of
FROM (
    SELECT id, filename, stage, updated_at, coalesce(({PARKED}), waiting_for) AS waiting_for
    FROM jobs WHERE state IN ('queued', 'parsing', 'embedding')
) j
WHERE waiting_for->>'kind' = 'operator'
ORDER BY id LIMIT :limit
""")  # noqa: S608 - constants of these modules only


@dataclass(frozen=True, slots=True)
class BlobRow:
    """Stored bytes as Postgres knows them."""

    id: UUID
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Needing:
    """What can be read only while its bytes are there.

    A document's version, or a kept file, which has none.
    """

    id: UUID
    name: str
    version: int | None


@dataclass(frozen=True, slots=True)
class PendingRows:
    """What is deleted and not removed yet."""

    tombstones: int
    documents: int
    collections: int


@dataclass(frozen=True, slots=True)
class StuckRows:
    """What a sweep should have put back or ended by now."""

    expired_leases: int
    past_deadline: int


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """An open job that goes on only when an operator acts; `of` is how many there are in all."""

    job_id: UUID
    filename: str
    stage: str
    code: str | None
    detail: str | None
    since: datetime
    of: int


class Checkups:
    """The check-up's queries, inside a transaction that sees what is to be checked."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction: a tenant's, or the workers'."""
        self._connection = connection

    async def indexes(self) -> list[UUID]:
        """Return the indexes of every collection that is not deleted."""
        return list((await self._connection.execute(INDEXES)).scalars())

    async def unknown_versions(self, index_id: UUID, version_ids: Sequence[UUID]) -> set[UUID]:
        """Return those of these versions that have no right to points in an index."""
        parameters = {"index_id": index_id, "ids": list(version_ids)}
        known = (await self._connection.execute(KNOWN, parameters)).scalars()
        return set(version_ids).difference(known)

    async def blobs(self, *, after: bytes, limit: int) -> list[BlobRow]:
        """Return up to `limit` blobs by their hash, above `after`."""
        result = await self._connection.execute(BLOBS, {"after": after, "limit": limit})
        return [BlobRow(**row) for row in result.mappings()]

    async def needing(self, blob_ids: Sequence[UUID]) -> list[Needing]:
        """Return the versions of visible documents, and the kept files, that need these bytes."""
        result = await self._connection.execute(NEEDING, {"ids": list(blob_ids)})
        return [Needing(**row) for row in result.mappings()]

    async def pending(self) -> PendingRows:
        """Count what is deleted and waits for its removal."""
        return PendingRows(**(await self._connection.execute(PENDING)).mappings().one())

    async def stuck(self, *, after_s: float) -> StuckRows:
        """Count leases and deadlines that ran out more than `after_s` ago."""
        result = await self._connection.execute(STUCK, {"after_s": after_s})
        return StuckRows(**result.mappings().one())

    async def waiting_for_operator(self, *, limit: int) -> list[WaitingRow]:
        """Return up to `limit` jobs that wait for an operator, oldest first."""
        result = await self._connection.execute(WAITING, {"limit": limit})
        return [WaitingRow(**row) for row in result.mappings()]
