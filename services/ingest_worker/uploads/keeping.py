"""A file kept for later: its bytes and one row, in no collection and with no work to do."""

from collections.abc import Callable, Mapping
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.uploads.receiving import FILE_FIELD, Received, ReceivedFile, RefusedFile
from services.ingest_worker.uploads.shelf import claim_blobs
from services.ingest_worker.uploads.taking import (
    Answered,
    Committed,
    Incoming,
    KeepAnswer,
    Take,
)
from shared.database.blobs import Blobs, NewBlob
from shared.database.engine import Database
from shared.database.files import FileRow, Files, NewFile
from shared.errors import InvalidInput
from shared.identity import new_id

Word = Callable[[FileRow], str]
PurposeOf = Callable[[Mapping[str, str]], str]


class FileKeeper:
    """Takes files into one deployment's blob store and database."""

    def __init__(self, take: Take, database: Database) -> None:
        """Take what receives, and the rows."""
        self._take = take
        self._database = database

    async def keep(self, incoming: Incoming, *, purpose_of: PurposeOf, word: Word) -> Answered:
        """Take a request with one file; returns once its bytes and its row are durable.

        `purpose_of` reads the other fields, `word` makes the answer's body. Raises what
        `Intake.take` does, and

        Raises:
            InvalidInput: there is not one file, or a field is wrong; nothing was taken.
            FileEmpty, FileTooLarge: the file is refused; nothing was taken.
        """

        async def commit(received: Received, keep: KeepAnswer) -> Committed:
            file, purpose = _only(received), purpose_of(received.fields)
            async with self._database.tenant(incoming.tenant_id) as connection:
                row = await _add(connection, incoming.tenant_id, file, purpose)
                answer = await keep(connection, received, partial(word, row))
            return Committed({row.blob_id}, answer)

        return await self._take(incoming, commit)


def _only(received: Received) -> ReceivedFile:
    if len(received.files) != 1:
        raise InvalidInput(f"{FILE_FIELD}: send one file in this field.")
    file = received.files[0]
    if isinstance(file, RefusedFile):
        raise file.error
    return file


async def _add(
    connection: AsyncConnection, tenant_id: str, file: ReceivedFile, purpose: str
) -> FileRow:
    new = NewBlob(file.blob_id, file.sha256, file.size)
    stored = [file.blob_id] if file.stored else []
    blob_ids = await claim_blobs(Blobs(connection), tenant_id, [new], stored=stored)
    blob_id = blob_ids[file.sha256]
    made = NewFile(new_id(), tenant_id, blob_id, file.name, purpose)
    created_at = await Files(connection).add(made)
    return FileRow(made.id, file.name, purpose, created_at, blob_id, file.size, file.sha256)
