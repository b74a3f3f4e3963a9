"""What of a store's files is shown: one of them, or a page of a list."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.openai_compat.reading import StoreFileQuery, read_place
from services.ingest_worker.openai_compat.schemas import ListResponse, VectorStoreFile
from services.ingest_worker.openai_compat.shown import listed, states_of, store_file
from services.ingest_worker.stores import find_store
from shared.database.store_files import StoreFileRow, StoreFiles
from shared.database.windows import Window
from shared.errors import InvalidInput, NotFound
from shared.openai_ids import read_file_id, shown_file_id


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


async def page_of(
    connection: AsyncConnection, store_id: UUID, query: StoreFileQuery, *, batch: UUID | None = None
) -> ListResponse[VectorStoreFile]:
    """Return a page of a store's files, or of those of one batch.

    Raises:
        InvalidInput: it is to begin or end at a file that the store does not know.
    """
    files = StoreFiles(connection, store_id)
    after, before = [
        await _place(files, name, sent)
        for name, sent in (("after", query.after), ("before", query.before))
    ]
    window = Window(query.limit, query.order == "asc", after, before)
    states = states_of(query.filter)
    page, more = window.page(await files.listed(window, states=states, batch_id=batch))
    return listed([store_file(row, store_id) for row in page], more=more)


async def _place(files: StoreFiles, name: str, sent: str | None) -> UUID | None:
    file_id = read_place(name, sent, read_file_id)
    place = None if file_id is None else await files.place_of(file_id)
    if file_id is not None and place is None:
        raise InvalidInput(f"{name}: the store has no file {shown_file_id(file_id)}.")
    return place
