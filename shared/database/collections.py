"""Collection rows, each with the one index it begins with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import indexes

# Every tenant has it from the start; it is meant where a request names no collection.
DEFAULT_COLLECTION = "default"

SHOWN = """
SELECT c.id, c.name, c.description, c.fields, c.active_index, i.space, c.created_at,
       (SELECT count(*) FROM documents d
        WHERE d.collection_id = c.id AND d.deleted_at IS NULL) AS documents
FROM collections c JOIN indexes i ON i.id = c.active_index
WHERE c.deleted_at IS NULL
"""
BY_NAME = text(f"{SHOWN} AND c.name = :name")
LISTED = text(f"""
{SHOWN} AND c.name > CAST(:after AS text) ORDER BY c.name LIMIT :limit
""")
FIND = text("SELECT id, fields FROM collections WHERE name = :name AND deleted_at IS NULL")
# Keeps a deletion waiting, which locks FOR UPDATE, and nobody else.
HOLD = text("""
SELECT id, fields FROM collections WHERE name = :name AND deleted_at IS NULL FOR KEY SHARE
""")
ADD = text("""
INSERT INTO collections (id, tenant_id, name, description, fields, active_index)
VALUES (:id, :tenant_id, :name, :description, CAST(:fields AS jsonb), :index_id)
ON CONFLICT (tenant_id, name) WHERE deleted_at IS NULL DO NOTHING
""")
DESCRIBE = text("""
UPDATE collections SET description = coalesce(:description, description) WHERE id = :id
""")
# What is there stays: `||` lets the right side win.
ADD_FIELDS = text("""
UPDATE collections SET fields = CAST(:fields AS jsonb) || fields WHERE id = :id RETURNING fields
""")
LOCK = text("""
SELECT id FROM collections WHERE name = :name AND deleted_at IS NULL FOR UPDATE
""")
DELETE = text("UPDATE collections SET deleted_at = now() WHERE id = :id")


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A collection as it is shown; `space` is its active index's."""

    id: UUID
    name: str
    description: str
    fields: Mapping[str, str]
    active_index: UUID
    space: str
    created_at: datetime
    documents: int


class Collections:
    """The tenant's collections, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def by_name(self, name: str) -> CollectionRow | None:
        """Return a collection as it is shown; None when there is none of that name."""
        result = await self._connection.execute(BY_NAME, {"name": name})
        row = result.mappings().one_or_none()
        return None if row is None else CollectionRow(**row)

    async def listed(self, *, after: str | None, limit: int) -> list[CollectionRow]:
        """Return up to `limit` collections in the order of names, after the name `after`."""
        result = await self._connection.execute(LISTED, {"after": after or "", "limit": limit})
        return [CollectionRow(**row) for row in result.mappings()]

    async def find(self, name: str, *, hold: bool = False) -> tuple[UUID, dict[str, str]] | None:
        """Return a collection's id and the types of its fields.

        With `hold` nobody can delete it until the transaction ends.
        """
        statement = HOLD if hold else FIND
        row = (await self._connection.execute(statement, {"name": name})).one_or_none()
        return None if row is None else (row.id, dict(row.fields))

    async def add(
        self,
        collection_id: UUID,
        *,
        tenant_id: str,
        name: str,
        description: str,
        fields_json: str,
        index_id: UUID,
        space: str,
        chunker: str,
    ) -> bool:
        """Insert a collection and its index; False when one of that name came first.

        Waits for another transaction that is adding the same name.
        """
        added = await self._connection.execute(
            ADD,
            {
                "id": collection_id,
                "tenant_id": tenant_id,
                "name": name,
                "description": description,
                "fields": fields_json,
                "index_id": index_id,
            },
        )
        if not added.rowcount:
            return False
        await self._connection.execute(
            insert(indexes).values(
                id=index_id,
                tenant_id=tenant_id,
                collection_id=collection_id,
                space=space,
                chunker=chunker,
            )
        )
        return True

    async def describe(self, collection_id: UUID, description: str | None) -> None:
        """Change the description unless it is None."""
        await self._connection.execute(DESCRIBE, {"id": collection_id, "description": description})

    async def add_fields(self, collection_id: UUID, fields_json: str) -> dict[str, Any]:
        """Add types for names that have none; return all, which may differ from those given."""
        result = await self._connection.execute(
            ADD_FIELDS, {"id": collection_id, "fields": fields_json}
        )
        return dict(result.scalar_one())

    async def lock(self, name: str) -> UUID | None:
        """Lock a collection against being changed and return its id."""
        return (await self._connection.execute(LOCK, {"name": name})).scalar_one_or_none()

    async def delete(self, collection_id: UUID) -> None:
        """Make a collection invisible; its name is free at once."""
        await self._connection.execute(DELETE, {"id": collection_id})
