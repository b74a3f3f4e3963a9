"""What is done to a kept file that is there: it is deleted, with every document made of it."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.upkeep.deletion import delete_documents
from shared.database.blobs import Blobs
from shared.database.engine import Database
from shared.database.files import Files, no_file

RemoveBytes = Callable[[Sequence[UUID]], Awaitable[None]]


class FileRemover:
    """Takes files out of one deployment's database and blob store."""

    def __init__(self, *, database: Database, remove: RemoveBytes, grace_s: float) -> None:
        """Take the rows, what removes bytes, and for how long workers may yet write points."""
        self._database = database
        self._remove = remove
        self._grace_s = grace_s

    async def delete(self, tenant_id: str, file_id: UUID) -> None:
        """Delete a file; no query that begins after this sees a document made of it.

        Its bytes go now if nobody else needs them, those of documents with them later.

        Raises:
            NotFound: there is no such file.
        """
        async with self._database.tenant(tenant_id) as connection:
            freed = await self._delete(connection, file_id)
        await self._remove(freed)

    async def _delete(self, connection: AsyncConnection, file_id: UUID) -> list[UUID]:
        """Return the blobs that nobody needs any more, their rows gone."""
        files = Files(connection)
        # Before the documents, as whoever makes documents of it does.
        blob_id = await files.take(file_id)
        if blob_id is None:
            raise no_file(file_id)
        documents = await files.lock_documents(file_id)
        if documents:
            await delete_documents(connection, documents, grace_s=self._grace_s)
        await files.delete(file_id)
        return await Blobs(connection).delete_unreferenced([blob_id])
