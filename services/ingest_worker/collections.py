"""Collections: made on request, the default one on first need, deleted with all they hold."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.attributes import check_types, field_types
from services.ingest_worker.chunking.names import CHUNKER
from shared.database.collections import DEFAULT_COLLECTION, CollectionRow, Collections
from shared.errors import Conflict, InvalidInput, NotFound
from shared.identity import new_id
from shared.openai_ids import is_store_name


@dataclass(frozen=True, slots=True)
class CollectionWish:
    """What a caller wants a collection to be; None leaves a thing as it is.

    `id` is that of a collection to make; None makes one up.
    """

    name: str
    space: str | None = None
    description: str | None = None
    fields: Mapping[str, str] | None = None
    id: UUID | None = None


class CollectionKeeper:
    """Makes and finds the collections of one tenant, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection, *, tenant_id: str, default_space: str) -> None:
        """Take the transaction; `default_space` is that of collections that name none."""
        self._collections = Collections(connection)
        self._tenant_id = tenant_id
        self._default_space = default_space

    async def put(self, wish: CollectionWish) -> CollectionRow:
        """Make a collection, or bring one that is there in line with the wish.

        Raises:
            InvalidInput: it is not there, and its name is that of a vector store, which has its id
                in it.
            Conflict: it is there with another space, or a field with another type.
        """
        made = await self._make(wish)
        row = await self._shown(wish.name)
        if made:
            return row
        if wish.space is not None and wish.space != row.space:
            raise Conflict(
                f"The collection `{row.name}` is in the space `{row.space}`; another space means"
                f" a reindex: POST /v1/collections/{row.name}/reindex."
            )
        await self._collections.describe(row.id, wish.description)
        await self._fix_fields(row.id, wish.fields or {})
        return await self._shown(wish.name)

    async def find(self, name: str, *, hold: bool = False) -> tuple[UUID, dict[str, str]]:
        """Return a collection's id and field types; the default one is made if need be.

        With `hold` nobody can delete it until the transaction ends.

        Raises:
            NotFound: there is no collection of that name.
        """
        # No such name was ever stored, and Postgres takes no NUL.
        found = await self._collections.find(name, hold=hold) if "\0" not in name else None
        if found is None and name == DEFAULT_COLLECTION:
            await self._make(CollectionWish(name))
            found = await self._collections.find(name, hold=hold)
        if found is None:
            raise NotFound(f"There is no collection `{name}`.")
        return found

    async def shown(self, name: str) -> CollectionRow:
        """Return a collection as it is shown; the default one is made if need be.

        Raises:
            NotFound: there is no collection of that name.
        """
        await self.find(name)
        return await self._shown(name)

    async def ensure_default(self) -> None:
        """Make the default collection if this tenant has none yet."""
        await self.find(DEFAULT_COLLECTION)

    async def take_types(
        self, collection_id: UUID, known: Mapping[str, str], attributes: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Check attributes against the collection's types; new names get theirs now.

        Returns:
            The types that are known now.

        Raises:
            InvalidInput: a value is of another type than its name has here.
        """
        check_types(attributes, known)
        fresh = {name: kind for name, kind in field_types(attributes).items() if name not in known}
        if not fresh:
            return known
        fixed = await self._collections.add_fields(collection_id, json.dumps(fresh))
        check_types(attributes, fixed)
        return fixed

    async def _make(self, wish: CollectionWish) -> bool:
        if wish.id is None and is_store_name(wish.name):
            if await self._collections.by_name(wish.name) is None:
                raise InvalidInput(f"name: `{wish.name}` would be a vector store; take another.")
            return False
        return await self._collections.add(
            wish.id or new_id(),
            tenant_id=self._tenant_id,
            name=wish.name,
            description=wish.description or "",
            fields_json=json.dumps(dict(wish.fields or {})),
            index_id=new_id(),
            space=wish.space or self._default_space,
            chunker=CHUNKER,
        )

    async def _shown(self, name: str) -> CollectionRow:
        row = await self._collections.by_name(name)
        if row is None:
            raise NotFound(f"There is no collection `{name}`.")
        return row

    async def _fix_fields(self, collection_id: UUID, wanted: Mapping[str, str]) -> None:
        if not wanted:
            return
        fixed = await self._collections.add_fields(collection_id, json.dumps(dict(wanted)))
        for name, kind in wanted.items():
            if fixed[name] != kind:
                raise Conflict(f"fields.{name}: it is a {fixed[name]} in this collection already.")
