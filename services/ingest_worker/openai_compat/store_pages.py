"""What of a store's files is shown: one of them, or a page of a list."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.openai_compat.reading import read_place
from services.ingest_worker.openai_compat.schemas import (
    FileStatus,
    ListResponse,
    VectorStoreFile,
)
from services.ingest_worker.openai_compat.shown import listed, store_file
from services.ingest_worker.stores import find_store
from shared.database.store_files import StoreFileRow, StoreFiles
from shared.database.windows import Window
from shared.errors import InvalidInput, NotFound
from shared.openai_ids import read_file_id, shown_file_id

Filter = Annotated[FileStatus | None, Query(description="Only files of this status.")]


async def found(connection: AsyncConnection, store_id: UUID, file_id: UUID) -> StoreFileRow:
    """Return a file of a store.

    Raises:
        NotFound: there is no such store, or it has no such file.
    """
    await find_store(connection, store_id)
    row = await StoreFiles(connection, store_id).by_id(file_id)
    if row is None:
        raise NotFound(f"The store has no file {shown_file_id(file_id)}.")
    return row


async def window_of(
    connection: AsyncConnection,
    store_id: UUID,
    between: tuple[str | None, str | None],
    *,
    limit: int,
    order: str,
) -> Window:
    """Return the window on a store's files after and before two of them.

    Raises:
        InvalidInput: one is not known in this store.
    """
    files = StoreFiles(connection, store_id)
    places: list[UUID | None] = []
    for name, sent in zip(("after", "before"), between, strict=True):
        file_id = read_place(name, sent, read_file_id)
        place = None if file_id is None else await files.place_of(file_id)
        if file_id is not None and place is None:
            raise InvalidInput(f"{name}: the store has no file {shown_file_id(file_id)}.")
        places.append(place)
    return Window(limit, order == "asc", *places)


def page_of(
    window: Window, rows: Sequence[StoreFileRow], store_id: UUID
) -> ListResponse[VectorStoreFile]:
    """Return a page of a store's files."""
    page, more = window.page(rows)
    ids = [shown_file_id(row.id) for row in page]
    return listed([store_file(row, store_id) for row in page], ids, more=more)
