"""Stores: collections that are made with an id for a name, perhaps of files that are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.collections import CollectionKeeper, CollectionWish
from services.ingest_worker.documents import delete_collection
from services.ingest_worker.uploads.attaching import Attacher, Attachment
from shared.database.engine import Database
from shared.database.stores import StoreRow, Stores
from shared.errors import NotFound
from shared.identity import new_id
from shared.openai_ids import shown_store_id


@dataclass(frozen=True, slots=True)
class StoreWish:
    """What a store is to be, and the files that are put in it at once."""

    title: str = ""
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Attachment] = ()


class StoreMaker:
    """Makes stores of one deployment."""

    def __init__(self, *, database: Database, attacher: Attacher, default_space: str) -> None:
        """Take the rows, what puts files in, and the space of new collections."""
        self._database = database
        self._attacher = attacher
        self._default_space = default_space

    async def make(self, tenant_id: str, wish: StoreWish) -> UUID:
        """Make a store with its files in one transaction; return its id.

        Raises:
            RateLimited, QueueFull, StorageFull: there is no room for the files' work.
            NotFound: there is no such file; no store is made.
        """
        if wish.files:
            await self._attacher.check(tenant_id, wish.files)
        store_id = new_id()
        async with self._database.tenant(tenant_id) as connection:
            await self._add(connection, tenant_id, store_id, wish)
            uploaded = None
            if wish.files:
                uploaded = await self._attacher.add(
                    connection, tenant_id, shown_store_id(store_id), wish.files
                )
        if uploaded is not None:
            self._attacher.done(tenant_id, uploaded)
        return store_id

    async def _add(
        self, connection: AsyncConnection, tenant_id: str, store_id: UUID, wish: StoreWish
    ) -> None:
        keeper = CollectionKeeper(
            connection, tenant_id=tenant_id, default_space=self._default_space
        )
        name = shown_store_id(store_id)
        await keeper.put(CollectionWish(name, description=wish.description, id=store_id))
        await Stores(connection).add(
            store_id, tenant_id=tenant_id, title=wish.title, metadata=wish.metadata
        )


async def shown_store(connection: AsyncConnection, store_id: UUID) -> StoreRow:
    """Return a store as it is shown.

    Raises:
        NotFound: there is no such store.
    """
    row = await Stores(connection).by_id(store_id)
    if row is None:
        raise _no_store(store_id)
    return row


async def find_store(connection: AsyncConnection, store_id: UUID) -> None:
    """Return when there is such a store.

    Raises:
        NotFound: there is none.
    """
    if not await Stores(connection).exists(store_id):
        raise _no_store(store_id)


async def delete_store(connection: AsyncConnection, store_id: UUID, *, grace_s: float) -> None:
    """Delete a store with all its documents; kept files they were made of stay.

    Raises:
        NotFound: there is no such store.
    """
    await find_store(connection, store_id)
    await delete_collection(connection, shown_store_id(store_id), grace_s=grace_s)


def _no_store(store_id: UUID) -> NotFound:
    return NotFound(f"There is no vector store {shown_store_id(store_id)}.")
