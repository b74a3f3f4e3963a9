"""The dispatcher: takes waiting work from Postgres and keeps a few messages of it out.

Called after a commit, after each task, and every few seconds; only so much is published that
the broker never holds the backlog.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from uuid import UUID

import structlog

from services.ingest_worker.messages import (
    CHUNK_JOB,
    EMBED_CHUNKS,
    EMBED_QUEUE,
    PARSE_PARTS,
    PARSE_QUEUE,
    RECUT_DOCUMENTS,
    Message,
    Publisher,
)
from shared.database.embed_queue import EmbedQueue
from shared.database.engine import Database
from shared.database.jobs import Jobs, WaitingJob
from shared.database.parts import Parts, WaitingPart
from shared.database.reindex_slices import ReindexSlices
from shared.database.sweeps import Sweeps
from shared.errors import CitewellError
from shared.settings import IngestSettings

log = structlog.get_logger(__name__)

# Messages out for each slot: enough that no slot waits, few enough to stay fair.
OUT_PER_SLOT = 4
# Small files of one tenant go several to a message: a message costs more than such a file.
FILES_A_MESSAGE = 24
# The room a part of its own takes, in small files: so a slot has two full messages at most.
WEIGHT = FILES_A_MESSAGE // 2
# A message nobody took for this long is taken as lost (a flushed broker) and sent again.
LOST_AFTER_S = 10.0


class Dispatcher:
    """Publishes waiting work, fairly and a little at a time."""

    def __init__(
        self, *, database: Database, publisher: Publisher, settings: IngestSettings
    ) -> None:
        """Take the truth and the transport."""
        self._database = database
        self._publisher = publisher
        self._slots = settings.slots
        self._most_out = settings.slots * OUT_PER_SLOT * WEIGHT
        self._pause_s = settings.dispatch_s
        self._woken = asyncio.Event()

    async def dispatch(self) -> int:
        """Publish what there is room for; return the number of messages.

        Raises:
            DatabaseUnavailable: Postgres does not answer; nothing was published.
        """
        async with self._database.worker() as connection:
            await Sweeps(connection).lock("dispatch")
            await Parts(connection).unpublish_lost(after_s=LOST_AFTER_S)
            room = self._most_out - await Parts(connection).out(weight=WEIGHT)
            parts = await _take_parts(Parts(connection), room)
            jobs = await Jobs(connection).take_chunking(after_s=LOST_AFTER_S)
            reindexes = list[UUID]()
            if room > 0 and not parts and not jobs:
                # Behind all uploads, and never in every slot.
                reindexes = await ReindexSlices(connection).take_waiting(
                    most=max(1, self._slots // 2), after_s=LOST_AFTER_S
                )
            ready = await EmbedQueue(connection).ready(most=1)
        messages = [*self._parse_messages(parts, room), *map(_chunk_message, jobs)]
        messages += map(_recut_message, reindexes)
        if ready:
            messages.append(EMBED_MESSAGE)
        self._publisher.publish(messages)
        return len(messages)

    def _parse_messages(self, parts: Sequence[WaitingPart], room: int) -> Iterator[Message]:
        """Make messages: what goes alone, and small files together.

        A few files are shared out among the slots; with more to come every message is full.
        """
        together: dict[str, list[WaitingPart]] = defaultdict(list)
        for part in parts:
            if part.alone:
                yield _parse_message([part])
            else:
                together[part.tenant_id].append(part)
        for files in together.values():
            share = len(files) if len(parts) >= room else -(-len(files) // self._slots)
            size = min(FILES_A_MESSAGE, share)
            for first in range(0, len(files), size):
                yield _parse_message(files[first : first + size])

    def wake(self) -> None:
        """Ask the running loop for a round now; never blocks."""
        self._woken.set()

    async def run(self) -> None:
        """Dispatch when woken and every few seconds, until cancelled."""
        while True:
            try:
                await self.dispatch()
            except CitewellError as error:
                log.warning("dispatch_failed", code=error.code, detail=error.detail)
            try:
                await asyncio.wait_for(self._woken.wait(), self._pause_s)
            except TimeoutError:
                continue
            self._woken.clear()


async def _take_parts(parts: Parts, room: int) -> list[WaitingPart]:
    return await parts.take_waiting(room=room, weight=WEIGHT) if room > 0 else []


EMBED_MESSAGE = Message(EMBED_CHUNKS, EMBED_QUEUE, {}, "queued chunks", once=True)


def _parse_message(parts: Sequence[WaitingPart]) -> Message:
    first, more = parts[0], len(parts) - 1
    label = f"{first.filename} and {more} more"
    if not more:
        label = f"{first.filename} part {first.key.number + 1} of {first.parts_total}"
    arguments: dict[str, str | list[str]] = {"parts": [str(part.key) for part in parts]}
    return Message(PARSE_PARTS, PARSE_QUEUE, arguments, label)


def _recut_message(reindex_id: UUID) -> Message:
    return Message(RECUT_DOCUMENTS, PARSE_QUEUE, {"reindex_id": str(reindex_id)}, "a reindex")


def _chunk_message(job: WaitingJob) -> Message:
    return Message(CHUNK_JOB, PARSE_QUEUE, {"job_id": str(job.id)}, job.filename)
