"""Files that come inside others: stored as an upload's are, added with the end of their holder.

Bytes are written while the parser hands them out. Rows are added by the transaction that finishes
the holder's part, under its claim: killed before, there are none; run again, they are not twice.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.leases import LeaseLost
from services.ingest_worker.parsing.frames import MemberPiece
from services.ingest_worker.parsing.warned import first_of
from services.ingest_worker.uploads.form import UploadForm
from services.ingest_worker.uploads.mending import mend_blobs
from services.ingest_worker.uploads.planning import Plan, names_of, plan_upload
from services.ingest_worker.uploads.receiving import (
    IncomingFile,
    Received,
    ReceivedFile,
    RefusedFile,
    checked_name,
)
from services.ingest_worker.uploads.shelf import Shelf
from services.ingest_worker.uploads.writes import Writes
from shared.blobs.listed import ListedBlobStore
from shared.database.blobs import Blobs
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.members import Holder, Members
from shared.database.parts import ClaimedPart
from shared.database.uploads import Inside, Uploads
from shared.errors import (
    ArchiveUnsafe,
    FileCorrupt,
    InvalidInput,
    StorageFull,
    StorageUnavailable,
)
from shared.models import JobWarning, ParseOptions
from shared.settings import IngestSettings

DISK_AGAIN_S = 30.0


class MemberDoor:
    """Where a worker takes in what archives and mails hold."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: ListedBlobStore,
        settings: IngestSettings,
        min_free_bytes: int,
    ) -> None:
        """Take the stores and the limits."""
        self._database = database
        self._blobs = blobs
        self._settings = settings
        self._min_free = min_free_bytes

    async def open(self, part: ClaimedPart) -> "MemberIntake | None":
        """Return what takes the members of a part's file in; None when it lies too deep.

        Raises:
            StorageFull: the blobs' disk would have too little room left.
        """
        free = await self._blobs.free_bytes()
        if free is not None and free < self._min_free:
            raise StorageFull(retry_after_s=DISK_AGAIN_S)
        async with self._database.worker() as connection:
            holder = await Members(connection).holder(part.job_id)
            await Jobs(connection).unpacking(part.job_id)
        if holder is None or holder.depth >= self._settings.max_archive_depth:
            return None
        return MemberIntake(self._database, self._blobs, self._settings, (part, holder))


