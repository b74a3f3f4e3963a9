"""What a failed part comes to: another try later, or the end of its job, by what it died of."""

import json
from collections.abc import Sequence

import structlog

from services.ingest_worker.failures import back_off_s, is_final, pause_s, waiting_after
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.parts import ClaimedPart, Failures, Parts
from shared.errors import (
    CitewellError,
    DatabaseUnavailable,
    ParserCrashed,
    ParseTimedOut,
    Unavailable,
)
from shared.models import JobWarning, Stage
from shared.problems import problem_of
from shared.settings import IngestSettings

log = structlog.get_logger(__name__)

# A file that ran out of time once is given one more try.
MAX_TIMEOUTS = 2


class PartFailing:
    """Gives failed parts back, or ends their jobs."""

    def __init__(self, database: Database, settings: IngestSettings) -> None:
        """Take the truth and the limits."""
        self._database = database
        self._settings = settings

    async def failed(
        self,
        part: ClaimedPart,
        error: CitewellError,
        stage: Stage = Stage.PARSE,
        warnings: Sequence[JobWarning] = (),
    ) -> None:
        """Try again later, or end the job: by what kind of death it was.

        `warnings` are what was told of the file before: they may say why.
        """
        if isinstance(error, DatabaseUnavailable):
            await self._release(part, delay_s=back_off_s(0))
        elif isinstance(error, Unavailable):
            await self._wait(part, error)
        elif is_final(error) and not isinstance(error, ParserCrashed | ParseTimedOut):
            await self._fail(part, error, stage, warnings)
        else:
            await self._count(part, error, stage)

    async def _count(self, part: ClaimedPart, error: CitewellError, stage: Stage) -> None:
        """Give the part back once more, or end its job when it has failed too often."""
        log.warning("part_failed", code=error.code, detail=error.detail)
        timed_out = isinstance(error, ParseTimedOut)
        failures = await self._release(
            part, delay_s=back_off_s(0), crashes=int(not timed_out), timeouts=int(timed_out)
        )
        if failures is not None and self._too_often(failures):
            await self._fail(part, error, stage)

    def _too_often(self, failures: Failures) -> bool:
        return failures.crashes >= self._settings.max_crashes or failures.timeouts >= MAX_TIMEOUTS

    async def _wait(self, part: ClaimedPart, error: CitewellError) -> None:
        async with self._database.worker() as connection:
            await Jobs(connection).wait([part.job_id], waiting_after(error))
        await self._release(part, delay_s=pause_s(error, attempts=part.parts_total))

    async def _fail(
        self,
        part: ClaimedPart,
        error: CitewellError,
        stage: Stage,
        warnings: Sequence[JobWarning] = (),
    ) -> None:
        told = json.dumps([warning.model_dump() for warning in warnings]) if warnings else None
        async with self._database.worker() as connection:
            await Jobs(connection).fail(part.job_id, problem_of(error, stage), warnings=told)

    async def _release(
        self, part: ClaimedPart, *, delay_s: float, crashes: int = 0, timeouts: int = 0
    ) -> Failures | None:
        async with self._database.worker() as connection:
            if crashes or timeouts:
                await Jobs(connection).count_attempt(part.job_id)
            return await Parts(connection).release(
                part, delay_s=delay_s, crashes=crashes, timeouts=timeouts
            )
