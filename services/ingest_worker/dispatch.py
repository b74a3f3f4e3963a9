"""The dispatcher: takes waiting work from Postgres and keeps a few messages of it out.

Called after a commit, after each task, and every few seconds; only so much is published that
the broker never holds the backlog.
"""

import asyncio

import structlog

from services.ingest_worker.messages import (
    CHUNK_JOB,
    EMBED_CHUNKS,
    EMBED_QUEUE,
    PARSE_PART,
    PARSE_QUEUE,
    Message,
    Publisher,
)
from shared.database.embed_queue import EmbedQueue
from shared.database.engine import Database
from shared.database.jobs import Jobs, WaitingJob
from shared.database.parts import Parts, WaitingPart
from shared.database.sweeps import Sweeps
from shared.errors import CitewellError
from shared.settings import IngestSettings

log = structlog.get_logger(__name__)

# Messages out for each slot: enough that no slot waits, few enough to stay fair.
OUT_PER_SLOT = 4
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
        self._most_out = settings.slots * OUT_PER_SLOT
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
            room = self._most_out - await Parts(connection).out()
            parts = await Parts(connection).take_waiting(room=room) if room > 0 else []
            jobs = await Jobs(connection).take_chunking(after_s=LOST_AFTER_S)
            ready = await EmbedQueue(connection).ready(most=1)
        messages = [*map(_parse_message, parts), *map(_chunk_message, jobs)]
        if ready:
            messages.append(EMBED_MESSAGE)
        self._publisher.publish(messages)
        return len(messages)

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


EMBED_MESSAGE = Message(EMBED_CHUNKS, EMBED_QUEUE, {}, "queued chunks", once=True)


def _parse_message(part: WaitingPart) -> Message:
    number = part.key.number
    label = f"{part.filename} part {number + 1} of {part.parts_total}"
    arguments: dict[str, str | int] = {"version_id": str(part.key.version_id), "number": number}
    return Message(PARSE_PART, PARSE_QUEUE, arguments, label)


def _chunk_message(job: WaitingJob) -> Message:
    return Message(CHUNK_JOB, PARSE_QUEUE, {"job_id": str(job.id)}, job.filename)