class MemberIntake:
    """The members of one file: received, then added as a whole or undone as a whole."""

    def __init__(
        self,
        database: Database,
        blobs: ListedBlobStore,
        settings: IngestSettings,
        of: tuple[ClaimedPart, Holder],
    ) -> None:
        """Take the stores, the limits, and whose members they are."""
        self._database = database
        self._blobs = blobs
        self._settings = settings
        self._part, self._holder = of
        self._writes = Writes(Shelf(database, blobs, self._part.tenant_id))
        self._files: list[IncomingFile | RefusedFile] = []
        self._open = False
        self._bytes = 0
        self._received = Received({}, [])
        self._plan: Plan | None = None
        self._blob_ids: dict[bytes, UUID] = {}

    async def take(self, piece: MemberPiece, data: bytes) -> None:
        """Take the next bytes of a member.

        Raises:
            ArchiveUnsafe: there are too many members, or too many bytes.
            StorageFull, StorageUnavailable: something could not be written.
        """
        self._bytes += len(data)
        if self._bytes > self._settings.max_request_bytes:
            raise ArchiveUnsafe("It unpacks to more than one upload may hold.")
        if not self._open:
            self._begin(piece.name)
        await self._feed(self._files[-1], piece, data)

    async def received(self) -> list[JobWarning]:
        """Wait until every member is durable; return what is to be told of those refused.

        Raises:
            StorageFull, StorageUnavailable, DatabaseUnavailable: something is not.
        """
        written = await self._writes.finished()
        files = [
            file if isinstance(file, RefusedFile) else file.outcome(written) for file in self._files
        ]
        self._received = Received({}, files)
        await mend_blobs(self._database, self._blobs, self._part.tenant_id, self._received)
        return _warnings([file for file in files if isinstance(file, RefusedFile)])

    async def lock(self, connection: AsyncConnection) -> None:
        """Take all locks that come before the holder's own: collection, documents, blobs, jobs.

        Raises:
            LeaseLost: the collection is being deleted.
            StorageUnavailable: bytes that were known have just been deleted.
        """
        if not await Members(connection).hold_collection(self._part.collection_id):
            raise LeaseLost
        newest = await self._uploads(connection).newest(names_of(self._received.files))
        plan = plan_upload(self._received.taken, form=self._form(), newest=newest)
        plan.batch_id = self._holder.batch_id
        self._blob_ids = await Blobs(connection).claim(self._part.tenant_id, plan.blobs())
        _check_bytes(self._received.taken, self._blob_ids)
        await Jobs(connection).lock([self._holder.origin, self._part.job_id])
        self._plan = plan

    async def add(self, connection: AsyncConnection) -> None:
        """Add the members' rows to the batch, once the holder's part is finished.

        Raises:
            ArchiveUnsafe: the outermost file has unpacked to more than is allowed.
        """
        if self._plan is None or not self._plan.jobs:
            return
        settings = self._settings
        await Members(connection).charge(
            self._holder.origin,
            files=len(self._plan.jobs),
            size=sum(file.size for file in self._received.taken),
            most=(settings.max_members, settings.max_request_bytes),
        )
        await self._uploads(connection).grow(
            self._plan.rows(self._blob_ids),
            options=self._holder.options,
            deadline_s=settings.job_deadline_s,
            inside=Inside(self._holder.depth + 1, self._holder.origin),
        )

    async def tidy(self) -> None:
        """Remove what was written and is not needed; what stays is found by the clean-up."""
        needed = set(self._blob_ids.values())
        unneeded = [key for key in self._received.blob_ids if key not in needed]
        removed = (self._blobs.delete(str(key)) for key in unneeded)
        await asyncio.gather(*removed, return_exceptions=True)

    async def undo(self) -> None:
        """Remove everything that was written."""
        await self._writes.undo()

    def _begin(self, member: str) -> None:
        if len(self._files) >= self._settings.max_members:
            raise ArchiveUnsafe(f"It holds more than {self._settings.max_members} files.")
        self._open = True
        name = f"{self._part.filename}/{member}"
        try:
            checked_name(name)
        except InvalidInput as error:
            self._files.append(RefusedFile(name, error))
        else:
            self._files.append(IncomingFile(name, self._writes, self._settings.max_file_bytes))

    async def _feed(
        self, file: IncomingFile | RefusedFile, piece: MemberPiece, data: bytes
    ) -> None:
        self._open = not piece.last
        if isinstance(file, RefusedFile):
            return
        await file.feed(data)
        if piece.lost is not None:
            file.refuse(FileCorrupt(piece.lost))
        elif piece.last:
            await file.end()

    def _uploads(self, connection: AsyncConnection) -> Uploads:
        return Uploads(
            connection, tenant_id=self._part.tenant_id, collection_id=self._part.collection_id
        )

    def _form(self) -> UploadForm:
        options = {
            name: value for name, value in self._holder.options.items() if name != "password"
        }
        return UploadForm(
            attributes=self._holder.attributes, options=ParseOptions.model_validate(options)
        )


def _check_bytes(files: Sequence[ReceivedFile], blob_ids: dict[bytes, UUID]) -> None:
    if any(not file.stored and blob_ids.get(file.sha256) == file.blob_id for file in files):
        raise StorageUnavailable("The same bytes were deleted meanwhile.", retry_after_s=1)


def _warnings(refused: Sequence[RefusedFile]) -> list[JobWarning]:
    details = (f"{file.name} is left out: {file.error.detail}" for file in refused)
    return first_of([JobWarning(code="attachment_skipped", detail=one) for one in details])
