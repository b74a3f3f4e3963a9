"""Stores: collections with a title and metadata, and what becomes of the documents in them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.windows import Window

ADD = text("""
INSERT INTO stores (collection_id, tenant_id, title, metadata)
VALUES (:id, :tenant_id, :title, CAST(:metadata AS jsonb))
""")
# Jobs that did not end well have an index of their own: most of a large store's did.
SHOWN = """
SELECT c.id, s.title, s.metadata, c.description, c.created_at, d.total, d.size,
       j.in_progress, j.failed, j.cancelled
FROM stores s JOIN collections c ON c.id = s.collection_id AND c.deleted_at IS NULL
CROSS JOIN LATERAL (
    SELECT count(*) AS total, coalesce(sum(d.newest_size), 0)::bigint AS size
    FROM documents d WHERE d.collection_id = c.id AND d.deleted_at IS NULL
) d
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE j.state IN ('queued', 'parsing', 'embedding')) AS in_progress,
           count(*) FILTER (WHERE j.state = 'failed') AS failed,
           count(*) FILTER (WHERE j.state = 'cancelled') AS cancelled
    FROM jobs j
    JOIN documents d ON d.id = j.document_id AND d.newest_version = j.version
        AND d.collection_id = c.id AND d.deleted_at IS NULL
    WHERE j.collection_id = c.id AND j.duplicate_of IS NULL
      AND j.state IN ('queued', 'parsing', 'embedding', 'failed', 'cancelled')
) j
"""
BY_ID = text(f"{SHOWN} WHERE s.collection_id = :id")
LISTED = {
    direction: text(f"""
{SHOWN} WHERE s.collection_id > :low AND s.collection_id < :high
ORDER BY s.collection_id {direction} LIMIT :limit
""")
    for direction in ("ASC", "DESC")
}
EXISTS = text("""
SELECT FROM stores s JOIN collections c ON c.id = s.collection_id AND c.deleted_at IS NULL
WHERE s.collection_id = :id
""")
CHANGE = text("""
UPDATE stores SET title = coalesce(:title, title),
    metadata = coalesce(CAST(:metadata AS jsonb), metadata)
WHERE collection_id = :id
""")


@dataclass(frozen=True, slots=True)
class StoreRow:
    """A store as it is shown; `total` and the counts are of its documents, `size` is bytes."""

    id: UUID
    title: str
    metadata: Mapping[str, str]
    description: str
    created_at: datetime
    total: int
    size: int
    in_progress: int
    failed: int
    cancelled: int


class Stores:
    """The tenant's stores, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def add(
        self, collection_id: UUID, *, tenant_id: str, title: str, metadata: Mapping[str, str]
    ) -> None:
        """Make a new collection a store."""
        await self._connection.execute(
            ADD,
            {
                "id": collection_id,
                "tenant_id": tenant_id,
                "title": title,
                "metadata": json.dumps(dict(metadata)),
            },
        )

    async def by_id(self, store_id: UUID) -> StoreRow | None:
        """Return a store; None when there is none."""
        row = (await self._connection.execute(BY_ID, {"id": store_id})).mappings().one_or_none()
        return None if row is None else StoreRow(**row)

    async def exists(self, store_id: UUID) -> bool:
        """Tell whether there is such a store, without counting what is in it."""
        return (await self._connection.execute(EXISTS, {"id": store_id})).first() is not None

    async def listed(self, window: Window) -> list[StoreRow]:
        """Return the stores of a window, and one more if there is one."""
        result = await self._connection.execute(LISTED[window.direction], window.bind)
        return [StoreRow(**row) for row in result.mappings()]

    async def change(
        self, store_id: UUID, *, title: str | None, metadata: Mapping[str, str] | None
    ) -> None:
        """Set the title and all metadata; None leaves one as it is."""
        told = None if metadata is None else json.dumps(dict(metadata))
        await self._connection.execute(CHANGE, {"id": store_id, "title": title, "metadata": told})
