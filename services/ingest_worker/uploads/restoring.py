"""An old version brought back: its bytes and options as a new version, a job as of an upload."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.collections import CollectionKeeper
from services.ingest_worker.uploads.planning import FRUITLESS, Outcome, Uploaded
from shared.blobs.listed import ListedBlobStore
from shared.database.documents import DocumentRow, Documents
from shared.database.engine import Database
from shared.database.uploads import NewDocument, Newest, NewJob, NewVersion, UploadRows, Uploads
from shared.database.versions import StoredVersion, Versions
from shared.errors import BytesLost, NotFound
from shared.identity import new_id


class VersionRestorer:
    """Restores versions of one deployment's documents."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: ListedBlobStore,
        default_space: str,
        deadline_s: float,
    ) -> None:
        """Take the stores; a restored version's job has `deadline_s`."""
        self._database = database
        self._blobs = blobs
        self._default_space = default_space
        self._deadline_s = deadline_s

    async def restore(self, tenant_id: str, document_id: UUID, number: int) -> Uploaded:
        """Make the newest version of a document one like its version `number`.

        Where the newest is that already, and has neither failed nor been cancelled, there is no
        work: the job has ended and names the one that did it.

        Raises:
            NotFound: there is no such document or version.
            BytesLost: the version's bytes are gone from the blob store.
            StorageUnavailable: the blob store does not answer.
        """
        async with self._database.tenant(tenant_id) as connection:
            source = await _source(connection, document_id, number)
        # Outside any transaction: the bytes stay as long as a version needs them.
        if not await self._blobs.present([str(source.blob_id)]):
            raise BytesLost(f"The bytes of version {number} are gone from the blob store.")
        async with self._database.tenant(tenant_id) as connection:
            return await self._add(connection, tenant_id, document_id, source)

    async def _add(
        self,
        connection: AsyncConnection,
        tenant_id: str,
        document_id: UUID,
        source: StoredVersion,
    ) -> Uploaded:
        shown = await _shown(connection, document_id)
        keeper = CollectionKeeper(
            connection, tenant_id=tenant_id, default_space=self._default_space
        )
        # Locks are taken in one order everywhere: collection, documents, jobs.
        collection_id, _ = await keeper.find(shown.collection, hold=True)
        uploads = Uploads(connection, tenant_id=tenant_id, collection_id=collection_id)
        newest = await uploads.newest_of(document_id)
        if newest is None:
            raise _no_document(document_id)
        rows = _rows(newest, source)
        await uploads.add(rows, options=source.options, deadline_s=self._deadline_s)
        return Uploaded(rows.batch_id, [Outcome(newest.name, rows.jobs[0])])


def _rows(newest: Newest, source: StoredVersion) -> UploadRows:
    """Return a batch of one job: a new version's, or that of no work."""
    if _is_newest(newest, source):
        return UploadRows(new_id(), [], [], [], [_job(newest, duplicate_of=newest.job_id)])
    raised = NewDocument(
        newest.document_id, newest.name, newest.attributes, newest.version + 1, source.size
    )
    version = NewVersion(new_id(), raised.id, raised.version, source.blob_id)
    job = NewJob(
        id=new_id(),
        document_id=raised.id,
        version_id=version.id,
        version=version.number,
        filename=newest.name,
        duplicate_of=None,
    )
    return UploadRows(new_id(), [], [raised], [version], [job])


def _job(newest: Newest, *, duplicate_of: UUID) -> NewJob:
    return NewJob(
        id=new_id(),
        document_id=newest.document_id,
        version_id=newest.version_id,
        version=newest.version,
        filename=newest.name,
        duplicate_of=duplicate_of,
    )


def _is_newest(newest: Newest, source: StoredVersion) -> bool:
    options = {name: value for name, value in source.options.items() if name != "password"}
    return (
        newest.sha256 == source.sha256
        and dict(newest.options) == options
        and newest.job_state not in FRUITLESS
    )


async def _source(connection: AsyncConnection, document_id: UUID, number: int) -> StoredVersion:
    await _shown(connection, document_id)
    source = await Versions(connection).stored(document_id, number)
    if source is None:
        raise NotFound(f"Document {document_id} has no version {number}.")
    return source


async def _shown(connection: AsyncConnection, document_id: UUID) -> DocumentRow:
    shown = await Documents(connection).by_id(document_id)
    if shown is None:
        raise _no_document(document_id)
    return shown


def _no_document(document_id: UUID) -> NotFound:
    return NotFound(f"There is no document {document_id}.")
