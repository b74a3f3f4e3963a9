"""Whether there is room for an upload: asked before its body is read.

The limits on jobs are soft: counts are some seconds old, and what is being received is not in them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from prometheus_client import Counter

from shared.blobs.listed import ListedBlobStore
from shared.database.backlog import Backlog
from shared.database.engine import Database
from shared.errors import CitewellError, QueueFull, RateLimited, StorageFull
from shared.settings import BlobSettings, IngestSettings

# A count is good for this long, and for longer where it took long: a twentieth of the time at most
# goes into counting.
LEAST_S = 0.5
COST = 20
QUEUE_AGAIN_S = 10.0
DISK_AGAIN_S = 30.0
# Tenants whose counts are remembered; beyond that all are counted anew.
MOST_TENANTS = 10_000

REFUSED_UPLOADS = Counter(
    "citewell_refused_uploads", "Uploads refused for want of room, by what was full.", ("full",)
)


class Room:
    """Knows the limits of one deployment and how near they are."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: ListedBlobStore,
        ingest: IngestSettings,
        storage: BlobSettings,
    ) -> None:
        """Take the stores and their limits; nothing is counted before it is asked for."""
        self._database = database
        self._blobs = blobs
        self._ingest = ingest
        self._min_free = storage.min_free_bytes
        self._all = _Depth(self._count_all)
        self._tenants: dict[str, _Depth] = {}

    async def check(self, tenant_id: str, *, announced_bytes: int) -> None:
        """Return when an upload of about this size may come in.

        Raises:
            StorageFull: the blobs' disk would have too little room left.
            QueueFull: too many jobs of all tenants are open.
            RateLimited: too many jobs of this tenant are open.
        """
        free = await self._blobs.free_bytes()
        if free is not None and free - announced_bytes < self._min_free:
            _refuse("disk", StorageFull(retry_after_s=DISK_AGAIN_S))
        if await self._all.known() >= self._ingest.max_open_jobs:
            _refuse("queue", QueueFull(retry_after_s=QUEUE_AGAIN_S))
        most = self._ingest.max_open_jobs_per_tenant
        if await self._of(tenant_id).known() >= most:
            detail = f"You have {most} jobs that have not ended; that is the most."
            _refuse("tenant", RateLimited(detail, retry_after_s=QUEUE_AGAIN_S))

    def add(self, tenant_id: str, jobs: int) -> None:
        """Note jobs that were committed since the last count."""
        self._all.add(jobs)
        self._of(tenant_id).add(jobs)

    def _of(self, tenant_id: str) -> "_Depth":
        if len(self._tenants) > MOST_TENANTS:
            self._tenants.clear()
        count = partial(self._count_of, tenant_id)
        return self._tenants.setdefault(tenant_id, _Depth(count))

    async def _count_all(self) -> int:
        async with self._database.worker() as connection:
            return await Backlog(connection).of_all(most=self._ingest.max_open_jobs)

    async def _count_of(self, tenant_id: str) -> int:
        most = self._ingest.max_open_jobs_per_tenant
        async with self._database.tenant(tenant_id) as connection:
            return await Backlog(connection).of_tenant(tenant_id, most=most)


class _Depth:
    """A count that is repeated no more often than it costs; one caller counts, others wait."""

    def __init__(self, count: Callable[[], Awaitable[int]]) -> None:
        self._count = count
        self._counting = asyncio.Lock()
        self._known = 0
        self._due = 0.0

    async def known(self) -> int:
        async with self._counting:
            began = time.monotonic()
            if began >= self._due:
                self._known = await self._count()
                ended = time.monotonic()
                self._due = ended + max(LEAST_S, COST * (ended - began))
        return self._known

    def add(self, jobs: int) -> None:
        self._known += jobs


def _refuse(full: str, error: CitewellError) -> None:
    REFUSED_UPLOADS.labels(full).inc()
    raise error
