"""Waits until a job or a batch has moved, for callers that would else ask again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from services.ingest_worker.following.feed import Feed, Follower, Progress
from shared.database.batches import Batches, BatchRow
from shared.database.engine import Database
from shared.database.events import Events
from shared.database.job_views import JobViews
from shared.models import TERMINAL

# How soon it is noticed that a caller has left.
GONE_EVERY_S = 2.0

Gone = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait: for another revision than `since`, else for the end."""

    since: int | None
    seconds: float
    gone: Gone


class Waiting:
    """Long polls: many callers, one poller."""

    def __init__(self, database: Database, feed: Feed) -> None:
        """Take the truth and the process's poller."""
        self._database = database
        self._feed = feed

    async def for_job(self, tenant_id: str, job_id: UUID, patience: Patience) -> None:
        """Return when the job has ended, its revision differs, or the time is up.

        Returns also when there is no such job, when the caller has gone, or when the process is
        about to end.
        """

        def settled(progress: Progress) -> bool:
            if progress is None or progress[0] in TERMINAL:
                return True
            return patience.since is not None and progress[1] != patience.since

        async with self._database.tenant(tenant_id) as connection:
            found = await JobViews(connection).progress([job_id])
        if settled(found.get(job_id)):
            return
        with self._feed.watch(job_id, settled) as woken:
            await _until(woken, patience)

    async def for_batch(self, tenant_id: str, batch_id: UUID, patience: Patience) -> None:
        """Return when the batch has ended, its revision differs, or the time is up.

        Returns also when there is no such batch, when the caller has gone, or when the process is
        about to end.
        """

        def settled(batch: BatchRow | None) -> bool:
            if batch is None or batch.ended:
                return True
            return patience.since is not None and batch.revision != patience.since

        async with self._database.tenant(tenant_id) as connection:
            head = await Events(connection).head()
            batch = await Batches(connection).by_id(batch_id)
        if settled(batch):
            return
        with self._feed.follow(batch_id, head) as follower:
            # Others may have followed before us: what their last look showed we did not get.
            async with self._database.tenant(tenant_id) as connection:
                batch = await Batches(connection).by_id(batch_id)
            if not settled(batch):
                await _until_settled(follower, settled, patience)


async def _until(woken: asyncio.Event, patience: Patience) -> None:
    for seconds in _slices(patience.seconds):
        with suppress(TimeoutError):
            await asyncio.wait_for(woken.wait(), seconds)
        if woken.is_set() or await patience.gone():
            return


async def _until_settled(
    follower: Follower, settled: Callable[[BatchRow | None], bool], patience: Patience
) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + patience.seconds
    while (left := end - clock()) > 0 and not follower.stopping:
        look = await follower.next(within_s=min(left, GONE_EVERY_S))
        if look is not None and settled(look.batch):
            return
        if await patience.gone():
            return


def _slices(seconds: float) -> list[float]:
    whole, rest = divmod(seconds, GONE_EVERY_S)
    return [GONE_EVERY_S] * int(whole) + [rest]
