"""The upload: receive every file, then commit every row at once. A cut request leaves nothing.

Nothing here waits for the broker: rows are the queue, and `wake` only rings the dispatcher's bell.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from prometheus_client import Counter

from services.ingest_worker.collections import CollectionKeeper
from services.ingest_worker.uploads.form import UploadForm, read_form
from services.ingest_worker.uploads.planning import Outcome, Plan, names_of, plan_upload
from services.ingest_worker.uploads.receiving import (
    FILE_FIELD,
    Received,
    ReceivedFile,
    receive,
)
from shared.blobs.base import BlobStore
from shared.database.blobs import Blobs
from shared.database.engine import Database
from shared.database.uploads import Uploads
from shared.errors import CitewellError, InvalidInput, Unavailable
from shared.settings import IngestSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Deletions of bytes that turned out to be known; more at once would only queue in the store.
DELETES_AT_ONCE = 16

UPLOADED_FILES = Counter(
    "citewell_uploaded_files", "Files that came in, by what became of them.", ("outcome",)
)
UPLOADED_BYTES = Counter("citewell_uploaded_bytes", "Bytes of the files that were taken.")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A committed upload: its batch, and an outcome for each file in the order they came."""

    batch_id: UUID
    outcomes: Sequence[Outcome]


class UploadDoor:
    """Takes uploads into one deployment's blob store and database."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        settings: IngestSettings,
        default_space: str,
        wake: Callable[[], None],
    ) -> None:
        """Take the stores; `wake` is called after each commit and must not block."""
        self._database = database
        self._blobs = blobs
        self._settings = settings
        self._default_space = default_space
        self._wake = wake

    async def upload(
        self, tenant_id: str, body: AsyncIterator[bytes], *, content_type: str
    ) -> Uploaded:
        """Take one request's body; returns once every byte and row is durable.

        Raises:
            InvalidInput: the body or a field is wrong; nothing was taken.
            PayloadTooLarge: the request is over a limit; nothing was taken.
            NotFound: there is no such collection; nothing was taken.
            StorageFull, StorageUnavailable: bytes could not be stored; nothing was taken.
            DatabaseUnavailable: it is not known whether the rows were committed.
        """
        received = await receive(
            body, content_type=content_type, blobs=self._blobs, limits=self._settings
        )
        try:
            plan, kept = await self._commit(tenant_id, received)
        except Unavailable:
            # The commit may have come through with its answer lost: bytes are never removed on a
            # guess. If it did not, they are orphans, and the clean-up finds them.
            raise
        except CitewellError:
            await self._remove(received.blob_ids)
            raise
        self._wake()
        _count(received, plan)
        await self._remove([blob_id for blob_id in received.blob_ids if blob_id not in kept])
        return Uploaded(plan.batch_id, plan.outcomes)

    async def _commit(self, tenant_id: str, received: Received) -> tuple[Plan, Collection[UUID]]:
        """Write every row in one transaction; return the plan and the blobs it needs."""
        form = read_form(received.fields)
        if not received.files:
            raise InvalidInput(f"{FILE_FIELD}: send at least one file in this field.")
        async with self._database.tenant(tenant_id) as connection:
            keeper = CollectionKeeper(
                connection, tenant_id=tenant_id, default_space=self._default_space
            )
            collection_id, types = await keeper.find(form.collection, hold=True)
            await keeper.take_types(collection_id, types, form.attributes or {})
            uploads = Uploads(connection, tenant_id=tenant_id, collection_id=collection_id)
            newest = await uploads.newest(names_of(received.files))
            plan = plan_upload(received.files, form=form, newest=newest)
            blob_ids = await Blobs(connection).claim(tenant_id, plan.blobs())
            await self._add(uploads, plan, blob_ids=blob_ids, form=form)
        return plan, set(blob_ids.values())

    async def _add(
        self, uploads: Uploads, plan: Plan, *, blob_ids: dict[bytes, UUID], form: UploadForm
    ) -> None:
        await uploads.add(
            plan.rows(blob_ids),
            options=form.stored_options,
            deadline_s=self._settings.job_deadline_s,
        )

    async def _remove(self, blob_ids: Sequence[UUID]) -> None:
        """Delete bytes nobody needs; what cannot be deleted now is found by the clean-up."""
        free = asyncio.Semaphore(DELETES_AT_ONCE)

        async def remove(blob_id: UUID) -> None:
            async with free:
                await self._blobs.delete(str(blob_id))

        results = await asyncio.gather(*map(remove, blob_ids), return_exceptions=True)
        failed = [result for result in results if isinstance(result, BaseException)]
        if failed:
            log.warning("blobs_left_over", count=len(failed), error=repr(failed[0]))


def _count(received: Received, plan: Plan) -> None:
    taken = [file.size for file in received.files if isinstance(file, ReceivedFile)]
    fresh = len(plan.files)
    UPLOADED_FILES.labels("queued").inc(fresh)
    UPLOADED_FILES.labels("duplicate").inc(len(taken) - fresh)
    UPLOADED_FILES.labels("refused").inc(len(received.files) - len(taken))
    UPLOADED_BYTES.inc(sum(taken))
