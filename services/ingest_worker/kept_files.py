"""What is done to a kept file that is there: it is deleted, with every document made of it."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.upkeep.deletion import delete_documents
from shared.database.blobs import Blobs
from shared.database.files import Files, no_file


async def delete_file(connection: AsyncConnection, file_id: UUID, *, grace_s: float) -> list[UUID]:
    """Delete a file; no query that begins after this transaction sees a document made of it.

    Returns:
        The blobs that nobody needs any more: their objects are to be deleted after the
        transaction has ended. Those of documents go when these are removed for good.

    Raises:
        NotFound: there is no such file.
    """
    files = Files(connection)
    # Before the documents, as whoever makes documents of it does.
    blob_id = await files.take(file_id)
    if blob_id is None:
        raise no_file(file_id)
    documents = await files.lock_documents(file_id)
    if documents:
        await delete_documents(connection, documents, grace_s=grace_s)
    await files.delete(file_id)
    return await Blobs(connection).delete_unreferenced([blob_id])
