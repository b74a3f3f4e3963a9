"""The upload: receive every file, then commit every row at once. A cut request leaves nothing.

Nothing here waits for the broker: rows are the queue, and `wake` only rings the dispatcher's bell.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from prometheus_client import Counter

from services.ingest_worker.collections import CollectionKeeper
from services.ingest_worker.uploads.form import UploadForm, read_form
from services.ingest_worker.uploads.mending import mend_blobs
from services.ingest_worker.uploads.once import Once, claimed, replayed
from services.ingest_worker.uploads.planning import Plan, Uploaded, names_of, plan_upload
from services.ingest_worker.uploads.receiving import FILE_FIELD, Received, receive
from services.ingest_worker.uploads.room import Room
from services.ingest_worker.uploads.shelf import Shelf
from services.ingest_worker.uploads.writes import Nowhere, Sink
from shared.blobs.listed import ListedBlobStore
from shared.database.blobs import Blobs
from shared.database.engine import Database
from shared.database.idempotency_keys import SeenKey
from shared.database.uploads import Uploads
from shared.errors import CitewellError, InvalidInput, StorageUnavailable, Unavailable
from shared.settings import IngestSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Deletions of bytes that turned out to be known; more at once would only queue in the store.
DELETES_AT_ONCE = 16

UPLOADED_FILES = Counter(
    "citewell_uploaded_files", "Files that came in, by what became of them.", ("outcome",)
)
UPLOADED_BYTES = Counter("citewell_uploaded_bytes", "Bytes of the files that were taken.")


Word = Callable[[Uploaded], str]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request whose body has not been read: who sends it, and the length it says (0: none)."""

    tenant_id: str
    body: AsyncIterator[bytes]
    content_type: str
    announced_bytes: int = 0
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer's body; `replayed` when this is what the first such request was answered."""

    body: str
    replayed: bool


class UploadDoor:
    """Takes uploads into one deployment's blob store and database."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: ListedBlobStore,
        room: Room,
        settings: IngestSettings,
        default_space: str,
        wake: Callable[[], None],
    ) -> None:
        """Take the stores; `wake` is called after each commit and must not block."""
        self._database = database
        self._blobs = blobs
        self._room = room
        self._settings = settings
        self._default_space = default_space
        self._wake = wake

    async def upload(self, incoming: Incoming, word: Word) -> Answered:
        """Take one request; returns once every byte and row is durable.

        `word` puts what became of the files into the answer's body. A request with a key is done
        once: sent again it is answered with that very body.

        Raises:
            RequestUnderWay, KeyUsedDifferently: the key is another request's.
            RateLimited, QueueFull, StorageFull: there is no room; the body was not read.
            InvalidInput: the body or a field is wrong; nothing was taken.
            PayloadTooLarge: the request is over a limit; nothing was taken.
            NotFound: there is no such collection; nothing was taken.
            StorageFull, StorageUnavailable: bytes could not be stored; nothing was taken.
            DatabaseUnavailable: it is not known whether the rows were committed.
        """
        lease_s = self._settings.lease_s
        async with claimed(
            self._database, incoming.tenant_id, incoming.key, lease_s=lease_s
        ) as once:
            if isinstance(once, SeenKey):
                received = await self._receive(incoming, Nowhere())
                return Answered(replayed(once, received), replayed=True)
            await self._room.check(incoming.tenant_id, announced_bytes=incoming.announced_bytes)
            return Answered(await once.work(self._take(incoming, once, word)), replayed=False)

    async def _receive(self, incoming: Incoming, sink: Sink) -> Received:
        return await receive(
            incoming.body, content_type=incoming.content_type, sink=sink, limits=self._settings
        )

    async def _take(self, incoming: Incoming, once: Once, word: Word) -> str:
        """Receive, commit, and return the answer."""
        shelf = Shelf(self._database, self._blobs, incoming.tenant_id)
        received = await self._receive(incoming, shelf)
        try:
            await mend_blobs(self._database, self._blobs, incoming.tenant_id, received)
            done = await self._commit(incoming.tenant_id, received, once, word)
        except Unavailable:
            # The commit may have come through with its answer lost: bytes are never removed on a
            # guess. If it did not, they are orphans, and the clean-up finds them.
            raise
        except CitewellError:
            await self._remove(received.blob_ids)
            raise
        self._wake()
        self._room.add(incoming.tenant_id, len(done.plan.files))
        _count(received, done.plan)
        await self._remove([blob_id for blob_id in received.blob_ids if blob_id not in done.kept])
        return done.answer

    async def _commit(
        self, tenant_id: str, received: Received, once: Once, word: Word
    ) -> "_Committed":
        """Write every row in one transaction, the answer last."""
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
            _check_bytes(plan, blob_ids)
            await self._add(uploads, plan, blob_ids=blob_ids, form=form)
            uploaded = Uploaded(plan.batch_id, plan.outcomes)
            answer = await once.answer(connection, received, lambda: word(uploaded))
        return _Committed(plan, set(blob_ids.values()), answer)

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


@dataclass(frozen=True, slots=True)
class _Committed:
    """A committed upload: what it added, the blobs it needs, and what it is answered."""

    plan: Plan
    kept: Collection[UUID]
    answer: str


def _check_bytes(plan: Plan, blob_ids: Mapping[bytes, UUID]) -> None:
    """Refuse to promise bytes that were there when they came and have been deleted since."""
    if any(
        not file.stored and blob_ids[file.sha256] == file.blob_id for file in plan.files.values()
    ):
        raise StorageUnavailable(
            "The same bytes were deleted meanwhile; send them again.", retry_after_s=1
        )


def _count(received: Received, plan: Plan) -> None:
    taken = [file.size for file in received.taken]
    fresh = len(plan.files)
    UPLOADED_FILES.labels("queued").inc(fresh)
    UPLOADED_FILES.labels("duplicate").inc(len(taken) - fresh)
    UPLOADED_FILES.labels("refused").inc(len(received.files) - len(taken))
    UPLOADED_BYTES.inc(sum(taken))
