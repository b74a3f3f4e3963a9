"""`/v1/batches/{id}/events`: what happens to an upload, as server-sent events while it happens."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from services.ingest_worker.context import IngestContext
from services.ingest_worker.following.cursor import cursor_of, may_go_on, position_of
from services.ingest_worker.following.look import Look, look_at
from services.ingest_worker.routers.dependencies import Context, Loader
from services.ingest_worker.shown import batch_response, job_response
from shared.database.batches import Batches, BatchRow
from shared.database.events import Change, Events, Position
from shared.database.job_views import JobFilter, JobViews
from shared.errors import CitewellError, DatabaseUnavailable, NotFound
from shared.problems import problem_of
from shared.web import sse
from shared.web.problems import documented

router = APIRouter(prefix="/v1/batches", tags=["batches"], responses=documented(401, 403, 503))

# A reader comes back by itself after this; so no stream outlives its credential by more.
STREAM_S = 600.0
# Jobs told at once at the beginning.
PAGE = 500
# While Postgres does not answer, it is asked again after this.
PAUSE_S = 1.0
RETRY = "retry: 1000\n\n"


class EventStream(StreamingResponse):
    """A stream that gives back what it holds, however it ends."""

    media_type = sse.MEDIA_TYPE

    def __init__(self, events: AsyncGenerator[str, None], release: Callable[[], None]) -> None:
        """Take what to send, and what to call in the end."""
        super().__init__(events, headers=sse.HEADERS)
        self._events = events
        self._release = release

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all, or as much as the reader stays for."""
        try:
            async with aclosing(self._events):
                await super().__call__(scope, receive, send)
        finally:
            self._release()


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a stream begins with; without `last` with everything there is."""

    tenant_id: str
    batch: BatchRow
    head: Position
    last: Position | None


@router.get(
    "/{batch_id}/events",
    summary="Follow a batch",
    status_code=200,
    response_class=EventStream,
    responses=documented(404, 422),
)
async def follow_batch(
    batch_id: UUID,
    context: Context,
    caller: Loader,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> EventStream:
    """Tell what happens to a batch, as server-sent events, until all its jobs have ended.

    First the `batch` and every `job` as they are, then each as it changes, then one `end`. The data
    of a `job` is the job, that of `batch` and `end` the batch. A reader that comes back with the
    last `id` as `Last-Event-ID` gets what changed since; after seven days, everything again. Each
    job is told at least once in its newest state; states between may be passed over. A stream that
    ends without `end`, after ten minutes at most, is to be opened again.
    """
    last = position_of(last_event_id) if last_event_id else None
    async with context.database.tenant(caller.tenant_id) as connection:
        head = await Events(connection).head()
        batch = await Batches(connection).by_id(batch_id)
    if batch is None:
        raise NotFound(f"There is no batch {batch_id}.")
    if last is not None and not may_go_on(last, head):
        last = None
    beginning = Beginning(caller.tenant_id, batch, head, last)
    return EventStream(_Telling(context, beginning).tell(), context.streams.take())


class _Telling:
    """One reader's stream."""

    def __init__(self, context: IngestContext, beginning: Beginning) -> None:
        self._context = context
        self._beginning = beginning
        self._batch_id = beginning.batch.id
        self._position = beginning.last or beginning.head
        self._shown_at = beginning.batch.read_at

    async def tell(self) -> AsyncGenerator[str, None]:
        """Yield events until the batch has ended, the time is up or the process is to end."""
        yield RETRY
        try:
            if self._beginning.last is None:
                async for text in self._snapshot():
                    yield text
            async for text in self._follow():
                yield text
        except CitewellError as error:
            yield sse.event("error", problem_of(error).model_dump(mode="json", exclude_none=True))

    async def _snapshot(self) -> AsyncGenerator[str, None]:
        """Yield everything as it is, without ids: whoever is cut off here begins again."""
        yield _event("batch", self._beginning.batch)
        after: UUID | None = None
        mine = JobFilter(batch=self._batch_id)
        while True:
            async with self._context.database.tenant(self._beginning.tenant_id) as connection:
                rows = await JobViews(connection).listed(mine, after=after, limit=PAGE)
            yield "".join(
                sse.json_event("job", job_response(row).model_dump_json()) for row in rows
            )
            if len(rows) < PAGE:
                return
            after = rows[-1].id

    async def _follow(self) -> AsyncGenerator[str, None]:
        clock = asyncio.get_running_loop().time
        end = clock() + STREAM_S
        behind = True
        with self._context.feed.follow(self._batch_id, self._beginning.head) as follower:
            while clock() < end and not follower.stopping:
                if behind:
                    look = await self._look()
                else:
                    look = await follower.next(within_s=sse.KEEP_ALIVE_S)
                if look is None:
                    yield sse.COMMENT
                elif not behind and self._missed(look):
                    behind = True
                elif behind or self._is_news(look):
                    yield _rendered(look)
                    if look.ended:
                        return
                    self._position = max(self._position, look.upto)
                    self._shown_at = look.batch.read_at
                    behind = look.more

    async def _look(self) -> Look | None:
        """Read what happened since; None while Postgres does not answer."""
        starts = {self._batch_id: self._position}
        try:
            async with self._context.database.tenant(self._beginning.tenant_id) as connection:
                looks = await look_at(connection, starts)
        except DatabaseUnavailable:
            await asyncio.sleep(PAUSE_S)
            return None
        if not looks:
            raise NotFound(f"There is no batch {self._batch_id} any more.")
        return looks[self._batch_id]

    def _missed(self, look: Look) -> bool:
        """Tell whether there were others before it, or it would show an older batch again."""
        older = look.batch.read_at < self._shown_at
        return look.after > self._position or (older and (look.upto > self._position or look.ended))

    def _is_news(self, look: Look) -> bool:
        return look.ended or look.upto > self._position or look.batch.read_at > self._shown_at


def _rendered(look: Look) -> str:
    if look.rendered is None:
        jobs = [_job_event(look, change) for change in look.changes]
        batch = _event("batch", look.batch, at=look.safe)
        end = _event("end", look.batch, at=look.safe) if look.ended else ""
        look.rendered = f"{''.join(jobs)}{batch}{end}"
    return look.rendered


def _job_event(look: Look, change: Change) -> str:
    if change.job is None:
        return ""
    cursor = cursor_of(min(change.position, look.safe))
    return sse.json_event("job", job_response(change.job).model_dump_json(), cursor=cursor)


def _event(name: str, batch: BatchRow, at: Position | None = None) -> str:
    cursor = None if at is None else cursor_of(at)
    return sse.json_event(name, batch_response(batch).model_dump_json(), cursor=cursor)
