"""Opening ended jobs again: all of a batch, or whatever failed in one way, some at a time.

Each slice is a transaction of its own, so that a million dead letters lock nobody out, and what is
open again works while the rest is still being opened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.ingest_worker.upkeep.deletion import slices
from shared.database.batches import Batches
from shared.database.engine import Database
from shared.database.retries import FailedFilter, Retries

SLICE = 100


@dataclass(frozen=True, slots=True)
class Opened:
    """How many jobs are open again, how many were passed over, and the last one looked at."""

    retried: int
    passed_over: int
    last: UUID | None


class Retrier:
    """Retries one deployment's jobs; what is reopened has `deadline_s` from then on."""

    def __init__(self, database: Database, *, deadline_s: float) -> None:
        """Take the database."""
        self._database = database
        self._deadline_s = deadline_s

    async def retry_batch(
        self, tenant_id: str, batch_id: UUID, *, code: str | None, options: Mapping[str, Any]
    ) -> None:
        """Reopen a batch's failed jobs with this problem; without one, cancelled jobs too."""
        async with self._database.tenant(tenant_id) as connection:
            job_ids = await Batches(connection).fruitless_jobs(batch_id, code=code)
        await self._open(tenant_id, job_ids, options)

    async def retry_failed(
        self,
        tenant_id: str,
        wanted: FailedFilter,
        *,
        after: UUID | None,
        limit: int,
        options: Mapping[str, Any],
    ) -> Opened:
        """Reopen up to `limit` failed jobs, oldest first, after the id `after`.

        `last` of what is returned is None when no more failed jobs follow.
        """
        async with self._database.tenant(tenant_id) as connection:
            retries = Retries(connection, deadline_s=self._deadline_s)
            found = await retries.failed(wanted, after=after, limit=limit + 1)
        job_ids = found[:limit]
        retried = await self._open(tenant_id, job_ids, options)
        last = job_ids[-1] if len(found) > limit else None
        return Opened(retried, len(job_ids) - retried, last)

    async def _open(
        self, tenant_id: str, job_ids: Sequence[UUID], options: Mapping[str, Any]
    ) -> int:
        retried = 0
        for some in slices(job_ids, SLICE):
            async with self._database.tenant(tenant_id) as connection:
                retries = Retries(connection, deadline_s=self._deadline_s)
                retried += await retries.retry_all(some, options=options)
        return retried
