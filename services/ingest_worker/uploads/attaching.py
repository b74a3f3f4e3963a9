"""Documents made of kept files: an upload whose bytes are here already."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.collections import CollectionKeeper
from services.ingest_worker.uploads.form import UploadForm
from services.ingest_worker.uploads.planning import Uploaded, plan_upload
from services.ingest_worker.uploads.receiving import ReceivedFile
from services.ingest_worker.uploads.room import Room
from shared.blobs.listed import ListedBlobStore
from shared.database.engine import Database
from shared.database.files import FileRow, Files, no_file
from shared.database.uploads import Uploads
from shared.errors import BytesLost


@dataclass(frozen=True, slots=True)
class Attachment:
    """A kept file that is to be in a collection; without attributes it keeps those it has."""

    file_id: UUID
    attributes: Mapping[str, Any] | None = None


class Attacher:
    """Makes documents of kept files; a file is one document of a collection, however often sent."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: ListedBlobStore,
        room: Room,
        default_space: str,
        deadline_s: float,
        wake: Callable[[], None],
    ) -> None:
        """Take the stores; each job has `deadline_s`. `wake` is called after each commit."""
        self._database = database
        self._blobs = blobs
        self._room = room
        self._default_space = default_space
        self._deadline_s = deadline_s
        self._wake = wake

    async def attach(
        self, tenant_id: str, collection: str, wanted: Sequence[Attachment]
    ) -> Uploaded:
        """Make a batch of jobs, one for each file; returns once every row is durable.

        A file that is a document of the collection already is no work, unless its attributes
        change or its ingestion has failed or been cancelled.

        Raises:
            RateLimited, QueueFull, StorageFull: there is no room.
            NotFound: there is no such collection or file, or its bytes are gone; nothing is done.
            InvalidInput: an attribute is of another type than its name has in the collection.
        """
        await self.check(tenant_id, wanted)
        async with self._database.tenant(tenant_id) as connection:
            uploaded = await self.add(connection, tenant_id, collection, wanted)
        self.done(tenant_id, uploaded)
        return uploaded

    async def check(self, tenant_id: str, wanted: Sequence[Attachment]) -> None:
        """Return when there is room for these files and their bytes are there; raises as above."""
        await self._room.check(tenant_id, announced_bytes=0)
        # Outside the transaction that adds: the bytes stay as long as the file is there.
        async with self._database.tenant(tenant_id) as connection:
            files = await Files(connection).by_ids([one.file_id for one in wanted])
        there = await self._blobs.present([str(file.blob_id) for file in files.values()])
        lost = [file.filename for file in files.values() if str(file.blob_id) not in there]
        if lost:
            raise BytesLost(f"The bytes of {lost[0]} are gone from the blob store.")

    async def add(
        self,
        connection: AsyncConnection,
        tenant_id: str,
        collection: str,
        wanted: Sequence[Attachment],
    ) -> Uploaded:
        """Write the rows, inside the caller's transaction, after `check`; raises as above."""
        keeper = CollectionKeeper(
            connection, tenant_id=tenant_id, default_space=self._default_space
        )
        # Locks are taken in one order everywhere: collection, files, documents, jobs.
        collection_id, found = await keeper.find(collection, hold=True)
        types: Mapping[str, str] = found
        for one in wanted:
            types = await keeper.take_types(collection_id, types, one.attributes or {})
        files = await Files(connection).lock([one.file_id for one in wanted])
        received = [_received(one, files) for one in wanted]
        uploads = Uploads(connection, tenant_id=tenant_id, collection_id=collection_id)
        newest = await uploads.newest_of_files(list(files))
        plan = plan_upload(received, form=UploadForm(collection), newest=newest)
        rows = plan.rows({file.sha256: file.blob_id for file in received})
        options = UploadForm().stored_options
        await uploads.add(rows, options=options, deadline_s=self._deadline_s)
        return Uploaded(plan.batch_id, plan.outcomes)

    def done(self, tenant_id: str, uploaded: Uploaded) -> None:
        """Tell, once it is committed, that there is work."""
        self._wake()
        work = [one for one in uploaded.outcomes if one.job and one.job.duplicate_of is None]
        self._room.add(tenant_id, len(work))


def _received(wanted: Attachment, files: Mapping[UUID, FileRow]) -> ReceivedFile:
    file = files.get(wanted.file_id)
    if file is None:
        raise no_file(wanted.file_id)
    return ReceivedFile(
        file.filename,
        file.blob_id,
        file.sha256,
        file.size,
        stored=False,
        file_id=file.id,
        attributes=wanted.attributes,
    )
