"""The upload use case: bytes and rows are durable before anyone is told so.

It never waits for the broker: rows are the queue, and `wake` only rings the dispatcher's bell.
"""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.collections import CollectionKeeper
from services.ingest_worker.uploads.form import UploadForm, read_form
from services.ingest_worker.uploads.planning import Plan, Uploaded, names_of, plan_upload
from services.ingest_worker.uploads.receiving import FILE_FIELD, Received
from services.ingest_worker.uploads.room import Room
from services.ingest_worker.uploads.shelf import claim_blobs
from services.ingest_worker.uploads.taking import (
    Answered,
    Committed,
    Incoming,
    KeepAnswer,
    Take,
)
from shared.database.blobs import Blobs
from shared.database.engine import Database
from shared.database.uploads import Uploads
from shared.errors import InvalidInput

UPLOADED_FILES = Counter(
    "citewell_uploaded_files", "Files that came in, by what became of them.", ("outcome",)
)
UPLOADED_BYTES = Counter("citewell_uploaded_bytes", "Bytes of the files that were taken.")


Word = Callable[[Uploaded], str]


class UploadDoor:
    """Takes uploads into one deployment's blob store and database."""

    def __init__(
        self,
        take: Take,
        *,
        database: Database,
        room: Room,
        deadline_s: float,
        default_space: str,
        wake: Callable[[], None],
    ) -> None:
        """Take what receives; each job has `deadline_s`.

        `wake` is called after each commit and must not block.
        """
        self._take = take
        self._database = database
        self._room = room
        self._deadline_s = deadline_s
        self._default_space = default_space
        self._wake = wake

    async def upload(self, incoming: Incoming, word: Word) -> Answered:
        """Take one request; returns once every byte and row is durable.

        `word` puts what became of the files into the answer's body. A request with a key is done
        once: sent again it is answered with that very body. Raises what `Intake.take` does, and

        Raises:
            NotFound: there is no such collection; nothing was taken.
        """
        return await self._take(incoming, partial(self._commit, incoming.tenant_id, word))

    async def _commit(
        self, tenant_id: str, word: Word, received: Received, keep: KeepAnswer
    ) -> Committed:
        """Write every row in one transaction, the answer last."""
        form = read_form(received.fields)
        if not received.files:
            raise InvalidInput(f"{FILE_FIELD}: send at least one file in this field.")
        async with self._database.tenant(tenant_id) as connection:
            plan, blob_ids = await self._add(connection, tenant_id, received, form)
            uploaded = Uploaded(plan.batch_id, plan.outcomes)
            answer = await keep(connection, received, lambda: word(uploaded))
        self._wake()
        self._room.add(tenant_id, len(plan.files))
        _count(received, plan)
        return Committed(set(blob_ids.values()), answer)

    async def _add(
        self, connection: AsyncConnection, tenant_id: str, received: Received, form: UploadForm
    ) -> tuple[Plan, dict[bytes, UUID]]:
        keeper = CollectionKeeper(
            connection, tenant_id=tenant_id, default_space=self._default_space
        )
        collection_id, types = await keeper.find(form.collection, hold=True)
        await keeper.take_types(collection_id, types, form.attributes or {})
        uploads = Uploads(connection, tenant_id=tenant_id, collection_id=collection_id)
        newest = await uploads.newest(names_of(received.files))
        plan = plan_upload(received.files, form=form, newest=newest)
        blob_ids = await claim_blobs(
            Blobs(connection), tenant_id, plan.blobs(), stored=received.blob_ids
        )
        await uploads.add(
            plan.rows(blob_ids),
            options=form.stored_options,
            deadline_s=self._deadline_s,
        )
        return plan, blob_ids


def _count(received: Received, plan: Plan) -> None:
    taken = [file.size for file in received.taken]
    fresh = len(plan.files)
    UPLOADED_FILES.labels("queued").inc(fresh)
    UPLOADED_FILES.labels("duplicate").inc(len(taken) - fresh)
    UPLOADED_FILES.labels("refused").inc(len(received.files) - len(taken))
    UPLOADED_BYTES.inc(sum(taken))
