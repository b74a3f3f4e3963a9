"""The documents of a store as files of it: by the kept file each was made of, else by its own id.

A member of an archive was made of no kept file; it stands under its document's id.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.windows import Window
from shared.models import JobState

SHOWN = """
SELECT coalesce(d.file_id, d.id) AS id, d.id AS document_id, v.id AS version_id, d.attributes,
       d.created_at, d.newest_size AS size, j.state, j.problem
FROM documents d
JOIN versions v ON v.document_id = d.id AND v.number = d.newest_version
JOIN LATERAL (
    SELECT state, problem FROM jobs WHERE version_id = v.id AND duplicate_of IS NULL
    ORDER BY id DESC LIMIT 1
) j ON true
WHERE d.collection_id = :collection_id AND d.deleted_at IS NULL
"""
NAMED = "(d.file_id = :id OR (d.id = :id AND d.file_id IS NULL))"
BY_ID = text(f"{SHOWN} AND {NAMED}")
PLACE = text(f"""
SELECT id FROM documents d WHERE d.collection_id = :collection_id AND {NAMED}
ORDER BY id DESC LIMIT 1
""")  # noqa: S608 - constants of this module
OF_BATCH = "AND d.id IN (SELECT document_id FROM jobs WHERE batch_id = :batch_id)"
# Most of a large store is done: what is not is found by its jobs, not by going through all of it.
UNFINISHED = """
AND d.id IN (SELECT document_id FROM jobs WHERE tenant_id = current_setting('app.tenant', true)
             AND state = ANY(:states) AND collection_id = :collection_id)
"""
DONE = frozenset({JobState.SUCCEEDED, JobState.SUCCEEDED_WITH_WARNINGS})
LISTED = {
    (direction, narrowed): text(f"""
{SHOWN} AND d.id > :low AND d.id < :high AND j.state = ANY(:states) {narrowed}
ORDER BY d.id {direction} LIMIT :limit
""")
    for direction in ("ASC", "DESC")
    for narrowed in ("", OF_BATCH, UNFINISHED)
}
# A job that was no work is as far as the one that does the work.
BATCH = text("""
SELECT b.id, b.created_at, coalesce(n.counts, '{}') AS counts
FROM batches b CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(s.state, s.jobs) AS counts FROM (
        SELECT coalesce(w.state, j.state) AS state, count(*) AS jobs
        FROM jobs j LEFT JOIN jobs w ON w.id = j.duplicate_of
        WHERE j.batch_id = b.id GROUP BY 1
    ) s
) n
WHERE b.id = :id AND b.collection_id = :collection_id
""")


@dataclass(frozen=True, slots=True)
class StoreFileRow:
    """A document of a store; `id` is the kept file's it was made of, else its own.

    State, problem and `size` (bytes) are its newest version's.
    """

    id: UUID
    document_id: UUID
    version_id: UUID
    attributes: Mapping[str, Any]
    created_at: datetime
    size: int
    state: str
    problem: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class StoreBatchRow:
    """A batch of a store; its jobs by state."""

    id: UUID
    created_at: datetime
    counts: Mapping[str, int]


class StoreFiles:
    """The files of one store, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection, collection_id: UUID) -> None:
        """Take the transaction, and the store's collection."""
        self._connection = connection
        self._collection_id = collection_id

    async def by_id(self, file_id: UUID) -> StoreFileRow | None:
        """Return a file of the store; None when it has none of this id."""
        result = await self._connection.execute(BY_ID, self._bind(id=file_id))
        row = result.mappings().one_or_none()
        return None if row is None else StoreFileRow(**row)

    async def place_of(self, file_id: UUID) -> UUID | None:
        """Return where a file stands in lists; None when the store has never had it.

        A file that was deleted a short while ago still has its place.
        """
        result = await self._connection.execute(PLACE, self._bind(id=file_id))
        return result.scalar_one_or_none()

    async def listed(
        self, window: Window, *, states: Collection[str], batch_id: UUID | None = None
    ) -> list[StoreFileRow]:
        """Return the files of a window in one of these states, and one more if there is one.

        `window` is of documents' ids, as `place_of` gives them. With `batch_id` only files that a
        job of the batch was for.
        """
        narrowed = "" if DONE.intersection(states) else UNFINISHED
        parameters = window.bind | {"states": list(states), "batch_id": batch_id}
        result = await self._connection.execute(
            LISTED[window.direction, narrowed if batch_id is None else OF_BATCH],
            self._bind(**parameters),
        )
        return [StoreFileRow(**row) for row in result.mappings()]

    async def batch(self, batch_id: UUID) -> StoreBatchRow | None:
        """Return a batch of the store; None when it has none of this id."""
        result = await self._connection.execute(BATCH, self._bind(id=batch_id))
        row = result.mappings().one_or_none()
        return None if row is None else StoreBatchRow(**row)

    def _bind(self, **parameters: object) -> dict[str, object]:
        return {"collection_id": self._collection_id} | parameters
