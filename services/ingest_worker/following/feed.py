"""The process's one poller: while someone waits, it looks twice a second for all of them.

Each batch that is followed has a channel: what a look finds is handed to all its followers. A
follower that is slow loses the oldest and reads Postgres again from where it is, so it holds up
nobody and holds no memory.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.following.look import Look, look_at
from shared.database.engine import Database
from shared.database.events import Events, Position
from shared.database.job_views import JobViews
from shared.errors import CitewellError

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.5
# Looks a follower may be behind before it reads Postgres again.
KEPT = 8

# A job's state and revision; None when it is gone.
Progress = tuple[str, int] | None
Settled = Callable[[Progress], bool]


class Follower:
    """One reader of a batch's channel."""

    def __init__(self, stopping: asyncio.Event) -> None:
        """Start with nothing to read."""
        self._looks: deque[Look] = deque(maxlen=KEPT)
        self._woken = asyncio.Event()
        self._stopping = stopping

    @property
    def stopping(self) -> bool:
        """Whether the process is about to end: a reader should go now."""
        return self._stopping.is_set()

    async def next(self, *, within_s: float) -> Look | None:
        """Return the oldest look not read yet; None when there is none in time, or it ends."""
        if not self._looks and not self.stopping:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), within_s)
        self._woken.clear()
        return self._looks.popleft() if self._looks else None

    def hand(self, look: Look) -> None:
        """Give a look to read; the oldest is dropped when there are too many."""
        self._looks.append(look)
        self._woken.set()

    def wake(self) -> None:
        """End its wait."""
        self._woken.set()


@dataclass(slots=True)
class _Channel:
    head: Position
    followers: set[Follower] = field(default_factory=set)
    shown: tuple[object, ...] = ()

    def hand(self, look: Look) -> None:
        self.head = look.upto
        shown = _shown(look)
        # Unfinished transactions of others may hold back events: then only the counts are news.
        if look.changes or shown != self.shown:
            self.shown = shown
            for follower in self.followers:
                follower.hand(look)


@dataclass(eq=False, slots=True)
class _Waiter:
    settled: Settled
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Feed:
    """Looks for all who wait in this process, and only while someone does."""

    def __init__(self, database: Database, *, every_s: float = LOOK_EVERY_S) -> None:
        """Take the truth; nothing is asked before someone waits."""
        self._database = database
        self._every_s = every_s
        self._channels: dict[UUID, _Channel] = {}
        self._waiters: dict[UUID, set[_Waiter]] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def follow(self, batch_id: UUID, head: Position) -> Iterator[Follower]:
        """Follow a batch that the caller may see.

        Whatever is committed after `head` was read is handed out or found by a look made after
        this began.
        """
        channel = self._channels.setdefault(batch_id, _Channel(head))
        follower = Follower(self._stopping)
        channel.followers.add(follower)
        self._run_on()
        try:
            yield follower
        finally:
            channel.followers.discard(follower)
            if not channel.followers:
                self._channels.pop(batch_id, None)

    @contextmanager
    def watch(self, job_id: UUID, settled: Settled) -> Iterator[asyncio.Event]:
        """Yield an event that is set once a look finds the job `settled`, or the process ends."""
        waiter = _Waiter(settled)
        self._waiters.setdefault(job_id, set()).add(waiter)
        self._run_on()
        try:
            yield waiter.woken
        finally:
            waiters = self._waiters[job_id]
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[job_id]

    @property
    def followed(self) -> int:
        """How many followers there are."""
        return sum(len(channel.followers) for channel in self._channels.values())

    def stop(self) -> None:
        """Let everyone who waits go now; safe to call again."""
        self._stopping.set()
        for channel in self._channels.values():
            for follower in channel.followers:
                follower.wake()
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.woken.set()

    async def aclose(self) -> None:
        """Stop, and end the poller."""
        self.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _run_on(self) -> None:
        if self._stopping.is_set():
            self.stop()
        elif self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._channels or self._waiters:
            again = False
            try:
                again = await self._look()
            except CitewellError as error:
                log.warning("look_failed", code=error.code, detail=error.detail)
            except Exception:
                # Whatever it was, those who wait would hear nothing any more.
                log.exception("look_died")
            if not again:
                await asyncio.sleep(self._every_s)

    async def _look(self) -> bool:
        """Look once for all; return whether some batch has more to read at once."""
        heads = {batch_id: channel.head for batch_id, channel in self._channels.items()}
        async with self._database.worker() as connection:
            looks = await _moved(connection, heads) if heads else {}
            jobs = list(self._waiters)
            progress = await JobViews(connection).progress(jobs) if jobs else {}
        self._wake(jobs, progress)
        for batch_id, look in looks.items():
            if (channel := self._channels.get(batch_id)) is not None:
                channel.hand(look)
        return any(look.more for look in looks.values())

    def _wake(self, jobs: Iterable[UUID], progress: Mapping[UUID, tuple[str, int]]) -> None:
        for job_id in jobs:
            for waiter in self._waiters.get(job_id, ()):
                if waiter.settled(progress.get(job_id)):
                    waiter.woken.set()


async def _moved(connection: AsyncConnection, heads: Mapping[UUID, Position]) -> dict[UUID, Look]:
    moved = await Events(connection).moved(heads)
    if not moved:
        return {}
    return await look_at(connection, {batch_id: heads[batch_id] for batch_id in moved})


def _shown(look: Look) -> tuple[object, ...]:
    batch = look.batch
    return batch.revision, batch.total, batch.sealed, batch.paused, look.ended
