"""The chunk step: all Elements of a version, in order, become chunks and wait to be embedded.

For files of several parts; one that is read whole is cut where it was read (parse.py).
"""

import asyncio
import json
from time import perf_counter
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.failures import is_final, pause_s
from services.ingest_worker.jobs.base import Cutter
from services.ingest_worker.leases import LeaseLost, while_leased
from services.ingest_worker.parsing.warned import merged
from shared.database.chunks import Chunks, Owner
from shared.database.engine import Database
from shared.database.jobs import ClaimedChunking, Jobs
from shared.database.parts import Parts
from shared.errors import CitewellError
from shared.identity import new_id
from shared.models import JobWarning, Stage
from shared.problems import problem_of
from shared.settings import IngestSettings

log = structlog.get_logger(__name__)


class IndexesChanged(Exception):
    """The collection got another index, or lost one, while a document was cut for those it had."""


class ChunkStep:
    """Chunks one version into every index of its collection."""

    def __init__(self, *, database: Database, cutter: Cutter, settings: IngestSettings) -> None:
        """Take the truth and the cutter."""
        self._database = database
        self._cutter = cutter
        self._settings = settings

    async def run(self, job_id: UUID) -> str:
        """Chunk a job whose parts are all in; return what was done, in words."""
        async with self._database.worker() as connection:
            job = await Jobs(connection).claim_chunking(
                job_id, claim=new_id(), lease_s=self._settings.lease_s
            )
        if job is None:
            return "nothing to do"
        with structlog.contextvars.bound_contextvars(job_id=str(job.id)):
            try:
                chunks = await self._chunk_leased(job)
            except LeaseLost:
                return "the lease was lost"
            except IndexesChanged:
                await self._release(job, delay_s=0)
                return "the indexes changed meanwhile"
            except CitewellError as error:
                return await self._failed(job, error)
            except asyncio.CancelledError:
                await self._release(job, delay_s=0)
                raise
        return f"{job.filename}: {chunks} chunks"

    async def _chunk_leased(self, job: ClaimedChunking) -> int:
        async def renew() -> bool:
            async with self._database.worker() as connection:
                return await Jobs(connection).renew_chunking(job, lease_s=self._settings.lease_s)

        return await while_leased(
            self._chunk(job),
            renew,
            every_s=self._settings.lease_s / 3,
            limit_s=self._settings.chunk_timeout_s,
        )

    async def _chunk(self, job: ClaimedChunking) -> int:
        start = perf_counter()
        async with self._database.worker() as connection:
            indexes = await Chunks(connection).indexes([job.collection_id])
            packed = [part async for part in Parts(connection).elements(job.version_id)]
            warnings = await self._warnings(connection, job)
        owner = Owner(job.tenant_id, job.id, job.document_id, job.version_id)
        made = await asyncio.to_thread(self._cutter.cut, owner, packed, indexes)
        async with self._database.worker() as connection:
            if not await Chunks(connection).hold_indexes([job.collection_id], indexes):
                raise IndexesChanged
            await Jobs(connection).lock([job.id])
            await Chunks(connection).clear([job.version_id])
            count = await Chunks(connection).queue(made)
            ms = 1000 * (perf_counter() - start)
            if not await Jobs(connection).start_embedding(
                job, chunks=count, warnings=warnings, ms=ms
            ):
                raise LeaseLost
        return count

    @staticmethod
    async def _warnings(connection: AsyncConnection, job: ClaimedChunking) -> list[dict[str, Any]]:
        """Return the parts' warnings; those of pages that part from part are one."""
        stored = await Parts(connection).warnings(job.version_id)
        warnings = merged(map(JobWarning.model_validate, stored))
        return [warning.model_dump() for warning in warnings]

    async def _failed(self, job: ClaimedChunking, error: CitewellError) -> str:
        if is_final(error):
            async with self._database.worker() as connection:
                warnings = await self._warnings(connection, job)
                await Jobs(connection).fail(
                    job.id, problem_of(error, Stage.CHUNK), warnings=json.dumps(warnings)
                )
        else:
            log.warning("chunking_waits", code=error.code, detail=error.detail)
            await self._release(job, delay_s=pause_s(error, attempts=1))
        return f"{job.filename}: {error.code}"

    async def _release(self, job: ClaimedChunking, *, delay_s: float) -> None:
        async with self._database.worker() as connection:
            await Jobs(connection).release_chunking(job, delay_s=delay_s)
