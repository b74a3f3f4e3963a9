"""The sweeper: puts back what died, ends what is over, removes what is deleted.

A loop in every ingest API process; one at a time by an advisory lock. Everything it does is
found by looking at Postgres, so it needs no memory of what was lost.
"""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.embed_queue import EmbedQueue
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.parts import Parts
from shared.database.sweeps import SWEEP, Sweeps
from shared.errors import CitewellError, DeadlineExceeded, ParserCrashed
from shared.models import Stage
from shared.problems import problem_of
from shared.settings import IngestSettings

log = structlog.get_logger(__name__)

# Overdue jobs ended in one transaction.
SLICE = 100


class Sweeper:
    """Recovers from every death by looking at leases, deadlines and counters."""

    def __init__(
        self,
        *,
        database: Database,
        bury: Callable[[], Awaitable[None]],
        wake: Callable[[], None],
        settings: IngestSettings,
        grace_s: float,
    ) -> None:
        """Take the truth, the burial of deleted things, and the dispatcher's bell."""
        self._database = database
        self._bury = bury
        self._wake = wake
        self._settings = settings
        self._grace_s = grace_s

    async def sweep(self) -> bool:
        """Do one round; False when another process is at it.

        Raises:
            DatabaseUnavailable: Postgres does not answer.
            VectorStoreUnavailable: what is deleted cannot be removed now; nothing else is lost.
        """
        async with self._database.worker() as connection:
            if not await Sweeps(connection).try_lock(SWEEP):
                return False
            await self._put_back(connection)
            await Sweeps(connection).note(SWEEP)
        await self._end_overdue()
        await self._finish_forgotten()
        self._wake()
        await self._bury()
        return True

    async def age_s(self) -> float | None:
        """Return the seconds since any process last swept; None before the first time."""
        async with self._database.worker() as connection:
            return await Sweeps(connection).age_s(SWEEP)

    async def run(self) -> None:
        """Sweep every few seconds, until cancelled."""
        while True:
            try:
                await self.sweep()
            except CitewellError as error:
                log.warning("sweep_failed", code=error.code, detail=error.detail)
            await asyncio.sleep(self._settings.sweep_s)

    async def _put_back(self, connection: AsyncConnection) -> None:
        jobs = Jobs(connection)
        lost = [*await Parts(connection).expire(), *await jobs.expire_chunking()]
        for job_id, times in sorted(lost):
            await jobs.count_attempt(job_id)
            if times >= self._settings.max_lost_leases:
                await self._fail_lost(jobs, job_id, times)
        embedding = await EmbedQueue(connection).expire()
        if lost or embedding:
            log.info("leases_expired", parse=len(lost), embed=embedding)

    async def _fail_lost(self, jobs: Jobs, job_id: UUID, times: int) -> None:
        detail = f"Whoever worked on it was lost {times} times."
        await jobs.fail(job_id, problem_of(ParserCrashed(detail), Stage.PARSE))

    async def _end_overdue(self) -> None:
        """End what is past its deadline, a slice a transaction, for about one round's time."""
        clock = asyncio.get_running_loop().time
        end = clock() + self._settings.sweep_s
        while await self._end_some_overdue() == SLICE and clock() < end:
            pass

    async def _end_some_overdue(self) -> int:
        async with self._database.worker() as connection:
            # A longer round than this one may be under way elsewhere: it goes on with them.
            if not await Sweeps(connection).try_lock(SWEEP):
                return 0
            late = await Jobs(connection).past_deadline(most=SLICE)
            await Jobs(connection).fail_all(late, problem_of(DeadlineExceeded()))
            return len(late)

    async def _finish_forgotten(self) -> None:
        # A transaction of its own: it locks documents first, and the round above holds jobs.
        async with self._database.worker() as connection:
            await EmbedQueue(connection).finish_forgotten(
                after_s=self._settings.lease_s, grace_s=self._grace_s
            )
